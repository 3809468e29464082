"""How a layer of int8 scales its sums and clamps its outputs: the integers that TensorFlow Lite makes of real numbers.

References
----------
.. [1] ``tensorflow/lite/kernels/kernel_util.cc``, ``internal/quantization_util.cc``: multipliers, shifts and limits.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["UnfitNetworkError", "limits", "multipliers"]

_RELUS = {1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}  # ActivationFunctionType: lowest and highest output
_LARGEST_SHIFT = 31


class UnfitNetworkError(Exception):
    """The network is another than the kernel can run; no fault, as the interpreter can."""


def multipliers(
    scale: float, scales: npt.NDArray[np.float32], out_scale: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return each factor from sums to outputs as an integer of 31 bits, and how far it is shifted right."""
    fractions, exponents = np.frexp(scale * scales.astype(np.float64) / out_scale)
    found = np.floor(fractions * 2.0**31 + 0.5).astype(np.int64)
    exponents = exponents + (found == 1 << 31)
    found = np.where(found == 1 << 31, 1 << 30, found)
    found = np.where(exponents < -_LARGEST_SHIFT, 0, found)
    exponents = np.where(exponents < -_LARGEST_SHIFT, 0, exponents)
    if (exponents > 0).any() or (found < 0).any():
        raise UnfitNetworkError("a layer whose sums are scaled up")
    return found.astype(np.int32), (-exponents).astype(np.int32)


def limits(activation: int, scale: float, zero_point: int) -> tuple[int, int]:
    """Return the lowest and the highest output of a layer."""
    if activation and activation not in _RELUS:
        raise UnfitNetworkError(f"activation {activation}")
    low, high = _RELUS.get(activation, (None, None))
    lowest, highest = -128, 127

    def steps(value: float) -> int:
        exact = np.float32(value) / np.float32(scale)
        return zero_point + int(np.copysign(np.floor(np.abs(exact) + 0.5), exact))

    return (
        lowest if low is None else max(lowest, steps(low)),
        highest if high is None else min(highest, steps(high)),
    )
