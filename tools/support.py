"""What the tools share: refusals, images of a folder, an environment with the packages of a script.

Needs Python 3.11 and no packages.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
# Set in the environments made here, so that a broken one is not made again without end.
ENTERED = "PGKIT_TOOL_ENTERED"


class Refusal(Exception):
    """What the user has to know, in one line."""


def run(main: Callable[[], int]) -> None:
    """Ends the program with what `main` returns; with 2 and a line on a refusal."""
    try:
        status = main()
    except Refusal as refusal:
        print(f"{Path(sys.argv[0]).name}: {refusal}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


# Files.


def image_files(folder: Path) -> list[Path]:
    """By path."""
    if not folder.is_dir():
        raise Refusal(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}; expected one of images")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise Refusal(f"{folder}: no images in it; expected files {' '.join(sorted(IMAGE_SUFFIXES))}")
    return files


def check_target(path: Path) -> None:
    """Refuses what cannot become a file, before any work."""
    if not path.absolute().parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.absolute().parent}; make it first")
    if path.is_dir():
        raise Refusal(f"{path}: is a folder; expected the name of a file to write")


@contextlib.contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it at the end unless something failed."""
    check_target(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise Refusal(f"{path}: could not be written ({error.strerror or error})") from None
    finally:
        partial.unlink(missing_ok=True)


# Environments.


def requirements(script: Path) -> list[str]:
    """Of the script's inline metadata (PEP 723), which `uv run` reads too."""
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", script.read_text(encoding="utf-8"), re.MULTILINE)
    if block is None:
        raise Refusal(f"{script}: has no list of packages (# /// script)")
    return tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE))["dependencies"]


def missing_here(wanted: list[str]) -> list[str]:
    """Those of `wanted` that this Python has not in any version."""
    missing = []
    for requirement in wanted:
        try:
            importlib.metadata.version(requirement.partition("==")[0])
        except importlib.metadata.PackageNotFoundError:
            missing.append(requirement)
    return missing


def enter_environment(script: str, venv: Path | None) -> None:
    """Returns if this Python has the packages; else starts the script again where they are.

    `venv` asks for that environment; without it `uv run` is tried first.
    """
    path = Path(script).resolve()
    wanted = requirements(path)
    missing = missing_here(wanted)
    if not missing:
        return
    if os.environ.get(ENTERED):
        raise Refusal(f"{sys.prefix}: {', '.join(missing)} missing though just installed; remove the folder, try again")
    environment = os.environ | {ENTERED: "1"}
    default = ROOT / "target/tools/inception-venv"
    python = (venv or default).absolute() / "bin/python"
    uv = shutil.which("uv")
    if uv and venv is None and not python.exists():
        os.execve(uv, [uv, "run", "--quiet", "--script", str(path), *sys.argv[1:]], environment)
    install(python, wanted)
    os.execve(python, [str(python), str(path), *sys.argv[1:]], environment)


def install(python: Path, wanted: list[str]) -> None:
    """Makes the environment of `python` have `wanted`."""
    folder = python.parent.parent
    if python.exists() and has_packages(python, wanted):
        return
    print(f"installing {', '.join(wanted)} into {folder}; with torch's own needs 5 GB", file=sys.stderr)
    for command in (
        [] if python.exists() else [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *wanted],
    ):
        if command and subprocess.run(command, check=False).returncode != 0:
            raise Refusal(f"{folder}: `{' '.join(command[:4])} ...` failed, see above; --venv DIR takes another folder")


def has_packages(python: Path, wanted: list[str]) -> bool:
    check = "import importlib.metadata as m, sys; [m.version(name) for name in sys.argv[1:]]"
    names = [requirement.partition("==")[0] for requirement in wanted]
    return subprocess.run([python, "-c", check, *names], capture_output=True, check=False).returncode == 0
