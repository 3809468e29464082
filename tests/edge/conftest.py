"""Small networks, written operator by operator: tests of the device's side need no TensorFlow."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytest


class Tensor(NamedTuple):
    """An input or output of a small network; a scale of 0 makes it float32."""

    name: str
    shape: tuple[int, ...]
    scale: float = 0.0
    zero_point: int = 0


class Layer(NamedTuple):
    """``output = weights @ flattened input``, with weights ``(outputs, inputs) int8`` of scale `scale`."""

    source: Tensor
    output: Tensor
    weights: np.ndarray
    scale: float = 1.0


def write_network(layers: Sequence[Layer], *, signature: bool = True) -> bytes:
    """Write fully connected layers, each from an input to an output, as a .tflite file."""
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version = 3
    empty = schema.BufferT()
    model.buffers, graph.tensors, graph.operators, model.operatorCodes = [empty], [], [], []

    def code(operator: int) -> int:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = operator
        # Version 4 of the fully connected layer is the first with int8.
        entry.version = 4 if operator == schema.BuiltinOperator.FULLY_CONNECTED else 1
        model.operatorCodes.append(entry)
        return len(model.operatorCodes) - 1

    connect = code(schema.BuiltinOperator.FULLY_CONNECTED)
    reshape = code(schema.BuiltinOperator.RESHAPE)

    def tensor(name, shape, scale=0.0, zero_point=0, values=None):
        entry = schema.TensorT()
        entry.name, entry.shape = name, list(shape)
        entry.type = schema.TensorType.INT8 if scale else schema.TensorType.FLOAT32
        if scale:
            entry.quantization = schema.QuantizationParametersT()
            entry.quantization.scale, entry.quantization.zeroPoint = [scale], [zero_point]
        if values is not None:
            held = schema.BufferT()
            held.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(held)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
        return len(graph.tensors) - 1

    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for source, output, weights, scale in layers:
        if source.name not in inputs:
            inputs[source.name] = tensor(f"serving_default_{source.name}:0", *source[1:])
        rows = (1, weights.shape[0])
        kind = np.int8 if source.scale else np.float32
        held = tensor("weights", weights.shape, scale if source.scale else 0.0, 0, weights.astype(kind))
        flat = tensor("flat", rows, output.scale, output.zero_point)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = (
            connect,
            [inputs[source.name], held, -1],
            [flat],
        )
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
        graph.operators.append(operator)
        outputs[output.name] = tensor(f"{output.name}:0", *output[1:])
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = reshape, [flat], [outputs[output.name]]
        operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
        operator.builtinOptions = schema.ReshapeOptionsT()
        operator.builtinOptions.newShape = list(output.shape)
        graph.operators.append(operator)
    graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
    model.subgraphs = [graph]
    if signature:
        entry = schema.SignatureDefT()
        entry.signatureKey = "serving_default"
        entry.inputs, entry.outputs = [], []
        for names, listed in ((inputs, entry.inputs), (outputs, entry.outputs)):
            for name, index in names.items():
                pair = schema.TensorMapT()
                pair.name, pair.tensorIndex = name, index
                listed.append(pair)
        model.signatureDefs = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture(scope="session")
def network() -> Callable[..., bytes]:
    """Return :func:`write_network`."""
    return write_network


@pytest.fixture(scope="session")
def tensor() -> type[Tensor]:
    """Return :class:`Tensor`."""
    return Tensor


@pytest.fixture(scope="session")
def layer() -> type[Layer]:
    """Return :class:`Layer`."""
    return Layer


@pytest.fixture(scope="session")
def wake_network() -> Callable[..., bytes]:
    """Return a function that writes a network with the tensors of the wake stage, and arbitrary weights."""

    def write(
        *,
        words: int = 2,
        context: int = 5,
        channels: int = 40,
        state: tuple[int, ...] = (1, 4, 8),
        back: float = 6 / 255,
    ) -> bytes:
        rng = np.random.default_rng(7)
        features = Tensor("features", (1, context, channels), 26 / 256, -128)
        given = Tensor("state", state, 6 / 255, -128)
        size = int(np.prod(state))
        return write_network(
            [
                Layer(
                    features,
                    Tensor("logits", (1, words), 0.1, 3),
                    rng.integers(-9, 10, (words, context * channels)),
                    0.01,
                ),
                Layer(given, Tensor("state_out", state, back, -128), rng.integers(-3, 4, (size, size)), 0.1),
            ]
        )

    return write


@pytest.fixture(scope="session")
def liveness_network() -> Callable[..., bytes]:
    """Return a function that writes a network with the tensors of the liveness stage."""

    def write(*, rows: int, bands: int) -> bytes:
        weights = np.random.default_rng(8).integers(-2, 3, (1, rows * bands))
        cues = Tensor("cues", (1, rows, bands), 1 / 255, -128)
        return write_network([Layer(cues, Tensor("logit", (1, 1), 0.1, 0), weights, 0.01)])

    return write
