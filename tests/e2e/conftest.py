"""What the end-to-end tests share: the command, run in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def vivavoce() -> Run:
    """Run the command with arguments; its working directory is the repository."""

    def run(*args: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "edge", *map(str, args)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == code, f"exit {done.returncode}: {done.stderr[-3000:]}"
        return done

    return run


@pytest.fixture(scope="session")
def tiny_corpus_module() -> ModuleType:
    """Return the module that makes the corpus (pytest imports tests without a package)."""
    spec = importlib.util.spec_from_file_location("tiny_corpus", Path(__file__).with_name("tiny_corpus.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_json(path: Path) -> dict:
    """Read a result."""
    return json.loads(path.read_text())
