"""Trains policies by DPO and reward models here and with TRL, in turns, and prints ratios.

    preference.py TRAIN_PREFERENCE [--rounds N] [--models tiny,B] [--kinds dpo,reward] [--threads 1]

called by preference.sh. Models are Llamas with random weights, saved by transformers; pairs are random tokens, prompt and
replies of one length each, so that TRL pads nothing. Both sides take the same batches in the same order by AdamW (1e-3, no
decay, gradients clipped to norm 1), in single precision on one thread: DPO with the sigmoid loss, beta 0.1, log-probabilities of
the reference computed once before the first step; the reward model with the Bradley–Terry loss.

TRL is as its users run it, DPOTrainer.train and RewardTrainer.train with tokenised data, but for what would slow it down or
change its numbers: no gradient checkpointing, no bf16, no logging, no saving. What a step costs there is therefore the
Trainer's own work too, which is most of it with the tiny model.

Every side is a process that takes a number of steps at a time; sides take turns within a round, so that
what else the machine does falls on all of them. Processor time and memory come from /proc. Ratios are ours to
TRL's in the same round, above 1 better: median and range over rounds. Memory is the most that was resident (VmHWM),
whole processes; beside it what was gained on top of what the process held before its first step.

Losses of both sides must agree to 1e-4, over as many steps as both have taken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Last, for `transformers.py` beside this file must not stand before the library of that name.
sys.path.append(str(Path(__file__).parent))
from sides import Side  # noqa: E402

TOLERANCE = 1e-4
N_BATCHES = 4
# Our steps for one of TRL's in a turn: the processor's clock ticks a hundred times a second.
OURS = {"tiny": 20, "B": 1}
RATE = 1e-3
CLIP_NORM = 1.0
BETA = 0.1


@dataclass
class Model:
    """A Llama, and the pairs that it is trained on."""

    layers: int
    width: int
    heads: int
    mlp: int
    vocab: int
    len: int
    given: int
    pairs: int
    steps: int  # a turn


MODELS = {
    # The shape of shared/models/tiny-random-llama.
    "tiny": Model(layers=2, width=16, heads=2, mlp=32, vocab=31, len=12, given=5, pairs=4, steps=60),
    "B": Model(layers=4, width=128, heads=4, mlp=512, vocab=1024, len=64, given=24, pairs=16, steps=6),
}


def make(name, folder):
    """Checkpoints and tokens of a model, as files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    m = MODELS[name]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=m.vocab,
        hidden_size=m.width,
        intermediate_size=m.mlp,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        num_key_value_heads=m.heads,
        max_position_embeddings=max(64, m.len),
        initializer_range=0.08,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "dpo")
    config.num_labels = 1
    LlamaForSequenceClassification(config).save_pretrained(folder / "reward")
    random = np.random.default_rng(0)
    tokens = random.integers(3, m.vocab, (N_BATCHES * m.pairs, 2, m.len), np.uint32)
    tokens[:, 1, : m.given] = tokens[:, 0, : m.given]
    tokens.tofile(folder / "tokens.u32")


def trl_side(kind, name, folder, threads):
    """The other side's process: as crates/nn/examples/train_preference.rs."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, models
    from transformers import (
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
        PreTrainedTokenizerFast,
        TrainerCallback,
    )
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    torch.set_num_threads(threads)
    m = MODELS[name]
    folder = Path(folder)
    # Only its special tokens are asked for.
    words = {"<pad>": 0, "<s>": 1, "</s>": 2} | {f"w{i}": i for i in range(3, m.vocab)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<pad>")),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
    )
    pairs = np.fromfile(folder / "tokens.u32", "<u4").astype(int).reshape(-1, 2, m.len)
    losses, left = [], None

    class Turns(TrainerCallback):
        """Before a step, waits until one is asked for; the answer to the steps before comes first."""

        def on_step_begin(self, args, state, control, **rest):
            nonlocal left
            while not left:
                if left is not None:
                    print(json.dumps(losses), file=answers, flush=True)
                    losses.clear()
                line = sys.stdin.readline()
                if not line:
                    os._exit(0)
                left = int(line)

        def on_step_end(self, args, state, control, **rest):
            nonlocal left
            left -= 1

    class InTurns:
        """Batches in the order of the file; tokens as they are; losses written down."""

        def _prepare_dataset(self, dataset, *rest):
            return dataset

        def _get_train_sampler(self, *rest):
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def compute_loss(self, *args, **rest):
            found = super().compute_loss(*args, **rest)
            losses.append((found[0] if isinstance(found, tuple) else found).item())
            return found

    class Dpo(InTurns, DPOTrainer):
        pass

    class Reward(InTurns, RewardTrainer):
        pass

    common = dict(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=m.pairs,
        max_steps=1_000_000,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        max_grad_norm=CLIP_NORM,
        weight_decay=0.0,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        max_length=None,
    )
    # What the trainers print is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    if kind == "dpo":
        data = Dataset.from_dict(
            {
                "prompt_ids": pairs[:, 0, : m.given].tolist(),
                "chosen_ids": pairs[:, 0, m.given :].tolist(),
                "rejected_ids": pairs[:, 1, m.given :].tolist(),
            }
        )
        model = AutoModelForCausalLM.from_pretrained(folder / "dpo", dtype=torch.float32)
        arguments = DPOConfig(beta=BETA, precompute_ref_log_probs=True, **common)
        trainer = Dpo(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
    else:
        data = Dataset.from_dict({"chosen_ids": pairs[:, 0].tolist(), "rejected_ids": pairs[:, 1].tolist()})
        model = AutoModelForSequenceClassification.from_pretrained(folder / "reward", dtype=torch.float32)
        arguments = RewardConfig(**common)
        trainer = Reward(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)

    trainer.add_callback(Turns())
    trainer.train()


def compare(kind, name, threads, arguments):
    """Prints one model's rows."""
    m = MODELS[name]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make(name, folder)
        one = {key: str(threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        shape = [m.pairs, m.len, m.given, threads]
        sides = {
            "trl": Side([sys.executable, "-P", __file__, "--trl-side", kind, name, folder, threads], one, subprocess.DEVNULL),
            "ours": Side([arguments.train, kind, folder / kind, folder / "tokens.u32", *shape]),
        }
        took = {side: [] for side in sides}
        for side in sides.values():
            side.run(2)
        for _ in range(arguments.rounds):
            for side, process in sides.items():
                # Ours is done before the clock ticks: it takes the same steps, and more of them.
                n = m.steps * (OURS[name] if side == "ours" else 1)
                cpu, wall = process.run(n)
                took[side].append((cpu / n, wall / n))
        tokens = 2 * m.pairs * m.len
        peaks = {side: process.peak_mb() for side, process in sides.items()}
        gains = {side: peaks[side] - process.idle_mb for side, process in sides.items()}
        for side, process in sides.items():
            cpu, wall = (statistics.median(x) for x in zip(*took[side]))
            line = (
                f"{kind:<6} {name:<4} {threads} thr  {side:<4} {tokens / cpu:8.0f} tok/CPU-s {tokens / wall:8.0f} tok/s"
                f" {peaks[side]:6.0f} MB (+{gains[side]:.1f})"
            )
            if side == "ours":
                for i, what in enumerate(["CPU", "wall"]):
                    ratios = [theirs[i] / mine[i] for theirs, mine in zip(took["trl"], took[side])]
                    line += f"  {what} x{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
                line += f"  memory x{peaks['ours'] / peaks['trl']:.3f} (gained x{gains['ours'] / gains['trl']:.2f})"
                both = list(zip(process.losses, sides["trl"].losses))
                apart = max(abs(a - b) for a, b in both)
                line += f"  loss apart {apart:.1e} over {len(both)} steps"
            print(line, flush=True)
        for side in sides.values():
            side.close()
        if not apart < TOLERANCE:
            sys.exit(f"ours and TRL do not agree: {both}")


def main():
    if sys.argv[1] == "--trl-side":
        kind, name, folder, threads = sys.argv[2:]
        trl_side(kind, name, folder, int(threads))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="tiny,B")
    parser.add_argument("--kinds", default="dpo,reward")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    from importlib.metadata import version

    load = os.getloadavg()[0]
    print(
        f"TRL {version('trl')}, PyTorch {version('torch')}, transformers {version('transformers')};"
        f" {arguments.rounds} rounds in turns; load {load:.1f} on {os.cpu_count()} cores"
    )
    for kind in arguments.kinds.split(","):
        for name in arguments.models.split(","):
            compare(kind, name, arguments.threads, arguments)


if __name__ == "__main__":
    main()
