"""Measures agreement on a million ratings, ours and a bootstrap over items in numpy.

    agreement.py EXAMPLE RESAMPLES             runs everything
    agreement.py --numpy CATEGORIES RESAMPLES  the numpy side alone

Ours: per cent, mean Cohen (quadratic), Fleiss, alpha (nominal, ordinal, interval), Gwet AC1 and AC2: eight coefficients. numpy's: per
cent, Fleiss and alpha (nominal, interval) of counts a category, computed once an item; a resample draws items and sums.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measure import measure

N_ITEMS, N_RATERS = 200_000, 5


def with_numpy(n_categories, n_resamples):
    import numpy as np

    rng = np.random.default_rng(0)
    seen = rng.random(N_ITEMS)[:, None] + 0.15 * rng.normal(size=(N_ITEMS, N_RATERS))
    said = np.rint(seen.clip(0, 1) * (n_categories - 1)).astype(np.int64)
    counts = np.zeros((N_ITEMS, n_categories), np.uint8)
    np.add.at(counts, (np.arange(N_ITEMS)[:, None], said), 1)
    pairs = N_RATERS * (N_RATERS - 1)
    agreement = ((counts.astype(np.int64) ** 2).sum(1) - N_RATERS) / pairs
    spread = 2 * N_RATERS * said.var(1) * N_RATERS / (N_RATERS - 1)
    x = np.arange(n_categories)
    values = []
    for _ in range(n_resamples):
        drawn = rng.integers(0, N_ITEMS, N_ITEMS)
        p_a = agreement[drawn].mean()
        n_k = np.bincount(said[drawn].ravel(), minlength=n_categories).astype(float)
        n = n_k.sum()
        p_e = ((n_k / n) ** 2).sum()
        mean = (n_k * x).sum() / n
        interval = 1 - (n - 1) * spread[drawn].sum() / (2 * n * (n_k * (x - mean) ** 2).sum())
        nominal = 1 - (n - 1) * N_ITEMS * N_RATERS * (1 - p_a) / (n * n * (1 - p_e))
        values.append((p_a, (p_a - p_e) / (1 - p_e), nominal, interval))
    low, high = np.quantile(np.array(values), [0.025, 0.975], axis=0)
    print("  numpy: per cent, Fleiss, alpha nominal, interval:", np.round(low, 5), np.round(high, 5))


def main():
    if sys.argv[1] == "--numpy":
        with_numpy(int(sys.argv[2]), int(sys.argv[3]))
        return
    example, n = sys.argv[1], int(sys.argv[2])
    for n_categories in (5, 101):
        print(f"{n_categories} categories")
        ours = measure([example, f"categories={n_categories}", f"resamples={n}"])
        start = measure([example, f"categories={n_categories}", "resamples=1"])
        print(f"  Trimtab, {n} resamples    {ours}", flush=True)
        few = max(1, n // 20)
        numpy = measure([sys.executable, __file__, "--numpy", str(n_categories), str(few)])
        import_secs = measure([sys.executable, __file__, "--numpy", str(n_categories), "1"]).cpu_secs
        print(f"  numpy, {few} resamples      {numpy}")
        each = (ours.cpu_secs - start.cpu_secs) / (n - 1)
        theirs = (numpy.cpu_secs - import_secs) / max(1, few - 1)
        print(f"  CPU ms a resample: Trimtab {1000 * each:.2f} (eight), numpy {1000 * theirs:.2f} (four)", flush=True)


if __name__ == "__main__":
    main()
