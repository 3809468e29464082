"""Machine code of the kernels: kept, found again, refused when damaged, and the same numbers in every form."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge import native
from edge.errors import UsageError

EDGE = Path(native.__file__).parent

PROGRAM = """
import hashlib, json, logging, sys
logging.basicConfig(level=logging.WARNING)
import numpy as np
from edge import native
from edge.frontend import Frontend
from edge.spectrum import power_spectra
sound = np.random.default_rng(0).integers(-20000, 20000, 16000).astype(np.int16)
found = hashlib.sha256(Frontend().push(sound).tobytes())
for size in (8, 16, 32, 64, 512, 1024):
    window = np.hanning(size).astype(np.float32)
    found.update(power_spectra(sound.astype(np.float32), window, step=160, fft_size=size).tobytes())
kernels = native.kernels()
print(json.dumps({
    "numbers": found.hexdigest(), "origin": kernels.origin, "path": kernels.path and str(kernels.path),
    "compiled": kernels.compiled, "numba": "numba" in sys.modules, "llvmlite": "llvmlite" in sys.modules,
    "file": native.__file__,
}))
"""

FORBID = """
import ctypes
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    raise SystemExit(77)
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """Return a copy of the code that nobody can write to: permissions do not stop root, a file in the way does."""
    folder = tmp_path_factory.mktemp("installation")
    shutil.copytree(EDGE, folder / "edge", ignore=shutil.ignore_patterns("__pycache__", "data", "commands"))
    (folder / "edge" / "__pycache__").touch()
    return folder


def start(installation, program=PROGRAM, **environment):
    """Start a program in a process of its own, with no home; return what it said, and its stderr."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "NUMBA_", "VIVAVOCE_"))}
    kept |= {"HOME": "/proc/nonexistent", "PYTHONPATH": str(installation), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=installation,
        env=kept | {k: str(v) for k, v in environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode == 77:
        pytest.skip("this kernel cannot forbid memory that is written and executed (Linux 6.3 can)")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["file"]).is_relative_to(installation), "another installation was run"
    return said, done.stderr


@pytest.fixture(scope="module")
def cache(installation, tmp_path_factory):
    """Return a folder with the image, and what the process said that compiled it."""
    folder = tmp_path_factory.mktemp("cache") / "new"
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=folder)
    assert not stderr
    return folder, said


def test_a_named_folder_is_made_and_the_image_kept_there(cache):
    folder, said = cache
    assert said["compiled"]
    assert said["origin"] == "image"
    assert [str(file) for file in folder.iterdir()] == [said["path"]]


def test_the_next_start_finds_it_and_needs_no_compiler(installation, cache):
    folder, first = cache
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=folder)
    assert (said["compiled"], said["numba"], said["llvmlite"], stderr) == (False, False, False, "")
    assert said["numbers"] == first["numbers"]


def test_numba_gives_the_same_numbers(installation, cache, tmp_path):
    said, stderr = start(installation, VIVAVOCE_KERNELS="numba", NUMBA_CACHE_DIR=tmp_path)
    assert (said["origin"], stderr) == ("numba", "")
    assert said["numbers"] == cache[1]["numbers"]
    assert list(tmp_path.rglob("frontend.frontend_frames-*.nbc")), "numba kept nothing"


def test_without_a_place_for_it_the_image_is_compiled_and_runs_from_memory(installation, cache):
    said, stderr = start(installation)
    assert (said["origin"], said["path"], said["compiled"], stderr) == ("image", None, True, "")
    assert said["numbers"] == cache[1]["numbers"]


def test_the_image_runs_where_memory_may_not_be_written_and_executed(installation, cache):
    folder, first = cache
    said, _ = start(installation, FORBID + PROGRAM, VIVAVOCE_CACHE_DIR=folder)
    assert said["numbers"] == first["numbers"]


def test_another_source_has_another_image(installation, cache, tmp_path):
    shutil.copytree(installation / "edge", tmp_path / "edge")
    with (tmp_path / "edge" / "kernels" / "frontend.py").open("a") as file:
        file.write("\n# changed\n")
    folder, first = cache
    said, _ = start(tmp_path, VIVAVOCE_CACHE_DIR=folder, VIVAVOCE_KERNELS="auto")
    assert said["compiled"]
    assert said["path"] != first["path"]
    Path(said["path"]).unlink()


# ------------------------------------------------------------------------------------------------ damage


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 0x10
    return bytes(changed)


def described(content, **changes):
    size = int.from_bytes(content[-16:-8], "little")
    head = json.loads(content[-16 - size : -16]) | changes
    text = json.dumps(head).encode()
    return content[: -16 - size] + text + len(text).to_bytes(8, "little") + native.MAGIC


DAMAGE = {
    "empty": lambda image: b"",
    "cut": lambda image: image[:-100],
    "code changed": lambda image: flipped(image, 1000),
    "length changed": lambda image: flipped(image, -16),
    "length of everything": lambda image: image[:-16] + b"\xff" * 8 + image[-8:],
    "not described": lambda image: image[:1000] + (0).to_bytes(8, "little") + native.MAGIC,
    "described by a list": lambda image: image[:1000] + b"[1]" + (3).to_bytes(8, "little") + native.MAGIC,
    "other kernels": lambda image: described(image, abi={"frontend_frames": "h"}),
    "kernel outside": lambda image: described(image, kernels={"frontend_frames": 1 << 40, "power_spectra": 0}),
    "kernel before": lambda image: described(image, kernels={"frontend_frames": -4096, "power_spectra": 0}),
    "no hash": lambda image: described(image, sha256=None),
}


@pytest.fixture
def image(cache, tmp_path, monkeypatch):
    """Return a copy of the image, which is the only one that this process would find."""
    path = tmp_path / native.image_name()
    shutil.copy(next(cache[0].glob("*.image")), path)
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    return path


def test_an_image_is_found(image):
    found = native.find()
    assert found is not None
    assert (found.origin, found.path, found.compiled) == ("image", image, False)
    assert set(found.functions) == set(native.ABI)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_image_is_not_run_and_told_of(damage, image, caplog):
    image.write_bytes(DAMAGE[damage](image.read_bytes()))
    assert native.find() is None
    assert "damaged" in caplog.text
    assert "vivavoce doctor --warm" in caplog.text


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_an_image_that_others_may_write_to_is_not_run(mode, image, caplog):
    image.chmod(mode)
    assert native.find() is None
    assert "others may write to it" in caplog.text


def test_an_image_of_another_user_is_not_run(image, caplog, monkeypatch):
    # To the administrator's image everybody trusts; so this process plays another user, and the image is that user's.
    if os.geteuid() == 0:
        os.chown(image, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert native.find() is None
    assert "others may write to it" in caplog.text


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_passed_over(make, image, caplog):
    image.unlink()
    make(image)
    assert native.find() is None
    assert "not a file" in caplog.text


def test_a_file_system_without_execution_is_got_around(image, monkeypatch):
    mapped = native.mmap.mmap
    refused = []

    def refuse_once(*args, **kwargs):
        if not refused:
            refused.append(args)
            raise PermissionError(1, "Operation not permitted")
        return mapped(*args, **kwargs)

    monkeypatch.setattr(native.mmap, "mmap", refuse_once)
    assert native.find() is not None
    assert refused


def test_a_damaged_image_is_replaced(installation, cache, tmp_path):
    path = tmp_path / Path(cache[1]["path"]).name
    path.write_bytes(DAMAGE["cut"](Path(cache[1]["path"]).read_bytes()))
    said, stderr = start(installation, VIVAVOCE_CACHE_DIR=tmp_path)
    assert said["compiled"]
    assert said["numbers"] == cache[1]["numbers"]
    assert stderr.count("(damaged: ") == 1
    assert path.read_bytes()[-8:] == native.MAGIC


# ------------------------------------------------------------------------------------------------ the override


@pytest.mark.parametrize(
    ("value", "told"),
    [("fast", "got 'fast', expected auto, image or numba"), ("image", "no image kernels-.*vivavoce doctor --warm")],
)
def test_an_override_that_cannot_be_met_is_refused(value, told, monkeypatch, tmp_path):
    monkeypatch.setenv(native.KERNELS_VARIABLE, value)
    monkeypatch.setattr(native, "image_folders", lambda: [tmp_path])
    with pytest.raises(UsageError, match=told):
        native.kernels.__wrapped__()


def test_arguments_that_do_not_fit_are_refused_by_ctypes():
    with pytest.raises((TypeError, ctypes.ArgumentError)):
        native.kernels().functions["frontend_frames"](np.zeros(3), 1)
