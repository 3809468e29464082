"""Quantisation-aware training of a Keras network: what the toolkit can annotate, and where its ranges begin.

The toolkit rebuilds a network from its configuration, and loses the slices of a tensor on the way: only a network
without them can be annotated (:func:`aware` takes the part behind the slices).

Its ranges are moving averages with a decay of 0.999 a step that begin at -6 and 6. After the few hundred steps of a
fine-tuning, the outputs of a ReLU would still have a range that reaches far below zero, and half of their integers
would never occur. Here they begin with the ranges that the float network has (:func:`begin_ranges`).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from train.keras import tf_keras, tfmot
from train.wake_network import Weights

__all__ = ["aware", "begin_ranges", "pin_inputs", "weights_within", "zeros_kept"]

_WRAPPED = "quant_"
_ORDER = (
    "kernel", "depthwise_kernel", "gamma", "bias", "beta", "moving_mean", "moving_variance",
)  # fmt: skip
"""Variables of a layer in the order in which Keras gives and takes them."""


def aware(network: Any, *, keep_zeros: bool) -> Any:
    """Return a copy of a network that rounds weights and activations as 8-bit integers would be rounded.

    Parameters
    ----------
    network : tf_keras.Model
        Of layers that the toolkit knows; no slices.
    keep_zeros : bool
        Whether weights that are zero stay zero (prune-preserving); without, few of them do.
    """
    quantization = tfmot.quantization.keras
    annotated = quantization.quantize_annotate_model(network)
    if not keep_zeros:
        return quantization.quantize_apply(annotated)
    return quantization.quantize_apply(annotated, tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme())


def zeros_kept(quantised: Any) -> Any:
    """Return the callback that puts the zeros of the kernels back after every step.

    The prune-preserving scheme of the toolkit does the same, but not where it fuses a dense layer with the activation
    behind it: there a fifth of the weights had come back after two epochs.

    Parameters
    ----------
    quantised : tf_keras.Model
        From :func:`aware`, as training begins with it.
    """
    kernels = [v for v in quantised.trainable_variables if v.name.removesuffix(":0").rpartition("/")[2] == "kernel"]
    masks = [(kernel.numpy() != 0).astype(np.float32) for kernel in kernels]

    class ZerosKept(tf_keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            for kernel, mask in zip(kernels, masks, strict=True):
                kernel.assign(kernel * mask)

    return ZerosKept()


def begin_ranges(quantised: Any, network: Any, batches: Iterable[Any]) -> None:
    """Set the ranges of activations to those that the float network has: the mean over batches of their extremes.

    Parameters
    ----------
    quantised : tf_keras.Model
        From :func:`aware`.
    network : tf_keras.Model
        What it was made of.
    batches : iterable
        Inputs of the network.
    """
    names = [layer.name.removeprefix(_WRAPPED) for layer in quantised.layers if layer.name.startswith(_WRAPPED)]
    watched = tf_keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    seen = [[(float(np.min(x)), float(np.max(x))) for x in watched(batch, training=False)] for batch in batches]
    for name, (low, high) in zip(names, np.mean(seen, axis=0), strict=True):
        for variable in quantised.get_layer(_WRAPPED + name).weights:
            if variable.name.endswith(("/output_min:0", "/post_activation_min:0")):
                variable.assign(min(low, 0.0))
            elif variable.name.endswith(("/output_max:0", "/post_activation_max:0")):
                variable.assign(max(high, 0.0))


def pin_inputs(quantised: Any, low: float, high: float) -> None:
    """Set the range of every input: a byte has to mean what the device means by it.

    To be called before training and, since the ranges follow what is seen, again behind it.
    """
    for variable in quantised.weights:
        if variable.name.startswith("quantize_layer"):
            if variable.name.endswith("_min:0"):
                variable.assign(low)
            elif variable.name.endswith("_max:0"):
                variable.assign(high)


def weights_within(quantised: Any) -> Weights:
    """Take the weights out of the wrappers, by the name of the layer that was wrapped."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for variable in quantised.weights:
        layer, _, name = variable.name.removesuffix(":0").rpartition("/")
        if name in _ORDER and not layer.startswith(_WRAPPED):
            found.setdefault(layer, {})[name] = variable.numpy()
    return {layer: [parts[name] for name in _ORDER if name in parts] for layer, parts in found.items()}
