"""Golden numbers of the landscape crate: python landscape.py > landscape.json

Made with statsmodels 0.15.0 (GLM of family Binomial, frequency weights for the items; WLS for the line in logarithms).
"""

import json
import sys

import numpy as np
import statsmodels.api as sm

years = np.array([2019.0, 2020.0, 2021.5, 2022.0, 2023.0, 2024.0])
scores = np.array([0.24, 0.31, 0.4, 0.52, 0.55, 0.71])
items = np.array([200.0, 150.0, 400.0, 120.0, 300.0, 250.0])


def logistic(weights):
    centre = 2022.0
    x = sm.add_constant(years - centre)
    fit = sm.GLM(scores, x, family=sm.families.Binomial(), var_weights=weights).fit(tol=1e-14, maxiter=200)
    ahead = fit.predict(np.array([[1.0, 2027.0 - centre]]))[0]
    return {"slope": fit.params[1], "at-2027": ahead, "pearson": fit.pearson_chi2}


def log_linear():
    centre = 2022.0
    x = sm.add_constant(years - centre)
    fit = sm.OLS(np.log(scores), x).fit()
    return {"slope": fit.params[1], "at-2025": float(np.exp(fit.params @ [1.0, 3.0]))}


json.dump(
    {
        "years": years.tolist(),
        "scores": scores.tolist(),
        "items": items.astype(int).tolist(),
        "logistic": logistic(np.ones_like(scores)),
        "logistic-with-items": logistic(items),
        "log-linear": log_linear(),
    },
    sys.stdout,
    indent=1,
)
print()
