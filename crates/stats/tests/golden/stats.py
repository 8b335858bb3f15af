"""Makes stats.json: reference values from NumPy, SciPy and scikit-learn.

    python stats.py > stats.json        (needs scikit-learn >= 1.7, for the multi-class Brier score)
"""

import json
import platform

import numpy as np
import scipy
import scipy.stats
import sklearn
from sklearn.metrics import brier_score_loss, roc_auc_score

rng = np.random.default_rng(20240501)


def auroc(n, n_levels):
    scores = rng.integers(0, n_levels, n) / n_levels
    positive = rng.random(n) < 0.3 + 0.4 * scores
    return {
        "scores": scores.tolist(),
        "positive": positive.tolist(),
        "auroc": roc_auc_score(positive, scores),
    }


def judgements(n, n_answers):
    """Probabilities in sixty-fourths, so that JSON carries them exactly; some confidences are equal."""
    counts = rng.multinomial(64, rng.dirichlet(np.ones(n_answers), n))
    probabilities = counts / 64
    truth = np.array([rng.choice(n_answers, p=p) for p in probabilities])
    truth[:n_answers] = np.arange(n_answers)  # every class occurs
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    return {
        "probabilities": probabilities.tolist(),
        "truth": truth.tolist(),
        "accuracy": right.mean(),
        "brier": brier_score_loss(truth, probabilities, labels=range(n_answers), scale_by_half=False),
        "ece_15": ece(confidence, right, 15),
        "ece_10": ece(confidence, right, 10),
    }


def ece(confidence, right, n_bins):
    """Guo et al. 2017, equation 3, with bins (m - 1)/M < confidence <= m/M."""
    edges = np.linspace(0, 1, n_bins + 1)
    total = 0.0
    for low, high in zip(edges, edges[1:]):
        members = (low < confidence) & (confidence <= high)
        if members.any():
            total += members.mean() * abs(right[members].mean() - confidence[members].mean())
    return total


def wilson(n_right, n, level):
    interval = scipy.stats.binomtest(n_right, n).proportion_ci(level, method="wilson")
    return {"n_right": n_right, "n": n, "level": level, "low": interval.low, "high": interval.high}


def mcnemar(n_better, n_worse):
    p_value = scipy.stats.binomtest(n_better, n_better + n_worse).pvalue
    return {"differences": [1] * n_better + [-1] * n_worse, "p_value": p_value}


def sign_flip(n):
    differences = rng.integers(-5, 6, n)
    test = scipy.stats.permutation_test(
        (differences, np.zeros(n)),
        lambda a, b: abs(np.sum(a - b)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    return {"differences": differences.tolist(), "p_value": test.pvalue}


print(
    json.dumps(
        {
            "made_by": "crates/stats/tests/golden/stats.py",
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
            },
            "tolerance": 1e-12,
            "auroc": [auroc(40, 5), auroc(60, 1000), auroc(25, 2)],
            "judgements": [judgements(50, 2), judgements(40, 4)],
            "wilson": [
                wilson(0, 10, 0.95),
                wilson(7, 10, 0.95),
                wilson(10, 10, 0.9),
                wilson(853, 1000, 0.99),
                wilson(1, 200000, 0.95),
            ],
            "p_values": [mcnemar(9, 3), mcnemar(40, 60), mcnemar(2100, 2300), sign_flip(8), sign_flip(12)],
        },
        indent=None,
        separators=(",", ":"),
    ).replace('],"', '],\n"').replace('},{"', '},\n{"')
)
