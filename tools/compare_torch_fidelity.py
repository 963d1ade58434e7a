#!/usr/bin/env python3
"""Compares pgeval's network metrics with torch-fidelity, clean-fid and pytorch-fid, on the same network and images.

    python3 tools/compare_torch_fidelity.py --pgeval target/release/pgeval \\
        --onnxruntime .deps/onnxruntime/lib/libonnxruntime.so.1.32.0

Makes 64 images a side (or takes `--real` and `--fake`) and a network of random weights calibrated on them (or takes
`--weights`), has every program decode, resize and compute for itself, and prints what they found. The programs come
from PyPI and are called, not copied: torch-fidelity's loader, resize, FID, Inception score, KID and precision/recall;
clean-fid's loader, resize and FID; pytorch-fid's command with `--save-stats`, whose file pgeval takes as REAL.

Exit status: 0 all within bounds, 1 some not, 2 refused. Packages as for export_inception.py.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.11.0",
#   "torchvision==0.26.0",
#   "torch-fidelity==0.4.0",
#   "clean-fid==0.1.35",
#   "pytorch-fid==0.3.0",
#   "onnx==1.23.2",
#   "onnxruntime==1.32.0",
#   "numpy==2.4.6",
#   "scipy==1.17.1",
#   "pillow==13.0.0",
#   "safetensors==0.8.0",
# ]
# ///

import argparse
import tempfile
from pathlib import Path

from support import Refusal, enter_environment, run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compares pgeval's network metrics with torch-fidelity, clean-fid and pytorch-fid.",
        epilog="exit status: 0 all within bounds, 1 some not, 2 refused",
    )
    parser.add_argument("--pgeval", type=Path, required=True, metavar="PATH", help="the program to check")
    parser.add_argument("--onnxruntime", type=Path, metavar="PATH", help="libonnxruntime.so, passed on to pgeval")
    parser.add_argument("--real", type=Path, metavar="DIR", help="images of one size (default: 64 made ones)")
    parser.add_argument("--fake", type=Path, metavar="DIR", help="as many images of the same size")
    parser.add_argument("--weights", type=Path, metavar="FILE.pth", help="weights of the FID network (default: random)")
    parser.add_argument("--seed", type=int, default=0, help="of random weights and made images (default 0)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep what is made in this folder")
    parser.add_argument(
        "--venv", type=Path, metavar="DIR", help="environment to use or make (default target/tools/inception-venv)"
    )
    parsed = parser.parse_args()
    if (parsed.real is None) != (parsed.fake is None):
        parser.error("--real and --fake go together")
    return parsed


def main() -> int:
    options = arguments()
    for path in filter(None, [options.pgeval, options.onnxruntime, options.weights]):
        if not path.is_file():
            raise Refusal(f"{path}: no such file")
    enter_environment(__file__, options.venv)
    # Not before: it needs the packages.
    import comparison

    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        return comparison.compare(options, options.work)
    with tempfile.TemporaryDirectory(prefix="pgkit-compare-") as folder:
        return comparison.compare(options, Path(folder))


if __name__ == "__main__":
    run(main)
