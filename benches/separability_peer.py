#!/usr/bin/env python3
"""Seconds of scikit-learn's LinearSVC on the points of pg-metrics' bench `separability`.

    python3 benches/separability_peer.py      (needs numpy 2.4.6 and scikit-learn 1.9.1)

With its defaults, and once solved in the primal, which is faster where points outnumber their components.
"""

import time
import warnings

import numpy as np
from sklearn.svm import LinearSVC

POINTS, SIZE = 100_000, 512


def main() -> None:
    warnings.filterwarnings("ignore")
    random = np.random.default_rng(1)
    z = random.normal(size=(POINTS, SIZE)).astype(np.float32)
    w = (0.01 ** (np.arange(SIZE, dtype=np.float32) / SIZE) * z + 0.2).astype(np.float32)
    has = z @ random.normal(size=SIZE).astype(np.float32) + 10.0 * random.normal(size=POINTS) > 0
    for name, points in (("z", z), ("w", w)):
        for how, dual in (("defaults", True), ("primal", False)):
            started = time.perf_counter()
            machine = LinearSVC(dual=dual).fit(points, has)
            seconds = time.perf_counter() - started
            right = 100 * (machine.predict(points) == has).mean()
            print(f"plane/{name} {how}\t{seconds:.2f}\t{right:.3f} % told rightly", flush=True)


if __name__ == "__main__":
    main()
