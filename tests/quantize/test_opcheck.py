"""Networks are checked against the resolvers of microcontrollers, and run by their interpreter."""

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="needs the extra `micro`")
pytest.importorskip("ai_edge_litert")

from edge.bundle import open_bundle
from edge.errors import DataError, MissingExtraError
from edge.interpreter import load_model
from quantize.convert import inspect_network
from quantize.opcheck import check
from quantize.resolvers import missing_operators


def test_the_wake_network_says_the_same_there():
    bundle = open_bundle()
    found = check(bundle.content(bundle.wake.file), name="wake", resolver="tflite-micro", runs=20)
    assert found["largest_difference_steps"] == {"logits": 0.0, "state_out": 0.0}
    # It holds its state at least, as input and as output, and is no larger than a small microcontroller.
    state = load_model(bundle.content(bundle.wake.file), name="wake").inputs["state"]
    assert 2 * int(np.prod(state.shape)) < found["arena_bytes"] < 128 << 10
    assert found["operators"]["CONV_2D"] == inspect_network(bundle.content(bundle.wake.file))["operators"]["CONV_2D"]


def test_operators_that_a_resolver_lacks():
    bundle = open_bundle()
    with pytest.raises(DataError, match="operators: got TRANSPOSE, expected only those of the resolver of esphome"):
        check(bundle.content(bundle.liveness.file), name="liveness", resolver="esphome")
    assert missing_operators(["CONV_2D", "EINSUM", "EINSUM"], "tflite-micro") == ["EINSUM"]


@pytest.mark.parametrize("missing", ["flatbuffers", "tflite_micro"])
def test_without_its_packages_one_line_says_what_to_install(missing, monkeypatch):
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(MissingExtraError, match=r"vivavoce\[micro\]"):
        check(b"", name="x.tflite", resolver="tflite-micro")


def test_the_command_tells_of_each_network(tmp_path, capsys):
    from edge.cli import main

    bundle = open_bundle()
    wake, junk, cut = (tmp_path / f"{name}.tflite" for name in ("wake", "junk", "cut"))
    wake.write_bytes(bundle.content(bundle.wake.file))
    junk.write_bytes(b"junk" * 100)
    cut.write_bytes(wake.read_bytes()[:5000])
    assert main(["quantize", "opcheck", "--runs", "3", str(junk), str(cut), str(wake)]) == 2
    told = capsys.readouterr()
    kinds = inspect_network(wake.read_bytes())["operators"]
    assert f"wake.tflite  {sum(kinds.values())} operators of {len(kinds)} kinds" in told.out
    assert told.err.count("\n") == 2
    assert "junk.tflite: got 400 bytes that are no TensorFlow Lite network" in told.err
    assert "cut.tflite: got a damaged TensorFlow Lite network" in told.err
    assert main(["quantize", "opcheck", "--resolver", "arduino", str(wake)]) == 2
    assert "--resolver: got 'arduino', expected one of: tflite-micro, esphome" in capsys.readouterr().err
