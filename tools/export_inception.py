#!/usr/bin/env python3
"""Turns the published Inception weights into the ONNX file that `pgeval fid --model` takes.

    python3 tools/export_inception.py pt_inception-2015-12-05-6726825d.pth -o inception.onnx

The file has one input, `input` [N,3,299,299] float32, and two outputs: `features` [N,2048] and `logits` [N,1008],
the class scores without their bias, for the Inception score. Its metadata say how pgeval has to feed it (`pg.resize`,
`pg.range`) and where the weights come from. It is written under a temporary name, compared with torch, and renamed.

Without weights, `--random SEED --calibrate FOLDER` writes a network of the same shape: its distances mean nothing,
but prove that two programs compute the same.

The packages below are found in this Python, or fetched by `uv run` if there is uv, or else by pip into an environment
of their own (`--venv`). torch comes with NVIDIA's libraries on Linux: 2.5 GB to fetch, 5 GB on disk.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.11.0",
#   "torchvision==0.26.0",
#   "torch-fidelity==0.4.0",
#   "onnx==1.23.2",
#   "onnxruntime==1.32.0",
#   "numpy==2.4.6",
#   "pillow==13.0.0",
# ]
# ///

import argparse
import math
import shlex
from pathlib import Path

from support import Refusal, check_target, enter_environment, partial_file, run

# How the programs feed the network whose numbers are to be had: resize, and what pixel values 0 and 255 become.
RECIPES = ["tf1-bilinear", "pil-bicubic", "torch-bilinear", "pil-bilinear", "pil-lanczos", "none"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Turns the published Inception weights into the ONNX file that pgeval takes.",
        epilog="exit status: 0 written, 2 refused (nothing is written then)",
    )
    parser.add_argument("weights", nargs="?", type=Path, metavar="WEIGHTS.pth", help="the published weights")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--architecture",
        choices=["fid", "torchvision"],
        default="fid",
        help="fid: pt_inception-2015-12-05-6726825d.pth, for FID as everyone quotes it (default); "
        "torchvision: inception_v3_google-0cc3c7bd.pth",
    )
    parser.add_argument(
        "--resize",
        choices=RECIPES,
        help="how pgeval is to bring images to 299 pixels: tf1-bilinear as TensorFlow and torch-fidelity (default), "
        "pil-bicubic as clean-fid, torch-bilinear as pytorch-fid, ...; torchvision: pil-bilinear",
    )
    parser.add_argument(
        "--range",
        type=pixel_range,
        metavar="LOW,HIGH",
        help="what pixel values 0 and 255 become before the network (default 0,255; with --resize torch-bilinear "
        "0,256, since pytorch-fid maps 255 to 1 and not to 127/128)",
    )
    parser.add_argument("--any-weights", action="store_true", help="take a file that is not the published one")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights instead of WEIGHTS.pth")
    parser.add_argument(
        "--calibrate",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="with --random: set BatchNorm's statistics by the images in it (can be repeated)",
    )
    parser.add_argument("--save-weights", type=Path, metavar="FILE.pth", help="with --random: write the weights too")
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment to use or make (default target/tools/inception-venv)"
    )
    parsed = parser.parse_args()
    if (parsed.weights is None) == (parsed.random is None):
        parser.error("expected either WEIGHTS.pth or --random SEED")
    if parsed.random is None and (parsed.calibrate or parsed.save_weights):
        parser.error("--calibrate and --save-weights go with --random SEED")
    return parsed


def pixel_range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.strip("[]").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers, as in 0,255; found {text}") from None
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number and a greater one, as in 0,255; found {text}")
    return low, high


def main() -> int:
    options = arguments()
    for path in filter(None, [options.output, options.save_weights]):
        check_target(path)
    if options.weights is not None and not options.weights.is_file():
        raise Refusal(f"{options.weights}: no such file; expected the published weights, or --random SEED")
    enter_environment(__file__, options.venv)
    # Not before: it needs the packages.
    import inception

    if options.weights is not None:
        weights = inception.read_weights(options.weights, options.architecture, options.any_weights)
    else:
        if not options.calibrate:
            print("not calibrated: activations vanish, distances will be close to 0; see --calibrate")
        weights, raw = inception.random_weights(options.architecture, options.random, options.calibrate)
        if options.save_weights:
            with partial_file(options.save_weights) as partial:
                partial.write_bytes(raw)
            print(f"{options.save_weights}: {len(raw)} bytes, SHA-256 {weights.sha256}")
    resize = options.resize or ("tf1-bilinear" if options.architecture == "fid" else "pil-bilinear")
    # 256 v / 255 - 128 over 128 is 2 v / 255 - 1.
    pytorch_fid = options.architecture == "fid" and resize == "torch-bilinear"
    feeding = inception.Feeding(resize, options.range or ((0.0, 256.0) if pytorch_fid else (0.0, 255.0)))
    network = inception.with_weights(options.architecture, weights)
    for line in inception.export(network, options.architecture, weights, feeding, options.output):
        print(line)
    print(f"fed by {resize}, range {inception.range_text(feeding.range)}:")
    print(f"  pgeval fid REAL FAKE --model {shlex.quote(str(options.output))}")
    return 0


if __name__ == "__main__":
    run(main)
