"""The network of Google's speech embedding in Keras, so that it can become part of a network that is converted.

Its file (:data:`train.speech_embedding.FILES`) holds a chain of operations and no description of how it was built. Here
the chain is followed, and each operation becomes a layer with its weights; batch normalisation is folded into the
convolutions there. Nothing pads along time: a longer spectrogram gives embeddings of all its stretches, one every
:data:`train.speech_embedding.HOP_FRAMES` frames.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.model_check import check_whole
from train.keras import tf, tf_keras
from train.speech_embedding import FILES, REMEDY, read_part

__all__ = ["speech_network"]

_Layer = Callable[[Any], Any]


def speech_network(folder: Path, spectrogram: Any) -> Any:
    """Put the network behind a tensor of Keras.

    Parameters
    ----------
    folder : Path
        Of the embedding.
    spectrogram : Keras tensor
        ``(batch, frames, bands, 1)``, as :func:`edge.log_mel.log_mel` gives it.

    Returns
    -------
    Keras tensor
        ``(batch, embeddings, 1, DIMENSIONS)``. The layers are called ``speech_conv0`` and so on.

    Raises
    ------
    DataError
        If the file cannot be read, or does not hold a chain of the operations that this knows.
    """
    path = folder / FILES[1]
    content = read_part(path)
    x = spectrogram
    try:
        for layer in _layers(_Graph(content)):
            x = layer(x)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # What is no file of this format fails wherever it is first looked at.
        raise DataError(
            f"{path}: got another network than the speech embedding ({' '.join(str(error).split())[:120]}), expected "
            f"a chain of convolutions; {REMEDY}"
        ) from error
    return x


class _Graph:
    """A .tflite file of one subgraph whose operations are a chain."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        check_whole(content)
        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        self._names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
        self.same = schema.Padding.SAME
        self._plain = schema.ActivationFunctionType.NONE
        (self._graph,) = self._model.subgraphs

    def operations(self) -> Iterator[tuple[str, Any, list[np.ndarray]]]:
        """Yield name, options and constants of each operation, in order."""
        (newest,) = self._graph.inputs
        for operator in self._graph.operators:
            code = self._model.operatorCodes[operator.opcodeIndex]
            name = self._names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if operator.inputs[0] != newest:
                raise ValueError(f"{name} does not follow the operation before it")
            options = operator.builtinOptions
            if getattr(options, "fusedActivationFunction", self._plain) != self._plain:
                raise ValueError(f"{name} has an activation of its own")
            yield name, options, [self._constant(index) for index in operator.inputs[1:]]
            (newest,) = operator.outputs
        if newest != self._graph.outputs[0]:
            raise ValueError("the last operation is not the output")

    def _constant(self, index: int) -> np.ndarray:
        tensor = self._graph.tensors[index]
        held = self._model.buffers[tensor.buffer].data
        if held is None:
            raise ValueError(f"{tensor.name.decode()} is no constant")
        shape = () if tensor.shape is None else tuple(tensor.shape)
        # Of all that a constant can be the chain holds but two.
        return np.frombuffer(bytes(held), np.int32 if "paddings" in tensor.name.decode() else np.float32).reshape(shape)


def _layers(graph: _Graph) -> Iterator[_Layer]:
    layers, convolutions = tf_keras.layers, 0
    for name, options, constants in graph.operations():
        padding = "same" if getattr(options, "padding", None) == graph.same else "valid"
        match name, constants:
            case "PAD", [around]:
                (batch, along_time, bands, channels) = around.tolist()
                if any((*batch, *channels, *along_time)):
                    raise ValueError(f"PAD of {around.tolist()}")
                yield layers.ZeroPadding2D((along_time, bands))
            case "CONV_2D", [kernel, bias]:
                strides = options.strideH, options.strideW
                yield _convolution(kernel, bias, strides, padding, f"speech_conv{convolutions}")
                convolutions += 1
            case "LEAKY_RELU", []:
                yield layers.LeakyReLU(options.alpha)
            case "MAXIMUM", [least] if least.size == 1:
                yield _no_less_than(float(least.item()))
            case "MAX_POOL_2D", []:
                window = options.filterHeight, options.filterWidth
                yield layers.MaxPooling2D(window, (options.strideH, options.strideW), padding)
            case _:
                raise ValueError(f"{name} with {len(constants)} constants")


def _convolution(kernel: np.ndarray, bias: np.ndarray, strides: tuple[int, int], padding: str, name: str) -> Any:
    filters, height, width, channels = kernel.shape
    layer = tf_keras.layers.Conv2D(filters, (height, width), strides, padding, name=name)
    layer.build((None, None, None, channels))
    layer.set_weights([kernel.transpose(1, 2, 3, 0), bias])
    return layer


def _no_less_than(least: float) -> _Layer:
    return lambda x: tf.maximum(x, least)
