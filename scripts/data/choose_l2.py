"""Cross-validates the penalty of the default probes on the training splits of the built-in sets.

Usage: choose_l2.py [DATA_FOLDER]          needs numpy and scikit-learn

For each set and each kind of input (sentence features; binary 1-2-grams, rows of unit length) it
prints accuracy and log loss of a logistic regression trained on half of the training split, held-out
quarter after held-out quarter. The test split is not read. `l2` is the penalty beside the mean loss.
"""

import gzip
import json
import pathlib
import sys

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit, cross_validate
from sklearn.preprocessing import normalize

PENALTIES = [1e-2, 3e-3, 1e-3, 5e-4, 3e-4, 1e-4, 3e-5, 1e-5]


def main() -> None:
    here = pathlib.Path(__file__).resolve()
    data = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parents[2] / "data"
    for name in ("rotten-tomatoes", "subjectivity"):
        with gzip.open(data / name / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        train = np.array([row["split"] == "train" for row in rows])
        labels = np.array([row["label"] for row in rows])[train]
        features = np.fromfile(data / name / "all-MiniLM-L6-v2.f16", dtype="<f2")
        words = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=r"[\w']+|[^\w\s]")
        texts = [row["text"] for row in rows]
        inputs = {
            "features": features.reshape(len(rows), -1).astype(np.float64)[train],
            "words": normalize(words.fit_transform(texts).astype(float))[train],
        }
        half = int(train.sum()) // 2
        folds = ShuffleSplit(6, train_size=half, test_size=half // 2, random_state=0)
        for kind, matrix in inputs.items():
            for l2 in PENALTIES:
                model = LogisticRegression(C=1 / (l2 * half), max_iter=5000)
                scores = cross_validate(
                    model, matrix, labels, cv=folds, scoring=("accuracy", "neg_log_loss")
                )
                accuracy = scores["test_accuracy"].mean()
                loss = -scores["test_neg_log_loss"].mean()
                print(f"{name:16} {kind:9} l2 {l2:7.0e}  accuracy {accuracy:.4f}  log loss {loss:.4f}")


if __name__ == "__main__":
    main()
