"""Makes judges.json: reference values of what is measured of a judge, from SciPy, scikit-learn and statsmodels.

    python judges.py PREF_REFERENCE > judges.json

PREF_REFERENCE is `parity/pref_reference.json` of the shared folder: its `ai_labels` are copied where named.
"""

import json
import platform
import sys

import numpy as np
import scipy
import sklearn
import statsmodels
import statsmodels.api as sm
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

rng = np.random.default_rng(20260401)
reference = json.load(open(sys.argv[1]))["ai_labels"]


def kappa(n, n_answers, same):
    human = rng.integers(0, n_answers, n)
    judge = np.where(rng.random(n) < same, human, rng.integers(0, n_answers, n))
    table = np.zeros((n_answers, n_answers))
    np.add.at(table, (judge, human), 1)
    result = cohens_kappa(table)
    z = norm.ppf(0.975)
    return {
        "judge": judge.tolist(),
        "human": human.tolist(),
        "agreement": float((judge == human).mean()),
        "kappa": cohen_kappa_score(judge, human),
        # The variance in use, not the one under independence.
        "low": result.kappa - z * result.std_kappa,
        "high": result.kappa + z * result.std_kappa,
    }


def verbosity(n, n_prompts):
    first, second = rng.integers(1, 300, (2, n))
    prompt = np.sort(rng.integers(0, n_prompts, n))
    x = np.log(first / second)
    of_prompt = rng.normal(0, 0.7, n_prompts)[prompt]
    prefers_first = rng.random(n) < 1 / (1 + np.exp(-(0.2 + 0.6 * x + of_prompt)))
    fit = sm.Logit(prefers_first.astype(float), sm.add_constant(x)).fit(
        disp=0, method="newton", maxiter=100, tol=1e-14, cov_type="cluster", cov_kwds={"groups": prompt}
    )
    (a_low, a_high), (b_low, b_high) = fit.conf_int(0.05)
    return {
        "first": first.tolist(),
        "second": second.tolist(),
        "prompt": prompt.tolist(),
        "prefers_first": prefers_first.tolist(),
        "intercept": [fit.params[0], a_low, a_high],
        "slope": [fit.params[1], b_low, b_high],
    }


def temperature(n, n_prompts):
    honest = rng.normal(0, 1.5, n)
    prompt = np.sort(rng.integers(0, n_prompts, n))
    a_is_better = rng.random(n) < 1 / (1 + np.exp(-honest))
    log_odds = np.round(2.5 * honest * 64) / 64
    fit = sm.Logit(a_is_better.astype(float), log_odds[:, None]).fit(
        disp=0, method="newton", maxiter=100, tol=1e-14, cov_type="cluster", cov_kwds={"groups": prompt}
    )
    low, high = fit.conf_int(0.05)[0]
    return {
        "log_odds": log_odds.tolist(),
        "a_is_better": a_is_better.tolist(),
        "prompt": prompt.tolist(),
        "inverse": [fit.params[0], low, high],
    }


def clustered_share(n, n_prompts):
    """Wilson's interval at p (1 - p) / var(p), the variance from a regression on a constant, clustered."""
    prompt = np.sort(rng.integers(0, n_prompts, n))
    so = rng.random(n) < rng.beta(1, 1, n_prompts)[prompt]
    fit = sm.OLS(so.astype(float), np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": prompt, "use_correction": False}
    )
    share = so.mean()
    effective = min(n, share * (1 - share) / fit.cov_params()[0, 0])
    low, high = proportion_confint(share * effective, effective, 0.05, method="wilson")
    return {"so": so.tolist(), "prompt": prompt.tolist(), "share": share, "low": low, "high": high}


def half_width(accuracy, half_width, level):
    n = 1
    while True:
        low, high = proportion_confint(accuracy * n, n, 1 - level, method="wilson")
        if (high - low) / 2 <= half_width:
            return {"accuracy": accuracy, "half_width": half_width, "level": level, "n": n}
        n += 1


def difference(difference, discordant, level, power):
    z_level, z_power = norm.ppf(0.5 + level / 2), norm.ppf(power)
    reach = z_level * discordant**0.5 + z_power * (discordant - difference**2) ** 0.5
    n = int(np.ceil((reach / difference) ** 2))
    return {"difference": difference, "discordant": discordant, "level": level, "power": power, "n": n}


print(
    json.dumps(
        {
            "made_by": "crates/stats/tests/golden/judges.py",
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
                "statsmodels": statsmodels.__version__,
            },
            "tolerance": 1e-9,
            "kappa": [kappa(60, 2, 0.6), kappa(80, 3, 0.4), kappa(200, 4, 0.8)],
            "verbosity": [verbosity(150, 40), verbosity(90, 90)],
            "temperature": [temperature(120, 30), temperature(100, 100)],
            "clustered_share": [clustered_share(100, 20), clustered_share(60, 500)],
            "half_width": [
                half_width(0.8, 0.03, 0.95),
                half_width(0.5, 0.05, 0.99),
                half_width(0.97, 0.02, 0.9),
                half_width(1.0, 0.01, 0.95),
            ],
            "difference": [
                difference(0.1, 0.3, 0.95, 0.8),
                difference(0.02, 0.1, 0.95, 0.9),
                difference(0.05, 0.05, 0.99, 0.8),
            ],
            "ai_labels": {
                key: reference[key]
                for key in ["two_pass", "order_effect_logit", "cohen_kappa", "elo_from_winrate"]
            },
        },
        indent=None,
        separators=(",", ":"),
    ).replace('],"', '],\n"').replace('},{"', '},\n{"')
)
