"""What the C code of the frontend's definition makes of its tables on this machine: those of pymicro-features.

Its filter bank is computed when it starts, in single precision, and the outcome is not the same everywhere:

* GCC joins a product and a sum into one operation with one rounding (``-ffp-contract=fast``, its default) where every
  processor of the target has such an instruction. Those of aarch64 have: in its wheel, ``FilterbankPopulateState``
  has ``fnmsub``, ``fmla`` and ``fmsub`` for the span of the mel axis, the peaks and the slopes. Those of x86-64 need
  not, and there is no such instruction in that wheel.
* ``log1pf`` is the C library's. That of GNU rounds correctly from version 2.41 on, and does not before.

Either moves some weights by 1/4096, and the features of their channels by 1 now and then. The definition is the code as
it is written, with ``log1pf`` as it was when the networks of this frontend were made; ``edge.frontend_tables`` is that.
A comparison with the wheel is thus one of everything behind the tables, by giving it the wheel's, plus one of tables.
"""

import ctypes
import math
import platform
from functools import cache
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest

from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings, FrontendTables, build_tables

__all__ = ["CONTRACTED", "differences", "frontend_as_compiled", "log1pf", "reference_frontend"]

CONTRACTED = platform.machine() == "aarch64"
"""Whether the wheel for this machine has products and sums with one rounding."""

single = np.float32


@cache
def _log1pf():
    function = ctypes.CDLL("libm.so.6").log1pf
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    return function


def log1pf(x: float) -> np.float32:
    """Return what this machine's C library says."""
    return single(_log1pf()(float(x)))


def joined(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    """Return ``a * b + c``, as the wheel computes it: the double holds the product exactly."""
    return single(float(a) * float(b) + float(c)) if CONTRACTED else single(a * b) + c


def channel_weights(settings: FrontendSettings) -> dict[str, np.ndarray]:
    """Return weights, the weights in the next lower channel, and edges."""
    scale, unit, half = single(1127), single(4096), single(0.5)
    bin_hz = single(8000) / single(256)

    def log(hz):
        return log1pf(single(hz) / single(700))

    low = scale * log(settings.lower_band_hz)
    spacing = joined(scale, log(settings.upper_band_hz), -low) / single(settings.channels + 1)
    peaks = [low, *(joined(spacing, single(i + 1), low) for i in range(settings.channels + 1))]
    weights, unweights = np.zeros(257, np.int16), np.zeros(257, np.int16)
    k = int(single(1.5) + single(settings.lower_band_hz) / bin_hz)
    edges = [k]
    for below, above in pairwise(peaks):
        while scale * log(k * bin_hz) <= above:
            share = joined(-scale, log(k * bin_hz), above) / (above - below)
            weights[k] = math.floor(share * unit + half)
            unweights[k] = math.floor((single(1) - share) * unit + half)
            k += 1
        edges.append(k)
    return {"weights": weights, "unweights": unweights, "edges": np.array(edges, np.int16)}


def differences() -> dict[tuple[str, int], int]:
    """Return by how much the wheel's tables lie above ours: ``(table, place)`` to that."""
    ours = build_tables(FrontendSettings())
    return {
        (name, int(at)): int(table[at]) - int(ours.part(name)[at])
        for name, table in channel_weights(FrontendSettings()).items()
        for at in np.flatnonzero(table != ours.part(name)[: table.size])
    }


@cache
def _as_compiled() -> FrontendTables:
    tables = build_tables(FrontendSettings())
    changed = FrontendTables(tables.block.copy(), tables.scalars)
    for name, table in channel_weights(FrontendSettings()).items():
        changed.part(name)[: table.size] = table
    return changed


def reference_frontend():
    """Return pymicro-features' frontend where its tables are the definition's; skip the test on other machines."""
    module = pytest.importorskip("pymicro_features", reason="pymicro-features is not installed")
    if differences():
        pytest.skip("pymicro-features computes other tables on this machine (tests/c_tables.py)")
    return module.MicroFrontend()


def frontend_as_compiled() -> Frontend:
    """Return a frontend with the tables that the wheel has on this machine; most machines have the definition's."""
    with mock.patch("edge.frontend.build_tables", return_value=_as_compiled()):
        return Frontend()
