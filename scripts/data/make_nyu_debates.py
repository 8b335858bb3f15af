#!/usr/bin/env python3
"""Makes the built-in sets `data/nyu-debates` and `data/reading` from the NYU human debates.

    make_nyu_debates.py SOURCE [--out DIR]    writes DIR (default: the repository's data/)
    make_nyu_debates.py SOURCE --check        recomputes everything and compares it with what is there

SOURCE is a folder with `debates`, `judge_votes`, `questions` and `stories` (`.jsonl.gz`) and `LICENSE`, as made from branch
2023-nyu-experiments of julianmichael/debate. Python 3.11, no package.

nyu-debates: a row a debate or consultancy that anybody judged; everything that the paper's figures need, and no text.
Probabilities were given in whole per cents, and are kept so. A speech's quotes are spans of tokens of its story.

reading: 12 stories with the two-option questions on them. Stories are ranked by the SHA-256 of "trimtab:" + id; those with
seven questions or more and at most 7,000 tokens, whose text says that it is a transcription of Project Gutenberg, are taken in
that order. Questions whose words repeat an earlier one's are dropped, as are those with the answers of an earlier one. The
right answer is the first and the second in turn, in order of the questions' ranks. Tokens are joined to text: brackets,
quotation marks and punctuation as they were before the source's tokeniser, paragraphs at its line breaks.
"""

import argparse
import gzip
import re
import sys
from pathlib import Path

from make_builtin import FILES, jsonl_gz, rank, read, sums, words_of

N_STORIES = 12
MOST_TOKENS = 7000
LEAST_QUESTIONS = 7


def per_cent(distribution: list[float]) -> int:
    """What the first answer gets."""
    first, second = (round(100 * p) for p in distribution)
    if first + second != 100 or abs(first - 100 * distribution[0]) > 1e-6:
        sys.exit(f"not in whole per cents: {distribution}")
    return first


def length(tokens: list[str]) -> int:
    """A story's tokens. Three stories are not cut into tokens in the source, but into lines: theirs are counted as words,
    punctuation marks and line breaks, which is near."""
    if any(" " in token.strip() for token in tokens):
        return len(re.findall(r"\w+|[^\w\s]|\n+", " ".join(tokens)))
    return len(tokens)


def debates(source: Path) -> list[dict]:
    lengths = {row["article_id"]: length(row["tokens"]) for row in read(source / "stories.jsonl.gz")}
    asked = {}
    for row in read(source / "questions.jsonl.gz"):
        asked.setdefault(row["article_id"], []).append(row["question"])
    judgements: dict[str, dict[tuple, dict]] = {}
    for vote in read(source / "judge_votes.jsonl.gz"):
        by_judge = judgements.setdefault(vote["debate"], {})
        who = {"judge": vote["judge"], "mode": vote["mode"]}
        judgement = by_judge.setdefault(tuple(who.values()), who | {"beliefs": [], "decided": False})
        judgement["beliefs"].append([vote["turn"], per_cent(vote["distribution"])])
        judgement["decided"] = judgement["decided"] or vote["final"]
    rows = []
    for debate in read(source / "debates.jsonl.gz"):
        if debate["name"] not in judgements:
            continue
        article = debate["article_id"]
        speeches = []
        heard = 0
        for turn in debate["rounds"]:
            if turn["type"] == "judge":
                heard += 1
            if turn["type"] == "speech":
                words = re.sub(r"</?quote>", " ", turn["text"]).split()
                # Of two debates, spans end or begin after their story does.
                ends = lengths[article]
                quotes = [[start, min(end, ends)] for start, end in turn["quotes"] if start < ends]
                speeches.append({"round": heard, "side": turn["side"], "words": len(words), "quotes": quotes})
        rows.append(
            {
                "id": debate["name"],
                "story": article,
                "story-tokens": lengths[article],
                "question": f"{article}-{asked[article].index(debate['question'])}",
                "right": debate["correct"],
                "setting": "debate" if debate["is_debate"] else "consultancy",
                "speakers": "people" if debate["human_debaters"] else "model",
                "in-paper": debate["included_in_paper"],
                "complete": debate["status"] == "Complete",
                "debaters": [debate["roles"].get(f"Debater {side}") for side in "AB"],
                "speeches": speeches,
                "judgements": list(judgements[debate["name"]].values()),
            }
        )
    return sorted(rows, key=lambda row: row["id"])


PAIRED = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "``": "“", "''": "”", "--": "—", "`": "‘"}


def text_of(tokens: list[str]) -> str:
    """Tokens of the Penn Treebank's kind as text; a token of line breaks is a paragraph's end."""
    text = ""
    open_mark = False
    for token in tokens:
        if not token.strip():
            text = text.rstrip(" ") + token
            continue
        token = PAIRED.get(token, token)
        if token == '"':
            token = "”" if open_mark else "“"
        open_mark = {"“": True, "”": False}.get(token, open_mark)
        if re.fullmatch(r"[.,;:!?)\]}”%…]+|[nN]['’][tT]|['’](s|d|m|ll|re|ve)?|['’](S|D|M|LL|RE|VE)|—", token):
            text = text.rstrip(" ") + token
        else:
            text += token
        if token[-1] not in "([{“‘—$":
            text += " "
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def reading(source: Path) -> list[dict]:
    """Questions by rank; the first on a story has its text."""
    by_story: dict[str, list[dict]] = {}
    for row in read(source / "questions.jsonl.gz"):
        by_story.setdefault(row["article_id"], []).append(row)
    chosen = []
    for story in sorted(read(source / "stories.jsonl.gz"), key=lambda row: rank(row["article_id"])):
        head = " ".join(story["tokens"][:200])
        fits = len(story["tokens"]) <= MOST_TOKENS and len(by_story.get(story["article_id"], [])) >= LEAST_QUESTIONS
        if fits and "Transcriber" in head and "etext" in head and len(chosen) < N_STORIES:
            chosen.append(story)
    questions, seen = [], set()
    for story in chosen:
        for n, row in enumerate(by_story[story["article_id"]]):
            words = words_of(row["question"])
            answers = tuple(sorted(words_of(answer) for answer in row["answers"]))
            if {(story["article_id"], words), (story["article_id"], answers)} & seen or answers[0] == answers[1]:
                continue
            seen |= {(story["article_id"], words), (story["article_id"], answers)}
            questions.append({"id": f"{story['article_id']}-{n}", "passage-id": story["article_id"], "title": story["title"]} | row)
    rows = []
    texts = {story["article_id"]: text_of(story["tokens"]) for story in chosen}
    for n, row in enumerate(sorted(questions, key=lambda row: rank(row["id"]))):
        right, wrong = row["answers"][row["correct"]].strip(), row["answers"][1 - row["correct"]].strip()
        answers = [right, wrong] if n % 2 == 0 else [wrong, right]
        shown = {key: row[key] for key in ("id", "passage-id", "title")}
        shown |= {"question": row["question"].strip(), "answers": answers, "answer": n % 2}
        text = texts.pop(row["passage-id"], None)
        rows.append(shown | ({"passage": text} if text else {}))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "data")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    args = parser.parse_args()
    files = {
        "nyu-debates/nyu-debates.jsonl.gz": debates(args.source),
        "reading/reading.jsonl.gz": reading(args.source),
    }
    for name, content in files.items():
        file = args.out / name
        if args.check:
            if gzip.decompress(file.read_bytes()) != gzip.decompress(jsonl_gz(content)):
                sys.exit(f"{name}: other rows than the recomputed ones")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(jsonl_gz(content))
            (file.parent / "LICENSE").write_bytes((args.source / "LICENSE").read_bytes())
        print(f"{name}: {len(content)} rows, {file.stat().st_size} bytes")
    if not args.check and all((args.out / name / file).exists() for name in FILES for file in FILES[name]):
        (args.out / "SHA256SUMS").write_text(sums(args.out))


if __name__ == "__main__":
    main()
