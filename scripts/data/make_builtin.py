#!/usr/bin/env python3
"""Makes the built-in data sets under `data/`: rows, a frozen split, frozen sentence features.

    make_builtin.py SHARED [--out DIR]    writes DIR (default: the repository's data/)
    make_builtin.py SHARED --check        recomputes everything and compares it with what is there
    make_builtin.py --check               compares the check sums only (needs no SHARED)

SHARED holds `data/` (`pang_lee_sentiment`, `chess_puzzles`, `hh_rlhf_harmless`, `llmbar`, `pandalm_human`, `gsm8k`) and
`models/all-MiniLM-L6-v2/`. Python 3.11 with numpy, tokenizers and safetensors; some five minutes on two
cores. Chess puzzles, pairs of replies and word problems need none of the three: `--only NAME` makes or checks one set.

Which rows, which split, which order: all of it follows from the SHA-256 of "trimtab:" + id, so it needs
no random generator and no library version. Rows are ranked by that hash; what repeats an earlier row is
dropped; the first n are kept; every third rank is test, the rest train; the file is ordered by rank.

Sentences are ranked within their class and n/2 of each are kept, classes alternating: every prefix of a
file is balanced in classes (to one sentence) and in the split (to three). A sentence repeats another if
it has the same words. A puzzle repeats another if its pieces stand alike. A pair of replies repeats
another if its prompt has the same words, so no prompt is in two splits; pairs with more than one turn,
an empty reply or two equal ones are left out. LLMBar and PandaLM ask several things of one prompt, so there
prompts are ranked and split, and the pairs of one stay together, ranked within it. For pairs the share of test pairs whose shorter reply (in
words) was preferred is computed, ties counting half; SOURCE.md must say it. Word problems have no split: the first n are
kept, each with the number after "####" as its answer and the calculations marked in its solution as its level.

The features of chess moves are computed by the program itself, from the file that this script writes:

    cargo run --release -p trimtab-data --example chess_features -- data

Features: BERT forward pass in float32, truncated at 256 tokens, exact (erf) GELU, final hidden
states averaged over the tokens that are not padding ([CLS] and [SEP] count), then scaled to length 1
as the encoder's own pipeline does; stored as little-endian IEEE half floats, [rows, 384], in file
order. Rounding differs between processors in the last bit, so `--check` allows 2^-9 of the largest
value.

Why scaled: a logistic probe on 2,000 training rows, tested on the test split, mean of 3 draws, at the
best of 7 penalties, has accuracy .750 scaled and .749 not on rotten-tomatoes, .916 and .914 on
subjectivity.
"""

import argparse
import gzip
import hashlib
import io
import json
import sys
from pathlib import Path

ENCODER = "all-MiniLM-L6-v2"
MAX_TOKENS = 256
TOKENS_PER_BATCH = 4096
TEST_EVERY = 3
SENTENCES = "pang_lee_sentiment"
# name, file in pang_lee_sentiment, rows, names of the labels 0 and 1
SENTENCE_SETS = [
    ("rotten-tomatoes", "sentence_polarity", 6000, ["negative", "positive"]),
    ("subjectivity", "subjectivity", 5000, ["objective", "subjective"]),
]
N_PUZZLES = 2990
N_PAIRS = 9000
N_PROBLEMS = 300
# In the order of SHA256SUMS: every set and its files.
FILES = {
    "rotten-tomatoes": ["rotten-tomatoes.jsonl.gz", f"{ENCODER}.f16"],
    "subjectivity": ["subjectivity.jsonl.gz", f"{ENCODER}.f16"],
    "chess-puzzles": ["chess-puzzles.jsonl.gz", "chess-search.f16"],
    "hh-harmless": ["hh-harmless.jsonl.gz"],
    "llmbar": ["llmbar.jsonl.gz"],
    "pandalm": ["pandalm.jsonl.gz"],
    # This one is made by make_code_correctness.py.
    "code-correctness": ["code-correctness.jsonl.gz", "code-static.f16", "code-run.f16"],
    # These two are made by make_nyu_debates.py.
    "nyu-debates": ["nyu-debates.jsonl.gz"],
    "reading": ["reading.jsonl.gz"],
    "gsm8k": ["gsm8k.jsonl.gz"],
    # These three are made by make_ratings.py.
    "pandalm-votes": ["pandalm-votes.jsonl.gz"],
    "bbq-votes": ["bbq-votes.jsonl.gz"],
    "gsm8k-ladder": ["gsm8k-ladder.jsonl.gz"],
}


def read(source: Path) -> list[dict]:
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def rank(name: str) -> bytes:
    return hashlib.sha256(f"trimtab:{name}".encode()).digest()


def words_of(text: str) -> tuple[str, ...]:
    return tuple("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def split_of(rank: int) -> str:
    return "test" if rank % TEST_EVERY == TEST_EVERY - 1 else "train"


def choose(source: Path, n_rows: int, names: list[str]) -> list[dict]:
    """Ranks, drops repeated sentences, balances, splits."""
    rows = sorted(read(source), key=lambda row: rank(row["id"]))
    seen: set[tuple[str, ...]] = set()
    classes: list[list[dict]] = [[], []]
    for row in rows:
        words = words_of(row["text"])
        if words not in seen:
            seen.add(words)
            classes[row["label"]].append(row)
    chosen = []
    for n in range(n_rows // 2):
        for label, members in enumerate(classes):
            row = {"id": members[n]["id"], "text": members[n]["text"], "label": names[label]}
            chosen.append(row | {"split": split_of(n)})
    return chosen


def choose_puzzles(source: Path) -> list[dict]:
    """Ranks, drops positions that stand twice, splits."""
    chosen = []
    seen = set()
    for row in sorted(read(source), key=lambda row: rank(row["id"])):
        position = row["fen"].split()[0]
        if position not in seen and len(chosen) < N_PUZZLES:
            seen.add(position)
            puzzle = {"id": row["id"], "fen": row["fen"], "moves": " ".join(row["moves"])}
            chosen.append(puzzle | {"rating": row["rating"], "split": split_of(len(chosen))})
    return chosen


def choose_pairs(source: Path) -> list[dict]:
    """Cuts dialogues into prompt and replies, ranks, drops prompts that stand twice, splits."""
    pairs = []
    for line, row in enumerate(read(source), 1):
        turns = [row[side].split("\n\nHuman: ") for side in ("chosen", "rejected")]
        if any(len(parts) != 2 or parts[0] for parts in turns):
            continue
        (prompt, *chosen), (other, *rejected) = (parts[1].split("\n\nAssistant: ") for parts in turns)
        if prompt != other or len(chosen) != 1 or len(rejected) != 1:
            continue
        replies = {"chosen": chosen[0].strip(), "rejected": rejected[0].strip()}
        if all(replies.values()) and replies["chosen"] != replies["rejected"]:
            pairs.append({"id": f"hh-{line:05}", "text": prompt.strip()} | replies)
    chosen = []
    seen = set()
    for pair in sorted(pairs, key=lambda pair: rank(pair["id"])):
        prompt = words_of(pair["text"])
        if prompt not in seen and len(chosen) < N_PAIRS:
            seen.add(prompt)
            chosen.append(pair | {"split": split_of(len(chosen))})
    return chosen


def split_by_prompt(pairs: list[dict]) -> list[dict]:
    """Ranks prompts, and pairs within each; splits by prompt."""
    by_prompt: dict[tuple[str, ...], list[dict]] = {}
    for pair in pairs:
        if pair["chosen"].strip() and pair["rejected"].strip() and pair["chosen"] != pair["rejected"]:
            by_prompt.setdefault(words_of(pair["text"]), []).append(pair)
    groups = [sorted(group, key=lambda pair: rank(pair["id"])) for group in by_prompt.values()]
    groups.sort(key=lambda group: rank(group[0]["id"]))
    return [pair | {"split": split_of(n)} for n, group in enumerate(groups) for pair in group]


def choose_llmbar(source: Path) -> list[dict]:
    """The pairs written for LLMBar; those that it takes over from other sets are left out."""
    pairs = []
    for row in read(source):
        if row["subset"].startswith("LLMBar/"):
            outputs = [row["output_1"], row["output_2"]]
            chosen, rejected = outputs if row["label"] == 1 else outputs[::-1]
            subset = row["subset"].removeprefix("LLMBar/").casefold()
            pair = {"id": row["id"].removeprefix("LLMBar/").casefold(), "text": row["input"]}
            pairs.append(pair | {"chosen": chosen, "rejected": rejected, "subset": subset})
    return split_by_prompt(pairs)


def choose_pandalm(source: Path) -> list[dict]:
    """What most of three annotators prefer; where most say that it is a tie, or none has most, there is no pair."""
    pairs = []
    for row in read(source):
        votes = [row[f"annotator{n}"] for n in (1, 2, 3)]
        label = next((answer for answer in (1, 2) if votes.count(answer) >= 2), None)
        if label is None:
            continue
        given = str(row["input"]).strip()
        text = row["instruction"].strip() + (f"\n\n{given}" if given else "")
        # A reply that is one word, True or False, is a boolean in the source.
        replies = [str(row[side]).strip() for side in ("response1", "response2")]
        chosen, rejected = replies if label == 1 else replies[::-1]
        pair = {"id": f"pandalm-{row['idx']:03}", "text": text, "chosen": chosen, "rejected": rejected}
        pairs.append(pair | {"annotators": votes.count(label)})
    return split_by_prompt(pairs)


def choose_gsm8k(source: Path) -> list[dict]:
    """Ranks, drops problems that stand twice, and keeps of each solution its number and how many calculations it has."""
    chosen = []
    seen = set()
    for row in sorted(read(source), key=lambda row: rank(row["id"])):
        words = words_of(row["question"])
        solution, answer = row["answer"].split("\n#### ")
        answer = answer.strip().replace(",", "")
        if not answer.removeprefix("-").isdigit():
            sys.exit(f"{row['id']}: {answer!r} is no whole number")
        if words not in seen and len(chosen) < N_PROBLEMS:
            seen.add(words)
            problem = {"id": row["id"], "question": row["question"].strip(), "answer": answer}
            n_marked = solution.count("<<")
            chosen.append(problem | ({"level": n_marked} if n_marked else {}))
    return chosen


def shorter_is_chosen(pairs: list[dict]) -> float:
    """The accuracy on the test split of preferring the reply with fewer words; ties count half."""
    points = []
    for pair in pairs:
        if pair["split"] == "test":
            chosen, rejected = (len(pair[side].split()) for side in ("chosen", "rejected"))
            points.append(1.0 if chosen < rejected else 0.5 if chosen == rejected else 0.0)
    return sum(points) / len(points)


class Encoder:
    """The BERT encoder, forward only."""

    def __init__(self, folder: Path):
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text())
        self.n_layers = config["num_hidden_layers"]
        self.n_heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.dim = config["hidden_size"]
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def linear(self, x, name):
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def layer_norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.epsilon))
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def forward(self, tokens, mask):
        """tokens, mask [batch, length] -> mean hidden state of length 1, [batch, dim]"""
        n_batch, length = tokens.shape
        head_dim = self.dim // self.n_heads
        w = self.weights
        x = (
            w["embeddings.word_embeddings.weight"][tokens]
            + w["embeddings.position_embeddings.weight"][:length]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self.layer_norm(x, "embeddings.LayerNorm")
        hidden_from = np.where(mask, np.float32(0), np.float32(-1e9))[:, None, None, :]
        for i in range(self.n_layers):
            layer = f"encoder.layer.{i}"
            query, key, value = (
                self.linear(x, f"{layer}.attention.self.{part}")
                .reshape(n_batch, length, self.n_heads, head_dim)
                .transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            score = query @ key.transpose(0, 1, 3, 2) / np.float32(head_dim**0.5) + hidden_from
            score = np.exp(score - score.max(-1, keepdims=True))
            score /= score.sum(-1, keepdims=True)
            mixed = (score @ value).transpose(0, 2, 1, 3).reshape(n_batch, length, self.dim)
            mixed = self.linear(mixed, f"{layer}.attention.output.dense")
            x = self.layer_norm(x + mixed, f"{layer}.attention.output.LayerNorm")
            inner = gelu(self.linear(x, f"{layer}.intermediate.dense"))
            inner = self.linear(inner, f"{layer}.output.dense")
            x = self.layer_norm(x + inner, f"{layer}.output.LayerNorm")
        weight = mask[:, :, None].astype(np.float32)
        mean = (x * weight).sum(1) / weight.sum(1)
        return mean / np.linalg.norm(mean, axis=-1, keepdims=True)

    def features(self, texts: list[str]):
        """[n, dim] float32, in the order of `texts`; works through them by length."""
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(tokens)), key=lambda i: (len(tokens[i]), i))
        out = np.empty((len(texts), self.dim), np.float32)
        at = 0
        while at < len(order):
            batch = order[at : at + 512]
            while len(batch) > 1 and len(tokens[batch[-1]]) * len(batch) > TOKENS_PER_BATCH:
                batch = batch[: max(1, len(batch) * 3 // 4)]
            length = len(tokens[batch[-1]])
            ids = np.zeros((len(batch), length), np.int64)
            mask = np.zeros((len(batch), length), bool)
            for row, i in enumerate(batch):
                ids[row, : len(tokens[i])] = tokens[i]
                mask[row, : len(tokens[i])] = True
            out[batch] = self.forward(ids, mask)
            at += len(batch)
            print(f"\r{at}/{len(order)}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return out


def gelu(x):
    """x Phi(x); erf by Abramowitz and Stegun 7.1.26, within 1.5e-7."""
    z = np.abs(x) * np.float32(0.5**0.5)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = np.float32(1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        poly = poly * t + np.float32(c)
    erf = 1 - poly * t * np.exp(-z * z)
    return x * (0.5 + 0.5 * np.copysign(erf, x))


def jsonl_gz(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as out:
        for row in rows:
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    return buffer.getvalue()


def sums(folder: Path) -> str:
    names = [f"{name}/{file}" for name, files in FILES.items() for file in files]
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    return "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names))


def check_sums(folder: Path):
    if (folder / "SHA256SUMS").read_text() != sums(folder):
        sys.exit(f"{folder}: the files do not have the check sums in SHA256SUMS")
    print("check sums agree")


def put_rows(name: str, rows: list[dict], licence: Path, args):
    """Writes the rows, or compares them with what is there."""
    folder = args.out / name
    file = folder / FILES[name][0]
    if args.check:
        if gzip.decompress(file.read_bytes()) != gzip.decompress(jsonl_gz(rows)):
            sys.exit(f"{name}: other rows than the recomputed ones")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jsonl_gz(rows))
        (folder / "LICENSE").write_bytes((licence / "LICENSE").read_bytes())
    print(f"{name}: {len(rows)} rows, {sum(row.get('split') == 'test' for row in rows)} of them test")


def put_baseline(name: str, pairs: list[dict], args):
    """Prints what preferring the shorter reply comes to, or finds it in SOURCE.md."""
    share = f"{shorter_is_chosen(pairs):.3f}".lstrip("0")
    print(f"{name}: the shorter reply is the preferred one in {share} of the test pairs")
    if args.check and share not in (args.out / name / "SOURCE.md").read_text():
        sys.exit(f"{name}: SOURCE.md has another baseline")


def put_features(name: str, features, args):
    """Writes the features, or compares them with what is there."""
    file = args.out / name / f"{ENCODER}.f16"
    if not args.check:
        features.astype("<f2").tofile(file)
        return
    stored = np.fromfile(file, "<f2").reshape(-1, features.shape[1])
    if stored.shape != features.shape:
        sys.exit(f"{name}: features {stored.shape}, recomputed {features.shape}")
    difference = float(np.abs(stored.astype(np.float32) - features).max())
    scale = float(np.abs(features).max())
    print(f"{name}: features differ by {difference:.2g} of {scale:.2g}")
    if not difference <= scale * 2**-9:
        sys.exit(f"{name}: features differ too much")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path, nargs="?", help="folder with data/ and models/")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "data")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--only", choices=FILES, help="this set alone")
    args = parser.parse_args()
    if args.check:
        check_sums(args.out)
        if args.shared is None:
            return
    elif args.shared is None:
        parser.error("SHARED is needed to make the sets")
    wanted = [args.only] if args.only else list(FILES)
    data = args.shared / "data"

    if "chess-puzzles" in wanted:
        puzzles = choose_puzzles(data / "chess_puzzles" / "lichess_puzzles.jsonl.gz")
        put_rows("chess-puzzles", puzzles, data / "chess_puzzles", args)
    if "hh-harmless" in wanted:
        pairs = choose_pairs(data / "hh_rlhf_harmless" / "harmless-single-turn.jsonl.gz")
        put_rows("hh-harmless", pairs, data / "hh_rlhf_harmless", args)
        put_baseline("hh-harmless", pairs, args)
    if "llmbar" in wanted:
        pairs = choose_llmbar(data / "llmbar" / "llmbar.jsonl.gz")
        put_rows("llmbar", pairs, data / "llmbar", args)
        put_baseline("llmbar", pairs, args)
    if "pandalm" in wanted:
        pairs = choose_pandalm(data / "pandalm_human" / "testset-v1.jsonl.gz")
        put_rows("pandalm", pairs, data / "pandalm_human", args)
        put_baseline("pandalm", pairs, args)
    if "gsm8k" in wanted:
        problems = choose_gsm8k(data / "gsm8k" / "test.jsonl.gz")
        put_rows("gsm8k", problems, data / "gsm8k", args)
    sentences = [row for row in SENTENCE_SETS if row[0] in wanted]
    if sentences:
        global np
        import numpy as np

        encoder = Encoder(args.shared / "models" / ENCODER)
        for name, source, n_rows, labels in sentences:
            rows = choose(data / SENTENCES / f"{source}.jsonl.gz", n_rows, labels)
            put_rows(name, rows, data / SENTENCES, args)
            put_features(name, encoder.features([row["text"] for row in rows]), args)
    if not args.check and all((args.out / name / file).exists() for name in FILES for file in FILES[name]):
        (args.out / "SHA256SUMS").write_text(sums(args.out))


if __name__ == "__main__":
    main()
