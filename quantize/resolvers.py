"""Which operators the interpreters of microcontrollers have: a model with any other does not load there.

References
----------
.. [1] TensorFlow Lite for Microcontrollers, ``python/tflite_micro/python_ops_resolver.cc``: what its Python package
runs;
   a firmware registers those of them that it chooses.
.. [2] ESPHome, ``esphome/components/micro_wake_word/streaming_model.cpp``: the 20 operators of the component's
   resolver, and the room that it has for 20 variables.
"""

from collections.abc import Iterable

__all__ = ["ESPHOME_MAX_VARIABLES", "RESOLVERS", "missing_operators"]

_MICRO = """\
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_TO_SPACE_ND BROADCAST_ARGS BROADCAST_TO CALL_ONCE
CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS
FILL
FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION
L2_POOL_2D
LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAX_POOL_2D MAXIMUM MEAN MINIMUM
MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR
RESIZE_NEAREST_NEIGHBOR ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V
SQRT
SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM
UNPACK VAR_HANDLE WHILE ZEROS_LIKE"""

_ESPHOME = """\
ADD ASSIGN_VARIABLE AVERAGE_POOL_2D CALL_ONCE CONCATENATION CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED LOGISTIC
MAX_POOL_2D
MEAN MUL PACK PAD QUANTIZE READ_VARIABLE RESHAPE SPLIT_V STRIDED_SLICE VAR_HANDLE"""

RESOLVERS: dict[str, frozenset[str]] = {
    "tflite-micro": frozenset(_MICRO.split()),
    "esphome": frozenset(_ESPHOME.split()),
}
"""Built-in operators by the name of who has them, as the schema of TensorFlow Lite spells them."""

ESPHOME_MAX_VARIABLES = 20
"""Variables that a network may have in ESPHome."""


def missing_operators(operators: Iterable[str], resolver: str) -> list[str]:
    """Return the operators that a resolver does not have, each once, sorted.

    Parameters
    ----------
    operators : iterable of str
        As :func:`quantize.convert.inspect_network` names them.
    resolver : str
        A key of :data:`RESOLVERS`.
    """
    return sorted(set(operators) - RESOLVERS[resolver])
