#!/usr/bin/env python3
"""Makes the Parquet fixtures of crates/data as pyarrow writes them.

    make_fixtures.py [FOLDER]    default: crates/data/tests/fixtures

Needs pyarrow and numpy.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N = 6
FEATURES = [[i + 0.5, -i * 0.25, 1e-3] for i in range(N)]


def main():
    default = Path(__file__).resolve().parents[2] / "crates/data/tests/fixtures"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    single = pa.list_(pa.float32())
    base = {
        "id": [f"s{i}" for i in range(N)],
        "text": [f"é {i}" for i in range(N)],
        "label": pa.array([i % 2 for i in range(N)], pa.int64()),
        "split": ["train" if i < 4 else "test" for i in range(N)],
    }
    good = {
        "features": pa.array(FEATURES, single),
        "half": pa.array([[np.float16(x) for x in row] for row in FEATURES], pa.list_(pa.float16())),
        "double": pa.array(FEATURES, pa.list_(pa.float64(), 3)),
        "flag": [i % 2 == 0 for i in range(N)],
        "kind": pa.array([f"k{i // 2}" for i in range(N)]).dictionary_encode(),
    }
    pq.write_table(
        pa.table(base | good), folder / "pyarrow.parquet", row_group_size=4, compression="zstd"
    )

    def with_third(row):
        return pa.array(FEATURES[:2] + [row] + FEATURES[3:], single)

    bad = {
        "features": with_third(None),
        "short": with_third(FEATURES[2][:2]),
        "gap": with_third([1.0, None, 2.0]),
        "nan": with_third([1.0, float("nan"), 2.0]),
        "null-label": pa.array([0, 1, None, 1, 0, 1], pa.int64()),
        "number": pa.array([1.5] * N),
    }
    pq.write_table(pa.table(base | bad), folder / "pyarrow_bad.parquet", compression="snappy")

    options = [["no", "yes"], ["é", ""], ["a", "b"]]
    chosen = {
        "text": ["p", "q", "r"],
        "answer": pa.array([1, 0, 1], pa.int32()),
        "options": pa.array(options, pa.list_(pa.string())),
        "gap": pa.array([options[0], ["a", None], options[2]], pa.list_(pa.string())),
        "chosen": ["x", "y", "z"],
        "rejected": ["x2", "y2", "z2"],
    }
    pq.write_table(pa.table(chosen), folder / "pyarrow_candidates.parquet", row_group_size=2)


if __name__ == "__main__":
    main()
