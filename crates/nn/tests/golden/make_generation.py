"""Makes generation.json: what transformers writes with the checkpoints beside this file, and how it scores texts.

    pip install -r requirements.txt         (as for make_checkpoints.py)
    python make_generation.py               (writes beside itself; seconds on one core, no network)

In f32, eager attention, one thread, with a KV cache. Log-probabilities are natural logarithms.

| key | what |
|---|---|
| `made_with` | versions |
| `processors` | a row of logits, ids that the row has, and cases: settings, and the logits after them; null where cut off |
| `models.NAME.greedy` | two prompts padded on the left as one batch, and the ids that follow each |
| `models.NAME.penalised` | each prompt alone, greedy, with `repetition_penalty` |
| | ids end where the lead, in processed logits, of the best id over the next is below 1e-3: a near tie |
| `models.NAME.scores` | prompt, continuation, and the log-probability of each of the continuation's tokens |

`mistral_window` is the checkpoint `mistral` with `sliding_window` = 4 in its configuration.
"""

import json
from pathlib import Path

import torch
import transformers
from make_checkpoints import LM, PROMPTS, load, made_with, padded
from transformers import LogitsProcessorList
from transformers.generation import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

HERE = Path(__file__).parent
MODELS = ["gpt2", "gpt_neox", "gpt_neox_sequential", "llama", "llama_tied_bf16", "mistral", "qwen2", "qwen3"]
N_NEW = 16
PENALTY = 1.3
WINDOW = 4
SCORED = [
    ([1, 73, 45, 72, 29], [13, 34, 2]),
    ([1, 73, 45, 72, 29], [90]),
    ([80, 73, 78], [76, 5, 5, 60, 41, 2]),
    ([66], [3, 29, 95, 8]),
]
SETTINGS = [
    {"repetition_penalty": 1.3},
    {"temperature": 0.7},
    {"top_k": 5},
    {"top_p": 0.8},
    {"top_p": 0.05},
    {"repetition_penalty": 0.8, "temperature": 1.7, "top_k": 12, "top_p": 0.9},
    {"repetition_penalty": 2.5, "temperature": 0.4, "top_k": 3, "top_p": 0.6},
]


def nine(value):
    return float(f"{value:.9g}")


def processor(name, value):
    kinds = {
        "repetition_penalty": RepetitionPenaltyLogitsProcessor,
        "temperature": TemperatureLogitsWarper,
        "top_k": TopKLogitsWarper,
        "top_p": TopPLogitsWarper,
    }
    return kinds[name](value)


def processors():
    generator = torch.Generator().manual_seed(12)
    logits = 3 * torch.randn(1, 40, generator=generator)
    # Ties, also among the largest.
    logits[0, 30:34] = logits[0, 3]
    seen = torch.tensor([[7, 3, 7, 21, 39, 0]])
    cases = []
    for settings in SETTINGS:
        steps = LogitsProcessorList([processor(*setting) for setting in settings.items()])
        after = steps(seen, logits.clone())[0].tolist()
        cases.append({**settings, "after": [None if z == -float("inf") else nine(z) for z in after]})
    return {"logits": [nine(z) for z in logits[0].tolist()], "seen": seen[0].tolist(), "cases": cases}


def greedy(model, inputs, **settings):
    """The ids that follow, up to a near tie."""
    with torch.no_grad():
        out = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=N_NEW,
            min_new_tokens=N_NEW,
            eos_token_id=None,
            return_dict_in_generate=True,
            output_scores=True,
            **settings,
        )
    width = inputs["input_ids"].shape[1]
    found = []
    for row, ids in enumerate(out.sequences[:, width:].tolist()):
        best = [score[row].topk(2).values.tolist() for score in out.scores]
        n_clear = next((n for n, (first, second) in enumerate(best) if first - second < 1e-3), N_NEW)
        if n_clear < N_NEW // 2:
            raise SystemExit(f"a near tie after {n_clear} ids")
        found.append(ids[:n_clear])
    return found


def score(model, prompt, continuation):
    row = prompt + continuation
    with torch.no_grad():
        logits = model(torch.tensor([row]), use_cache=False).logits[0]
    log_probs = logits.log_softmax(-1)
    found = [log_probs[len(prompt) - 1 + i, token].item() for i, token in enumerate(continuation)]
    return {"prompt": prompt, "continuation": continuation, "log_probs": [nine(x) for x in found]}


def cases(model):
    model.generation_config.eos_token_id = None
    batch = greedy(model, padded(PROMPTS, "left"))
    alone = [greedy(model, padded([prompt], "left"), repetition_penalty=PENALTY)[0] for prompt in PROMPTS]
    return {
        "greedy": batch,
        "penalised": alone,
        "scores": [score(model, *pair) for pair in SCORED],
    }


def models():
    found = {name: cases(load(HERE / name, LM)) for name in MODELS}
    config = transformers.AutoConfig.from_pretrained(HERE / "mistral", sliding_window=WINDOW)
    windowed = LM.from_pretrained(HERE / "mistral", config=config, dtype=torch.float32, attn_implementation="eager")
    found["mistral_window"] = {"sliding_window": WINDOW, **cases(windowed.eval())}
    if found["mistral_window"]["greedy"] == found["mistral"]["greedy"]:
        raise SystemExit("the window changes nothing")
    return found


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    made = {
        "made_with": made_with(),
        "prompts": PROMPTS,
        "n_new": N_NEW,
        "repetition_penalty": PENALTY,
        "processors": processors(),
        "models": models(),
    }
    lines = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in made.items())
    (HERE / "generation.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
