"""The kernels as C functions: pointers and numbers in, nothing out.

A kernel proper takes arrays. An entry makes arrays of pointers, whose lengths follow from the other arguments, and
calls it. The types of each entry's arguments are declared in :data:`edge.native.ABI`, which a device reads without
numba.
"""

from collections.abc import Callable
from typing import Any

from numba import carray, cfunc, types

from edge.frontend_tables import ENERGIES_SIZE, FEATURE_TOP, TABLE_SIZE, WORK_SIZE
from edge.kernels import frontend, spectrum, wake
from edge.kernels.options import OPTIONS
from edge.spectrum_tables import LANES
from edge.wake_tables import SCALARS_HEAD, SCALARS_LAYER

__all__ = ["ENTRIES", "compiled_addresses", "signature"]

_TYPES = {
    "n": types.int64,
    "b": types.CPointer(types.int8),
    "h": types.CPointer(types.int16),
    "H": types.CPointer(types.uint16),
    "i": types.CPointer(types.int32),
    "I": types.CPointer(types.uint32),
    "q": types.CPointer(types.int64),
    "Q": types.CPointer(types.uint64),
    "f": types.CPointer(types.float32),
}


def _frontend_frames(samples, n_frames, tables, scalars, noise, work, energies, totals, out):  # type: ignore[no-untyped-def]
    numbers = carray(scalars, 10)
    step, window, channels = numbers[0], numbers[1], numbers[2]
    frontend.frontend_frames(
        carray(samples, (n_frames - 1) * step + window),
        n_frames,
        carray(tables, TABLE_SIZE),
        numbers,
        carray(noise, channels),
        carray(work, WORK_SIZE),
        carray(energies, ENERGIES_SIZE),
        carray(totals, channels + 1),
        carray(out, (n_frames, channels)),
    )


def _power_spectra(samples, window, size, n_frames, step, half, twiddles, real_twiddles, work, out):  # type: ignore[no-untyped-def]
    spectrum.power_spectra(
        carray(samples, (n_frames - 1) * step + size),
        carray(window, size),
        n_frames,
        step,
        half,
        carray(twiddles, 2 * half),
        carray(real_twiddles, 2 * half + 2),
        carray(work, (5 * half + 1) * LANES),
        carray(out, (n_frames, half + 1)),
    )


def _wake_step(window, quantised, state, weights, numbers, scalars, values, totals, row):  # type: ignore[no-untyped-def]
    sizes = carray(scalars, SCALARS_HEAD)
    scratch = sizes[7]
    wake.wake_step(
        carray(window, sizes[0]),
        carray(quantised, FEATURE_TOP + 1),
        carray(state, sizes[8] * sizes[2]),
        carray(weights, sizes[5]),
        carray(numbers, sizes[6]),
        carray(scalars, SCALARS_HEAD + (2 * sizes[4] + 2) * SCALARS_LAYER),
        carray(values, scratch),
        carray(totals, scratch),
        carray(row, scratch),
    )


ENTRIES: dict[str, Callable[..., None]] = {
    "frontend_frames": _frontend_frames,
    "power_spectra": _power_spectra,
    "wake_step": _wake_step,
}
"""Python source of each entry, by the name of its kernel."""


def signature(codes: str) -> Any:
    """Return numba's form of an argument list of :data:`edge.native.ABI`."""
    return types.void(*(_TYPES[code] for code in codes))


def compiled_addresses(abi: dict[str, str]) -> dict[str, int]:
    """Compile the entries by numba, in this process; return their addresses.

    They live as long as the process.
    """
    for name, codes in abi.items():
        _ALIVE[name] = cfunc(signature(codes), cache=OPTIONS["cache"])(ENTRIES[name])
    return {name: _ALIVE[name].address for name in abi}


_ALIVE: dict[str, Any] = {}
