"""The graph of a .tflite file as objects that can be changed, and the way back into a file."""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge.errors import DataError

__all__ = ["Graph", "operator_name", "schema"]

_FILE_ID = b"TFL3"
_ALIGNMENT = 16
"""Bytes at a multiple of which constants lie: a processor without unaligned access reads 32-bit biases in place."""

_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


def operator_name(code: Any) -> str:
    """Return the name of an operator code; codes beyond 127 are in the newer of its two fields."""
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc, name-defined, unused-ignore]
    """A buffer whose bytes are aligned as the schema demands; the generated code forgets it."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the name of the generated code
        content = b"" if self.data is None else bytes(self.data)
        if content:
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if content:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class Graph:
    """A model, of which the first subgraph is the network.

    Parameters
    ----------
    content : bytes
        A .tflite file.
    name : str
        What messages call it.

    Raises
    ------
    DataError
        If it is no such file.
    """

    def __init__(self, content: bytes, *, name: str) -> None:
        self.name = name
        if content[4:8] != _FILE_ID:
            raise DataError(
                f"{name}: got {len(content)} bytes that are no TensorFlow Lite network, expected a .tflite file; "
                f"convert "
                "the network again"
            )
        try:
            self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
            self.main = self.model.subgraphs[0]
        # The reader of flatbuffers checks nothing: whatever a damaged offset leads to is what it trips over.
        except Exception as error:
            raise DataError(
                f"{name}: got a damaged TensorFlow Lite network ({type(error).__name__}: {error}), expected a whole "
                f"file; "
                "convert the network again"
            ) from error

    def kind(self, operator: Any) -> str:
        """Return the name of an operator of the graph."""
        return operator_name(self.model.operatorCodes[operator.opcodeIndex])

    def operator_names(self) -> list[str]:
        """Return the name of every operator of every subgraph, in their order."""
        return [self.kind(operator) for graph in self.model.subgraphs for operator in graph.operators]

    def producer(self, tensor: int) -> Any:
        """Return the operator that makes a tensor, or None for an input or a constant."""
        return next((op for op in self.main.operators if tensor in list(op.outputs)), None)

    def constant(self, tensor: int, dtype: Any) -> Any:
        """Return the values of a constant, flat."""
        return np.frombuffer(bytes(self.model.buffers[self.main.tensors[tensor].buffer].data), dtype)

    def add_tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: int,
        *,
        like: Any = None,
        scale: float | None = None,
        zero_point: int = 0,
        data: Any = None,
        graph: Any = None,
    ) -> int:
        """Add a tensor, and return its index.

        Parameters
        ----------
        name, shape
            Of the tensor.
        kind : int
            A value of the schema's ``TensorType``.
        like : tensor, optional
            Whose quantisation it has.
        scale, zero_point
            Its quantisation, where `like` is None and `scale` is given.
        data : array, optional
            Its values, if it is a constant.
        graph : subgraph, optional
            Where it is added; the network by default.
        """
        tensor = schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = np.array(shape, np.int32)
        tensor.type = kind
        if like is not None:
            tensor.quantization = like.quantization
        elif scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([scale], np.float32)
            tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
        tensor.buffer = self._buffer(data) if data is not None else 0
        tensors = (self.main if graph is None else graph).tensors
        tensors.append(tensor)
        return len(tensors) - 1

    def _buffer(self, data: Any) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def operator(
        self,
        kind: str,
        inputs: list[int],
        outputs: list[int],
        *,
        version: int = 1,
        options: Any = None,
        options_kind: str = "NONE",
    ) -> Any:
        """Make an operator; where it goes is for the caller to say."""
        op = schema.OperatorT()
        op.opcodeIndex = self._code(kind, version)
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        op.builtinOptionsType = getattr(schema.BuiltinOptions, options_kind)
        op.builtinOptions = options
        return op

    def _code(self, kind: str, version: int) -> int:
        number = getattr(schema.BuiltinOperator, kind)
        for at, code in enumerate(self.model.operatorCodes):
            if (max(code.builtinCode, code.deprecatedBuiltinCode), code.version) == (number, version):
                return at
        code = schema.OperatorCodeT()
        code.builtinCode = number
        # What readers that know only the old field take for "look into the newer one".
        code.deprecatedBuiltinCode = min(number, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def to_bytes(self) -> bytes:
        """Write the file, without tensors, constants and operator codes that nothing uses, and without inner names."""
        self._drop_unused()
        for buffer in self.model.buffers:
            buffer.__class__ = _AlignedBuffer
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), _FILE_ID)
        return bytes(builder.Output())

    def _drop_unused(self) -> None:
        model = self.model
        # The notes of the converter belong to the graph that it made.
        model.metadata = model.metadataBuffer = None
        codes: dict[int, int] = {}
        buffers: dict[int, int] = {0: 0}
        for graph in model.subgraphs:
            ends = {int(i) for i in (*_list(graph.inputs), *_list(graph.outputs))}
            used = set(ends)
            for op in graph.operators:
                op.opcodeIndex = codes.setdefault(op.opcodeIndex, len(codes))
                used.update(int(i) for i in (*_list(op.inputs), *_list(op.outputs)) if i >= 0)
            place = {old: new for new, old in enumerate(sorted(used))}
            for op in graph.operators:
                op.inputs, op.outputs = _moved(op.inputs, place), _moved(op.outputs, place)
            graph.inputs, graph.outputs = _moved(graph.inputs, place), _moved(graph.outputs, place)
            for old in used - ends:
                graph.tensors[old].name = b""
            for signature in model.signatureDefs or []:
                if model.subgraphs[signature.subgraphIndex] is graph:
                    for end in (*signature.inputs, *signature.outputs):
                        end.tensorIndex = place[end.tensorIndex]
            graph.tensors = [graph.tensors[old] for old in sorted(used)]
            for tensor in graph.tensors:
                held = model.buffers[tensor.buffer].data
                # What holds nothing needs no buffer of its own.
                tensor.buffer = 0 if held is None or not len(held) else buffers.setdefault(tensor.buffer, len(buffers))
        model.operatorCodes = [model.operatorCodes[old] for old in codes]
        model.buffers = [schema.BufferT(), *(model.buffers[old] for old in buffers if old)]


def _list(indices: Any) -> list[int]:
    return [] if indices is None else [int(i) for i in indices]


def _moved(indices: Any, place: dict[int, int]) -> Any:
    return np.array([place[i] if i >= 0 else i for i in _list(indices)], np.int32)
