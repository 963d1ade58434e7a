#!/usr/bin/env python3
"""How often FID's interval holds the expected value, by NumPy: a peer of crates/pg-metrics/src/frechet_jackknife.rs.

    OPENBLAS_NUM_THREADS=1 python3 benches/frechet_interval_peer.py [TRIALS]    # numpy 2.4.6, scipy 1.17.1; 400 by default

The features are those of crates/pg-metrics/tests/interval_coverage/experiment.rs; the truth is the mean of all trials.
"""

import sys
from functools import partial
from multiprocessing import Pool

import numpy as np
from scipy.stats import t as student

# Features, images a side, shift of the fake side.
CASES = [
    (8, 300, 0.5),
    (8, 300, 0.2),
    (8, 300, 0.1),
    (8, 300, 0.05),
    (8, 300, 0.03),
    (8, 300, 0.0),
    (8, 20, 0.0),
    (8, 20, 0.5),
    (8, 12, 0.0),
    (64, 1000, 0.1),
    (64, 1000, 0.0),
    (64, 300, 0.0),
    (64, 128, 0.5),
    (64, 128, 0.0),
    (64, 60, 0.0),
    (64, 40, 0.0),
    (64, 40, 0.5),
    (64, 20, 0.0),
    (40, 40, 0.0),
    (40, 40, 0.5),
    (24, 20, 0.0),
    (24, 20, 0.5),
]


def features(rng: np.random.Generator, images: int, width: int, shift: float) -> np.ndarray:
    normal = lambda *shape: rng.uniform(-1, 1, (3, *shape)).sum(0)
    return np.maximum(normal(images, width) + 0.5 * normal(images, 1) + shift, 0).astype(np.float32).astype(float)


def distance(real: np.ndarray, fake: np.ndarray) -> float:
    (m1, c1), (m2, c2) = [(rows.mean(0), np.cov(rows.T)) for rows in (real, fake)]
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(np.maximum(values, 0))
    inner = np.linalg.eigvalsh(root.T @ c2 @ root)
    return ((m1 - m2) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.sqrt(np.maximum(inner, 0)).sum()


def interval(value: float, one_out: np.ndarray, two_out: np.ndarray, full_rank: bool) -> tuple[float, float]:
    """From the distances without each group, and without it and the next."""
    groups = len(one_out)
    jackknife = (groups - 1) * one_out.var()
    second_differences = groups * value - (groups - 1) * (one_out + np.roll(one_out, -1)) + (groups - 2) * two_out
    pairs = groups * (groups - 1) / 2
    second = pairs / groups**2 * second_differences.var(ddof=1)
    twice = 1 if full_rank else min(max(3 * (second / jackknife - 0.15), 0), 1)
    first = max(0, jackknife - (1 + twice) * second)
    variance = first + second
    excess = value - (groups - 1) * (one_out.mean() - value)
    slope = max(jackknife / value, first / max(excess, variance**0.5))
    q2 = student.ppf(0.975, groups - 1) ** 2
    root = ((q2 * slope) ** 2 + 4 * q2 * variance) ** 0.5
    up, down = (root + q2 * slope) / 2, (root - q2 * slope) / 2
    if slope * down > first:
        down = (q2 * second) ** 0.5
    return max(value - down, 0), value + up


def trial(seed: int, width: int, images: int, shift: float) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    real, fake = features(rng, images, width, 0), features(rng, images, width, shift)
    value = distance(real, fake)
    groups = next(g for g in (20, 12, 8, 4) if g <= images)
    group = np.arange(images) * groups // images
    without = lambda *left_out: distance(*[rows[~np.isin(group, left_out)] for rows in (real, fake)])
    one_out = np.array([without(g) for g in range(groups)])
    two_out = np.array([without(g, (g + 1) % groups) for g in range(groups)])
    return value, *interval(value, one_out, two_out, images > width)


def main(pool: Pool) -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print("features images shift  coverage   truth  st.dev.  half width")
    for case, (width, images, shift) in enumerate(CASES):
        seeds = [1_000_000 * case + i for i in range(trials)]
        rows = np.array(pool.map(partial(trial, width=width, images=images, shift=shift), seeds))
        value, low, high = rows.T
        covered = ((low <= value.mean()) & (value.mean() <= high)).mean()
        print(
            f"{width:8} {images:6} {shift:5} {100 * covered:7.1f} % {value.mean():8.4g} {value.std(ddof=1):8.3g}"
            f" {(high - low).mean() / 2:8.3g}",
            flush=True,
        )


if __name__ == "__main__":
    with Pool() as workers:
        main(workers)
