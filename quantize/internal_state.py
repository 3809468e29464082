"""From the wake network of a bundle to one of ESPHome for a single word: the same integers in another dress.

ESPHome's component shows a network as many new frames as its input holds, and lets it keep what it has heard in
variables. The network of a bundle is shown frames that overlap, and gets its state as an input. So here

* the frames of which the next run is shown again become a variable, and the input holds the new ones alone;
* the state becomes a variable, read in the beginning and assigned in the end, and both begin with zeros;
* the heads lose the rows of all other words;
* a sigmoid follows, of whose 8 bits an unsigned probability is made.

No weight and no scale is touched, and nothing is quantised anew: the logit of the word is the bundle's, to the bit.
The output
has steps of 1/255, because that is what the component takes them for; other programs read the scale.
"""

import copy
from typing import Any, NamedTuple

import numpy as np

from edge.errors import DataError
from quantize.graph import Graph, schema

__all__ = ["OUTPUT_STEPS", "with_internal_state"]

OUTPUT_STEPS = 255
"""Steps of the output from 0 to a probability of 1."""

_SIGMOID_SCALE, _SIGMOID_ZERO = 1 / 256, -128  # those that the operator demands of an int8 output


class _Variable(NamedTuple):
    name: str
    tensor: int
    """What it is read into, and so what it is like."""


def with_internal_state(content: bytes, *, word: int, stride_frames: int, name: str) -> bytes:
    """Make the network of one word, with the ABI of ESPHome's component.

    Parameters
    ----------
    content : bytes
        An int8 wake network with the inputs ``features`` ``(1, context, channels)`` and ``state``, and the outputs
        ``logits`` ``(1, words)`` and ``state_out``.
    word : int
        Which of the logits.
    stride_frames : int
        Frames between two runs, at most as many as the network is shown.
    name : str
        What messages call the network.

    Returns
    -------
    bytes
        A .tflite file: input int8 ``(1, stride, channels)``, output uint8 ``(1, 1)``.

    Raises
    ------
    DataError
        If it is no such network, or has layers behind the point where words part that are not understood.
    """
    graph = Graph(content, name=name)
    ends = _Ends.of(graph)
    _narrow(graph, ends.logits, word)
    first, last = _frames(graph, ends, stride_frames)
    state = _Variable("state", ends.state)
    variables = [state, *first.variables]
    handles = {variable.name: graph.add_tensor(variable.name, (), schema.TensorType.RESOURCE) for variable in variables}
    begin = [_call_once(graph, variables)]
    for variable in variables:
        begin.append(_handle(graph, variable.name, handles[variable.name]))
        begin.append(
            graph.operator(
                "READ_VARIABLE", [handles[variable.name]], [variable.tensor],
                options=schema.ReadVariableOptionsT(), options_kind="ReadVariableOptions",
            )
        )  # fmt: skip
    end = [_assign(graph, handles[name], tensor) for name, tensor in (("state", ends.state_out), *last)]
    probability, sigmoid = _sigmoid(graph, ends.logits)
    graph.main.operators = [*begin, *first.operators, *graph.main.operators, *end, *sigmoid]
    graph.main.inputs, graph.main.outputs = np.array([first.given], np.int32), np.array([probability], np.int32)
    signature = graph.model.signatureDefs[0]
    signature.inputs, signature.outputs = [_end("features", first.given)], [_end("probability", probability)]
    return graph.to_bytes()


class _Ends(NamedTuple):
    """The tensors at which a wake network is joined to the world."""

    features: int
    state: int
    logits: int
    state_out: int

    @classmethod
    def of(cls, graph: Graph) -> "_Ends":
        """Find them by the signature."""
        signatures = graph.model.signatureDefs or []
        found = {}
        for signature in signatures[:1]:
            for end in (*signature.inputs, *signature.outputs):
                found[end.name.decode()] = int(end.tensorIndex)
        if set(found) != {"features", "state", "logits", "state_out"} or any(
            graph.main.tensors[at].type != schema.TensorType.INT8 for at in found.values()
        ):
            raise DataError(
                f"{graph.name}: got {', '.join(sorted(found)) or 'no signature'}, expected an int8 wake network with "
                "features, state, logits, state_out; give a bundle, or a checkpoint that 'vivavoce quantize convert' "
                "converted"
            )
        return cls(**found)


def _narrow(graph: Graph, tensor: int, word: int) -> None:
    """Leave one channel of a tensor, and of all that it is made of."""
    main = graph.main
    shape = [int(size) for size in main.tensors[tensor].shape]
    op = graph.producer(tensor)
    kind = "nothing" if op is None else graph.kind(op)
    if not 0 <= word < shape[-1] or kind not in ("RESHAPE", "ADD", "CONV_2D"):
        raise DataError(
            f"{graph.name}: word {word}: got {kind} in front of {shape}, expected a logit of each word, made by "
            f"CONV_2D, "
            "ADD or RESHAPE; the network has another head than 'vivavoce train wake' makes"
        )
    if kind == "CONV_2D":
        at, rows, bias = (int(i) for i in op.inputs)
        op.inputs = np.array([at, _row(graph, rows, word, np.int8), _row(graph, bias, word, np.int32)], np.int32)
    elif kind == "ADD":
        for part in op.inputs:
            _narrow(graph, int(part), word)
    else:
        _narrow(graph, int(op.inputs[0]), word)
        narrow = np.array([*shape[:-1], 1], np.int32)
        op.inputs = np.array(
            [op.inputs[0], graph.add_tensor("shape", (len(shape),), schema.TensorType.INT32, data=narrow)], np.int32
        )
        if op.builtinOptions is not None:
            op.builtinOptions.newShape = narrow
    main.tensors[tensor].shape = np.array([*shape[:-1], 1], np.int32)
    main.tensors[tensor].shapeSignature = None


def _row(graph: Graph, tensor: int, word: int, dtype: Any) -> int:
    """Copy one output channel of a constant, with its scale."""
    whole = graph.main.tensors[tensor]
    shape = tuple(int(size) for size in whole.shape)
    values = graph.constant(tensor, dtype).reshape(shape)[word : word + 1]
    row = graph.add_tensor("row", (1, *shape[1:]), whole.type, data=values)
    quantisation = copy.copy(whole.quantization)
    if len(quantisation.scale) > 1:
        quantisation.scale = np.asarray(quantisation.scale)[word : word + 1]
        quantisation.zeroPoint = np.asarray(quantisation.zeroPoint)[word : word + 1]
    graph.main.tensors[row].quantization = quantisation
    return row


class _Shown(NamedTuple):
    """How the network comes to be shown the frames."""

    given: int
    """The new frames."""
    variables: list[_Variable]
    operators: list[Any]


def _frames(graph: Graph, ends: _Ends, stride: int) -> tuple[_Shown, list[tuple[str, int]]]:
    """Join the new frames to those that are shown again, and return what becomes of both."""
    shown = graph.main.tensors[ends.features]
    _, context, channels = (int(size) for size in shown.shape)
    if not 1 <= stride <= context:
        raise DataError(
            f"{graph.name}: stride_frames: got {stride}, expected 1 to {context}, the frames that the network is "
            f"shown; "
            "a network that skips frames cannot be told so by ESPHome"
        )
    if stride == context:
        return _Shown(ends.features, [], []), []
    kind = schema.TensorType.INT8
    given = graph.add_tensor("features", (1, stride, channels), kind, like=shown)
    before = graph.add_tensor("before", (1, context - stride, channels), kind, like=shown)
    again = graph.add_tensor("again", (1, context - stride, channels), kind, like=shown)
    join = schema.ConcatenationOptionsT()
    join.axis = 1
    cut = schema.StridedSliceOptionsT()
    cut.beginMask, cut.endMask = 0b101, 0b111  # frames alone are cut, from the stride to the end
    at = [
        graph.add_tensor("at", (3,), schema.TensorType.INT32, data=np.array(value, np.int32))
        for value in ((0, stride, 0), (0, 0, 0), (1, 1, 1))
    ]
    joined = graph.operator(
        "CONCATENATION", [before, given], [ends.features], version=2, options=join, options_kind="ConcatenationOptions"
    )
    kept = graph.operator(
        "STRIDED_SLICE", [ends.features, *at], [again], version=2, options=cut, options_kind="StridedSliceOptions"
    )
    return _Shown(given, [_Variable("before", before)], [joined, kept]), [("before", again)]


def _call_once(graph: Graph, variables: list[_Variable]) -> Any:
    """Make the operator that gives variables their first values, and the subgraph that it calls."""
    first = schema.SubGraphT()
    first.name = b"first"
    first.inputs = first.outputs = np.array([], np.int32)
    first.tensors, first.operators = [], []
    for variable in variables:
        like = graph.main.tensors[variable.tensor]
        handle = graph.add_tensor(variable.name, (), schema.TensorType.RESOURCE, graph=first)
        shape = tuple(int(size) for size in like.shape)
        # Silence and zeros of a ReLU: the zero point of both.
        zeros = np.full(shape, int(like.quantization.zeroPoint[0]), np.int8)
        value = graph.add_tensor("zeros", shape, like.type, like=like, data=zeros, graph=first)
        first.operators += [_handle(graph, variable.name, handle), _assign(graph, handle, value)]
    graph.model.subgraphs.append(first)
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = len(graph.model.subgraphs) - 1
    return graph.operator("CALL_ONCE", [], [], options=once, options_kind="CallOnceOptions")


def _handle(graph: Graph, name: str, tensor: int) -> Any:
    options = schema.VarHandleOptionsT()
    options.container, options.sharedName = b"", name.encode()
    return graph.operator("VAR_HANDLE", [], [tensor], options=options, options_kind="VarHandleOptions")


def _assign(graph: Graph, handle: int, value: int) -> Any:
    return graph.operator(
        "ASSIGN_VARIABLE", [handle, value], [],
        options=schema.AssignVariableOptionsT(), options_kind="AssignVariableOptions",
    )  # fmt: skip


def _sigmoid(graph: Graph, logits: int) -> tuple[int, list[Any]]:
    """Return the unsigned probability, and the operators that make it."""
    signed = graph.add_tensor("signed", (1, 1), schema.TensorType.INT8, scale=_SIGMOID_SCALE, zero_point=_SIGMOID_ZERO)
    unsigned = graph.add_tensor("probability", (1, 1), schema.TensorType.UINT8, scale=1 / OUTPUT_STEPS)
    return unsigned, [
        graph.operator("LOGISTIC", [logits], [signed], version=2),
        graph.operator(
            "QUANTIZE", [signed], [unsigned], version=2,
            options=schema.QuantizeOptionsT(), options_kind="QuantizeOptions",
        ),
    ]  # fmt: skip


def _end(name: str, tensor: int) -> Any:
    end = schema.TensorMapT()
    end.name, end.tensorIndex = name.encode(), tensor
    return end
