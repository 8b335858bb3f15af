"""Times greedy generation here and in PyTorch, on the same weights and prompts, in alternating rounds.

    generation.py GENERATION ROUNDS          called by generation.sh

The model is a random GPT-2 of 6 layers, width 256, 8 heads, 8192 tokens. Timed is processor time on one thread, of
reading the prompts and writing; not of loading. On the PyTorch side three loops are tried and the fastest counts:
`generate` of transformers, its model in a plain loop with its cache, and a hand-written forward pass of torch functions
with keys and values in preallocated buffers. On our side tokens are also decoded into text, and their log-probabilities computed.
Checked is that the first 16 tokens of every row are the same.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

VOCAB, WIDTH, LAYERS, HEADS, CONTEXT = 8192, 256, 6, 8, 512
PROMPT = 16
WORKLOADS = [(1, 128), (32, 32)]
N_CHECKED = 16


def make(folder):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCAB, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_positions=CONTEXT,
        initializer_range=0.08, bos_token_id=None, eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    vocab = {f"w{i}": i for i in range(VOCAB)}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "w0"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return model


def by_generate(model, prompts, n_new):
    mask = torch.ones_like(prompts)
    out = model.generate(
        prompts, attention_mask=mask, do_sample=False, max_new_tokens=n_new, min_new_tokens=n_new, pad_token_id=0
    )
    return out[:, prompts.shape[1] :]


def by_cache(model, prompts, n_new):
    ids, past, found = prompts, None, []
    for _ in range(n_new):
        out = model(ids, past_key_values=past, use_cache=True, logits_to_keep=1)
        past = out.past_key_values
        ids = out.logits[:, -1].argmax(-1, keepdim=True)
        found.append(ids)
    return torch.cat(found, 1)


class ByHand:
    """GPT-2 in torch functions, nothing else."""

    def __init__(self, model):
        w = model.state_dict()
        self.tokens, self.positions = w["transformer.wte.weight"], w["transformer.wpe.weight"]
        self.norm = (w["transformer.ln_f.weight"], w["transformer.ln_f.bias"])
        self.blocks = []
        for i in range(LAYERS):
            def get(name, i=i):
                return w[f"transformer.h.{i}.{name}.weight"], w[f"transformer.h.{i}.{name}.bias"]
            maps = [(get(n)[0].T.contiguous(), get(n)[1]) for n in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")]
            self.blocks.append((get("ln_1"), get("ln_2"), *maps))

    def __call__(self, model, prompts, n_new):
        n, length = prompts.shape
        shape = (LAYERS, n, HEADS, length + n_new, WIDTH // HEADS)
        keys, values = torch.empty(shape), torch.empty(shape)
        ids, start, found = prompts, 0, []
        for _ in range(n_new):
            t = ids.shape[1]
            end = start + t
            h = self.tokens[ids] + self.positions[start:end]
            for i, (norm1, norm2, qkv, out, up, down) in enumerate(self.blocks):
                x = F.layer_norm(h, (WIDTH,), *norm1)
                q, k, v = F.linear(x, *qkv).view(n, t, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
                keys[i, :, :, start:end], values[i, :, :, start:end] = k, v
                mixed = F.scaled_dot_product_attention(q, keys[i, :, :, :end], values[i, :, :, :end], is_causal=t > 1)
                h = h + F.linear(mixed.transpose(1, 2).reshape(n, t, WIDTH), *out)
                x = F.layer_norm(h, (WIDTH,), *norm2)
                h = h + F.linear(F.gelu(F.linear(x, *up), approximate="tanh"), *down)
            last = F.layer_norm(h[:, -1], (WIDTH,), *self.norm)
            ids = F.linear(last, self.tokens).argmax(-1, keepdim=True)
            found.append(ids)
            start = end
        return torch.cat(found, 1)


class Ours:
    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, prompts, n_new, engine):
        task = {"prompts": prompts.tolist(), "n_new": n_new, "engine": engine}
        print(json.dumps(task), file=self.process.stdin, flush=True)
        said = json.loads(self.process.stdout.readline())
        return said["cpu_secs"], said["ids"]


def timed(loop, *arguments):
    start = time.process_time()
    with torch.inference_mode():
        ids = loop(*arguments)
    return time.process_time() - start, ids.tolist()


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    program, n_rounds = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}; one thread; {n_rounds} rounds\n")
    print("| rows | new tokens | PyTorch tok/cpu-s | which | here | ratio | burn alone | ratio |")
    print("|--:|--:|--:|---|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        model = make(Path(folder))
        ours = Ours(program, folder)
        loops = {"generate": by_generate, "cache": by_cache, "hand": ByHand(model)}
        for rows, n_new in WORKLOADS:
            prompts = torch.randint(0, VOCAB, (rows, PROMPT), generator=torch.Generator().manual_seed(rows))
            # Warm up, check, and find PyTorch's fastest loop.
            tried = {name: min(timed(loop, model, prompts, n_new) for _ in range(2)) for name, loop in loops.items()}
            best = min(tried, key=lambda name: tried[name][0])
            for engine in ("fast", "reference"):
                ids = ours(prompts, n_new, engine)[1]
                for name, (_, theirs) in tried.items():
                    same = all(a[:N_CHECKED] == b[:N_CHECKED] for a, b in zip(ids, theirs))
                    assert same, f"{rows} rows: {engine} and {name} write other tokens"
            secs = {"torch": [], "fast": [], "reference": []}
            for _ in range(n_rounds):
                secs["torch"].append(timed(loops[best], model, prompts, n_new)[0])
                for engine in ("fast", "reference"):
                    secs[engine].append(ours(prompts, n_new, engine)[0])
            rate = {side: rows * n_new / statistics.median(taken) for side, taken in secs.items()}
            ratio = {
                side: spread([theirs / own for theirs, own in zip(secs["torch"], secs[side])])
                for side in ("fast", "reference")
            }
            print(
                f"| {rows} | {n_new} | {rate['torch']:.0f} | {best} | {rate['fast']:.0f} | {ratio['fast']} "
                f"| {rate['reference']:.0f} | {ratio['reference']} |",
                flush=True,
            )
        ours.process.stdin.close()
        ours.process.wait()
    print(f"\nratios are ours over PyTorch's, median (range); the first {N_CHECKED} tokens of each row are the same")


if __name__ == "__main__":
    main()
