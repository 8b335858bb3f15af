"""Makes the tiny checkpoints beside this file and what transformers computes with them.

    pip install -r requirements.txt         (Python 3.11; versions are pinned there)
    python make_checkpoints.py OUT          (OUT: a folder; seconds on one core, no network)

One folder for each model: `config.json` and safetensors, as `save_pretrained` writes them, and `expected.json`.
Every parameter is drawn anew: matrices N(0, .2), biases N(0, .1), norm weights 1 + N(0, .1). None is
zero, one, or equal to another; so a parameter left out or put in another's place shows in the numbers (all but the
key biases of gpt2 and bert, which shift all scores of a query alike and so cancel in the softmax).
Computed from the saved files, in f32, eager attention, eval mode, one thread.

| key of expected.json | what |
|---|---|
| `made_with`, `architecture`, `note` | versions; the class that computed; what to leave out of a comparison |
| `input_ids`, `attention_mask` | three sequences of 9, 6 and 3 tokens, padded on the right with token 0 |
| `token_type_ids` | BERT only |
| `shape`, `logits` | flat, row-major, [3, 9, vocabulary]; classifiers: [3, 2] |
| `shape`, `last_hidden_state`, `pooler_output` | BERT, in place of `logits`: [3, 9, 32] and [3, 32] |
| `hidden_states` | `index` as transformers counts (0: embeddings, 1: after the first block), `shape`, `values` |
| `left_padded` | gpt2, gpt_neox, llama: the same sequences padded on the left, `position_ids` as generation has them |
| `greedy` | gpt2, llama: two prompts padded on the left, and `generated`, the 12 ids that follow each |
| `greedy.margin` | the least lead, in logits, of an id that was taken over the next best |

Floats have nine significant digits, which give every f32 back exactly.
"""

import json
import sys
from pathlib import Path

import numpy
import safetensors
import tokenizers
import torch
import transformers
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

PAD, BOS, EOS = 0, 1, 2
VOCAB = 96
SEQUENCES = [[1, 17, 42, 5, 88, 61, 30, 7, 95], [1, 73, 12, 12, 54, 9], [66, 3, 29]]
PROMPTS = [[1, 73, 45, 72, 29], [80, 73, 78]]
NEW_TOKENS = 12
MIDDLE = 1

LM, CLASSIFIER, ENCODER = AutoModelForCausalLM, AutoModelForSequenceClassification, AutoModel

SPECIAL = dict(vocab_size=VOCAB, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
COMMON = dict(
    **SPECIAL,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
)
GROUPED = dict(**COMMON, num_key_value_heads=2, tie_word_embeddings=False)
GPT2 = dict(**SPECIAL, n_embd=32, n_layer=2, n_head=4, n_positions=64)


def rope(theta, **more):
    return dict(rope_type="default", rope_theta=theta, **more)


def checkpoints():
    """Folder, seed, class, configuration, and what else: stored type, size of a shard, further cases."""
    # In gpt_neox two heads of 16, so that a quarter of a head has two frequencies: with one, neither
    # the base nor the order of the rotated halves would matter.
    neox = {**COMMON, "intermediate_size": 64, "tie_word_embeddings": False}
    return [
        ("gpt2", 1, LM, GPT2Config(**GPT2), dict(left=True, greedy=True)),
        ("gpt2_classify", 2, CLASSIFIER, GPT2Config(**GPT2, n_inner=48, num_labels=2), {}),
        (
            "gpt_neox",
            3,
            LM,
            GPTNeoXConfig(
                **{**neox, "num_attention_heads": 2},
                use_parallel_residual=True,
                rope_parameters=rope(10000.0, partial_rotary_factor=0.25),
            ),
            dict(left=True),
        ),
        (
            "gpt_neox_sequential",
            4,
            LM,
            GPTNeoXConfig(
                **neox, use_parallel_residual=False, rope_parameters=rope(10000.0, partial_rotary_factor=0.5)
            ),
            {},
        ),
        (
            "llama",
            5,
            LM,
            LlamaConfig(**GROUPED, rms_norm_eps=1e-5, rope_parameters=rope(10000.0)),
            dict(left=True, greedy=True),
        ),
        (
            "llama_classify",
            6,
            CLASSIFIER,
            LlamaConfig(**GROUPED, rms_norm_eps=1e-5, num_labels=2, rope_parameters=rope(10000.0)),
            {},
        ),
        (
            "llama_tied_bf16",
            7,
            LM,
            LlamaConfig(
                **{**GROUPED, "tie_word_embeddings": True}, rms_norm_eps=1e-5, rope_parameters=rope(500000.0)
            ),
            dict(stored=torch.bfloat16, shard="16KB"),
        ),
        (
            "mistral",
            8,
            LM,
            MistralConfig(**GROUPED, sliding_window=None, rms_norm_eps=1e-5, rope_parameters=rope(10000.0)),
            {},
        ),
        ("qwen2", 9, LM, Qwen2Config(**GROUPED, rope_parameters=rope(1000000.0)), {}),
        ("qwen3", 10, LM, Qwen3Config(**GROUPED, head_dim=16, rope_parameters=rope(1000000.0)), {}),
        (
            "bert",
            11,
            ENCODER,
            BertConfig(**{**COMMON, "intermediate_size": 64}, type_vocab_size=2, hidden_act="gelu"),
            {},
        ),
    ]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(1 + 0.1 * noise)


def save(folder, seed, auto, config, stored=torch.float32, shard="1GB"):
    model = auto.from_config(config)
    randomise(model, seed)
    model.to(stored).save_pretrained(folder, max_shard_size=shard)


def load(folder, auto):
    model, loading = auto.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    wrong = {kind: names for kind, names in loading.items() if names}
    if wrong:
        raise SystemExit(f"{folder}: {wrong}")
    return model.eval()


def padded(rows, side):
    """Ids and mask."""
    width = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        gap = width - len(row)
        left, right = (gap, 0) if side == "left" else (0, gap)
        ids.append([PAD] * left + row + [PAD] * right)
        mask.append([0] * left + [1] * len(row) + [0] * right)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def flat(values, mask=None):
    """Numbers to write; padded positions as 0."""
    values = values.detach().float()
    if not values.isfinite().all():
        raise SystemExit("a value is not finite")
    if mask is not None:
        values = values * mask[..., None]
    return [float(f"{value:.9g}") for value in values.flatten().tolist()]


def lists(inputs):
    return {name: value.tolist() for name, value in inputs.items()}


def right_padded_case(model, auto):
    inputs = padded(SEQUENCES, "right")
    mask = inputs["attention_mask"]
    if auto is ENCODER:
        inputs["token_type_ids"] = (torch.arange(mask.shape[1]) >= mask.sum(1, keepdim=True) // 2) * mask
    output = model(**inputs, output_hidden_states=True)
    case = lists(inputs)
    if auto is ENCODER:
        case["shape"] = list(output.last_hidden_state.shape)
        case["last_hidden_state"] = flat(output.last_hidden_state, mask)
        case["pooler_output"] = flat(output.pooler_output)
    else:
        case["shape"] = list(output.logits.shape)
        case["logits"] = flat(output.logits, mask if auto is LM else None)
    middle = output.hidden_states[MIDDLE]
    case["hidden_states"] = {"index": MIDDLE, "shape": list(middle.shape), "values": flat(middle, mask)}
    return case


def positions(mask):
    """As generation has them: counted over the tokens that are not padding; 0 where they are."""
    return (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)


def left_padded_case(model):
    inputs = padded(SEQUENCES, "left")
    inputs["position_ids"] = positions(inputs["attention_mask"])
    logits = model(**inputs).logits
    return {**lists(inputs), "shape": list(logits.shape), "logits": flat(logits, inputs["attention_mask"])}


def greedy_case(model):
    inputs = padded(PROMPTS, "left")
    width = inputs["input_ids"].shape[1]
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)[:, width:]
    if ids.shape[1] != NEW_TOKENS or (ids == EOS).any() or (ids == PAD).any():
        raise SystemExit(f"a generation ended early: {ids.tolist()}")
    margin = min(lead(model, prompt, row) for prompt, row in zip(PROMPTS, ids.tolist()))
    if margin < 1e-3:
        raise SystemExit(f"a near tie, {margin}: other arithmetic could take another id")
    return {**lists(inputs), "generated": ids.tolist(), "margin": float(f"{margin:.3g}")}


def lead(model, prompt, generated):
    """Generates again one id at a time, without padding or a cache; the least lead over the next best."""
    row, least = list(prompt), float("inf")
    for expected in generated:
        best = model(torch.tensor([row]), use_cache=False).logits[0, -1].topk(2)
        if best.indices[0] != expected:
            raise SystemExit("generation with padding and a cache takes another id than without")
        least = min(least, float(best.values[0] - best.values[1]))
        row.append(expected)
    return least


def made_with():
    modules = (torch, transformers, safetensors, tokenizers, numpy)
    return {module.__name__: module.__version__.split("+")[0] for module in modules}


def note(stored):
    text = "Positions where attention_mask is 0 mean nothing: values there are written as 0 and must not be compared."
    if stored is torch.bfloat16:
        text += " Weights are stored as bf16 and were made f32 before anything was computed."
    return text


def write(path, expected):
    """One line for each key."""
    lines = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in expected.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@torch.no_grad()
def make(folder, seed, auto, config, stored=torch.float32, shard="1GB", left=False, greedy=False):
    save(folder, seed, auto, config, stored, shard)
    model = load(folder, auto)
    expected = {"made_with": made_with(), "architecture": type(model).__name__, "note": note(stored)}
    expected |= right_padded_case(model, auto)
    if left:
        expected["left_padded"] = left_padded_case(model)
    if greedy:
        expected["greedy"] = greedy_case(model)
    write(folder / "expected.json", expected)
    print(f"{folder.name}: {sum(file.stat().st_size for file in folder.iterdir())} bytes")


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: make_checkpoints.py OUT")
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for name, seed, auto, config, more in checkpoints():
        make(Path(sys.argv[1]) / name, seed, auto, config, **more)


if __name__ == "__main__":
    main()
