"""Wake networks of any sizes, written operator by operator, with random weights: no TensorFlow, no training."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

__all__ = ["make_wake_network"]


def make_wake_network(
    *,
    context: int = 5,
    channels: int = 40,
    width: int = 16,
    taps: Sequence[int] = (3, 4),
    words: int = 2,
    seed: int = 0,
    loud: float = 1.0,
    activation: str = "RELU6",
    one_scale: bool = False,
    change: Callable[[Any, Any], None] = lambda model, schema: None,
) -> bytes:
    """Write a network of the topology of :mod:`train.wake_network`.

    Parameters
    ----------
    loud : float
        By how much outputs are larger than what fits into an int8 step by step: many saturate.
    activation : str
        Of the layers that have one.
    one_scale : bool
        One scale for all weights of a layer, and not one for each output.
    change : callable
        Changes the model (an object of the schema) before it is written.
    """
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    rng = np.random.default_rng(seed)
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    built = schema.BuiltinOperator
    codes: dict[int, int] = {}
    kept, fed = (6 / 255, -128), (26 / 256, -128)

    def tensor(name, shape, quantised=None, values=None, axis=0):
        entry = schema.TensorT()
        entry.name, entry.shape = name, list(shape)
        entry.type = schema.TensorType.INT8 if quantised else schema.TensorType.INT32
        if values is not None and values.dtype == np.int8:
            entry.type = schema.TensorType.INT8
        if quantised:
            scales = np.atleast_1d(quantised[0]).astype(np.float32)
            entry.quantization = schema.QuantizationParametersT()
            entry.quantization.scale, entry.quantization.quantizedDimension = scales.tolist(), axis
            entry.quantization.zeroPoint = [quantised[1]] * len(scales)
        if values is not None:
            held = schema.BufferT()
            held.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            model.buffers.append(held)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
        return len(graph.tensors) - 1

    def constant(values):
        return tensor("constant", (len(values),), values=np.array(values, np.int32))

    def operator(kind, inputs, output, options=None, **fields):
        if kind not in codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind
            code.version = {built.CONV_2D: 3, built.DEPTHWISE_CONV_2D: 3, built.RESHAPE: 1}.get(kind, 2)
            model.operatorCodes.append(code)
            codes[kind] = len(model.operatorCodes) - 1
        entry = schema.OperatorT()
        entry.opcodeIndex, entry.inputs, entry.outputs = codes[kind], inputs, [output]
        if options:
            entry.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            entry.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in fields.items():
                setattr(entry.builtinOptions, name, value)
        graph.operators.append(entry)
        return output

    def reshape(given, shape, quantised):
        return operator(built.RESHAPE, [given, constant(shape)], tensor("reshape", shape, quantised))

    def convolve(given, filters, n, quantised_in, quantised, *, deep=False, relu=None):
        weights = rng.integers(-127, 128, filters).astype(np.int8)
        n_inputs = weights.size // n
        # Sums of random products spread by the root of their number; the scale brings them to the outputs' range.
        spread = 74 * 74 * np.sqrt(n_inputs)
        scales = quantised[0] / quantised_in[0] * 90 * loud / spread * rng.uniform(0.5, 2, 1 if one_scale else n)
        held = tensor("weights", filters, (scales, 0), weights, axis=3 if deep else 0)
        biases = rng.integers(-round(spread), round(spread), n).astype(np.int32)
        bias = tensor("bias", (n,), (np.float32(quantised_in[0]) * scales, 0), biases)
        graph.tensors[bias].type = schema.TensorType.INT32
        kind, options = (
            (built.DEPTHWISE_CONV_2D, "DepthwiseConv2DOptions") if deep else (built.CONV_2D, "Conv2DOptions")
        )
        fields = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}
        fields["padding"] = schema.Padding.VALID
        fields["fusedActivationFunction"] = getattr(schema.ActivationFunctionType, relu or "NONE")
        if deep:
            fields["depthMultiplier"] = 1
        return operator(kind, [given, held, bias], tensor("made", (1, 1, 1, n), quantised), options, **fields)

    def cut(given, first, end, quantised):
        ends = tensor("rows", (1, end - first, width), quantised)
        inputs = [given, constant([0, first, 0]), constant([0, end, 0]), constant([1, 1, 1])]
        return operator(built.STRIDED_SLICE, inputs, ends, "StridedSliceOptions", beginMask=5, endMask=5)

    def join(parts, rows):
        return operator(
            built.CONCATENATION, parts, tensor("joined", (1, rows, width), kept), "ConcatenationOptions", axis=1
        )

    rows = sum(taps) - len(taps)
    state = tensor("serving_default_state:0", (1, rows, width), kept)
    features = tensor("serving_default_features:0", (1, context, channels), fed)
    shown = reshape(features, (1, context, 1, channels), fed)
    at = convolve(shown, (width, context, 1, channels), width, fed, kept, relu=activation)
    newer, first = [], 0
    for n in taps:
        old = cut(state, first, first + n - 1, kept)
        joined = join([old, reshape(at, (1, 1, width), kept)], n)
        newer.append(cut(joined, 1, n, kept))
        between = (float(rng.uniform(0.005, 0.03)), int(rng.integers(-30, 30)))
        seen = convolve(reshape(joined, (1, n, 1, width), kept), (1, n, 1, width), width, kept, between, deep=True)
        at = convolve(seen, (width, 1, 1, width), width, between, kept, relu=activation)
        first += n - 1
    after = join(newer, rows) if len(newer) > 1 else newer[0]
    quantised = (0.125, int(rng.integers(-100, 100)))
    logits = reshape(convolve(at, (words, 1, 1, width), words, kept, quantised), (1, words), quantised)
    graph.inputs, graph.outputs = [state, features], [logits, after]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [], []
    for listed, names in (
        (signature.inputs, {"features": features, "state": state}),
        (signature.outputs, {"logits": logits, "state_out": after}),
    ):
        for name, index in names.items():
            pair = schema.TensorMapT()
            pair.name, pair.tensorIndex = name, index
            listed.append(pair)
    model.signatureDefs = [signature]
    change(model, schema)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
