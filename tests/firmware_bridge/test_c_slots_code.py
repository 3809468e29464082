"""The C of the two slots: what is generated, how it compiles, and its hash."""

import ctypes
import hashlib
import random
import shutil
import subprocess

import pytest
from slots_device import C_FOLDERS, WARNINGS

from firmware_bridge.link.bundle_format import STATES
from firmware_bridge.link.bundle_format_c import files
from firmware_bridge.link.table import kind_named
from tests.firmware_bridge.c_slots import library_fixture  # noqa: F401  # fixtures


def test_generated_files_are_up_to_date():
    assert {name: (C_FOLDERS[0] / name).read_text() for name in files()} == files()


def test_states_are_those_of_the_table():
    what = next(one.what for one in kind_named("bundle_state").fields if one.name == "state")
    assert what == ", ".join(f"{place} {name}" for place, name in enumerate(STATES))


def test_no_heap_and_no_files():
    for path in C_FOLDERS[0].iterdir():
        text = path.read_text()
        assert "alloc" not in text
        assert "<stdlib.h>" not in text
        assert "<stdio.h>" not in text


@pytest.mark.parametrize("compiler", ["clang", "arm-none-eabi-gcc"])
def test_compiles_without_a_warning(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    includes = [f"-I{folder}" for folder in C_FOLDERS]
    for path in C_FOLDERS[0].glob("*.c"):
        subprocess.run([compiler, *WARNINGS, "-Os", *includes, "-c", path, "-o", tmp_path / "o"], check=True)


def test_sha256(library):
    dice = random.Random(1)

    class State(ctypes.Structure):
        _fields_ = (("state", ctypes.c_uint32 * 8), ("size", ctypes.c_uint32), ("block", ctypes.c_uint8 * 64))

    for size in [*range(200), 100_000]:
        data = dice.randbytes(size)
        state, out = State(), ctypes.create_string_buffer(32)
        library.vv_sha256_begin(ctypes.byref(state))
        at = 0
        while at < size:
            piece = data[at : at + dice.randrange(1, 150)]
            library.vv_sha256_push(ctypes.byref(state), piece, ctypes.c_size_t(len(piece)))
            at += len(piece)
        library.vv_sha256_end(ctypes.byref(state), out)
        assert out.raw == hashlib.sha256(data).digest()
