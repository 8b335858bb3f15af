"""Plays some of the games of `trimtab reproduce irving2018` again, by a plain tree search in Python over the same judge.

    evidence.py TRIMTAB [--images 2] [--rollouts 1000] [--pixels 6] [--data DIR]

Both search as Irving et al. 2018 do: PUCT without a prior, c = 2, every rollout to the end of the game, the most visited pixel
is revealed, each move searched afresh. Python's judge is matrix products of numpy, and it keeps no logits; its tree is once of
dictionaries and loops, as it is most often written, and once of numpy arrays. Both play every game: nine lies and the liar that
names none, in both orders. Processor seconds a game on one thread; the judge's training and start-up are left out.
"""

import argparse
import gzip
import json
import math
import os
import random
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


class PlainNode:
    """Numbers in a dictionary by piece; a loop looks at every legal move."""

    def __init__(self, n_pieces, revealed):
        self.edges = {piece: [0, 0.0] for piece in range(n_pieces) if piece not in revealed}
        self.n = 0
        self.children = {}

    def choose(self, c, random):
        pull = c / len(self.edges) * math.sqrt(self.n)
        best, pieces = -math.inf, []
        for piece, (visits, value) in self.edges.items():
            score = value + pull / (1 + visits)
            if score > best:
                best, pieces = score, [piece]
            elif score == best:
                pieces.append(piece)
        return pieces[int(random.random() * len(pieces))]

    def add(self, piece, reward):
        edge = self.edges[piece]
        self.n += 1
        edge[0] += 1
        edge[1] += (reward - edge[1]) / edge[0]

    def most_visited(self, random):
        most = max(visits for visits, _ in self.edges.values())
        pieces = [piece for piece, (visits, _) in self.edges.items() if visits == most]
        return pieces[int(random.random() * len(pieces))]


class ArrayNode:
    """Numbers in numpy arrays, one for each pixel, looked at all at once."""

    def __init__(self, n_pieces, revealed):
        self.visits = np.zeros(n_pieces)
        self.value = np.zeros(n_pieces)
        self.closed = np.zeros(n_pieces, bool)
        self.closed[revealed] = True
        self.n_left = n_pieces - len(revealed)
        self.n = 0
        self.children = {}

    def choose(self, c, random):
        pull = c / self.n_left * math.sqrt(self.n)
        scores = self.value + pull / (1 + self.visits)
        scores[self.closed] = -np.inf
        best = np.flatnonzero(scores == scores.max())
        return int(best[int(random.random() * len(best))])

    def add(self, piece, reward):
        self.n += 1
        self.visits[piece] += 1
        self.value[piece] += (reward - self.value[piece]) / self.visits[piece]

    def most_visited(self, random):
        best = np.flatnonzero(self.visits == self.visits.max())
        return int(best[int(random.random() * len(best))])


class Search:
    def __init__(self, node, judge, pieces, claim, lie, length, honest_first, rollouts, c, random):
        self.node, self.judge, self.pieces = node, judge, pieces
        self.claim, self.lie = claim, lie
        # Added to logits, it leaves the lies.
        self.not_claim = np.zeros(len(judge.layers[-1][1]), np.float32)
        self.not_claim[claim] = -np.inf
        self.length, self.rollouts, self.c, self.random = length, rollouts, c, random
        self.honest_first = honest_first

    def sign(self, ply):
        return 1 if (ply % 2 == 0) == self.honest_first else -1

    def margin(self, revealed):
        logits = self.judge.logits(self.pieces, revealed)
        lie = (logits + self.not_claim).max() if self.lie is None else logits[self.lie]
        return logits[self.claim] - lie

    def roll_out(self, root, start):
        revealed, path, node = list(start), [], root
        while len(revealed) < self.length:
            piece = node.choose(self.c, self.random)
            path.append((node, piece, self.sign(len(revealed))))
            revealed.append(piece)
            if len(revealed) < self.length:
                if piece not in node.children:
                    node.children[piece] = self.node(len(self.pieces), revealed)
                node = node.children[piece]
        reward = 1 if self.margin(revealed) > 0 else -1
        for node, piece, sign in path:
            node.add(piece, sign * reward)

    def play(self):
        revealed = []
        while len(revealed) + 1 < self.length:
            root = self.node(len(self.pieces), revealed)
            for _ in range(self.rollouts):
                self.roll_out(root, revealed)
            revealed.append(root.most_visited(self.random))
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
    images = np.frombuffer(
        gzip.open(Path(asked.data, "t10k-images-idx3-ubyte.gz")).read()[16:], np.uint8
    ).reshape(-1, 784)
    n = len(games)
    sides = [("Trimtab", ours_secs, [game["won"][0] for _, game in games])]
    for name, node in [("Python, loops", PlainNode), ("Python, arrays", ArrayNode)]:
        luck = random.Random(0)
        won, since = [], time.process_time()
        for trial, game in games:
            search = Search(
                node,
                judge,
                judge.pieces(images[trial["case"]]),
                trial["truth"],
                None if game["rival"] == "any-other" else game["rival"]["label"],
                asked.pixels,
                game["first"] == "claimant",
                asked.rollouts,
                2.0,
                luck,
            )
            won.append(search.play())
        sides.append((name, time.process_time() - since, won))
    print(f"{n} games of {asked.pixels} pixels, {asked.rollouts} rollouts a move, one thread")
    print(f"{'':<16}{'CPU ms a game':>14}{'times Trimtab':>15}{'won by honest':>15}")
    for name, secs, won in sides:
        print(f"{name:<16}{1000 * secs / n:>14.1f}{secs / ours_secs:>15.1f}{sum(won) / n:>15.3f}")


if __name__ == "__main__":
    main()
