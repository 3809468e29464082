"""An export for tests, and its C code compiled for this machine and called through ctypes."""

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Bundle, open_bundle
from firmware_bridge.export.opcheck import Checked
from firmware_bridge.export.package import export_c

WARNINGS = (
    "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow",
)  # fmt: skip
CODE = ("vivavoce_frontend.c", "vivavoce_transform.c", "vivavoce_post.c", "vivavoce_tables.c")
_ROOM = 1 << 14
"""More than any state takes."""


def checked(bundle: Bundle) -> dict[str, Checked]:
    return {part.file: Checked({"CONV_2D": 1}, 1000 + len(part.file)) for part in (bundle.wake, bundle.liveness)}


def exported(folder: Path, *, target: str = "c", frontend: dict | None = None, **wake) -> Path:
    """Write the shipped bundle, with other settings, into a folder."""
    bundle = open_bundle()
    bundle = replace(bundle, frontend=bundle.frontend | (frontend or {}), wake=replace(bundle.wake, **wake))
    for name, content in export_c(bundle, target, checked(bundle)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def compiler(name: str = "gcc") -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def build(folder: Path, *options: str, cc: str = "gcc") -> Path:
    """Compile the code of an export into a shared library."""
    library = folder / "libvivavoce.so"
    sources = [folder / name for name in CODE]
    subprocess.run([compiler(cc), *WARNINGS, "-O2", "-fPIC", "-shared", *options, *sources, "-o", library], check=True)
    return library


class CFrontend:
    """The C frontend with the interface of :class:`edge.frontend.Frontend`."""

    def __init__(self, library: Path, channels: int = 40) -> None:
        self._code = ctypes.CDLL(str(library))
        self._code.vv_frontend_push.restype = ctypes.c_size_t
        self._code.vv_frontend_push.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self._code.vv_frontend_frame.restype = ctypes.c_bool
        self._code.vv_frontend_frame.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        # What is not reset shows.
        self._state = ctypes.create_string_buffer(b"\xa5" * _ROOM, _ROOM)
        self._channels = channels
        self.reset()

    def reset(self) -> None:
        self._code.vv_frontend_reset(self._state)

    def push(self, samples):
        samples = np.ascontiguousarray(samples)
        rows, at = [], 0
        row = np.zeros(self._channels, np.uint16)
        while at < len(samples):
            taken = self._code.vv_frontend_push(self._state, samples[at:].ctypes.data, len(samples) - at)
            at += taken
            if self._code.vv_frontend_frame(self._state, row.ctypes.data):
                rows.append(row.copy())
            else:
                assert at == len(samples), "samples were refused though no frame waited"
        return np.array(rows, np.uint16).reshape(-1, self._channels)


class CWake:
    """The C code from features to words."""

    def __init__(self, library: Path, *, context: int = 5, channels: int = 40) -> None:
        self._code = ctypes.CDLL(str(library))
        for name in ("vv_wake_frame", "vv_wake_logits"):
            getattr(self._code, name).restype = ctypes.c_bool
        self._code.vv_quantise.restype = ctypes.c_int8
        self._code.vv_quantise.argtypes = [ctypes.c_uint16]
        self.quantise = self._code.vv_quantise
        self._state = ctypes.create_string_buffer(b"\xa5" * _ROOM, _ROOM)
        self._shape = (context, channels)
        self.reset()

    def reset(self) -> None:
        self._code.vv_wake_reset(self._state)

    def frame(self, features) -> bool:
        return self._code.vv_wake_frame(self._state, np.ascontiguousarray(features).ctypes.data_as(ctypes.c_void_p))

    @property
    def shown(self):
        return np.frombuffer(self._state, np.int8, self._shape[0] * self._shape[1]).reshape(self._shape).copy()

    def logits(self, logits):
        """Return frame, word and probability (30 bits) of a detection, or None."""
        found = (ctypes.c_uint32 * 3)()
        given = np.ascontiguousarray(logits, np.int8).ctypes.data_as(ctypes.c_void_p)
        if not self._code.vv_wake_logits(self._state, given, found):
            return None
        word, probability, frame = found
        return frame, word, probability
