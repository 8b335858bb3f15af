#!/usr/bin/env python3
"""Makes a large JSONL set with features, for measuring how it loads.

    make_million.py OUT.jsonl [ROWS] [DIM]    default: 1,000,000 rows of 384 features, some 4 GB

Two classes whose feature means differ; text, id and label in every row. Deterministic. Needs numpy.
"""

import json
import sys

import numpy as np

ROWS_PER_WRITE = 1000


def main():
    out = sys.argv[1]
    n_rows = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    dim = int(sys.argv[3]) if len(sys.argv) > 3 else 384
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(dim) / dim**0.5
    pattern = ", ".join(["%.6f"] * dim)
    with open(out, "w", encoding="utf-8") as file:
        for start in range(0, n_rows, ROWS_PER_WRITE):
            n = min(ROWS_PER_WRITE, n_rows - start)
            labels = rng.integers(0, 2, n)
            features = rng.standard_normal((n, dim)) + np.outer(2 * labels - 1, direction)
            for i, (label, row) in enumerate(zip(labels, features.tolist()), start):
                text = json.dumps(f"sample number {i} of a set that is only large")
                head = f'{{"id": "s{i}", "text": {text}, "label": {label}, "features": ['
                file.write(head + pattern % tuple(row) + "]}\n")


if __name__ == "__main__":
    main()
