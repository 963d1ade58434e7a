"""What pgeval's network metrics are measured against: torch-fidelity on the CPU, and SciPy's matrix square root.

Calls torch-fidelity 0.4.0 (with torch 2.11.0) and SciPy 1.17.1 as they come from PyPI. Prints `name<TAB>milliseconds`
per line, the best of ROUNDS:

    inception/128   per image of a folder: read, decode, resize, network, both outputs; after a warm-up.
                    The number is the image's side
    eig/2048        torch-fidelity's distance of two Gaussians, 2048 wide: the eigenvalues of a product
    sqrtm/2048      the same by scipy.linalg.sqrtm, the classic formula

and as `value/eig/2048` and `value/sqrtm/2048` the distances found. The loader runs as torch-fidelity has it by default,
in up to four processes of its own besides the threads of the network: hold them to as many cores with taskset.

    onnx_peer.py --threads 2 --weights inception.pth --images px128 --images px1024 [PREFIX ...]
    onnx_peer.py --threads 2 eig sqrtm

The weights are those of `tools/export_inception.py --random 0 --calibrate FOLDER --save-weights inception.pth`, or the
published ones. Without `--moments`, the Gaussians are made by `moments` below.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

parser = argparse.ArgumentParser(description="Times torch-fidelity and SciPy; prints name<TAB>milliseconds.")
parser.add_argument("--threads", type=int, default=1, help="of torch and of linear algebra (default 1)")
parser.add_argument("--weights", type=Path, metavar="FILE.pth", help="of the network; inception/ needs them")
parser.add_argument(
    "--images", type=Path, action="append", default=[], metavar="DIR", help="square PNGs of one size (can be repeated)"
)
parser.add_argument("--count", type=int, default=64, help="images of a folder that are used (default 64)")
parser.add_argument("--moments", type=Path, nargs=2, metavar="FILE.npz", help="two files with mu and sigma")
parser.add_argument("--save-moments", type=Path, nargs=2, metavar="FILE.npz", help="write the Gaussians there, and stop")
parser.add_argument("prefixes", nargs="*", metavar="PREFIX", help="of the names to measure (default: all)")
ARGUMENTS = parser.parse_args()

# The linear algebra libraries read this once, when they are loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(ARGUMENTS.threads)

import numpy as np
import scipy.linalg
import torch
from PIL import Image
from torch_fidelity.datasets import ImagesPathDataset
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.utils import get_featuresdict_from_dataset

ROUNDS = 3
WIDTH = 2048
# More rows than columns, so that the covariance has full rank as that of a large set of images.
ROWS = 3 * WIDTH

Moments = dict[str, np.ndarray]


def refuse(reason: str) -> None:
    print(f"onnx_peer.py: {reason}", file=sys.stderr)
    sys.exit(2)


def wanted(name: str) -> bool:
    return not ARGUMENTS.prefixes or name.startswith(tuple(ARGUMENTS.prefixes))


def measure(name: str, work: Callable[[], object], per: int = 1) -> None:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    print(f"{name}\t{best / per * 1e3:.2f}", flush=True)


# The network.


def network() -> FeatureExtractorInceptionV3:
    if ARGUMENTS.weights is None or not ARGUMENTS.weights.is_file():
        refuse(f"--weights: expected a file for inception/, found {ARGUMENTS.weights}")
    outputs = ["2048", "logits_unbiased"]
    return FeatureExtractorInceptionV3("peer", outputs, feature_extractor_weights_path=str(ARGUMENTS.weights))


def files_of(folder: Path) -> list[str]:
    files = sorted(map(str, folder.glob("*.png")))[: ARGUMENTS.count]
    if len(files) < ARGUMENTS.count:
        refuse(f"{folder}: {len(files)} PNGs, expected {ARGUMENTS.count}; see --count")
    return files


def extract(extractor: FeatureExtractorInceptionV3, files: list[str]) -> object:
    return get_featuresdict_from_dataset(
        ImagesPathDataset(files),
        extractor,
        DEFAULTS["batch_size"],
        cuda=False,
        save_cpu_ram=DEFAULTS["save_cpu_ram"],
        verbose=False,
    )


def measure_inception() -> None:
    folders = {}
    for folder in ARGUMENTS.images:
        files = files_of(folder)
        with Image.open(files[0]) as image:
            folders[f"inception/{image.width}"] = files
    folders = {name: files for name, files in folders.items() if wanted(name)}
    if not folders:
        return
    extractor = network()
    for name, files in folders.items():
        extract(extractor, files[:8])
        measure(name, lambda files=files: extract(extractor, files), len(files))


# The distance.


def moments(seed: int) -> Moments:
    """Of features whose deviations fall from 1 to 0.05 and that are mixed with one another."""
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((ROWS, WIDTH)) * np.geomspace(1.0, 0.05, WIDTH)
    features += 0.5 * np.roll(features, seed, axis=1)
    return {"mu": 0.01 * seed + features.mean(axis=0), "sigma": np.cov(features, rowvar=False)}


def read_moments(path: Path) -> Moments:
    try:
        with np.load(path) as file:
            return {name: file[name] for name in ("mu", "sigma")}
    except (OSError, KeyError, ValueError) as error:
        refuse(f"{path}: expected arrays mu and sigma in an .npz file ({error})")


def by_sqrtm(real: Moments, fake: Moments) -> float:
    root = scipy.linalg.sqrtm(real["sigma"] @ fake["sigma"])
    between = real["mu"] - fake["mu"]
    return float(between @ between + np.trace(real["sigma"] + fake["sigma"]) - 2 * np.trace(root).real)


def by_eigenvalues(real: Moments, fake: Moments) -> float:
    return fid_statistics_to_metric(real, fake, verbose=False)["frechet_inception_distance"]


def measure_distances() -> None:
    distances = {"eig": by_eigenvalues, "sqrtm": by_sqrtm}
    if not any(wanted(f"{prefix}{name}/{WIDTH}") for prefix in ("", "value/") for name in distances):
        return
    if ARGUMENTS.moments:
        sides = [read_moments(path) for path in ARGUMENTS.moments]
    else:
        sides = [moments(seed) for seed in (1, 2)]
    for name, distance in distances.items():
        label = f"{name}/{len(sides[0]['mu'])}"
        if wanted(f"value/{label}"):
            print(f"value/{label}\t{distance(*sides):.9g}", flush=True)
        if wanted(label):
            measure(label, lambda distance=distance: distance(*sides))


def main() -> None:
    if ARGUMENTS.save_moments:
        for seed, path in enumerate(ARGUMENTS.save_moments, start=1):
            np.savez(path, **moments(seed))
        return
    torch.set_num_threads(ARGUMENTS.threads)
    measure_inception()
    measure_distances()


if __name__ == "__main__":
    main()
