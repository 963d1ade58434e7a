"""What pgeval's numbers are measured against: descriptors, MS-SSIM and the sliced distance in NumPy and SciPy.

Written for this project from the formulas in docs/numerics.md. Prints `name<TAB>milliseconds` per line, the
best of ROUNDS, the same names and inputs as crates/pg-metrics/benches/scores.rs; the lines `value/...` hold
results on small inputs instead, which must be the same as there. A distance comes twice: sorted down the
columns of `[n,d]`, as the reference program lays it out, and as `distance-by-row` with every direction's
projections side by side in memory, which NumPy sorts several times as fast.

    eval_peer.py [--threads N] [--full] [FILTER]   --full adds distance/2^21, which takes 8 GB of memory
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--full", action="store_true")
parser.add_argument("filter", nargs="?", default="")
ARGUMENTS = parser.parse_args()

# The linear algebra library reads this once, when it is loaded.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(ARGUMENTS.threads)

import numpy as np
import scipy.ndimage
import scipy.signal

ROUNDS = 5
# Descriptors a side, as a power of two, and how often their distance is measured: it takes seconds.
DISTANCES = [(18, 2), (21, 1)]
IMAGES = 4
PATCHES = 128
REPEATS, DIRECTIONS = 4, 128
LENGTH = 7 * 7 * 3
LOWEST_PX = 16

# The inputs: the same hash of a number as in scores.rs.


def bits(numbers: np.ndarray, seed: int) -> np.ndarray:
    mixed = numbers.astype(np.uint32) ^ np.uint32(seed * 2_654_435_769 & 0xFFFF_FFFF)
    mixed *= np.uint32(2_654_435_761)
    mixed = mixed << np.uint32(15) | mixed >> np.uint32(17)
    mixed *= np.uint32(2_246_822_519)
    return mixed


def picture(side: int, seed: int) -> np.ndarray:
    """Noise over a gradient, `[3,side,side]`, u8."""
    numbers = np.arange(3 * side * side)
    values = numbers % side * 200 // side + (bits(numbers, seed) >> np.uint32(26))
    return values.astype(np.uint8).reshape(3, side, side)


def noise(count: int, seed: int) -> np.ndarray:
    """Uniform in -1..1, `[count]`, f32; made in pieces, to keep the working memory small."""
    out, piece = np.empty(count, np.float32), 1 << 22
    for first in range(0, count, piece):
        part = out[first : first + piece]
        part[:] = bits(np.arange(first, first + len(part), dtype=np.uint32), seed) >> np.uint32(8)
        part /= np.float32(8_388_608)
        part -= np.float32(1)
    return out


# Descriptors.

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
KERNEL = np.outer(BINOMIAL, BINOMIAL)


def filtered(planes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.stack([scipy.ndimage.convolve(plane, kernel, mode="mirror") for plane in planes])


def expanded(planes: np.ndarray) -> np.ndarray:
    channels, height, width = planes.shape
    stuffed = np.zeros((channels, 2 * height, 2 * width), np.float32)
    stuffed[:, ::2, ::2] = planes
    return filtered(stuffed, 4 * KERNEL)


def laplacian_pyramid(image: np.ndarray) -> Iterator[np.ndarray]:
    level = image.astype(np.float32)
    while level.shape[1] > LOWEST_PX:
        coarser = filtered(level, KERNEL)[:, ::2, ::2]
        yield level - expanded(coarser)
        level = coarser
    yield level


def patches(level: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """7x7 pixels of all channels around each (x, y), `[n,147]`, columns slower than rows."""
    channel, dx, dy = np.ogrid[:3, -3:4, -3:4]
    x, y = x[:, None, None, None], y[:, None, None, None]
    return level[channel, y + dy, x + dx].reshape(-1, LENGTH)


def describe(image: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    descriptors = []
    for level in laplacian_pyramid(image):
        x, y = generator.integers(3, level.shape[1] - 3, size=(2, PATCHES))
        descriptors.append(patches(level, x, y))
    return descriptors


# MS-SSIM.

WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def gaussian_window(size: int) -> np.ndarray:
    sigma = 1.5 * size / 11
    places = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(places**2) / (2 * sigma**2))
    taps /= taps.sum()
    return np.outer(taps, taps)


def similarity(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Means of SSIM and of its contrast-structure part."""
    window = gaussian_window(min(11, *a.shape[1:]))

    def under_window(planes: np.ndarray) -> np.ndarray:
        return np.stack([scipy.signal.fftconvolve(plane, window, mode="valid") for plane in planes])

    mean_a, mean_b = under_window(a), under_window(b)
    mean_ab, mean_aa, mean_bb = mean_a * mean_b, mean_a**2, mean_b**2
    variance_a, variance_b = under_window(a * a) - mean_aa, under_window(b * b) - mean_bb
    covariance = under_window(a * b) - mean_ab
    contrast = (2 * covariance + C2) / (variance_a + variance_b + C2)
    ssim = (2 * mean_ab + C1) / (mean_aa + mean_bb + C1) * contrast
    return ssim.mean(), contrast.mean()


def halved(planes: np.ndarray) -> np.ndarray:
    channels, height, width = planes.shape
    return planes.reshape(channels, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    a, b, product = a.astype(np.float64), b.astype(np.float64), 1.0
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            a, b = halved(a), halved(b)
        ssim, contrast = similarity(a, b)
        mean = ssim if scale == len(WEIGHTS) - 1 else contrast
        product *= max(mean, 0.0) ** weight
    return float(product)


# The distance.


def unit(directions: np.ndarray) -> np.ndarray:
    """`[147,d]`, every column of length one."""
    length = np.sqrt(np.square(directions, dtype=np.float64).sum(axis=0))
    return (directions / length).astype(np.float32)


def distance(real: np.ndarray, fake: np.ndarray, repeats: list[np.ndarray], by_row: bool = False) -> float:
    """Of two sets `[n,147]`, the mean over directions, those of a repeat at a time."""
    means = []
    for directions in repeats:
        if by_row:
            projected = [np.sort(directions.T @ descriptors.T, axis=1) for descriptors in (real, fake)]
        else:
            projected = [np.sort(descriptors @ directions, axis=0) for descriptors in (real, fake)]
        difference = np.subtract(*projected, out=projected[0])
        means.append(np.abs(difference, out=difference).mean(dtype=np.float64))
    return float(np.mean(means))


# What is printed.


def value_of_descriptors() -> float:
    """Every place of a descriptor has its own weight, so that their order counts."""
    numbers, weights = np.arange(32), 1 + np.arange(LENGTH)
    means = []
    for level in laplacian_pyramid(picture(64, 1)):
        places = level.shape[1] - 6
        x, y = (3 + (bits(2 * numbers + axis, 3) % places).astype(int) for axis in (0, 1))
        means.append((np.abs(patches(level, x, y)) * weights).mean(dtype=np.float64))
    return float(np.mean(means))


def value_of_distance(by_row: bool) -> float:
    real, fake = (noise(500 * LENGTH, seed).reshape(-1, LENGTH) for seed in (1, 2))
    return distance(real, fake, [unit(noise(LENGTH * 64, 3).reshape(LENGTH, 64))], by_row)


def wanted(name: str) -> bool:
    return ARGUMENTS.filter in name


def measure(name: str, rounds: int, work: Callable[[], object], per: int = 1) -> None:
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    print(f"{name}\t{best / per * 1e3:.2f}", flush=True)


def main() -> None:
    generator = np.random.default_rng(1)
    values = {
        "value/descriptors": value_of_descriptors,
        "value/ms-ssim": lambda: ms_ssim(picture(128, 1), picture(128, 2)),
        "value/distance": lambda: value_of_distance(by_row=False),
        "value/distance-by-row": lambda: value_of_distance(by_row=True),
    }
    for name, value in values.items():
        if wanted(name):
            print(f"{name}\t{value()}", flush=True)
    for side in (128, 256, 1024):
        if wanted(name := f"descriptors/{side}"):
            images = [picture(side, seed) for seed in range(1, 1 + IMAGES)]
            measure(name, ROUNDS, lambda: [describe(image, generator) for image in images], IMAGES)
        if wanted(name := f"ms-ssim/{side}"):
            pair = picture(side, 1), picture(side, 2)
            measure(name, ROUNDS, lambda: ms_ssim(*pair))
    for exponent, rounds in DISTANCES if ARGUMENTS.full else DISTANCES[:1]:
        by_column, by_row = f"distance/2^{exponent}", f"distance-by-row/2^{exponent}"
        if wanted(by_column) or wanted(by_row):
            sets = [noise(LENGTH << exponent, seed).reshape(-1, LENGTH) for seed in (1, 2)]
            drawn = [generator.standard_normal((LENGTH, DIRECTIONS)) for _ in range(REPEATS)]
            repeats = [unit(directions) for directions in drawn]
            for name in filter(wanted, (by_column, by_row)):
                measure(name, rounds, lambda: distance(*sets, repeats, by_row=name == by_row))


if __name__ == "__main__":
    main()
