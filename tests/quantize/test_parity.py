"""How far an int8 network is from its float twin."""

import json

import numpy as np
import pytest

from edge.errors import DataError, ModelAbiError
from edge.interpreter import load_model
from quantize.parity import compare, strays

pytestmark = pytest.mark.tf


def pair(folder):
    return [load_model(folder / f"model_{kind}.tflite", runtime="litert") for kind in ("float", "int8")]


def samples(folder):
    with np.load(folder / "representative.npz") as file:
        return dict(file)


@pytest.mark.parametrize("role", ["wake", "liveness"])
def test_int8_is_close_to_float(converted, trained, role):
    report = compare(*pair(converted[role]), samples(trained[role]))
    decided = report["outputs"]["logits" if role == "wake" else "logit"]
    assert decided["mean_difference"] <= decided["rms_difference"] <= decided["max_difference"]
    assert decided["rms_difference"] < 0.1 * decided["spread"]
    assert decided["agreement"] > 0.9
    assert 0 <= decided["disagreements"] <= 0.1 * report["samples"] * 2
    if role == "wake":
        state = report["outputs"]["state_out"]
        assert state["agreement"] is None
        # All but the newest row of each ring were copied: they differ by their rounding alone.
        assert state["mean_difference"] < 6 / 255


class Fixed:
    """A network that says what a list holds."""

    runtime = "litert"

    def __init__(self, kind, scale, said):
        from edge.interpreter import TensorSpec

        self.name = kind
        self.inputs = {"x": TensorSpec("x", (1, 1), np.dtype(kind), scale, 0)}
        self.outputs = (TensorSpec("y", (1, 2), np.dtype(kind), scale, 0),)
        self._said = iter(said)

    def run(self, inputs):
        return {"y": np.array([next(self._said)], self.inputs["x"].dtype)}


def test_differences_are_those_of_the_numbers():
    exact = Fixed("float32", 0.0, [[0.0, 1.0], [-0.1, 2.0]])
    coarse = Fixed("int8", 0.25, [[1, 4], [1, 4]])
    report = compare(exact, coarse, {"x": np.zeros((2, 1), np.float32)})
    said = report["outputs"]["y"]
    assert said["max_difference"] == pytest.approx(1.0)
    assert said["mean_difference"] == pytest.approx((0.25 + 0 + 0.35 + 1.0) / 4)
    assert said["rms_difference"] == pytest.approx(np.sqrt((0.25**2 + 0.35**2 + 1) / 4))
    assert said["max_steps"] == pytest.approx(4.0)
    assert said["spread"] == pytest.approx(np.std([0, 1, -0.1, 2]))
    # Above 0 counts at a probability of one half: 0.0 and -0.1 do not, their int8 forms do.
    assert (said["agreement"], said["disagreements"]) == (0.5, 2)


def test_the_cutoff_decides(converted, trained):
    """Where the cut-off lies beyond all outputs, every decision agrees, however coarse the network."""
    report = compare(*pair(converted["wake"]), samples(trained["wake"]), cutoff=1 - 1e-12)
    assert report["outputs"]["logits"]["agreement"] == 1.0


def test_networks_that_are_no_pair(converted, trained):
    (float_wake, int8_wake), (_, int8_liveness) = pair(converted["wake"]), pair(converted["liveness"])
    with pytest.raises(ModelAbiError, match="inputs: got cues, expected features, state"):
        compare(float_wake, int8_liveness, samples(trained["wake"]))
    with pytest.raises(ModelAbiError, match="got float32"):
        compare(float_wake, float_wake, samples(trained["wake"]))
    with pytest.raises(DataError, match="samples: got"):
        compare(float_wake, int8_wake, samples(trained["liveness"]))


def test_the_command(converted, trained, capsys):
    from edge.cli import main

    folder = converted["wake"]
    call = ["quantize", "parity", *(str(folder / f"model_{kind}.tflite") for kind in ("float", "int8"))]
    call += ["--data", str(trained["wake"] / "representative.npz")]
    assert main([*call, "--json", "--cutoff", "0.6"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["event"], report["samples"], report["cutoff"]) == ("parity", 60, 0.6)
    assert main(call) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == [
        "output",
        "max",
        "mean",
        "rms",
        "steps",
        "agree",
    ]
    assert main([*call, "--cutoff", "1"]) == 2
    assert "got 1.0, expected a probability" in capsys.readouterr().err


def test_a_network_that_strays_fails_the_command(converted, trained, capsys, tmp_path):
    from edge.cli import main

    folder = converted["wake"]
    call = ["quantize", "parity", *(str(folder / f"model_{kind}.tflite") for kind in ("float", "int8"))]
    call += ["--data", str(trained["wake"] / "representative.npz")]
    assert main([*call, "--max-rms", "1e-6"]) == 2
    told = capsys.readouterr()
    assert told.out.startswith("output"), "the report comes before the verdict"
    assert told.err.count("\n") == 1
    assert "model_int8.tflite: strays from" in told.err
    assert "expected at most 1e-06 of it" in told.err
    task = tmp_path / "task.toml"
    task.write_text("[quantisation]\nmax_rms_share = 1e-6\nmin_agreement = 0.5\n")
    assert main([*call, "--task", str(task)]) == 2
    assert "expected at most 1e-06 of it" in capsys.readouterr().err
    assert main([*call, "--task", str(task), "--max-rms", "0.5"]) == 0, "who gives a limit is asked for it"
    capsys.readouterr()
    assert main([*call, "--min-agreement", "1.5"]) == 2
    assert "--min-agreement: got 1.5" in capsys.readouterr().err


def test_what_counts_as_straying():
    good = {"rms_difference": 0.1, "spread": 1.0, "agreement": 0.95}
    limits = {"max_rms": 0.1, "min_agreement": 0.95}
    assert strays({"y": good}, **limits) == []
    assert strays({"y": good | {"agreement": None}}, **limits) == []
    assert "0.940 of the decisions" in " ".join(strays({"y": good | {"agreement": 0.94}}, **limits))
    assert "spread of 0.9" in " ".join(strays({"y": good | {"spread": 0.9}}, **limits))
    assert len(strays({"y": good | {"rms_difference": float("nan")}}, **limits)) == 1
