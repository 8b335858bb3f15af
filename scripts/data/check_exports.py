#!/usr/bin/env python3
"""Reads the training files that the program writes with the programs they are written for.

    check_exports.py [FOLDER] [--trl MODEL]

FOLDER defaults to crates/data/tests/golden/preferences. Needs pyarrow; with --trl also datasets, trl and torch, and a
folder with a small model and a tokenizer that has a chat template. What is checked:

- pyarrow: Parquet files hold the rows of their JSON Lines twins, conversations as list<struct<role, content>>;
- datasets: both load, with the same rows;
- trl: `maybe_apply_chat_template` takes the rows; DPOTrainer, RewardTrainer and SFTTrainer tokenise them, and one step
  is taken.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path


def rows_of(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def check_parquet(folder: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    talk = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file)
        expected = rows_of(file.with_suffix(".jsonl"))
        if table.to_pylist() != expected:
            sys.exit(f"{file.name}: other rows than {file.with_suffix('.jsonl').name}")
        for field in table.schema:
            nested = pa.types.is_list(field.type)
            names = [f.name for f in field.type.value_type] if nested else []
            if nested and names != [f.name for f in talk.value_type]:
                sys.exit(f"{file.name}: column {field.name} is {field.type}")
        print(f"pyarrow {pa.__version__}: {file.name}: {table.num_rows} rows")


def check_datasets(folder: Path):
    import datasets

    with tempfile.TemporaryDirectory() as cache:
        for file in sorted(folder.glob("*.jsonl")):
            kinds = [("json", file), ("parquet", file.with_suffix(".parquet"))]
            loaded = [
                datasets.load_dataset(kind, data_files=str(path), split="train", cache_dir=cache)
                for kind, path in kinds
            ]
            if loaded[0].to_list() != loaded[1].to_list():
                sys.exit(f"{file.stem}: datasets reads other rows from Parquet than from JSON Lines")
            print(f"datasets {datasets.__version__}: {file.stem}: {loaded[0].column_names}")


def check_trl(folder: Path, model: str):
    import datasets
    import torch
    import trl
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token

    def load(name):
        kind = "parquet" if name.endswith(".parquet") else "json"
        return datasets.load_dataset(kind, data_files=str(folder / name), split="train", cache_dir=cache)

    with tempfile.TemporaryDirectory() as cache:
        for file in sorted(folder.glob("*.conversational.*")):
            row = load(file.name)[0]
            made = trl.maybe_apply_chat_template(row, tokenizer) if hasattr(trl, "maybe_apply_chat_template") else None
            if made is None:
                from trl.data_utils import maybe_apply_chat_template

                made = maybe_apply_chat_template(row, tokenizer)
            print(f"trl {trl.__version__}: {file.name}: template makes {sorted(made)}")

        common = {
            "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "max_steps": 1, "report_to": "none",
            "per_device_train_batch_size": 2, "save_strategy": "no", "logging_strategy": "no",
        }
        for ending in ("jsonl", "parquet"):
            for form in ("standard", "conversational"):
                for kind, formats in {
                    "DPO": ["trl-explicit", "trl-implicit", "openrlhf"],
                    "Reward": ["trl-explicit", "trl-implicit"],
                    "SFT": ["trl-prompt-completion", "trl-language-modelling"],
                }.items():
                    for format in formats:
                        config, trainer = getattr(trl, f"{kind}Config"), getattr(trl, f"{kind}Trainer")
                        if kind == "Reward":
                            net = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
                            net.config.pad_token_id = tokenizer.pad_token_id
                        else:
                            net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
                        with tempfile.TemporaryDirectory() as out:
                            data = load(f"pairs.{format}.{form}.{ending}")
                            fit = trainer(
                                net, args=config(output_dir=out, max_length=None, **common),
                                train_dataset=data, processing_class=tokenizer,
                            )
                            prepared = fit.train_dataset.column_names
                            loss = fit.train().training_loss
                        print(f"trl {trl.__version__}: {kind}: {format} {form} {ending}: {prepared}, loss {loss:.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parents[2] / "crates/data/tests/golden/preferences"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--trl", metavar="MODEL", help="folder of a small model with a chat template")
    args = parser.parse_args()
    check_parquet(args.folder)
    if args.trl:
        os.environ["HF_HUB_OFFLINE"] = "1"
        check_datasets(args.folder)
        check_trl(args.folder, args.trl)


if __name__ == "__main__":
    main()
