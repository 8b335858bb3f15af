"""Makes panel.json: coefficients of agreement from irrCAC, statsmodels, fast-krippendorff and scikit-learn.

    pip install irrCAC==0.4.4 krippendorff==0.9.0 statsmodels==0.15.0 scikit-learn==1.9.1
    python panel.py > panel.json

A row a rater, null where an item was left out. `fleiss1971` is the table of Fleiss 1971 (ten items, five categories, 14 raters):
its raters are told apart only here, by dealing each item's ratings to them in order.
"""

import json
import platform
from importlib.metadata import version

import krippendorff
import numpy as np
import pandas as pd
from irrCAC.raw import CAC
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

rng = np.random.default_rng(20261127)
TABLE = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Krippendorff's example of three coders and 15 units, two of them rated by nobody or by one.
CODERS = [
    "*,*,*,*,*,3,4,1,2,1,1,3,3,*,3".replace(",", ""),
    "1,*,2,1,3,3,4,3,*,*,*,*,*,*,*".replace(",", ""),
    "*,*,2,1,3,4,4,*,2,1,1,3,3,*,4".replace(",", ""),
]


def alphas(rows, values):
    """rows of categories, NaN where nothing was said"""
    data = np.array([[np.nan if np.isnan(c) else values[int(c)] for c in row] for row in rows])
    return {
        level: krippendorff.alpha(reliability_data=data, value_domain=values, level_of_measurement=level)
        for level in ["nominal", "ordinal", "interval", "ratio"]
    }


def gwet(rows, values):
    frame = pd.DataFrame(np.array(rows).T).map(lambda c: np.nan if np.isnan(c) else float(values[int(c)]))
    out = {}
    for weights in ["identity", "linear", "quadratic", "ordinal", "ratio"]:
        found = CAC(frame, weights=weights, categories=[float(v) for v in values], digits=15).gwet()["est"]
        out[weights] = [found["coefficient_value"], found["se"]]
    fleiss = CAC(frame, categories=[float(v) for v in values], digits=15).fleiss()["est"]
    return out, [fleiss["coefficient_value"], fleiss["se"]], fleiss["pa"]


def case(name, rows, values):
    rows = [[float("nan") if c is None else float(c) for c in row] for row in rows]
    gwets, fleiss, per_cent = gwet(rows, values)
    sizes = {sum(not np.isnan(row[i]) for row in rows) for i in range(len(rows[0]))}
    pairs = []
    for weights in [None, "linear", "quadratic"]:
        of = []
        for i in range(len(rows)):
            for j in range(i):
                both = [(a, b) for a, b in zip(rows[j], rows[i]) if not np.isnan(a) and not np.isnan(b)]
                one, other = zip(*both)
                labels = list(range(len(values)))
                of.append(cohen_kappa_score(one, other, labels=labels, weights=weights))
        pairs.append(float(np.mean(of)))
    out = {
        "name": name,
        "values": values,
        "rows": [[None if np.isnan(c) else int(c) for c in row] for row in rows],
        "per_cent": per_cent,
        "alpha": alphas(rows, values),
        "gwet": gwets,
        "mean_cohen": dict(zip(["identity", "linear", "quadratic"], pairs)),
    }
    if len(sizes) == 1:
        counts = np.array([[sum(row[i] == k for row in rows) for k in range(len(values))] for i in range(len(rows[0]))])
        assert abs(fleiss_kappa(counts) - fleiss[0]) < 1e-12
        out["fleiss"] = fleiss
    if len(rows) == 2:
        table = np.zeros((len(values), len(values)))
        for a, b in zip(*rows):
            if not np.isnan(a) and not np.isnan(b):
                table[int(a), int(b)] += 1
        out["cohen_errors"] = {
            "identity": cohens_kappa(table).std_kappa,
            "linear": cohens_kappa(table, wt="linear").std_kappa,
            "quadratic": cohens_kappa(table, wt="quadratic").std_kappa,
        }
    return out


def simulated(name, n_items, n_raters, n_categories, missing):
    truth = rng.integers(0, n_categories, n_items)
    rows = []
    for _ in range(n_raters):
        near = np.clip(truth + rng.integers(-1, 2, n_items), 0, n_categories - 1)
        row = np.where(rng.random(n_items) < 0.6, truth, near)
        rows.append([None if rng.random() < missing else int(c) for c in row])
    rated = [i for i in range(n_items) if any(row[i] is not None for row in rows)]
    return case(name, [[row[i] for i in rated] for row in rows], list(range(1, n_categories + 1)))


dealt = [[k for k, n in enumerate(item) for _ in range(n)] for item in TABLE]
coders = [[None if c == "*" else int(c) - 1 for c in row] for row in CODERS]
# The first unit was rated by one coder, the second by none; irrCAC drops units that nobody rated, as we do.
kept = [i for i in range(15) if any(row[i] is not None for row in coders)]
cases = [
    case("fleiss1971", [[item[r] for item in dealt] for r in range(14)], [1, 2, 3, 4, 5]),
    case("krippendorff", [[row[i] for i in kept] for row in coders], [1, 2, 3, 4]),
    simulated("two raters", 80, 2, 4, 0.0),
    simulated("two raters, some missing", 80, 2, 3, 0.2),
    simulated("five raters", 40, 5, 5, 0.0),
    simulated("six raters, many missing", 60, 6, 7, 0.5),
]
print(
    json.dumps(
        {
            "made_by": "crates/stats/tests/golden/panel.py",
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ["irrCAC", "krippendorff", "statsmodels", "scikit-learn", "numpy"]},
            },
            "tolerance": 1e-9,
            "cases": cases,
        },
        indent=None,
        separators=(",", ":"),
    ).replace('{"name"', '\n{"name"')
)
