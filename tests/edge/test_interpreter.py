"""The interpreters: roles, integers, faults, and what may reach stderr."""

import contextlib
import json
import os
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest

from edge import interpreter
from edge.errors import BundleError, MissingExtraError, ModelAbiError, UsageError
from edge.interpreter import Operators, TensorSpec, check_abi, dequantise, load_model, quantise

INT8 = (np.int8,)


@pytest.fixture
def wake(wake_network):
    return load_model(wake_network(), name="wake.tflite")


def sample(model, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.integers(-128, 128, spec.shape).astype(spec.dtype) for name, spec in model.inputs.items()}


# ------------------------------------------------------------------------------------------- running


def test_tensors_are_named_by_role(wake):
    assert wake.inputs["features"] == TensorSpec("features", (1, 5, 40), np.dtype(np.int8), 26 / 256, -128)
    assert wake.inputs["state"].zero_point == -128
    assert [(spec.name, spec.shape) for spec in wake.outputs] == [
        ("logits", (1, 2)),
        ("state_out", (1, 4, 8)),
    ]


def test_a_model_without_signature_has_the_same_roles(network, layer, tensor):
    given, said = tensor("cues", (1, 3, 2), 0.5, 0), tensor("logit", (1, 1), 0.5, 0)
    model = load_model(network([layer(given, said, np.ones((1, 6)))], signature=False))
    assert list(model.inputs) == ["cues"]
    assert [spec.name for spec in model.outputs] == ["logit"]


@pytest.mark.parametrize("kernels", get_args(Operators))
def test_integers_are_those_of_the_definition(network, layer, tensor, kernels):
    """A fully connected layer: real output = sum of real weights times real inputs, within one rounding."""
    rng = np.random.default_rng(3)
    given, said = tensor("x", (1, 4, 5), 0.05, -10), tensor("y", (1, 3), 0.4, 7)
    weights = rng.integers(-100, 101, (3, 20))
    model = load_model(network([layer(given, said, weights, 0.02)]), kernels=kernels)
    for seed in range(20):
        x = sample(model, seed)
        real = 0.02 * weights @ (0.05 * (x["x"].reshape(-1).astype(float) + 10))
        exact = np.clip(real / 0.4 + 7, -128, 127)
        got = model.run(x)["y"]
        assert got.shape == (1, 3)
        assert got.dtype == np.int8
        np.testing.assert_allclose(got[0], exact, atol=0.51)


def test_runs_do_not_touch_each_other(wake):
    """No state stays behind, and results are the caller's own."""
    first, second = sample(wake, 1), sample(wake, 2)
    one = wake.run(first)
    kept = {name: value.copy() for name, value in one.items()}
    two = wake.run(second)
    assert not np.array_equal(one["logits"], two["logits"])
    for name, value in one.items():
        np.testing.assert_array_equal(value, kept[name])
        value[:] = 0
    again = wake.run(first)
    for name, value in kept.items():
        np.testing.assert_array_equal(again[name], value)


def test_results_may_be_fed_back(wake):
    """The device feeds the state in again, as the very array that came out."""
    x = sample(wake)
    for _ in range(5):
        x["state"] = wake.run(x)["state_out"]
    assert x["state"].shape == wake.inputs["state"].shape


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"state": None}, "got features int8"),
        ({"features": np.zeros((5, 40), np.int8)}, "features int8 [5, 40]"),
        ({"features": np.zeros((1, 5, 41), np.int8)}, "features int8 [1, 5, 41]"),
        ({"features": np.zeros((1, 5, 40), np.float32)}, "features float32 [1, 5, 40]"),
        ({"more": np.zeros(1, np.int8)}, "more int8 [1]"),
        ({"features": "text"}, "features str"),
    ],
    ids=["missing", "axes", "shape", "type", "unknown", "text"],
)
def test_wrong_inputs_are_refused(wake, change, shown):
    x = {name: value for name, value in {**sample(wake), **change}.items() if value is not None}
    with pytest.raises(ModelAbiError) as caught:
        wake.run(x)
    assert shown in str(caught.value)
    assert "expected features int8 [1, 5, 40]" in str(caught.value)
    assert str(caught.value).startswith("wake.tflite: ")
    wake.run(sample(wake))  # and it still runs


# --------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(4000)], ids=["empty", "text", "zeros"])
def test_content_that_is_no_network(content):
    with pytest.raises(ModelAbiError, match=f"wake.tflite: .*got {len(content)} bytes, expected a TensorFlow"):
        load_model(content, name="wake.tflite")


def test_a_truncated_network(wake_network):
    content = wake_network()
    for size in (20, len(content) // 2, len(content) - 1000):
        with pytest.raises(ModelAbiError, match=f"got {size} bytes"):
            load_model(content[:size])


def test_a_path_is_read_and_named(tmp_path, wake_network):
    path = tmp_path / "w.tflite"
    with pytest.raises(BundleError, match=r"w\.tflite: .*No such file"):
        load_model(path)
    path.write_bytes(wake_network())
    assert load_model(str(path)).name == str(path)


@pytest.mark.parametrize("variable", [False, True])
def test_an_unknown_interpreter(monkeypatch, wake_network, variable):
    if variable:
        monkeypatch.setenv(interpreter.INTERPRETER_VARIABLE, "onnx")
    with pytest.raises(UsageError, match="got 'onnx', expected one of: litert, tflite") as caught:
        load_model(wake_network(), runtime=None if variable else "onnx")
    assert str(caught.value).startswith(interpreter.INTERPRETER_VARIABLE) is variable


@pytest.fixture
def installed(monkeypatch):
    """Return a function that makes it seem as if only these packages were installed."""

    def only(*packages):
        monkeypatch.delenv(interpreter.INTERPRETER_VARIABLE, raising=False)
        monkeypatch.setattr(interpreter.importlib.util, "find_spec", lambda name: name if name in packages else None)

    return only


def test_litert_is_preferred(installed):
    installed("tflite_runtime", "ai_edge_litert")
    assert interpreter._choose(None) == "litert"
    assert interpreter._choose("tflite") == "tflite"
    installed("tflite_runtime")
    assert interpreter._choose(None) == "tflite"


def test_the_variable_gives_way_to_the_caller(installed, monkeypatch):
    installed("tflite_runtime", "ai_edge_litert")
    monkeypatch.setenv(interpreter.INTERPRETER_VARIABLE, "tflite")
    assert interpreter._choose(None) == "tflite"
    assert interpreter._choose("litert") == "litert"


def test_no_interpreter_names_the_extra(installed, wake_network):
    installed()
    with pytest.raises(MissingExtraError, match=r"pip install 'vivavoce\[litert\]'"):
        load_model(wake_network())
    with pytest.raises(MissingExtraError, match=r"pip install 'vivavoce\[tflite\]'"):
        load_model(wake_network(), runtime="tflite")


def test_tflite_runtime_with_numpy_2_says_so(installed, monkeypatch, wake_network):
    installed("tflite_runtime")
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(UsageError, match=r"got NumPy 2\.4\.6, expected a version below 2"):
        load_model(wake_network())


# ------------------------------------------------------------------------------------------------ abi


def check_wake(model, **changes):
    wanted = {"features": ((1, 5, 40), INT8), "state": ((1, 4, 8), INT8)}
    check_abi(
        model,
        **{
            "inputs": wanted,
            "outputs": [((1, 4, 8), INT8), ((1, 2), (np.int8, np.float32))],
            "feedback": ("state",),
            **changes,
        },
    )


def test_the_right_tensors_pass(wake):
    check_wake(wake)


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"channels": 41}, "input 'features': got int8 [1, 5, 41]"),
        ({"state": (1, 4, 9)}, "input 'state': got int8 [1, 4, 9]"),
        ({"words": 3}, "outputs: got int8 [1, 3]"),
        ({"back": 6 / 254}, "the output that is fed back to 'state': got int8 [1, 4, 8], scale 0.023622"),
    ],
    ids=["channels", "state", "words", "feedback"],
)
def test_other_tensors_are_refused(wake_network, settings, shown):
    model = load_model(wake_network(**settings), name="wake.tflite")
    with pytest.raises(ModelAbiError) as caught:
        check_wake(model)
    assert str(caught.value).startswith(f"wake.tflite: {shown}")
    assert ", expected " in str(caught.value)


def test_names_types_and_number_of_outputs_count(wake):
    with pytest.raises(ModelAbiError, match="inputs: got features, state, expected cues"):
        check_wake(wake, inputs={"cues": ((1, 2), INT8)}, feedback=())
    with pytest.raises(ModelAbiError, match=r"input 'state': got int8 .* expected float32"):
        check_wake(wake, inputs={"features": ((1, 5, 40), INT8), "state": ((1, 4, 8), (np.float32,))})
    for outputs in ([((1, 2), INT8)], [((1, 2), INT8)] * 2 + [((1, 4, 8), INT8)], [((1, 2), INT8)] * 2):
        with pytest.raises(ModelAbiError, match="outputs: got int8"):
            check_wake(wake, outputs=outputs)


# ----------------------------------------------------------------------------------------- quantising


def test_quantising_rounds_saturates_and_returns():
    spec = TensorSpec("x", (1, 5), np.dtype(np.int8), 0.5, -3)
    np.testing.assert_array_equal(quantise([-1000.0, -0.3, 0.0, 0.2, 1000.0], spec), [-128, -4, -3, -3, 127])
    every = np.arange(-128, 128, dtype=np.int8)
    real = dequantise(every, spec)
    assert real.dtype == np.float32
    np.testing.assert_allclose(real, (np.arange(-128, 128) + 3) * 0.5)
    np.testing.assert_array_equal(quantise(real, spec), every)


def test_a_float_tensor_is_left_as_it_is():
    spec = TensorSpec("x", (1, 2), np.dtype(np.float32), 0.0, 0)
    for value in (quantise([0.25, 1e6], spec), dequantise(np.array([0.25, 1e6], np.float32), spec)):
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, [0.25, 1e6])


# --------------------------------------------------------------------------------- one line on stderr

LOAD = """
import sys
from edge.interpreter import load_model
for _ in range(2):
    print("before", file=sys.stderr, flush=True)
    load_model(sys.argv[1])
    print("after", file=sys.stderr, flush=True)
"""


def test_nothing_but_our_lines_reach_stderr(tmp_path, wake_network):
    """LiteRT announces its delegate from C++; a fresh process, because it does so once."""
    path = tmp_path / "w.tflite"
    path.write_bytes(wake_network())
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["before", "after"] * 2


def test_what_others_write_meanwhile_is_kept(capfd):
    with interpreter._without_chatter():
        os.write(2, b"INFO: chatter of an interpreter\nWARNING: worth knowing\n")
    assert capfd.readouterr().err == "WARNING: worth knowing\n"
    with contextlib.suppress(ZeroDivisionError), interpreter._without_chatter():
        os.write(2, b"last words\n")
        1 / 0  # noqa: B018
    os.write(2, b"and on\n")
    assert capfd.readouterr().err == "last words\nand on\n"


# -------------------------------------------------------------------------------- the other interpreter

OTHER = """
import json, sys
import numpy as np
from edge.interpreter import load_model
model = load_model(sys.argv[1], runtime="tflite")
x = {name: np.load(sys.argv[2])[name] for name in model.inputs}
print(json.dumps({name: value.tolist() for name, value in model.run(x).items()}))
"""


def test_both_interpreters_agree(tmp_path, wake_network):
    python = os.environ.get("VIVAVOCE_TFLITE_PYTHON")
    if not python:
        pytest.skip("no environment with tflite-runtime (VIVAVOCE_TFLITE_PYTHON)")
    path = tmp_path / "w.tflite"
    path.write_bytes(wake_network())
    model = load_model(path, runtime="litert")
    x = sample(model)
    np.savez(tmp_path / "x.npz", **x)
    done = subprocess.run(
        [python, "-c", OTHER, str(path), str(tmp_path / "x.npz")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for name, theirs in json.loads(done.stdout).items():
        assert np.abs(model.run(x)[name].astype(int) - np.array(theirs)).max() <= 1
