"""What the exported C is compiled for: its version, its fixed point, and the state of the wake network."""

import math

import numpy as np

from edge.bundle import Bundle
from edge.errors import DataError
from edge.interpreter import Model, TensorSpec

__all__ = ["ABI_VERSION", "PROBABILITY_BITS", "not_int8", "wake_state", "wake_tensors"]

ABI_VERSION = 1
"""Of names, types and meanings in the exported headers; a change that breaks a caller adds one."""

PROBABILITY_BITS = 30
"""Fraction bits of a probability in C: mean and cut-off then decide as those of Python do (a test tries every
combination of logits)."""


def wake_state(bundle: Bundle, wake: Model) -> tuple[int, int]:
    """Return bytes and zero point of the state of the wake network.

    Raises
    ------
    DataError
        If the network is not int8.
    """
    _, state = wake_tensors(wake, len(bundle.words))
    return math.prod(state.shape), state.zero_point


def wake_tensors(wake: Model, words: int) -> tuple[TensorSpec, TensorSpec]:
    """Return logits and state of the wake network."""
    logits = next((spec for spec in wake.outputs if spec.shape == (1, words)), None)
    state = wake.inputs.get("state")
    if logits is None or state is None or logits.dtype != np.int8 or state.dtype != np.int8:
        raise not_int8(wake.name, logits)
    return logits, state


def not_int8(name: str, got: object) -> DataError:
    """Return the error of a network that has another output."""
    return DataError(
        f"{name}: got {got} as its output, expected an int8 network; convert it with "
        "'vivavoce quantize convert' and pack it again"
    )
