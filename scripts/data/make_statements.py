"""Statements of principles with the features of a sentence encoder, for `kind = "principles"` supervisors.

    python scripts/data/make_statements.py MODEL_DIR STATEMENTS.toml OUT.jsonl

`STATEMENTS.toml` has one table a principle, and in it a statement for every answer:

    [worth]
    positive = "The film is worth your time and money."
    negative = "The film is a waste of time and money."

A row of the output: {"principle", "answer", "statement", "features"}. Features are the mean of the last hidden states over all
tokens, scaled to length 1, as those of the built-in sets; four significant digits.
Needs torch and transformers.
"""

import json
import sys
import tomllib

import torch
from transformers import AutoModel, AutoTokenizer


def main(model_dir: str, statements: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModel.from_pretrained(model_dir).eval()
    with open(statements, "rb") as file:
        principles = tomllib.load(file)
    with open(out, "w", encoding="utf-8") as file:
        for principle, by_answer in principles.items():
            for answer, statement in by_answer.items():
                with torch.no_grad():
                    tokens = tokenizer(statement, return_tensors="pt", truncation=True)
                    mean = model(**tokens).last_hidden_state[0].mean(0)
                features = torch.nn.functional.normalize(mean, dim=0).tolist()
                row = {
                    "principle": principle,
                    "answer": answer,
                    "statement": statement,
                    "features": [float(f"{value:.4g}") for value in features],
                }
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
