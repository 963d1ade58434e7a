#!/usr/bin/env python3
"""Holds what `pgtrain export` wrote against onnx's own checker, ONNX Runtime, and torch where it is installed.

    pgtrain export RUN -o g.onnx --examples expected.safetensors
    pgtrain export RUN -o g.pt
    python3 tools/check_export.py g.onnx g.pt --examples expected.safetensors

Each file runs on the examples' latents at once and one by one; the largest difference from their images is printed.
Exit status: 0 all agree, 1 one does not, 2 it could not be run.

onnx and onnxruntime are found in this Python, or fetched by pip into an environment of their own (`--venv`).
torch is used where it is there, and never fetched: a .pt or .ts file needs a Python that has it.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0"]
# ///

import argparse
import importlib.util
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import support

TOLERANCE = 1e-3
KEYS = ["pg.latent_size", "pg.label_size", "pg.resolution", "pg.range", "pg.input", "pg.weights_blake3"]
MODULES = {".pt", ".ts"}


def main() -> int:
    arguments = parse()
    for path in [*arguments.files, arguments.examples]:
        if not path.is_file():
            raise support.Refusal(f"{path}: no such file")
    if any(path.suffix not in MODULES for path in arguments.files):
        support.enter_environment(__file__, arguments.venv or support.ROOT / "target/tools/check-export-venv")
    latents, images = read_examples(arguments.examples)
    agree = True
    for path in arguments.files:
        check = check_module if path.suffix in MODULES else check_model
        difference = check(path, latents, images)
        # Not `>`: a NaN does not agree.
        right = difference <= TOLERANCE * max(1.0, float(abs(images).max()))
        agree = agree and right
        print(f"{path}: largest difference {difference:.1e}{'' if right else ', too much'}")
    return 0 if agree else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an ONNX model, or TorchScript (.pt, .ts)")
    parser.add_argument("--examples", type=Path, required=True, metavar="FILE", help="of pgtrain export --examples")
    parser.add_argument("--venv", type=Path, metavar="DIR", help="an environment to use or make")
    return parser.parse_args()


def read_examples(path: Path):
    """Latents and images; the format is a length, a header as JSON, and the numbers."""
    import numpy as np

    data = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        entries = [header[name] for name in ("latents", "images")]
    except (struct.error, ValueError, KeyError):
        raise support.Refusal(f"{path}: expected examples of pgtrain export") from None
    return [
        np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for entry in entries
    ]


def check_model(path: Path, latents, images) -> float:
    import onnx
    import onnxruntime

    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    check_metadata(path, properties, latents, images)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return largest_difference(lambda z: session.run(["images"], {"latents": z})[0], latents, images)


def check_module(path: Path, latents, images) -> float:
    if importlib.util.find_spec("torch") is None:
        raise support.Refusal(f"{path}: needs a Python with torch; {sys.executable} has none")
    import torch

    extra = {"pg.json": ""}
    module = torch.jit.load(path, map_location="cpu", _extra_files=extra)
    check_metadata(path, json.loads(extra["pg.json"]), latents, images)
    with torch.no_grad():
        return largest_difference(lambda z: module(torch.tensor(z)).numpy(), latents, images)


def check_metadata(path: Path, properties: dict[str, str], latents, images) -> None:
    missing = [key for key in KEYS if key not in properties]
    if missing:
        raise support.Refusal(f"{path}: says nothing of {', '.join(missing)}")
    width = int(properties["pg.latent_size"]) + int(properties["pg.label_size"])
    if (width, int(properties["pg.resolution"])) != (latents.shape[1], images.shape[2]):
        raise support.Refusal(f"{path}: the examples are of another generator")


def largest_difference(run: Callable, latents, images) -> float:
    whole = float(abs(run(latents) - images).max())
    single = max(float(abs(run(latents[k : k + 1]) - images[k : k + 1]).max()) for k in range(len(latents)))
    return max(whole, single)


if __name__ == "__main__":
    support.run(main)
