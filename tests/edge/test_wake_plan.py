"""What is read of a wake network's file, and what is refused: everything but the one topology."""

import numpy as np
import pytest
from wake_network_maker import make_wake_network

from edge.bundle import open_bundle
from edge.flatbuffer import root
from edge.interpreter import load_model
from edge.wake_plan import UnfitNetworkError, read_plan
from edge.wake_scaling import multipliers


def operators(model, schema, kind):
    """Return all operators of a kind, by its name."""
    code = getattr(schema.BuiltinOperator, kind)
    graph = model.subgraphs[0]
    return [op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == code]


def option(kind, index, **fields):
    """Return a change of the options of one operator."""

    def change(model, schema):
        for name, value in fields.items():
            assert hasattr(operators(model, schema, kind)[index].builtinOptions, name)
            setattr(operators(model, schema, kind)[index].builtinOptions, name, value)

    return change


def other_scale(kind, index, place):
    """Return a change of the quantisation of what one operator gives, or is given."""

    def change(model, schema):
        operator = operators(model, schema, kind)[index]
        tensor = model.subgraphs[0].tensors[getattr(operator, place)[0]]
        tensor.quantization.scale = [0.5]

    return change


def swapped_parts(model, schema):
    operators(model, schema, "CONCATENATION")[0].inputs.reverse()


def ring(model, schema):
    """Let the newest row of a block be what comes of it."""
    joined = operators(model, schema, "CONCATENATION")
    joined[0].inputs[1] = joined[1].inputs[1]


def swapped_states(model, schema):
    operators(model, schema, "CONCATENATION")[-1].inputs.reverse()


def left_over(model, schema):
    graph = model.subgraphs[0]
    shape = operators(model, schema, "RESHAPE")[0]
    graph.tensors.append(graph.tensors[shape.outputs[0]])
    extra = schema.OperatorT()
    extra.opcodeIndex, extra.inputs, extra.outputs = shape.opcodeIndex, list(shape.inputs), [len(graph.tensors) - 1]
    extra.builtinOptionsType, extra.builtinOptions = shape.builtinOptionsType, shape.builtinOptions
    graph.operators.append(extra)


def other_operator(model, schema):
    code = model.operatorCodes[operators(model, schema, "DEPTHWISE_CONV_2D")[0].opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MUL


def weights_of(model, schema, field, value):
    held = model.subgraphs[0].tensors[operators(model, schema, "CONV_2D")[1].inputs[1]]
    setattr(held.quantization, field, value)


def cut_elsewhere(model, schema):
    begin = model.subgraphs[0].tensors[operators(model, schema, "STRIDED_SLICE")[0].inputs[1]]
    model.buffers[begin.buffer].data = np.frombuffer(np.array([0, 1, 0], np.int32).tobytes(), np.uint8)


def short_constant(model, schema):
    held = model.subgraphs[0].tensors[operators(model, schema, "CONV_2D")[0].inputs[1]]
    model.buffers[held.buffer].data = model.buffers[held.buffer].data[:-1]


def no_such_tensor(model, schema):
    operators(model, schema, "CONV_2D")[0].inputs[2] = 4000


def no_bias(model, schema):
    operators(model, schema, "CONV_2D")[0].inputs[2] = -1


def float_weights(model, schema):
    held = model.subgraphs[0].tensors[operators(model, schema, "CONV_2D")[0].inputs[1]]
    held.type = schema.TensorType.FLOAT32


def float_features(model, schema):
    (features,) = (t for t in model.subgraphs[0].tensors if "features" in t.name)
    features.type = schema.TensorType.FLOAT32


def scaled_up(model, schema):
    weights_of(model, schema, "scale", [40.0] * 16)


def two_graphs(model, schema):
    model.subgraphs.append(model.subgraphs[0])


REFUSED = {
    "slides": (option("DEPTHWISE_CONV_2D", 0, padding=0), "slides"),
    "dilated over time": (option("DEPTHWISE_CONV_2D", 1, dilationHFactor=2), "slides"),
    "dilated window": (option("CONV_2D", 0, dilationHFactor=2), "slides"),
    "another limit": (option("CONV_2D", 0, fusedActivationFunction=4), "activation 4"),
    "joined along the channels": (option("CONCATENATION", 0, axis=2), "not joined row after row"),
    "joined with a limit": (option("CONCATENATION", 0, fusedActivationFunction=1), "not joined row after row"),
    "an axis less": (option("STRIDED_SLICE", 0, shrinkAxisMask=1), "not cut as those of a state"),
    "the new row first": (swapped_parts, "."),
    "a ring": (ring, "feed each other in a ring"),
    "states swapped": (swapped_states, "."),
    "rows cut elsewhere": (cut_elsewhere, "are cut, not 0 to 2"),
    "state of another scale": (other_scale("CONCATENATION", 0, "outputs"), "quantised differently"),
    "reshaped to another scale": (other_scale("RESHAPE", 0, "outputs"), "quantised differently"),
    "an operator more": (left_over, "operators"),
    "another operator": (other_operator, "where DEPTHWISE_CONV_2D of 3 was expected"),
    "weights around another zero": (lambda m, s: weights_of(m, s, "zeroPoint", [1] * 16), "not int8 around zero"),
    "weights scaled along another axis": (lambda m, s: weights_of(m, s, "quantizedDimension", 3), "not int8 around"),
    "too few scales": (lambda m, s: weights_of(m, s, "scale", [0.1] * 3), "not int8 around zero"),
    "a layer that amplifies": (scaled_up, "scaled up"),
    "weights cut off": (short_constant, "bytes in the file"),
    "tensor missing": (no_such_tensor, "does not have"),
    "no bias": (no_bias, "."),
    "float weights": (float_weights, "not int8 around zero"),
    "float features": (float_features, "not int8 with one scale"),
    "two graphs": (two_graphs, "2 graphs"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_another_network_is_refused(what):
    change, told = REFUSED[what]
    with pytest.raises(UnfitNetworkError, match=told):
        read_plan(make_wake_network(change=change))


def test_what_makes_no_difference_is_taken():
    def strides(model, schema):
        for kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            for operator in operators(model, schema, kind):
                operator.builtinOptions.strideW = operator.builtinOptions.strideH = 3

    plain, changed = make_wake_network(), make_wake_network(change=strides)
    assert plain != changed
    assert str(read_plan(plain)) == str(read_plan(changed))


def test_sizes_and_weights_are_those_of_the_file():
    plan = read_plan(make_wake_network(context=3, channels=8, width=20, taps=(4, 2, 9), words=5))
    assert (plan.n_features, plan.width, plan.n_words, plan.state_rows) == (24, 20, 5, 3 + 1 + 8)
    assert [block.time.weights.shape for block in plan.blocks] == [(4, 20), (2, 20), (9, 20)]
    bundle = open_bundle()
    content = bundle.content(bundle.wake.file)
    plan = read_plan(content)
    interpreter = load_model(content)._interpreter
    shapes = [(detail["shape"].tolist(), detail["index"]) for detail in interpreter.get_tensor_details()]
    (stem,) = (index for shape, index in shapes if shape == [96, 5, 1, 40])
    np.testing.assert_array_equal(plan.stem.weights, interpreter.get_tensor(stem).reshape(96, 200))


def test_float_networks_and_other_files_are_refused(wake_network):
    for content, told in (
        (b"", "cannot be read"),
        (b"\0" * 64, "cannot be read"),
        (b"\xff\xff\xff\x7fTFL3" + b"\0" * 64, "cannot be read"),
        (wake_network(), "does not have"),
    ):
        with pytest.raises(UnfitNetworkError, match=told):
            read_plan(content)


def test_a_damaged_file_is_refused_or_read_and_never_anything_else():
    """Bits are flipped where the tables are; weights are in the middle, and any will do."""
    content = make_wake_network(width=4, taps=(2, 2), words=1, context=1, channels=4)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 4)):
            damaged[at] ^= 1 << rng.integers(8)
        if rng.random() < 0.2:
            del damaged[rng.integers(len(damaged)) :]
        try:
            read_plan(bytes(damaged))
        except UnfitNetworkError:
            refused += 1
    assert 100 < refused < 1500


def test_an_offset_that_leads_outside_is_a_value_error():
    content = make_wake_network()
    with pytest.raises(ValueError, match="expected b'TFL2'"):
        root(content, b"TFL2")
    with pytest.raises(ValueError, match="offset"):
        root(content[:4] + b"TFL3" + b"\0" * 4, b"TFL3")


@pytest.mark.parametrize(
    ("factor", "multiplier", "shift"),
    [
        (0.5, 1 << 30, 0),
        (0.75 + 0.4 * 2**-31, 3 << 29, 0),
        (0.75 + 0.5 * 2**-31, (3 << 29) + 1, 0),
        (0.5 - 2**-40, 1 << 30, 0),  # 31 bits of ones and more: rounded up to the next power of two
        (0.75 * 2**-20, 3 << 29, 20),
        (0.5 * 2**-31, 1 << 30, 31),
        (0.4 * 2**-31, 0, 0),
    ],
)
def test_factors_are_rounded_to_the_nearest_multiplier(factor, multiplier, shift):
    # A wrong last bit shows in one output of some 2^24 only.
    found = multipliers(factor, np.ones(1, np.float32), 1.0)
    assert [values.tolist() for values in found] == [[multiplier], [shift]]
