#!/usr/bin/env python3
"""Makes the built-in rating sets `data/pandalm-votes`, `data/bbq-votes` and `data/gsm8k-ladder`: who said what of which item.

    make_ratings.py SHARED [--out DIR]    writes DIR (default: the repository's data/)
    make_ratings.py SHARED --check        recomputes everything and compares it with what is there

SHARED is the folder with `data/`. Python 3.11, no package. Rows are in the form that `trimtab` reads ratings in
(`crates/data/src/ratings.rs`): no text of any item is in them.

pandalm-votes: what three people, GPT-3.5 and PandaLM-7B said of each of 999 pairs of replies: first, second or tie. A reply of
GPT-3.5 in which no verdict was found (`garbage` in the source) is a rating of nothing.

bbq-votes: what workers chose among three answers, with the right one. Workers and items are numbered anew in every round, and
so are named with it. Three attention checks (`NA/NA`, 30 votes) are left out, two of which are empty.

gsm8k-ladder: whether each of four models solved each of 1,319 problems.
"""

import argparse
import json
import sys
from pathlib import Path

from make_builtin import check_sums, put_rows, read, sums, FILES


def pandalm(source: Path) -> list[dict]:
    people = read(source / "testset-v1.jsonl.gz")
    gpt = {row["idx"]: row["gpt_result"] for row in read(source / "gpt-3.5-turbo-testset-v1.jsonl.gz")}
    with open(source / "pandalm-7b-testset-v1.jsonl", encoding="utf-8") as lines:
        panda = {row["idx"]: row["pandalm_result"] for row in map(json.loads, lines)}
    names = {"0": "tie", "Tie": "tie", "1": "first", "2": "second", "garbage": None}
    rows = []
    for row in people:
        item = f"pandalm-{row['idx']:03}"
        for n in (1, 2, 3):
            rows.append({"item": item, "rater": f"annotator-{n}", "rating": names[str(row[f"annotator{n}"])]})
        for rater, said in (("gpt-3.5-turbo", gpt), ("pandalm-7b", panda)):
            rows.append({"item": item, "rater": rater, "rating": names[str(said[row["idx"]])], "kind": "model"})
    return rows


def bbq(source: Path) -> list[dict]:
    rows = []
    variants: dict[tuple, dict[tuple, None]] = {}
    for vote in read(source / "mturk_validation_votes.jsonl.gz"):
        if vote["item"] == "NA/NA":
            continue
        key = (vote["round"], vote["item"])
        variants.setdefault(key, {})[(vote["context"], vote["question"], *vote["choices"])] = None
        if len(variants[key]) > 1:
            sys.exit(f"{key} is two items")
        rows.append(
            {
                "item": f"{vote['round']}/{vote['item']}",
                "rater": f"{vote['round']}/{vote['worker']}",
                "rating": int(vote["vote"]),
                "gold": int(vote["label"]),
                "domain": vote["category"],
            }
        )
    return sorted(rows, key=lambda row: row["item"])


def gsm8k(source: Path) -> list[dict]:
    ids = {row["question"].strip(): row["id"] for row in read(source / "test.jsonl.gz")}
    rows = []
    for row in read(source / "example_model_solutions.jsonl.gz"):
        for model in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"):
            said = "right" if row[model]["is_correct"] else "wrong"
            rater = model.replace("_", "-")
            ratings = {"item": ids[row["question"].strip()], "rater": rater, "rating": said, "gold": "right"}
            rows.append(ratings | {"kind": "model", "year": 2021})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "data")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    if args.check:
        check_sums(args.out)
    data = args.shared / "data"
    put_rows("pandalm-votes", pandalm(data / "pandalm_human"), data / "pandalm_human", args)
    put_rows("bbq-votes", bbq(data / "bbq"), data / "bbq", args)
    put_rows("gsm8k-ladder", gsm8k(data / "gsm8k"), data / "gsm8k", args)
    if not args.check and all((args.out / name / file).exists() for name in FILES for file in FILES[name]):
        (args.out / "SHA256SUMS").write_text(sums(args.out))


if __name__ == "__main__":
    main()
