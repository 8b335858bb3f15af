"""Plays some of the games of `trimtab reproduce irving2018` again, by a plain tree search in Python over the same judge.

    evidence.py TRIMTAB [--images 2] [--rollouts 1000] [--pixels 6] [--data DIR]

Both search as Irving et al. 2018 do: PUCT without a prior, c = 2, every rollout to the end of the game, the most visited pixel
is revealed, each move searched afresh. Python's nodes hold numpy arrays, one number a pixel, and its judge is two
matrix products; it keeps no logits. Processor seconds a game on one thread, judge's training and start-up left out.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np


def tensors(path):
    """A file of safetensors, all of f32."""
    bytes_ = Path(path).read_bytes()
    n = int.from_bytes(bytes_[:8], "little")
    header = json.loads(bytes_[8 : 8 + n])
    header.pop("__metadata__", None)
    data = bytes_[8 + n :]
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }


class Judge:
    def __init__(self, path):
        weights = tensors(path)
        self.embedding, self.bias = weights["embedding"], weights["bias"]
        self.layers = []
        while f"layer.{len(self.layers)}.weights" in weights:
            layer = f"layer.{len(self.layers)}"
            self.layers.append((weights[f"{layer}.weights"], weights[f"{layer}.bias"]))

    def pieces(self, image):
        """What each lit pixel of an image adds to the first layer, [n, units]."""
        lit = np.flatnonzero(image)
        values = image[lit].astype(np.float32) / 255
        return self.embedding[lit] + values[:, None] * self.embedding[len(image) + lit]

    def logits(self, pieces, revealed):
        x = self.bias + pieces[revealed].sum(0)
        for weights, bias in self.layers:
            x = np.maximum(x, 0) @ weights + bias
        return x


class Node:
    def __init__(self, n_pieces, revealed):
        self.visits = np.zeros(n_pieces)
        self.value = np.zeros(n_pieces)
        self.closed = np.zeros(n_pieces, bool)
        self.closed[revealed] = True
        self.n = 0
        self.children = {}


class Search:
    def __init__(self, judge, pieces, claim, lie, length, honest_first, rollouts, c, random):
        self.judge, self.pieces, self.claim, self.lie = judge, pieces, claim, lie
        self.length, self.rollouts, self.c, self.random = length, rollouts, c, random
        self.honest_first = honest_first

    def sign(self, ply):
        return 1 if (ply % 2 == 0) == self.honest_first else -1

    def margin(self, revealed):
        logits = self.judge.logits(self.pieces, revealed)
        return logits[self.claim] - logits[self.lie]

    def choose(self, node, n_revealed):
        n_left = len(self.pieces) - n_revealed
        pull = self.c / n_left * np.sqrt(node.n)
        scores = node.value + pull / (1 + node.visits)
        scores[node.closed] = -np.inf
        best = np.flatnonzero(scores == scores.max())
        return best[self.random.integers(len(best))]

    def roll_out(self, root, start):
        revealed, path, node = list(start), [], root
        while len(revealed) < self.length:
            piece = self.choose(node, len(revealed))
            path.append((node, piece, self.sign(len(revealed))))
            revealed.append(piece)
            if len(revealed) < self.length:
                if piece not in node.children:
                    node.children[piece] = Node(len(self.pieces), revealed)
                node = node.children[piece]
        reward = 1 if self.margin(revealed) > 0 else -1
        for node, piece, sign in path:
            node.n += 1
            node.visits[piece] += 1
            node.value[piece] += (sign * reward - node.value[piece]) / node.visits[piece]

    def play(self):
        revealed = []
        while len(revealed) + 1 < self.length:
            root = Node(len(self.pieces), revealed)
            for _ in range(self.rollouts):
                self.roll_out(root, revealed)
            best = np.flatnonzero(root.visits == root.visits.max())
            revealed.append(best[self.random.integers(len(best))])
        # The last piece is tried out, as by Trimtab: one evaluation for each pixel.
        sign = self.sign(len(revealed))
        left = [piece for piece in range(len(self.pieces)) if piece not in revealed]
        return sign * max(sign * self.margin([*revealed, piece]) for piece in left) > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trimtab")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--pixels", type=int, default=6)
    parser.add_argument("--data", default=os.environ.get("TRIMTAB_MNIST"))
    asked = parser.parse_args()
    if not asked.data:
        sys.exit("name the folder of MNIST: --data DIR, or TRIMTAB_MNIST")
    with tempfile.TemporaryDirectory() as folder:
        command = [asked.trimtab, "reproduce", "irving2018", "--quiet", "--jobs", "1", "--format", "json"]
        command += ["--data", asked.data, "--out", folder, "--images", str(asked.images)]
        command += ["--pixels", str(asked.pixels), "--rollouts", str(asked.rollouts)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = Path(folder, f"pixels-{asked.pixels}.jsonl").read_text().splitlines()
        rows = sorted(map(json.loads, lines), key=lambda row: row["trial"]["case"])
        record = json.loads(Path(folder, f"judge-{asked.pixels}.json").read_text())
        home = os.environ.get("XDG_DATA_HOME") or Path(os.environ["HOME"], ".local/share")
        judge = Judge(Path(home, "trimtab", "judges", record["file"]))
    ours_secs = sum(row["cpu_secs"] for row in rows)
    games = [(row["trial"], game) for row in rows for game in row["trial"]["games"]]
    # Uncommitted liars and controls are in the seconds, but not among the games compared.
    games = [(trial, game) for trial, game in games if game["rival"] != "any-other"]
    images = np.frombuffer(
        gzip.open(Path(asked.data, "t10k-images-idx3-ubyte.gz")).read()[16:], np.uint8
    ).reshape(-1, 784)
    random = np.random.default_rng(0)
    theirs, since = [], time.process_time()
    for trial, game in games:
        search = Search(
            judge,
            judge.pieces(images[trial["case"]]),
            trial["truth"],
            game["rival"]["label"],
            asked.pixels,
            game["first"] == "claimant",
            asked.rollouts,
            2.0,
            random,
        )
        theirs.append(search.play())
    theirs_secs = time.process_time() - since
    n = len(games)
    ours = [game["won"][0] for _, game in games]
    print(f"{n} games of {asked.pixels} pixels, {asked.rollouts} rollouts a move, one thread")
    print(f"{'':<10}{'CPU ms a game':>15}{'won by honest':>15}")
    for name, secs, won in [("Trimtab", ours_secs, ours), ("Python", theirs_secs, theirs)]:
        print(f"{name:<10}{1000 * secs / n:>15.1f}{sum(won) / n:>15.3f}")
    print(f"ratio     {theirs_secs / ours_secs:>15.0f}")


if __name__ == "__main__":
    main()
