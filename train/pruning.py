"""Magnitude pruning of the pointwise and full convolutions, where nearly all weights are.

What it buys is a smaller *compressed* model; nothing else is claimed for it.
"""

from typing import Any

import numpy as np

from train.keras import tf_keras, tfmot

__all__ = ["prunable", "pruning_callback", "sparsity", "strip"]

_PRUNED = (tf_keras.layers.Conv2D, tf_keras.layers.Dense)


def _is_pruned(layer: Any) -> bool:
    # DepthwiseConv2D derives from Conv2D in Keras 2 but holds few weights, each of which matters.
    return isinstance(layer, _PRUNED) and not isinstance(layer, tf_keras.layers.DepthwiseConv2D)


def prunable(model: Any, *, final_sparsity: float, begin_step: int, end_step: int) -> Any:
    """Wrap the layers of a model so that training drives their smallest weights to zero.

    Parameters
    ----------
    model : tf_keras.Model
    final_sparsity : float
        Share of zero weights at the end.
    begin_step, end_step : int
        Optimiser steps between which the share rises, by the cubic schedule of Zhu and Gupta, "To prune,
        or not to prune", 2017, eq. 1.
    """
    frequency = max(1, min(20, (end_step - begin_step) // 10))
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, final_sparsity, begin_step, end_step, frequency=frequency)

    def wrap(layer: Any) -> Any:
        if _is_pruned(layer):
            return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    return tf_keras.models.clone_model(model, clone_function=wrap)


def pruning_callback() -> Any:
    """Return the callback that advances the schedule; without it nothing is pruned."""
    return tfmot.sparsity.keras.UpdatePruningStep()


def strip(model: Any) -> Any:
    """Return the model without wrappers; pruned weights are zeros in it."""
    return tfmot.sparsity.keras.strip_pruning(model)


def sparsity(model: Any) -> dict[str, float]:
    """Return the share of zero weights of each layer that can be pruned, by name."""
    return {layer.name: float(np.mean(layer.get_weights()[0] == 0)) for layer in model.layers if _is_pruned(layer)}
