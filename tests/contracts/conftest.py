"""Shared by the contracts: where the sources are, and a fresh interpreter in which imports are watched."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "train", "quantize", "firmware_bridge")

HIDE = """
import sys
from importlib.machinery import PathFinder
HIDDEN = frozenset({hidden!r})
class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in HIDDEN else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""
"""Makes packages look as if they had never been installed."""


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def module_files() -> dict[str, Path]:
    """Return every module of the distribution by its dotted name, found on disk and not imported."""
    files = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs code in a fresh interpreter, with some packages hidden."""

    def run(code: str, *arguments: str, hidden: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", HIDE.format(hidden=tuple(hidden)) + code, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def vivavoce(python) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``vivavoce`` with these arguments in a fresh interpreter."""

    def run(*arguments: str, hidden: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return python("from edge.cli import main; sys.exit(main())", *arguments, hidden=hidden)

    return run
