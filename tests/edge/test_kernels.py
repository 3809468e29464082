"""The kernels start wherever they are installed, with or without a place for compiled code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EDGE = Path(__file__).resolve().parents[2] / "edge"

PROGRAM = """
import numpy as np
from edge import kernels
from edge.frontend import Frontend
assert Frontend().push(np.zeros(640, np.int16)).shape == (2, 40)
print(kernels.__file__, kernels._OPTIONS["cache"])
"""


def start(folder, **environment):
    """Run a copy of the code, with no home and no cache next to the code; return what it printed."""
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__", "data", "commands"))
    # Permissions do not stop root; a file where the folder would be does.
    (folder / "edge" / "__pycache__").touch()
    kept = {key: value for key, value in os.environ.items() if key not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    kept |= {"HOME": "/proc/nonexistent", "PYTHONPATH": str(folder), **environment}
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    file, cached = done.stdout.split()
    assert Path(file).is_relative_to(folder), "another installation was run"
    return cached == "True"


def test_without_a_place_for_the_cache_they_are_compiled_anew(tmp_path):
    assert not start(tmp_path)


@pytest.mark.slow
def test_a_folder_for_the_cache_can_be_named(tmp_path):
    cache = tmp_path / "cache"
    assert start(tmp_path, NUMBA_CACHE_DIR=str(cache))
    assert list(cache.rglob("kernels.frontend_frames-*.nbc"))
