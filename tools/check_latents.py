#!/usr/bin/env python3
"""Computes what `pgeval ppl` and `pgeval ls` found once more, with torch and scikit-learn.

    pgeval ppl g.onnx --lpips lpips.onnx --space z --sampling full --save paths.npz
    pgtrain export RUN -o g.pt
    python3 tools/check_latents.py ppl paths.npz g.pt --weights vgg16-397923af.pth
    pgeval ls g.onnx --space w --classifier attributes.onnx --save points.npz
    python3 tools/check_latents.py ls points.npz

`ppl` draws both images of each path with the TorchScript module and measures them with the package lpips: for generators
without styles, as the noise of others is drawn by pgeval. `ls` fits LinearSVC to the points that counted. The differences
are printed. Exit status: 0 they are small, 1 they are not, 2 it could not be run.

The packages below are found in this Python, or fetched by `uv run` if there is uv, or else by pip into an environment
of their own (`--venv`). torch comes with NVIDIA's libraries on Linux: 2.5 GB to fetch, 5 GB on disk.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.11.0",
#   "torchvision==0.26.0",
#   "lpips==0.1.4",
#   "scikit-learn==1.9.1",
#   "numpy==2.4.6",
# ]
# ///

import argparse
import types
import warnings
from pathlib import Path

import export_lpips
import support

# Of the mean of the distances, as a share.
TOLERANCE = 1e-4
# Of the points that count, on the same side of the plane.
EQUAL = 0.995


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="exit status: 0 equal, 1 not equal, 2 refused",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--venv", type=Path, metavar="DIR", help="an environment to use or make")
    commands = parser.add_subparsers(dest="command", required=True)
    ppl = commands.add_parser("ppl", help="path lengths, by torch and the package lpips")
    ppl.add_argument("saved", type=Path, metavar="PATHS.npz", help="of pgeval ppl --save")
    ppl.add_argument("module", type=Path, metavar="G.pt", help="the same generator, of pgtrain export")
    ppl.add_argument("--weights", type=Path, metavar="VGG16.pth", help="torchvision's weights of VGG16")
    ppl.add_argument("--random", type=int, metavar="SEED", help="random weights of VGG16 instead")
    ppl.add_argument("--any-weights", action="store_true", help="take a file that is not the published one")
    ppl.add_argument("--crop", choices=["faces", "none"], default="none", help="as given to pgeval (default none)")
    ls = commands.add_parser("ls", help="planes, by scikit-learn")
    ls.add_argument("saved", type=Path, metavar="POINTS.npz", help="of pgeval ls --save")
    parsed = parser.parse_args()
    if parsed.command == "ppl" and (parsed.weights is None) == (parsed.random is None):
        parser.error("expected either --weights VGG16.pth or --random SEED")
    return parsed


def main() -> int:
    options = arguments()
    for path in [options.saved, getattr(options, "module", options.saved)]:
        if not path.is_file():
            raise support.Refusal(f"{path}: no such file")
    support.enter_environment(__file__, options.venv, "check-latents-venv")
    warnings.filterwarnings("ignore")
    equal = check_paths(options) if options.command == "ppl" else check_planes(options)
    return 0 if equal else 1


def arrays(path: Path, names: list[str]) -> list:
    import numpy as np

    saved = np.load(path)
    missing = [name for name in names if name not in saved]
    if missing:
        raise support.Refusal(f"{path}: has no {' '.join(missing)}; expected what pgeval writes with --save")
    return [saved[name] for name in names]


def check_paths(options: argparse.Namespace) -> bool:
    import lpips
    import torch

    first, second, found = (torch.from_numpy(array) for array in arrays(options.saved, ["first", "second", "distances"]))
    generator = torch.jit.load(str(options.module), map_location="cpu").eval()
    network = lpips.LPIPS(net="vgg", version="0.1", pretrained=True, pnet_rand=True, verbose=False)
    export_lpips.load(
        network, types.SimpleNamespace(weights=options.weights, random=options.random, any_weights=options.any_weights)
    )
    network.eval()
    expected = []
    with torch.inference_mode():
        for at in range(0, len(first), 16):
            pair = [compared(generator(points[at : at + 16]), options.crop) for points in (first, second)]
            expected.append(network(*(images.expand(-1, 3, -1, -1) for images in pair)).flatten().double())
    expected = torch.cat(expected)
    ratio = float(found.mean() / expected.mean())
    worst = float((found / expected - 1).abs().max())
    print(f"{options.saved}: {len(found)} paths, mean distance {expected.mean():.6e} by torch")
    print(f"pgeval's mean is {ratio - 1:+.1e} off; the worst path by {worst:.1e}")
    return abs(ratio - 1) <= TOLERANCE


def compared(images: object, crop: str) -> object:
    """The middle of a face where it is asked for, as means of squares of pixels down to 256."""
    import torch

    if crop == "faces":
        eighth = images.shape[2] // 8
        images = images[:, :, 3 * eighth : 7 * eighth, 2 * eighth : 6 * eighth]
    factor = -(-images.shape[2] // 256)
    return torch.nn.functional.avg_pool2d(images, factor) if factor > 1 else images


def check_planes(options: argparse.Namespace) -> bool:
    import numpy as np
    from sklearn.svm import LinearSVC

    points, log_odds, said = arrays(options.saved, ["points", "log_odds", "said"])
    all_equal = True
    for attribute in range(log_odds.shape[1]):
        counts = said[:, attribute] >= 0
        has = log_odds[counts, attribute] > 0
        ours = said[counts, attribute] > 0.5
        if has.all() or not has.any():
            print(f"attribute {attribute}: {counts.sum()} points of one class, no plane")
            continue
        machine = LinearSVC(max_iter=100_000, tol=1e-5, random_state=0).fit(points[counts], has)
        equal = float((machine.predict(points[counts]) == ours).mean())
        print(f"attribute {attribute}: {counts.sum()} points, {100 * equal:.3f} % on the same side as by scikit-learn")
        all_equal = all_equal and equal >= EQUAL
    return all_equal


if __name__ == "__main__":
    support.run(main)
