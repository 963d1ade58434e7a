#!/usr/bin/env python3
"""Makes the ONNX file that `pgeval ppl --lpips` takes: LPIPS on VGG16, a distance between two images.

    python3 tools/export_lpips.py vgg16-397923af.pth -o lpips.onnx

The linear weights are those of the package lpips (Zhang et al., arXiv:1801.03924, version 0.1); VGG16's are
torchvision's, of ImageNet. Inputs `first` and `second` are [N,C,S,S] float32, nominally -1 to 1, C 3 or 1, S at least 32; the output
`distance` is [N]. The file is written under a temporary name, run in ONNX Runtime beside torch, and renamed.

Without weights, `--random SEED` writes a network of the same shape: its distances are no perceptual ones, but prove that
two programs compute the same.

The packages below are found in this Python, or fetched by `uv run` if there is uv, or else by pip into an environment
of their own (`--venv`). torch comes with NVIDIA's libraries on Linux: 2.5 GB to fetch, 5 GB on disk.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.11.0",
#   "torchvision==0.26.0",
#   "lpips==0.1.4",
#   "onnx==1.23.2",
#   "onnxruntime==1.32.0",
#   "numpy==2.4.6",
# ]
# ///

import argparse
import hashlib
import io
import math
import warnings
from pathlib import Path

from support import Refusal, check_target, enter_environment, partial_file, run

OPSET = 17
# ONNX Runtime's distances against torch's, as a share.
TOLERANCE = 1e-4
# As published; the file name carries the start of the file's SHA-256.
WEIGHTS_SHA256 = "397923af"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Makes the ONNX file that pgeval ppl takes: LPIPS on VGG16.",
        epilog="exit status: 0 written, 2 refused (nothing is written then)",
    )
    parser.add_argument("weights", nargs="?", type=Path, metavar="VGG16.pth", help="torchvision's weights of VGG16")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.onnx", help="the file to write")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights of VGG16 instead")
    parser.add_argument("--any-weights", action="store_true", help="take a file that is not the published one")
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment to use or make (default target/tools/lpips-venv)"
    )
    parsed = parser.parse_args()
    if (parsed.weights is None) == (parsed.random is None):
        parser.error("expected either VGG16.pth or --random SEED")
    return parsed


def main() -> int:
    options = arguments()
    check_target(options.output)
    if options.weights is not None and not options.weights.is_file():
        raise Refusal(f"{options.weights}: no such file; expected VGG16's weights, or --random SEED")
    enter_environment(__file__, options.venv, "lpips-venv")
    import lpips
    import torch

    warnings.filterwarnings("ignore")
    network = lpips.LPIPS(net="vgg", version="0.1", pretrained=True, pnet_rand=True, verbose=False)
    sha256 = load(network, options)
    network.eval().requires_grad_(False)

    class Distance(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            # Grey as RGB.
            return self.network(first.expand(-1, 3, -1, -1), second.expand(-1, 3, -1, -1)).flatten()

    described = {
        "pg.producer": "tools/export_lpips.py",
        "pg.metric": "lpips",
        "pg.network": "vgg16",
        "pg.lpips_version": "0.1",
        "pg.range": "[-1,1]",
        "pg.weights": "random" if options.weights is None else options.weights.name,
        "pg.weights_sha256": sha256,
    }
    # Of itself too: the exporter puts back what it finds, and lpips drops out in training.
    print(export(Distance().eval(), described, options.output))
    print(f"  pgeval ppl GENERATOR.onnx --lpips {options.output}")
    return 0


def load(network: object, options: argparse.Namespace) -> str:
    """Puts VGG16's weights into LPIPS's slices; returns their SHA-256."""
    import torch
    import torchvision

    if options.weights is not None:
        raw = options.weights.read_bytes()
        sha256 = hashlib.sha256(raw).hexdigest()
        if not sha256.startswith(WEIGHTS_SHA256) and not options.any_weights:
            raise Refusal(
                f"{options.weights}: not the published file (SHA-256 {sha256[:8]}…, expected {WEIGHTS_SHA256}…); "
                "--any-weights takes it"
            )
        try:
            state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
        except Exception as error:
            raise Refusal(f"{options.weights}: not weights of torch: {error}") from None
    else:
        torch.manual_seed(options.random)
        state = torchvision.models.vgg16(weights=None).state_dict()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    # lpips numbers the layers of its slices as torchvision does those of `features`.
    found = {name: tensor for name, tensor in state.items() if name.startswith("features.")}
    for part in range(1, 6):
        for name, parameter in getattr(network.net, f"slice{part}").named_parameters():
            stored = found.get(f"features.{name}")
            if stored is None or stored.shape != parameter.shape:
                raise Refusal(f"{options.weights}: has no features.{name} of shape {list(parameter.shape)}")
            parameter.data.copy_(stored)
    return sha256


def export(network: object, described: dict[str, str], output: Path) -> str:
    import onnx
    import onnxruntime
    import torch

    images = [torch.rand(2, 3, 64, 64) * 2 - 1 for _ in range(2)]
    names = ["first", "second"]
    axes = {name: {0: "N", 1: "C", 2: "S", 3: "S"} for name in names} | {"distance": {0: "N"}}
    with partial_file(output) as partial:
        torch.onnx.export(
            network,
            tuple(images),
            str(partial),
            input_names=names,
            output_names=["distance"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(partial))
        for key, value in described.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model)
        onnx.save(model, str(partial))
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        worst = 0.0
        for side, count, channels in ((64, 2, 3), (32, 1, 3), (256, 3, 3), (64, 2, 1)):
            pair = [torch.rand(count, channels, side, side) * 2 - 1 for _ in names]
            expected = network(*pair)
            (found,) = session.run(None, {name: image.numpy() for name, image in zip(names, pair, strict=True)})
            worst = max(worst, float((torch.from_numpy(found) / expected - 1).abs().max()))
        if not worst <= TOLERANCE or math.isnan(worst):
            raise Refusal(f"{output}: ONNX Runtime's distances differ from torch's by {worst:.1e}")
    return f"{output}: distances equal torch's to {worst:.1e}"


if __name__ == "__main__":
    run(main)
