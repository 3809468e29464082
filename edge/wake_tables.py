"""A wake network as the kernel takes it: three blocks of numbers, in the order in which it reads them.

Layers are padded to whole vectors: outputs to :data:`OUTPUTS`, the features to :data:`INPUTS`. What pads has weights of
zero, so that nothing depends on what is computed there. Weights are widened to int16 once, here, as 64-bit Arm
multiplies them from there without a further instruction; they take twice the memory of the file's.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.wake_plan import Layer, WakePlan

__all__ = ["INPUTS", "OUTPUTS", "SCALARS_HEAD", "SCALARS_LAYER", "WakeTables", "build_tables"]

OUTPUTS = 16
"""Outputs of a layer that the kernel computes at a time."""

INPUTS = 8
"""Inputs whose products it adds at a time."""

SCALARS_HEAD = 9
"""Scalars before those of the layers, see :attr:`WakeTables.scalars`."""

SCALARS_LAYER = 4
"""Scalars of a layer: taps (1 of a layer without earlier rows), zero point, lowest and highest output."""


class WakeTables(NamedTuple):
    """What the kernel is given of a network."""

    scalars: npt.NDArray[np.int64]
    """Features; features, padded; width, padded; words, padded; blocks; numbers of the whole: weights, numbers, scratch
    for inputs, rows of the state. Then :data:`SCALARS_LAYER` for each layer."""
    weights: npt.NDArray[np.int16]
    """Of a dense layer, for one :data:`OUTPUTS` outputs after the other: their weights for each input. Of a layer over
    time: those of all channels for each tap, the oldest one first."""
    numbers: npt.NDArray[np.int32]
    """Of each layer: biases, multipliers, shifts."""


def build_tables(plan: WakePlan) -> WakeTables:
    """Lay a network out for the kernel."""
    n_inputs, width, words = _padded(plan.n_features, INPUTS), _padded(plan.width), _padded(plan.n_words)
    layers = [(1, plan.stem, _dense(plan.stem, n_inputs, width), width)]
    for time, mix in plan.blocks:
        layers.append((time.weights.shape[0], time, _filled(time.weights, time.weights.shape[0], width), width))
        layers.append((1, mix, _dense(mix, width, width), width))
    layers.append((1, plan.head, _dense(plan.head, width, words), words))
    weights = np.concatenate([block.reshape(-1) for _, _, block, _ in layers], dtype=np.int16, casting="same_kind")
    numbers = np.concatenate(
        [
            _filled(values[None], 1, n)[0]
            for _, layer, _, n in layers
            for values in (layer.biases, layer.multipliers, layer.shifts)
        ]
    )
    head = [plan.n_features, n_inputs, width, words, len(plan.blocks)]
    head += [weights.size, numbers.size, max(n_inputs, width, words), plan.state_rows]
    each = [(taps, layer.zero_point, layer.low, layer.high) for taps, layer, _, _ in layers]
    return WakeTables(np.array(head + [n for layer in each for n in layer], np.int64), weights, numbers)


def _padded(n: int, step: int = OUTPUTS) -> int:
    return -(-n // step) * step


def _filled(values: npt.NDArray[np.generic], rows: int, columns: int) -> npt.NDArray[np.int32]:
    filled = np.zeros((rows, columns), np.int32)
    filled[: values.shape[0], : values.shape[1]] = values
    return filled


def _dense(layer: Layer, n_inputs: int, n_outputs: int) -> npt.NDArray[np.int32]:
    by_output = _filled(layer.weights, n_outputs, n_inputs)
    return by_output.reshape(n_outputs // OUTPUTS, OUTPUTS, n_inputs).transpose(0, 2, 1)
