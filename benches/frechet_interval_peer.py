#!/usr/bin/env python3
"""How often FID's interval holds the expected value, by NumPy: a peer of crates/pg-metrics/src/frechet_halves.rs.

    python3 benches/frechet_interval_peer.py [TRIALS]        # numpy 2.4.6, scipy 1.17.1; 400 trials by default

The features are those of crates/pg-metrics/tests/interval_coverage/experiment.rs; the truth is the mean of all trials.
"""

import sys

import numpy as np
from scipy.stats import t as student

# Features, images a side, shift of the fake side.
CASES = [
    (8, 300, 0.5),
    (8, 300, 0.2),
    (8, 300, 0.1),
    (8, 300, 0.05),
    (8, 300, 0.0),
    (8, 20, 0.0),
    (64, 1000, 0.1),
    (64, 1000, 0.0),
    (64, 128, 0.5),
    (64, 128, 0.0),
    (64, 40, 0.0),
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


def half_samples(images: int) -> tuple[int, list[np.ndarray]]:
    groups = next(g for g in (20, 12, 8, 4) if g <= images)
    prime = groups - 1
    squares = {i * i % prime for i in range(1, prime)}
    row = lambda r: np.array([(g - r) % prime in squares for g in range(prime)] + [True])
    return groups, [row(r) for r in range(prime)]


def trial(seed: int, width: int, images: int, shift: float) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    real, fake = features(rng, images, width, 0), features(rng, images, width, shift)
    value = distance(real, fake)
    groups, masks = half_samples(images)
    group = np.arange(images) * groups // images
    pairs = np.array([[distance(real[m[group]], fake[m[group]]), distance(real[~m[group]], fake[~m[group]])] for m in masks])
    odd, even = ((pairs[:, 0] - pairs[:, 1]) ** 2).mean() / 4, pairs.mean(1)
    scale = max(value, odd**0.5)
    first = odd / (4 * scale)
    second = even.var(ddof=1) / (2 * (scale + max(scale, even.mean())))
    variance = first - min(second, first / 2)
    half = student.ppf(0.975, len(masks)) * variance**0.5
    low = min(max(value**0.5 - half, 0) ** 2 + variance, value)
    return value, low, (value**0.5 + half) ** 2 + variance


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print("features images shift  coverage   truth  st.dev.  half width")
    for case, (width, images, shift) in enumerate(CASES):
        rows = np.array([trial(1_000_000 * case + i, width, images, shift) for i in range(trials)])
        value, low, high = rows.T
        covered = ((low <= value.mean()) & (value.mean() <= high)).mean()
        print(
            f"{width:8} {images:6} {shift:5} {100 * covered:7.1f} % {value.mean():8.4g} {value.std(ddof=1):8.3g}"
            f" {(high - low).mean() / 2:8.3g}",
            flush=True,
        )


main()
