"""Times the solver of crates/probe and scikit-learn's LogisticRegression on the same fits.

    probe_fits.py FIT_SWEEP ROUNDS          called by probe_fits.sh

One problem: half of a built-in set's training rows, their frozen features, k label sets (ground truth
with 20 to 30 % of the labels flipped, other flips in each), one penalty. Both sides minimise

    mean of the logistic losses + l2 / 2 * |w|^2        the bias unpenalised

until no component of the gradient exceeds 1e-4: scikit-learn (1.7) hands `tol` to SciPy as `gtol`, and
its objective is the above divided by nothing, with l2 = 1 / (C n). Timed is processor time, of everything
but reading the data; on our side the preconditioner is in it. scikit-learn is spared its input checks,
and gets its data as f64 and as f32; the faster counts. Each side's time is the best of ROUNDS, taken in
turns, since other work on the machine only ever adds.

Differences are largest absolute ones over all fits: of weights, of the bias, and of the probabilities of
the set's test rows. To see whose they are, the first fits of each problem are also solved to a gradient
of 1e-9 by Newton's method in f64.
"""

import gzip
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from sklearn.linear_model import LogisticRegression

DATA = Path(__file__).parent.parent / "data"
FEATURES = "all-MiniLM-L6-v2"
DIM = 384
SETS = ("rotten-tomatoes", "subjectivity")
PENALTIES = (3e-3, 3e-4, 3e-5)
SWEEPS = (1, 20, 100)
TOLERANCE = 1e-4
# Fits of a sweep that are also solved exactly.
N_EXACT = 10


class Problem:
    """One set, in memory and as the files that the Rust side reads."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.features_path = DATA / name / f"{FEATURES}.f16"
        with gzip.open(DATA / name / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        features = np.fromfile(self.features_path, "<f2").reshape(len(rows), DIM)
        answers = sorted({row["label"] for row in rows})
        truth = np.array([answers.index(row["label"]) for row in rows], np.uint8)
        is_test = np.array([row["split"] == "test" for row in rows])
        random = np.random.default_rng(0)
        train = random.permutation(np.flatnonzero(~is_test))
        train = np.sort(train[: len(train) // 2])
        self.n = len(train)
        train.astype("<u4").tofile(folder / "rows.u32")
        self.x = {dtype: features[train].astype(dtype) for dtype in (np.float64, np.float32)}
        self.x_test = features[is_test].astype(np.float64)
        rates = random.uniform(0.2, 0.3, max(SWEEPS))
        flips = random.random((max(SWEEPS), self.n)) < rates[:, None]
        self.labels = truth[train] ^ flips

    def trimtab(self, fit_sweep, k, l2):
        """CPU seconds, and solutions [k, DIM + 1], the bias last."""
        self.labels[:k].astype(np.uint8).tofile(self.folder / "labels.u8")
        paths = [self.folder / name for name in ("rows.u32", "labels.u8", "out.f32")]
        # A short sweep is over before a clock can tell: its best of many.
        repeats = 1 + 60 // k
        command = [fit_sweep, self.features_path, DIM, *paths[:2], l2, TOLERANCE, repeats, paths[2]]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True)
        said = json.loads(done.stdout)
        assert said["n_converged"] == k, said
        solutions = np.fromfile(paths[2], "<f4").reshape(k, DIM + 1)
        return said["cpu_secs"], solutions.astype(np.float64)

    def sklearn(self, k, l2, dtype):
        """As above."""
        best = np.inf
        for _ in range(1 + 6 // k):
            models = []
            start = time.process_time()
            for labels in self.labels[:k]:
                model = LogisticRegression(C=1 / (l2 * self.n), tol=TOLERANCE, max_iter=10_000)
                models.append(model.fit(self.x[dtype], labels))
            best = min(best, time.process_time() - start)
        return best, np.array([stack(model) for model in models])

    def exact(self, k, l2):
        """Solutions of the first label sets, by Newton's method."""
        model = LogisticRegression(C=1 / (l2 * self.n), tol=1e-9, solver="newton-cholesky")
        return np.array([stack(model.fit(self.x[np.float64], y)) for y in self.labels[:k]])

    def objective(self, solutions, l2):
        """What was minimised, for each solution."""
        z = solutions[:, :-1] @ self.x[np.float64].T + solutions[:, -1:]
        losses = np.logaddexp(0, z) - self.labels[: len(z)] * z
        return losses.mean(axis=1) + l2 / 2 * (solutions[:, :-1] ** 2).sum(axis=1)

    def differences(self, left, right):
        """The largest, of weights, bias and probabilities."""
        k = min(len(left), len(right))
        apart = np.abs(left[:k] - right[:k])
        probabilities = [
            1 / (1 + np.exp(-(solutions[:k, :-1] @ self.x_test.T + solutions[:k, -1:])))
            for solutions in (left, right)
        ]
        apart_p = np.abs(probabilities[0] - probabilities[1])
        return apart[:, :-1].max(), apart[:, -1].max(), apart_p.max()


def stack(model):
    return np.append(model.coef_[0], model.intercept_[0]).astype(np.float64)


def main():
    fit_sweep, n_rounds = sys.argv[1], int(sys.argv[2])
    warnings.filterwarnings("error", category=sklearn.exceptions.ConvergenceWarning)
    sklearn.set_config(assume_finite=True, skip_parameter_validation=True)
    print(
        f"scikit-learn {sklearn.__version__}, SciPy {scipy.__version__}, NumPy {np.__version__}; "
        f"gradient tolerance {TOLERANCE:g}; one thread; best of {n_rounds} rounds\n"
    )
    times, accuracy = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            problem = Problem(name, Path(folder))
            for l2 in PENALTIES:
                exact = problem.exact(N_EXACT, l2)
                lowest = problem.objective(exact, l2)
                for k in SWEEPS:
                    sides = {
                        "trimtab": lambda: problem.trimtab(fit_sweep, k, l2),
                        "f64": lambda: problem.sklearn(k, l2, np.float64),
                        "f32": lambda: problem.sklearn(k, l2, np.float32),
                    }
                    secs = dict.fromkeys(sides, np.inf)
                    found = {}
                    for _ in range(n_rounds):
                        for side, run in sides.items():
                            spent, found[side] = run()
                            secs[side] = min(secs[side], spent)
                    ratio = min(secs["f64"], secs["f32"]) / secs["trimtab"]
                    rates = [k / secs[side] for side in sides]
                    times.append((name, problem.n, l2, k, *rates, ratio))
                    if k != max(SWEEPS):
                        continue
                    for side, solutions in found.items():
                        values = problem.objective(solutions, l2)
                        excess = (values[:N_EXACT] - lowest).max()
                        row = [name, l2, side, values.mean(), excess]
                        row += problem.differences(solutions, exact)
                        other = problem.differences(solutions, found["f64"])
                        accuracy.append((*row, *(other if side == "trimtab" else [None] * 3)))

    print("Fits per CPU-second, all set-up included; the ratio is to the faster scikit-learn:\n")
    print("| set | rows | l2 | label sets | trimtab | sklearn f64 | sklearn f32 | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, n, l2, k, ours, f64, f32, ratio in times:
        print(f"| {name} | {n} | {l2:g} | {k} | {ours:.0f} | {f64:.0f} | {f32:.0f} | {ratio:.1f} |")
    print(f"\nSolutions of the {max(SWEEPS)} label sets. Largest differences of weights, bias and test")
    print(f"probabilities: from the exact solutions ({N_EXACT} fits), and ours from sklearn f64 (all).\n")
    print(
        "| set | l2 | side | mean objective | most above the minimum "
        "| weights | bias | probabilities | to sklearn: weights | bias | probabilities |"
    )
    print("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, l2, side, value, excess, *apart in accuracy:
        cells = ["" if x is None else f"{x:.1e}" for x in apart]
        print(f"| {name} | {l2:g} | {side} | {value:.7f} | {excess:.1e} | {' | '.join(cells)} |")
    print("\nsmallest, median and largest ratio by number of label sets:")
    for k in SWEEPS:
        ratios = [row[-1] for row in times if row[3] == k]
        print(f"  {k:>3}: {min(ratios):.1f}, {np.median(ratios):.1f}, {max(ratios):.1f}")


if __name__ == "__main__":
    main()
