"""What a wake network is, read from its .tflite file: layers, weights and quantisation.

The kernel (:mod:`edge.kernels.wake`) runs one topology, of any sizes, which :mod:`train.wake_network` makes::

    features ─► stem ─► block ─► block ─► … ─► head ─► logits
                          │ ▲
                          ▼ │    state: of each block the rows that its time layer was shown, but for the newest

``stem``
    Convolution over the whole window: every output sees every feature of every frame.
``block``
    A depthwise convolution over time (*time*), then a 1x1 convolution (*mix*). A block keeps the last ``taps - 1``
    of its inputs in the state.
``head``
    1x1 convolution, one output a word.

Anything else in the file is refused, whether it would matter or not: there the interpreter runs the network.

References
----------
.. [1] ``tensorflow/compiler/mlir/lite/schema/schema.fbs``: the numbers of the fields.
.. [2] TensorFlow Lite 8-bit quantization specification.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.flatbuffer import Table, root
from edge.wake_scaling import UnfitNetworkError, limits, multipliers

__all__ = ["Block", "Layer", "UnfitNetworkError", "WakePlan", "read_plan"]

_INT32, _INT8 = 2, 9  # TensorType
_CONCATENATION, _CONV_2D, _DEPTHWISE_CONV_2D, _RESHAPE, _STRIDED_SLICE = 2, 3, 4, 22, 45  # BuiltinOperator
_NAMES = {
    _CONCATENATION: "CONCATENATION", _CONV_2D: "CONV_2D", _DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D",
    _RESHAPE: "RESHAPE", _STRIDED_SLICE: "STRIDED_SLICE",
}  # fmt: skip
_VALID = 1  # Padding


class Layer(NamedTuple):
    """A layer: ``clamp(round(multiplier / 2 ** (31 + shift) * (biases + products)) + zero_point)``."""

    weights: npt.NDArray[np.int8]
    """``(outputs, inputs)``, or ``(taps, width)`` of a layer over time."""
    biases: npt.NDArray[np.int32]
    """``(outputs,)``: what the zero point of the inputs adds is in them."""
    multipliers: npt.NDArray[np.int32]
    """``(outputs,)``"""
    shifts: npt.NDArray[np.int32]
    """``(outputs,)``, 0 to 31."""
    zero_point: int
    low: int
    high: int


class Block(NamedTuple):
    """Two layers, the first of which sees earlier inputs, too."""

    time: Layer
    mix: Layer


class WakePlan(NamedTuple):
    """A wake network."""

    stem: Layer
    blocks: tuple[Block, ...]
    head: Layer

    @property
    def n_features(self) -> int:
        """Numbers that a step is shown."""
        return int(self.stem.weights.shape[1])

    @property
    def width(self) -> int:
        """Channels between the layers."""
        return int(self.stem.weights.shape[0])

    @property
    def n_words(self) -> int:
        """Outputs."""
        return int(self.head.weights.shape[0])

    @property
    def state_rows(self) -> int:
        """Rows of the state, each of :attr:`width` channels."""
        return sum(block.time.weights.shape[0] - 1 for block in self.blocks)


def read_plan(content: bytes) -> WakePlan:
    """Read a network.

    Parameters
    ----------
    content : bytes
        A .tflite file.

    Returns
    -------
    WakePlan

    Raises
    ------
    UnfitNetworkError
        If it is another network than the kernel can run; says in what.
    """
    try:
        return _Graph(root(content, b"TFL3")).plan()
    except (IndexError, OverflowError, ValueError) as error:  # what a damaged file leads to
        raise UnfitNetworkError(f"it cannot be read ({type(error).__name__}: {error})") from error


class _Tensor(NamedTuple):
    shape: tuple[int, ...]
    kind: int
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    axis: int
    """Along which it has scales, if it has several."""
    data: Table

    def quantisation(self) -> tuple[float, int]:
        """Return scale and zero point of an int8 tensor that has one of each."""
        single = self.scales.size == self.zero_points.size == 1 and 0 < self.scales[0] < np.inf
        if self.kind != _INT8 or not single:
            raise UnfitNetworkError(f"a tensor {list(self.shape)} is not int8 with one scale")
        return float(self.scales[0]), int(self.zero_points[0])

    def values(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        held, wanted = self.data.numbers(0, np.uint8), np.dtype(dtype).newbyteorder("<")
        if held.size != np.prod(self.shape) * wanted.itemsize:
            raise UnfitNetworkError(f"a constant {list(self.shape)} has {held.size} bytes in the file")
        return held.view(wanted).reshape(self.shape)


class _Operator(NamedTuple):
    kind: int
    inputs: tuple[int, ...]
    output: int
    options: Table | None

    def option(self, field: int, kind: str, default: int = 0) -> int:
        return default if self.options is None else self.options.number(field, kind, default)


class _Graph:
    """The first graph of a file, walked from its outputs to its inputs."""

    def __init__(self, model: Table) -> None:
        # The older of two fields holds the codes up to 127, the newer one all of them.
        codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
        buffers = model.tables(4)
        graphs = model.tables(2)
        if len(graphs) != 1:
            raise UnfitNetworkError(f"{len(graphs)} graphs, not one")
        (graph,) = graphs
        self._tensors = [_tensor(entry, buffers) for entry in graph.tables(0)]
        self._operators = [_operator(entry, codes) for entry in graph.tables(3)]
        self._inputs, self._outputs = graph.numbers(1, np.int32).tolist(), graph.numbers(2, np.int32).tolist()
        used = {*self._inputs, *self._outputs}.union(*(op.inputs for op in self._operators))
        if not all(0 <= i < len(self._tensors) for i in used):
            raise UnfitNetworkError("it refers to what it does not have")
        self._makers = {op.output: op for op in self._operators}
        self._seen: set[int] = set()

    def plan(self) -> WakePlan:
        """Walk the graph, and see that nothing is left over."""
        logits = [i for i in self._outputs if self._kind(self._before_reshapes(i)) == _CONV_2D]
        states = [i for i in self._outputs if i not in logits]
        if len(logits) != 1 or len(states) != 1 or len(self._inputs) != 2:
            raise UnfitNetworkError(f"{len(self._inputs)} inputs, and {len(self._outputs)} outputs, not logits, state")
        head, at = self._dense(logits[0])
        blocks: list[Block] = []
        slices: list[tuple[int, int]] = []  # of each block: the joined rows, and those that came from the state
        while True:
            layer, before = self._dense(at)
            if self._before_reshapes(before) in self._inputs:
                stem, features = layer, self._before_reshapes(before)
                break
            time, joined = self._over_time(before)
            old, new = self._parts(joined, 2)
            slices.insert(0, (joined, old))
            blocks.insert(0, Block(time, layer))
            at = new
            if len(blocks) > len(self._operators):
                raise UnfitNetworkError("its layers feed each other in a ring")
        if not blocks:
            raise UnfitNetworkError("no layer over time")
        (state,) = (i for i in self._inputs if i != features)
        self._check_state(state, states[0], slices, stem.weights.shape[0])
        if len(self._seen) != len(self._operators):
            raise UnfitNetworkError(f"{len(self._operators)} operators, {len(self._seen)} of which are those of a plan")
        return WakePlan(stem, tuple(blocks), head)

    # ------------------------------------------------------------------------------------- layers

    def _dense(self, output: int) -> tuple[Layer, int]:
        """Return a convolution over all of its input, and the tensor that it is given."""
        op = self._made_by(self._before_reshapes(output), _CONV_2D, 3)
        given, filters = self._tensors[op.inputs[0]], self._tensors[op.inputs[1]]
        whole = filters.shape[1:3] == (1, 1)
        dilated = (op.option(4, "i", 1), op.option(5, "i", 1)) != (1, 1)
        if given.shape != (1, *filters.shape[1:]) or not (whole or (op.option(0, "b") == _VALID and not dilated)):
            raise UnfitNetworkError(f"a convolution of {list(given.shape)} by {list(filters.shape)} slides")
        layer = self._layer(op, filters.shape[0], axis=0, activation=op.option(3, "b"))
        return layer, op.inputs[0]

    def _over_time(self, output: int) -> tuple[Layer, int]:
        """Return a depthwise convolution over all rows of its input, and these rows."""
        op = self._made_by(self._before_reshapes(output), _DEPTHWISE_CONV_2D, 3)
        given, filters = self._tensors[op.inputs[0]], self._tensors[op.inputs[1]]
        dilated = (op.option(5, "i", 1), op.option(6, "i", 1)) != (1, 1)
        fits = given.shape == filters.shape and len(given.shape) == 4 and given.shape[2] == 1 and given.shape[1] > 1
        if not fits or op.option(0, "b") != _VALID or dilated:
            raise UnfitNetworkError(f"a convolution over time of {list(given.shape)} by {list(filters.shape)} slides")
        layer = self._layer(op, filters.shape[3], axis=3, activation=op.option(4, "b"))
        return layer, self._before_reshapes(op.inputs[0])

    def _layer(self, op: _Operator, n: int, *, axis: int, activation: int) -> Layer:
        given, filters, bias = (self._tensors[i] for i in op.inputs)
        made = self._tensors[op.output]
        (scale, zero_point), (out_scale, out_zero) = given.quantisation(), made.quantisation()
        several = filters.scales.size > 1
        if (
            (filters.kind, bias.kind) != (_INT8, _INT32)
            or filters.scales.size not in (1, n)
            or filters.zero_points.any()
            or not np.isfinite(filters.scales).all()
            or (several and filters.axis != axis)
            or (bias.shape, made.shape) != ((n,), (1, 1, 1, n))
        ):
            raise UnfitNetworkError(f"weights {list(filters.shape)} are not int8 around zero, a scale an output")
        weights = filters.values(np.int8)
        sums = weights.reshape(n, -1) if axis == 0 else weights.reshape(-1, n).T
        # A product of (input - zero point) is that of the input, and a constant; 32 bits wrap as those of the sums do.
        biases = bias.values(np.int32).astype(np.int64) - zero_point * sums.sum(axis=1, dtype=np.int64)
        factors, shifts = multipliers(scale, filters.scales, out_scale)
        low, high = limits(activation, out_scale, out_zero)
        return Layer(
            sums if axis == 0 else sums.T,
            biases.astype(np.int32),
            np.broadcast_to(factors, n),
            np.broadcast_to(shifts, n),
            out_zero,
            low,
            high,
        )

    # -------------------------------------------------------------------------------------- state

    def _check_state(self, state: int, after: int, slices: list[tuple[int, int]], width: int) -> None:
        """See that every block gets its rows of the state, one after the other, and gives the newer ones back."""
        rows = self._tensors[state].shape[1] if len(self._tensors[state].shape) == 3 else 0
        given_back = self._parts(after, len(slices)) if len(slices) > 1 else (after,)
        at = 0
        for (joined, old), back in zip(slices, given_back, strict=True):
            n = self._tensors[joined].shape[1]
            if self._tensors[joined].shape != (1, n, width):
                raise UnfitNetworkError(f"rows {list(self._tensors[joined].shape)} are not of {width} channels")
            self._check_slice(old, state, at, at + n - 1, width)
            self._check_slice(back, joined, 1, n, width)
            at += n - 1
        if (self._tensors[state].shape, self._tensors[after].shape) != ((1, rows, width),) * 2 or at != rows:
            raise UnfitNetworkError(f"a state {list(self._tensors[state].shape)}, of which the blocks have {at} rows")
        self._alike(state, after)

    def _check_slice(self, part: int, whole: int, first: int, end: int, width: int) -> None:
        op = self._made_by(part, _STRIDED_SLICE, 4)
        shape = self._tensors[whole].shape
        begins, ends, steps = (self._tensors[i].values(np.int32).reshape(-1).tolist() for i in op.inputs[1:])
        masks = [op.option(field, "i") for field in range(5)]
        plain = len(shape) == len(begins) == len(ends) == 3 and steps == [1, 1, 1] and not any(masks[2:])
        if op.inputs[0] != whole or not plain:
            raise UnfitNetworkError("rows are not cut as those of a state")
        found = []
        for axis, size in enumerate(shape):
            begin = 0 if masks[0] >> axis & 1 else begins[axis] + size * (begins[axis] < 0)
            stop = size if masks[1] >> axis & 1 else ends[axis] + size * (ends[axis] < 0)
            found.append((begin, min(stop, size)))
        if found != [(0, 1), (first, end), (0, width)] or self._tensors[part].shape != (1, end - first, width):
            raise UnfitNetworkError(f"rows {found} of {list(shape)} are cut, not {first} to {end}")
        self._alike(part, whole)

    def _parts(self, joined: int, n: int) -> tuple[int, ...]:
        """Return the tensors that are joined row after row to another one."""
        op = self._made_by(joined, _CONCATENATION, n)
        if op.option(0, "i") not in (1, -2) or op.option(1, "b"):
            raise UnfitNetworkError("tensors are not joined row after row")
        for part in op.inputs:
            self._alike(part, joined)
        return op.inputs

    # ------------------------------------------------------------------------------------ walking

    def _kind(self, tensor: int) -> int | None:
        return self._makers[tensor].kind if tensor in self._makers else None

    def _made_by(self, tensor: int, kind: int, n_inputs: int) -> _Operator:
        op = self._makers.get(tensor)
        if op is None or op.kind != kind or len(op.inputs) != n_inputs:
            got = "an input" if op is None else _NAMES.get(op.kind, f"operator {op.kind}")
            raise UnfitNetworkError(f"{got} where {_NAMES[kind]} of {n_inputs} was expected")
        self._seen.add(op.output)
        return op

    def _before_reshapes(self, tensor: int) -> int:
        """Return the tensor whose numbers these are, whatever shapes they were given since."""
        for _ in self._operators:
            op = self._makers.get(tensor)
            if op is None or op.kind != _RESHAPE:
                break
            self._seen.add(op.output)
            self._alike(op.inputs[0], tensor)
            tensor = op.inputs[0]
        return tensor

    def _alike(self, one: int, other: int) -> None:
        if self._tensors[one].quantisation() != self._tensors[other].quantisation():
            raise UnfitNetworkError("rows of a state, or shapes of a tensor, are quantised differently")


def _tensor(entry: Table, buffers: list[Table]) -> _Tensor:
    quantisation = entry.table(4)
    scales, zero_points, axis = np.empty(0, np.float32), np.empty(0, np.int64), 0
    if quantisation is not None:
        scales, zero_points = quantisation.numbers(2, np.float32), quantisation.numbers(3, np.int64)
        axis = quantisation.number(6, "i")
    shape = tuple(entry.numbers(0, np.int32).tolist())
    return _Tensor(shape, entry.number(1, "b"), scales, zero_points, axis, buffers[entry.number(2, "I")])


def _operator(entry: Table, codes: list[int]) -> _Operator:
    outputs = entry.numbers(2, np.int32).tolist()
    if len(outputs) != 1:
        raise UnfitNetworkError(f"an operator with {len(outputs)} outputs")
    return _Operator(
        codes[entry.number(0, "I")], tuple(entry.numbers(1, np.int32).tolist()), outputs[0], entry.table(4)
    )
