"""Makes raters.json: Dawid and Skene from crowd-kit, prediction-powered means from ppi-python.

    pip install crowd-kit==1.4.2 ppi-python==0.2.3 numpy==1.26.4
    python raters.py > raters.json
"""

import json
import platform
from importlib.metadata import version

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

rng = np.random.default_rng(20261128)


def dawid_skene(n_items, accuracies, q, missing):
    truth = rng.integers(0, q, n_items)
    rows = []
    for item in range(n_items):
        for rater, accuracy in enumerate(accuracies):
            if rng.random() < missing:
                continue
            right = rng.random() < accuracy
            said = truth[item] if right else (truth[item] + rng.integers(1, q)) % q
            rows.append((item, rater, int(said)))
    frame = pd.DataFrame(rows, columns=["task", "worker", "label"])
    model = DawidSkene(n_iter=5000, tol=1e-15).fit(frame)
    posterior = model.probas_.reindex(columns=range(q)).fillna(0.0)
    # errors_: a column what is true, a row what was said
    errors = model.errors_
    return {
        "rows": [list(row) for row in rows],
        "n_categories": q,
        "prevalence": [float(model.priors_[k]) for k in range(q)],
        # null where nobody rated
        "posterior": [posterior.loc[item].tolist() if item in posterior.index else None for item in range(n_items)],
        "confusions": [
            [[float(errors.loc[(r, said), k]) for said in range(q)] for k in range(q)] for r in range(len(accuracies))
        ],
    }


def powered(n, n_others, model, judge):
    def items(n):
        truth = rng.random(n) < model
        return truth.astype(float), (truth == (rng.random(n) < judge)).astype(float)

    truth, judged = items(n)
    _, others = items(n_others)
    out = {"truth": truth.tolist(), "judged": judged.tolist(), "others": others.tolist(), "level": 0.9}
    for name, lam in [("full", 1), ("tuned", None)]:
        low, high = ppi_mean_ci(truth, judged, others, alpha=0.1, lam=lam)
        estimate = ppi_mean_pointestimate(truth, judged, others, lam=lam)
        out[name] = [float(np.squeeze(x)) for x in (estimate, low, high)]
    return out


print(
    json.dumps(
        {
            "made_by": "crates/stats/tests/golden/raters.py",
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ["crowd-kit", "ppi-python", "numpy"]},
            },
            "dawid_skene": [dawid_skene(150, [0.9, 0.75, 0.6, 0.8], 3, 0.0), dawid_skene(200, [0.8] * 6, 2, 0.4)],
            "prediction_powered": [powered(80, 400, 0.7, 0.9), powered(60, 150, 0.4, 0.6)],
        },
        separators=(",", ":"),
    )
)
