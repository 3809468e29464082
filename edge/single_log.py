"""``log1p`` in single precision, with the same rounding on every machine.

The filter bank of the frontend is placed on a mel axis that the reference computes with its C library's ``log1pf``, and
some of its weights depend on the last bit of it. That bit is another one in other libraries: up to version 2.40 the GNU
C library rounds as below, from 2.41 on correctly; NumPy takes it from the system on some processors, and a routine of
its own on others. What features are must not depend on it: a network was trained on them.

References
----------
.. [1] Sun Microsystems, fdlibm 5.3, ``s_log1p.c``: the reduction, and the method by which its polynomial was fitted;
   its form in single precision is that of newlib, of musl and of the GNU C library up to 2.40 (behaviour only).
"""

import numpy as np
import numpy.typing as npt

__all__ = ["log1p"]

_ONE, _TWO, _HALF = np.float32(1), np.float32(2), np.float32(0.5)
_FOLD = np.float32(float.fromhex("0x1.6a09eep0"))
"""Mantissas from here on belong to the next power of two; a little above the root of two."""

# ln 2 = _LN2_HIGH + _LN2_LOW; the first has so few bits that a product with an exponent is exact.
_LN2_HIGH = np.float32(float.fromhex("0x1.62e3p-1"))
_LN2_LOW = np.float32(float.fromhex("0x1.2fefa2p-17"))

# (ln(1 + s) - ln(1 - s)) / s - 2, as a polynomial in s * s without a constant; the lowest power first.
_SERIES = tuple(
    np.float32(float.fromhex(value))
    for value in (
        "0x1.555556p-1", "0x1.99999ap-2", "0x1.24924ap-2", "0x1.c71c52p-3", "0x1.74664ap-3", "0x1.39a09ep-3",
        "0x1.2f112ep-3",
    )
)  # fmt: skip


def log1p(x: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``ln(1 + x)``.

    Parameters
    ----------
    x : (...) float32
        Not negative, finite.

    Returns
    -------
    (...) float32
        Within one unit in the last place; the same bits everywhere, because each step is one operation of IEEE 754.
    """
    x = np.asarray(x, np.float32)
    total = _ONE + x
    mantissa, exponent = np.frexp(total)
    mantissa, exponent = mantissa * _TWO, exponent - 1
    # What the sum lost in rounding, as a share of it.
    lost = np.where(exponent > 0, _ONE - (total - x), x - (total - _ONE)) / total
    upper = mantissa >= _FOLD
    mantissa, exponent = np.where(upper, mantissa * _HALF, mantissa), np.where(upper, exponent + 1, exponent)
    # Within the first power of two there is nothing to reduce.
    plain = exponent == 0
    f = np.where(plain, x, mantissa - _ONE)
    k = exponent.astype(np.float32)
    half_square = _HALF * f * f
    s = f / (_TWO + f)
    z = s * s
    series = np.zeros_like(z)
    for coefficient in reversed(_SERIES):
        series = z * (coefficient + series)
    rest = s * (half_square + series)
    reduced = k * _LN2_HIGH - ((half_square - (rest + (k * _LN2_LOW + lost))) - f)
    return np.where(plain, f - (half_square - rest), reduced).astype(np.float32)
