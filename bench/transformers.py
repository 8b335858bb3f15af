"""Trains the same transformers here and in PyTorch, in turns, and prints ratios.

    transformers.py TRAIN_LANGUAGE_MODEL [--rounds N] [--models A,B] [--threads 1,2] [--plain]
                    [--device vulkan [--precision float16]]

called by transformers.sh. Models are GPT-2s with random weights, which go from PyTorch to us as a checkpoint
in Hugging Face's layout; tokens are random too. Both sides minimise the cross-entropy of the next token, head tied, by
AdamW (1e-3, decay 0.01 on matrices), in single precision. PyTorch: scaled_dot_product_attention and the fused AdamW.

Every side is a process that takes a number of steps at a time; sides take turns within a round, so that
what else the machine does falls on all of them. Processor time and memory come from /proc. Ratios are ours to
PyTorch's in the same round, above 1 better: median and range over rounds. On a machine that others use,
only tokens a CPU-second mean something; wall time then says how both cope with company.

Memory is the most that was resident (VmHWM), whole processes; beside it, what was gained on top of what the process held
before its first step, since importing PyTorch alone takes some 800 MB (libtorch without Python and CUDA: 765 MB on A,
265 MB on B, measured through tch 0.26).

With --device, both sides train on a graphics card: PyTorch through CUDA, we through what is named, plain operations
only. Wall time is what counts there. With --precision both compute products in 16 bits: PyTorch by autocast, with its gradient
scaler for float16.

Losses of all sides must agree to 1e-4 (1e-3 on a graphics card, .1 in 16 bits). Generation has a bench of its own: generation.py.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from sides import Side

TOLERANCE = 1e-4
N_BATCHES = 4


@dataclass
class Model:
    """A GPT-2, and what it is trained on."""

    layers: int
    width: int
    heads: int
    vocab: int
    len: int
    batch: int
    steps: int  # a turn


MODELS = {
    "A": Model(layers=6, width=256, heads=8, vocab=8192, len=128, batch=16, steps=3),
    "B": Model(layers=4, width=128, heads=4, vocab=1024, len=64, batch=32, steps=12),
    # For graphics cards: GPT-2's own size.
    "C": Model(layers=12, width=768, heads=12, vocab=50257, len=512, batch=8, steps=6),
}

class Gpt2(torch.nn.Module):
    """Parameters are called as in Hugging Face's checkpoints."""

    def __init__(self, m):
        super().__init__()
        self.m = m
        d = m.width
        shapes = {"wte.weight": (m.vocab, d), "wpe.weight": (m.len, d)}
        for i in range(m.layers):
            for name, shape in {
                "ln_1.weight": (d,),
                "ln_1.bias": (d,),
                "attn.c_attn.weight": (d, 3 * d),
                "attn.c_attn.bias": (3 * d,),
                "attn.c_proj.weight": (d, d),
                "attn.c_proj.bias": (d,),
                "ln_2.weight": (d,),
                "ln_2.bias": (d,),
                "mlp.c_fc.weight": (d, 4 * d),
                "mlp.c_fc.bias": (4 * d,),
                "mlp.c_proj.weight": (4 * d, d),
                "mlp.c_proj.bias": (d,),
            }.items():
                shapes[f"h.{i}.{name}"] = shape
        shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
        random = torch.Generator().manual_seed(0)
        self.p = {}
        for name, shape in shapes.items():
            start = torch.ones(shape) if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else 0
            value = start + 0.02 * torch.randn(shape, generator=random)
            self.p[name] = torch.nn.Parameter(value)
            self.register_parameter(name.replace(".", "_"), self.p[name])

    def forward(self, ids):
        m, p = self.m, self.p
        n, length = ids.shape
        h = p["wte.weight"][ids] + p["wpe.weight"][:length]

        def norm(name, x):
            return F.layer_norm(x, (m.width,), p[name + ".weight"], p[name + ".bias"], 1e-5)

        def linear(name, x):
            flat = torch.addmm(p[name + ".bias"], x.reshape(-1, x.shape[-1]), p[name + ".weight"])
            return flat.view(n, length, -1)

        for i in range(m.layers):
            here = f"h.{i}"
            qkv = linear(here + ".attn.c_attn", norm(here + ".ln_1", h))
            q, k, v = (x.view(n, length, m.heads, -1).transpose(1, 2) for x in qkv.split(m.width, 2))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            h = h + linear(here + ".attn.c_proj", mixed.transpose(1, 2).reshape(n, length, m.width))
            inner = F.gelu(linear(here + ".mlp.c_fc", norm(here + ".ln_2", h)), approximate="tanh")
            h = h + linear(here + ".mlp.c_proj", inner)
        return F.linear(norm("ln_f", h), p["wte.weight"])


def make(name, folder):
    """Checkpoint and tokens of a model, as files."""
    m = MODELS[name]
    model = Gpt2(m)
    save_file({f"transformer.{key}": value.detach() for key, value in model.p.items()}, folder / "model.safetensors")
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": m.vocab,
        "n_embd": m.width,
        "n_head": m.heads,
        "n_layer": m.layers,
        "n_positions": m.len,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokens = np.random.default_rng(0).integers(0, m.vocab, N_BATCHES * m.batch * m.len, np.uint32)
    tokens.tofile(folder / "tokens.u32")


def torch_side(name, tokens, threads, device, precision):
    """The other side's process: as crates/nn/examples/train_language_model.rs."""
    torch.set_num_threads(threads)
    m = MODELS[name]
    model = Gpt2(m)
    if device != "cpu":
        torch.backends.cuda.matmul.allow_tf32 = False
        model.p = {key: torch.nn.Parameter(value.detach().to(device)) for key, value in model.p.items()}
        for key, value in model.p.items():
            model.register_parameter(key.replace(".", "_"), value)
    batches = torch.from_numpy(np.fromfile(tokens, "<u4").astype(np.int64)).view(N_BATCHES, m.batch, m.len).to(device)
    groups = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.01},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=True)
    autocast = contextlib.nullcontext()
    if precision != "float32":
        autocast = torch.autocast(device, getattr(torch, precision))
    scaler = torch.amp.GradScaler(device, enabled=precision == "float16")
    step = 0
    for line in sys.stdin:
        losses = []
        for _ in range(int(line)):
            ids = batches[step % N_BATCHES]
            with autocast:
                logits = model(ids)[:, :-1]
                loss = F.cross_entropy(logits.reshape(-1, m.vocab), ids[:, 1:].reshape(-1))
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
            step += 1
        print(json.dumps(losses), flush=True)


def compare(name, threads, arguments):
    """Prints one model's rows."""
    m = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make(name, folder)
        ours = [arguments.train, folder, folder / "tokens.u32", m.batch, m.len]
        theirs = "cpu" if arguments.device == "cpu" else "cuda"
        one = {key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        sides = {"torch": Side([sys.executable, __file__, "--torch-side", name, folder / "tokens.u32", threads, theirs, arguments.precision], one)}
        if arguments.device == "cpu":
            sides["fused"] = Side([*ours, "fused", threads])
        if arguments.plain or arguments.device != "cpu":
            sides["plain"] = Side([*ours, "plain", threads, arguments.device, arguments.precision])
        tolerance = TOLERANCE if arguments.device == "cpu" else 10 * TOLERANCE
        if arguments.precision != "float32":
            tolerance = 0.1
        took = {side: [] for side in sides}
        for side in sides.values():
            side.run(1)
        for _ in range(arguments.rounds):
            for side, process in sides.items():
                took[side].append(process.run(m.steps))
        tokens = m.steps * m.batch * m.len
        for side, process in sides.items():
            cpu, wall = (statistics.median(x) for x in zip(*took[side]))
            apart = max(abs(a - b) for a, b in zip(process.losses, sides["torch"].losses))
            line = (
                f"{name}  {threads} thr  {side:<6}{tokens / cpu:8.0f} tok/CPU-s {tokens / wall:8.0f} tok/s"
                f"{process.peak_mb():7.0f} MB (+{process.peak_mb() - process.idle_mb:4.0f})"
            )
            if side != "torch":
                for i, what in enumerate(["CPU", "wall"]):
                    ratios = [torchs[i] / mine[i] for torchs, mine in zip(took["torch"], took[side])]
                    line += f"  {what} x{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
                line += f"  loss apart {apart:.1e}"
            print(line, flush=True)
            if not apart < tolerance:
                sys.exit(f"{side} and torch do not agree: {process.losses} {sides['torch'].losses}")
        for side in sides.values():
            side.close()


def main():
    if sys.argv[1] == "--torch-side":
        torch_side(sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="A,B")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--plain", action="store_true", help="the composition of burn's operations too")
    parser.add_argument("--device", default="cpu", help="what we train on: cpu, vulkan, cuda, metal, wgpu")
    parser.add_argument("--precision", default="float32", choices=["float32", "float16", "bfloat16"], help="of products, on a graphics card")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"PyTorch {torch.__version__}; {arguments.rounds} rounds in turns; load {load:.1f} on {os.cpu_count()} cores")
    for name in arguments.models.split(","):
        for threads in map(int, arguments.threads.split(",")):
            compare(name, threads, arguments)


if __name__ == "__main__":
    main()
