"""Verifies with transformers a checkpoint that something else saved.

    python check_saved.py FOLDER IDS_JSON LOGITS_JSON

FOLDER: `config.json` and safetensors; `architectures` in the configuration picks the class.
IDS_JSON: rows of token ids, all of one length, or an object with `input_ids` and, where wanted, `attention_mask`,
`position_ids`, `token_type_ids`.
LOGITS_JSON: numbers, nested or flat in row-major order, or an object with them as `logits` or `last_hidden_state`
(without a head: the last hidden states). An `expected.json` of make_checkpoints.py serves as either.
Positions where the mask is 0 are left out.

Prints the largest absolute difference. Leaves with 1 if it is over 1e-4, if a number is missing or not finite, or if a
parameter is missing from FOLDER, left over, or of another shape; with 2 if it was called wrongly.
"""

import json
import sys

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.utils.logging import disable_progress_bar

TOLERANCE = 1e-4
INPUTS = ("input_ids", "attention_mask", "position_ids", "token_type_ids")
OUTPUTS = ("logits", "last_hidden_state")


def fail(message, code=1):
    print(message, file=sys.stderr)
    raise SystemExit(code)


def read(path):
    with open(path) as file:
        return json.load(file)


def load(folder):
    architecture = (AutoConfig.from_pretrained(folder).architectures or [""])[0]
    if architecture.endswith("ForSequenceClassification"):
        auto = AutoModelForSequenceClassification
    elif architecture.endswith(("ForCausalLM", "LMHeadModel")):
        auto = AutoModelForCausalLM
    else:
        auto = AutoModel
    model, loading = auto.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        local_files_only=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    for kind, names in loading.items():
        if names:
            fail(f"{kind}: {names}")
    return model.eval()


def main():
    if len(sys.argv) != 4:
        fail("usage: check_saved.py FOLDER IDS_JSON LOGITS_JSON", 2)
    _, folder, ids, numbers = sys.argv

    given = read(ids)
    given = given if isinstance(given, dict) else {"input_ids": given}
    inputs = {name: torch.tensor(given[name]) for name in INPUTS if name in given}
    inputs.setdefault("attention_mask", torch.ones_like(inputs["input_ids"]))

    numbers = read(numbers)
    if isinstance(numbers, dict):
        numbers = next(numbers[name] for name in OUTPUTS if name in numbers)
    numbers = torch.tensor(numbers, dtype=torch.float64)

    torch.set_num_threads(1)
    disable_progress_bar()
    with torch.no_grad():
        output = load(folder)(**inputs)
    computed = output.logits if "logits" in output else output.last_hidden_state
    if numbers.numel() != computed.numel():
        fail(f"{numbers.numel()} numbers, but {list(computed.shape)} were computed")

    difference = (computed.double() - numbers.reshape(computed.shape)).abs()
    if difference.ndim == 3:
        difference = difference[inputs["attention_mask"] == 1]
    worst = difference.max().item() if difference.isfinite().all() else float("inf")
    print(f"largest absolute difference: {worst:.3g}")
    raise SystemExit(0 if worst <= TOLERANCE else 1)


if __name__ == "__main__":
    main()
