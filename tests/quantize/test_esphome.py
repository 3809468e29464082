"""The words of a wake network as models for ESPHome: the same integers, in the ABI of the component."""

import json
import struct

import numpy as np
import pytest

from edge.bundle import open_bundle, without_verifier
from edge.errors import DataError
from edge.esphome import open_esphome_model
from edge.esphome_stage import StreamingNetwork
from edge.interpreter import dequantise, load_model

pytest.importorskip("ai_edge_litert")

from quantize.graph import Graph, schema
from quantize.internal_state import OUTPUT_STEPS, with_internal_state
from quantize.resolvers import missing_operators

STRIDE, CONTEXT = 3, 5


@pytest.fixture(scope="module")
def wake():
    bundle = open_bundle()
    return bundle.content(bundle.wake.file)


@pytest.fixture(scope="module")
def frames():
    # Few of them are silence, so that the logits move.
    rng = np.random.default_rng(3)
    loud = rng.normal(0, 60, (300, 40)).cumsum(axis=0) * 0.3
    return (np.clip(np.abs(loud), 0, 255).round() - 128).astype(np.int8)


def logits(content, frames):
    """Run the bundle's network as the device does, from two frames of silence on; also its scale."""
    network = load_model(content, runtime="litert", kernels="reference")
    before = np.full((CONTEXT - STRIDE, 40), -128, np.int8)
    shown = np.concatenate((before, frames))
    state = np.full(network.inputs["state"].shape, -128, np.int8)
    said = []
    for at in range(0, len(frames) - STRIDE + 1, STRIDE):
        result = network.run({"features": shown[None, at : at + CONTEXT], "state": state})
        state = result["state_out"]
        said.append(result["logits"][0])
    spec = next(spec for spec in network.outputs if spec.name == "logits")
    return dequantise(np.array(said), spec).astype(np.float64)


def outputs(content, frames):
    network = StreamingNetwork(content, name="word", channels=40, runtime="litert")
    assert network.stride_frames == STRIDE
    return np.array([network.run(frames[at : at + STRIDE]) for at in range(0, len(frames) - STRIDE + 1, STRIDE)])


def test_every_word_says_what_the_bundle_says(wake, frames):
    told = logits(wake, frames)
    assert np.ptp(told, axis=0).min() > 1.0, "the logits must move, or nothing is compared"
    for word in range(told.shape[1]):
        model = with_internal_state(wake, word=word, stride_frames=STRIDE, name="wake")
        exact = OUTPUT_STEPS / (1 + np.exp(-told[:, word]))
        # Half a step of the sigmoid and half a step of the output.
        assert np.abs(outputs(model, frames) - exact).max() <= 1.5


def shifted(content, by):
    """Move the bias of every head, so that the probabilities are neither 0 nor 1."""
    graph, words = Graph(content, name="wake"), len(open_bundle().words)
    for op in graph.main.operators:
        if graph.kind(op) == "CONV_2D" and graph.main.tensors[int(op.outputs[0])].shape[-1] == words:
            tensor = graph.main.tensors[int(op.inputs[2])]
            steps = np.rint(by / np.asarray(tensor.quantization.scale)).astype(np.int32)
            moved = graph.constant(int(op.inputs[2]), np.int32) + steps
            graph.model.buffers[tensor.buffer].data = np.frombuffer(moved.tobytes(), np.uint8)
    return graph.to_bytes()


def test_words_are_told_apart_in_the_middle_of_the_scale(wake, frames):
    moved = shifted(wake, 8.0)
    told = logits(moved, frames)
    said = np.array(
        [
            outputs(with_internal_state(moved, word=word, stride_frames=STRIDE, name="wake"), frames)
            for word in range(told.shape[1])
        ]
    ).T
    exact = OUTPUT_STEPS / (1 + np.exp(-told))
    assert np.ptp(exact, axis=0).min() > 5
    assert np.abs(said - exact).max() <= 1.5
    assert np.abs(said - np.roll(exact, 1, axis=1)).max() > 10


def test_operators_and_ends_are_those_of_the_component(wake):
    model = with_internal_state(wake, word=0, stride_frames=STRIDE, name="wake")
    graph = Graph(model, name="word")
    assert missing_operators(graph.operator_names(), "esphome") == []
    (given,), (said,) = graph.main.inputs, graph.main.outputs
    assert list(graph.main.tensors[given].shape) == [1, STRIDE, 40]
    assert graph.main.tensors[given].type == schema.TensorType.INT8
    assert list(graph.main.tensors[said].shape) == [1, 1]
    assert graph.main.tensors[said].type == schema.TensorType.UINT8
    assert graph.main.tensors[said].quantization.scale[0] == np.float32(1 / OUTPUT_STEPS)


def test_constants_are_aligned_in_the_file(wake):
    """A processor without unaligned access reads 32-bit biases where they lie."""
    model = with_internal_state(wake, word=0, stride_frames=STRIDE, name="wake")
    root = schema.Model.GetRootAsModel(model, 0)
    places = []
    for at in range(root.BuffersLength()):
        buffer = root.Buffers(at)
        if not buffer.DataIsNone():
            table = buffer._tab
            places.append(table.Vector(table.Offset(4)))
            assert struct.unpack_from("<I", model, places[-1] - 4)[0] == buffer.DataLength()
    assert len(places) > 20
    assert {place % 16 for place in places} == {0}


def test_nothing_of_the_other_words_is_left(wake):
    graph = Graph(with_internal_state(wake, word=2, stride_frames=STRIDE, name="wake"), name="word")
    words = len(open_bundle().words)
    assert not [
        t.shape
        for t in graph.main.tensors
        if t.shape is not None and len(t.shape) and words in (t.shape[0], t.shape[-1])
    ]


def test_networks_that_cannot_be_made(wake):
    bundle = open_bundle()
    with pytest.raises(DataError, match="expected an int8 wake network with features, state"):
        with_internal_state(bundle.content(bundle.liveness.file), word=0, stride_frames=3, name="liveness")
    with pytest.raises(DataError, match="stride_frames: got 6, expected 1 to 5"):
        with_internal_state(wake, word=0, stride_frames=6, name="wake")
    with pytest.raises(DataError, match="word 6"):
        with_internal_state(wake, word=len(bundle.words), stride_frames=3, name="wake")
    with pytest.raises(DataError, match="no TensorFlow Lite network"):
        with_internal_state(b"junk" * 10, word=0, stride_frames=3, name="junk")
    with pytest.raises(DataError, match="damaged"):
        with_internal_state(wake[:5000], word=0, stride_frames=3, name="cut")


def test_the_command(tmp_path, capsys):
    pytest.importorskip("tflite_micro", reason="needs the extra `micro`")
    from edge.cli import main

    bundle, pack = open_bundle(), tmp_path / "pack"
    assert main(["quantize", "esphome", str(bundle.path), "-o", str(pack), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    # Where it runs there is no verifier.
    for word in without_verifier(bundle).words:
        model = open_esphome_model(pack / f"{word.id}.json")
        assert (model.word, model.step_ms, model.window_runs) == (word, 10, bundle.wake.smoothing_steps)
        # A round number that the network fits in.
        assert 0 <= model.arena_bytes - report["words"][word.id]["arena_bytes"] < 1024
        assert "website" not in json.loads((pack / f"{word.id}.json").read_text())
    said = ["--website", "https://example.org/ada", "--language", "de-AT", "--language", "en"]
    assert main(["quantize", "esphome", str(bundle.path), "-o", str(pack), *said]) == 0, "an older pack is replaced"
    manifest = json.loads((pack / "alexa.json").read_text())
    assert (manifest["website"], manifest["trained_languages"]) == ("https://example.org/ada", ["de-AT", "en"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    assert main(["quantize", "esphome", str(bundle.path), "-o", str(tmp_path / "other")]) == 2
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--website", "example.org"], '--website: got "example.org", expected an address'),
        (["--website", ""], '--website: got "", expected'),
        (["--website", "ftp://example.org"], "--website: got"),
        (["--website", "https:///models"], "--website: got"),
        (["--website", "https://example.org/a b"], "--website: got"),
        (["--language", "English"], '--language: got "English", expected a code of ISO 639'),
        (["--language", "en", "--language", "en,de"], '--language: got "en,de"'),
        (["--language", ""], '--language: got ""'),
    ],
)
def test_what_esphome_would_refuse_is_refused_before_anything_is_made(given, told, tmp_path, capsys):
    from edge.cli import main

    assert main(["quantize", "esphome", str(open_bundle().path), "-o", str(tmp_path / "pack"), *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert not (tmp_path / "pack").exists()
