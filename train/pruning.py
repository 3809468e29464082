"""Magnitude pruning of the pointwise and full convolutions, where nearly all weights are.

What it buys is a smaller *compressed* model; nothing else is claimed for it.
"""

from typing import Any

import numpy as np

from train.keras import tf_keras, tfmot

__all__ = ["pattern_share", "prunable", "pruning_callback", "sparsity", "strip"]

_PRUNED = (tf_keras.layers.Conv2D, tf_keras.layers.Dense)


def _is_pruned(layer: Any) -> bool:
    # DepthwiseConv2D derives from Conv2D in Keras 2 but holds few weights, each of which matters.
    return isinstance(layer, _PRUNED) and not isinstance(layer, tf_keras.layers.DepthwiseConv2D)


def prunable(
    model: Any, *, final_sparsity: float, begin_step: int, end_step: int, pattern: tuple[int, int] | None = None
) -> Any:
    """Wrap the layers of a model so that training drives their smallest weights to zero.

    What is not pruned is the layer of the given model itself: begin each variant with a model of its own.

    Parameters
    ----------
    model : tf_keras.Model
    final_sparsity : float
        Share of zero weights at the end.
    begin_step, end_step : int
        Optimiser steps between which the share rises, by the cubic schedule of Zhu and Gupta, "To prune,
        or not to prune", 2017, eq. 1.
    pattern : (int, int), optional
        (2, 4): of every 4 input channels, 2 weights are zero, as sparse matrix units want it. The toolkit knows no
        schedule for a pattern: it is chosen once, by magnitude, at the second step of training, and kept. A layer of
        fewer input channels than the zeros leave over is not pruned.
    """
    frequency = max(1, min(20, (end_step - begin_step) // 10))
    keras = tfmot.sparsity.keras
    if pattern is None:
        schedule = keras.PolynomialDecay(0.0, final_sparsity, begin_step, end_step, frequency=frequency)
        options: dict[str, Any] = {"pruning_schedule": schedule}
    else:
        # Only looked at for its type: see above.
        schedule = keras.ConstantSparsity(final_sparsity, begin_step=0)
        options = {"pruning_schedule": schedule, "sparsity_m_by_n": pattern}

    def wrap(layer: Any) -> Any:
        return keras.prune_low_magnitude(layer, **options) if _is_pruned(layer) else layer

    return tf_keras.models.clone_model(model, clone_function=wrap)


def pruning_callback() -> Any:
    """Return the callback that advances the schedule; without it nothing is pruned."""
    return tfmot.sparsity.keras.UpdatePruningStep()


def strip(model: Any) -> Any:
    """Return the model without wrappers; pruned weights are zeros in it."""
    return tfmot.sparsity.keras.strip_pruning(model)


def pattern_share(model: Any, pattern: tuple[int, int] = (2, 4)) -> float:
    """Return the share of groups of weights in which a pattern holds, over all layers that are pruned.

    Parameters
    ----------
    model : tf_keras.Model
        Without wrappers.
    pattern : (int, int)
        (m, n): at least m of n weights that lie side by side are zero. The input channels of an output lie side by
        side, as they do in the converted file; a last group that is incomplete is left out.
    """
    zeros, of = pattern
    held = []
    for layer in filter(_is_pruned, model.layers):
        kernel = layer.get_weights()[0]
        channels = kernel.shape[-2] // of * of
        groups = np.moveaxis(kernel, -1, 0)[..., :channels].reshape(-1, of)
        held.append(np.count_nonzero(groups == 0, axis=1) >= zeros)
    return float(np.mean(np.concatenate(held)))


def sparsity(model: Any) -> dict[str, float]:
    """Return the share of zero weights of each layer that can be pruned, by name."""
    return {layer.name: float(np.mean(layer.get_weights()[0] == 0)) for layer in model.layers if _is_pruned(layer)}
