"""The kernel of the wake network: the integers of the interpreter, and the interpreter wherever it is not sure."""

import logging
from pathlib import Path

import numpy as np
import pytest
from wake_network_maker import make_wake_network

import edge
from edge.bundle import open_bundle
from edge.errors import ModelAbiError, UsageError
from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FEATURE_TOP
from edge.interpreter import Model, load_model
from edge.sources import FileSource
from edge.wake import WakeStage
from edge.wake_native import WAKE_VARIABLE, CompiledNetwork, choose_wake_network, load_wake_network, prove
from edge.wake_plan import read_plan

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"

SIZES = {
    "like the bundle's": {"width": 96, "taps": (5, 9, 13, 21), "words": 6},
    "one word": {"words": 1},
    "one block": {"taps": (2,)},
    "many words": {"words": 17},
    "narrow": {"width": 5, "taps": (2, 3, 2)},
    "odd everything": {"context": 3, "channels": 7, "width": 21, "taps": (7, 2), "words": 3},
    "no limits": {"activation": "NONE", "loud": 3.0},
    "half-open limits": {"activation": "RELU", "loud": 0.1},
    "limits on both sides of zero": {"activation": "RELU_N1_TO_1"},
    "saturated": {"loud": 30.0},
    "faint": {"loud": 1e-9},
    "one scale a layer": {"one_scale": True},
}


@pytest.fixture(scope="module")
def shipped():
    bundle = open_bundle()
    return bundle.content(bundle.wake.file)


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv(WAKE_VARIABLE, raising=False)


def both(content):
    """Return the same network twice: in the kernel, and in the interpreter."""
    model = load_model(content, kernels="reference", name="wake.tflite")
    return CompiledNetwork(read_plan(content), model), model


# ------------------------------------------------------------------------------------------------ integers


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_shipped_network_has_the_integers_of_the_interpreter(shipped, seed):
    assert prove(*both(shipped), steps=1500, seed=seed) is None


@pytest.mark.parametrize("sizes", SIZES)
def test_a_network_of_other_sizes_has_the_integers_of_the_interpreter(sizes):
    for seed in range(3):
        network, model = both(make_wake_network(**SIZES[sizes], seed=seed))
        assert prove(network, model, steps=400, seed=seed) is None


@pytest.mark.parametrize("value", [-128, 0, 127])
@pytest.mark.parametrize("feature", [0, FEATURE_TOP // 2, 0xFFFF])
def test_the_same_number_everywhere(shipped, value, feature):
    network, model = both(shipped)
    shown = np.full((1, 5, 40), feature, np.uint16)
    state = np.full(model.inputs["state"].shape, value, np.int8)
    network.bind(shown)
    network.state = state
    for _ in range(30):
        result = model.run({"features": quantise_features(shown), "state": state})
        np.testing.assert_array_equal(network.step(), result["logits"][0])
        state = result["state_out"]
        np.testing.assert_array_equal(network.state, state)


def test_every_feature_means_the_same(shipped):
    network, model = both(shipped)
    every = np.concatenate([np.arange(FEATURE_TOP + 33), [0x7FFF, 0x8000, 0xFFFF]]).astype(np.uint16)
    shown = np.zeros((1, 5, 40), np.uint16)
    network.bind(shown)
    for at in range(0, every.size, 40):
        shown.reshape(-1)[: every[at : at + 40].size] = every[at : at + 40]
        state = network.state
        result = model.run({"features": quantise_features(shown), "state": state})
        np.testing.assert_array_equal(network.step(), result["logits"][0])


def test_a_long_stream_gives_the_scores_of_the_interpreter(shipped):
    network, model = both(shipped)
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.integers(-40, 41, (9000, 40)), axis=0) % 700
    said = [Frontend().push(block) for block in FileSource(SCENE, block=1 << 30).blocks()]
    frames = np.concatenate([*said, walk.astype(np.uint16)])
    stages = [
        WakeStage(
            runner, [0.5] * 6, channels=40, stride_frames=3, context_frames=5, smoothing_steps=5, refractory_frames=100
        )
        for runner in (network, model)
    ]
    at, found, scores = 0, [[], []], [[], []]
    while at < len(frames):
        n = int(rng.integers(1, 12))
        for i, stage in enumerate(stages):
            found[i] += stage.push(frames[at : at + n])
            scores[i].append(stage.scores)
        at += n
    assert stages[0].runs == stages[1].runs == (len(frames) - 5) // 3 + 1
    np.testing.assert_array_equal(scores[0], scores[1])
    assert found[0] == found[1]
    assert found[0], "nothing was detected: the stream shows nothing about detections"
    for stage in stages:
        stage.reset()
    assert stages[0].push(frames[:600]) == stages[1].push(frames[:600])
    np.testing.assert_array_equal(stages[0].max_scores, stages[1].max_scores)


@pytest.mark.parametrize(("stride", "context"), [(1, 5), (5, 5), (7, 5), (3, 1), (1, 40)])
def test_windows_of_any_stride(stride, context):
    network, model = both(make_wake_network(context=context))
    frames = np.random.default_rng(0).integers(0, 700, (700, 40)).astype(np.uint16)
    sizes = {"channels": 40, "stride_frames": stride, "context_frames": context}
    scores = []
    for runner in (network, model):
        stage = WakeStage(runner, [2.0] * 2, **sizes, smoothing_steps=1, refractory_frames=0)
        scores.append([(stage.push(frame[None]), stage.scores)[1] for frame in frames])
    np.testing.assert_array_equal(*scores)
    # And of the very windows, one by one.
    network.reset()
    shown = np.zeros((1, context, 40), np.uint16)
    network.bind(shown)
    probabilities = stage._probabilities
    for at in range(0, len(frames) - context + 1, stride):
        shown[0] = frames[at : at + context]
        np.testing.assert_array_equal(probabilities[network.step()], scores[0][at + context - 1])
    assert len(np.unique(scores[0], axis=0)) > 4


# --------------------------------------------------------------------------------------------- who runs it


def test_the_kernel_is_proved_and_runs_the_shipped_network(shipped):
    network, proof, unfit, fault = choose_wake_network(shipped, name="wake.tflite")
    assert isinstance(network, CompiledNetwork)
    assert (unfit, fault) == (None, None)
    assert proof.steps >= 24
    assert proof.seconds > 0
    # What was proved on is forgotten.
    assert np.unique(network.state).tolist() == [network.inputs["state"].zero_point]


def test_the_interpreter_runs_what_the_kernel_cannot(wake_network, caplog):
    with caplog.at_level(logging.DEBUG, "edge.wake_native"):
        assert isinstance(load_wake_network(wake_network(), name="other.tflite"), Model)
    (record,) = caplog.records
    assert record.levelname == "DEBUG"
    assert record.message.startswith("other.tflite: run by the interpreter (")


def flat_features(model, schema):
    (features,) = (tensor for tensor in model.subgraphs[0].tensors if "features" in tensor.name)
    features.shape = [1, 200]


def other_names(model, schema):
    for pair in model.signatureDefs[0].inputs:
        pair.name = f"my_{pair.name}"


@pytest.mark.parametrize("change", [flat_features, other_names])
def test_inputs_that_are_called_or_shaped_otherwise_are_left_to_the_interpreter(change):
    chosen = choose_wake_network(make_wake_network(change=change), name="wake.tflite")
    assert isinstance(chosen.network, Model)
    assert chosen.unfit


@pytest.mark.parametrize("what", ["weights", "numbers", "scalars"])
def test_one_integer_that_differs_is_enough(shipped, what, monkeypatch, caplog):
    """A weight or a zero point that is off by one, or a bias by one step of its output."""
    import edge.wake_native as module

    def almost(plan, build=module.build_tables):
        tables = build(plan)
        at = {"weights": 96 * 200 + 7, "numbers": 5, "scalars": 9 + 1}[what]
        getattr(tables, what)[at] += {"weights": 1, "numbers": 3000, "scalars": 1}[what]
        return tables

    monkeypatch.setattr(module, "build_tables", almost)
    with caplog.at_level(logging.DEBUG, "edge.wake_native"):
        assert isinstance(load_wake_network(shipped, name="wake.tflite"), Model)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert " numbers of the " in record.message
    monkeypatch.setenv(WAKE_VARIABLE, "kernel")
    with pytest.raises(ModelAbiError, match=r"wake\.tflite it differs from .* unset the variable, "):
        load_wake_network(shipped, name="wake.tflite")


def test_the_interpreter_may_be_asked_for(shipped, monkeypatch):
    monkeypatch.setenv(WAKE_VARIABLE, "interpreter")
    assert isinstance(load_wake_network(shipped, name="wake.tflite"), Model)


def test_the_kernel_may_be_insisted_on(shipped, wake_network, monkeypatch):
    monkeypatch.setenv(WAKE_VARIABLE, "kernel")
    assert isinstance(load_wake_network(shipped, name="wake.tflite"), CompiledNetwork)
    with pytest.raises(ModelAbiError, match=r"the kernel cannot run other\.tflite: .*; unset the variable"):
        load_wake_network(wake_network(), name="other.tflite")


def test_an_unknown_wish_is_refused(shipped, monkeypatch):
    monkeypatch.setenv(WAKE_VARIABLE, "fast")
    with pytest.raises(UsageError, match="VIVAVOCE_WAKE: got 'fast', expected auto, kernel or interpreter"):
        load_wake_network(shipped, name="wake.tflite")


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 5, 40), np.int8),
        np.zeros((1, 4, 40), np.uint16),
        np.zeros((1, 5, 39), np.uint16),
        np.zeros((5, 40), np.uint16),
        np.zeros((1, 10, 40), np.uint16)[:, ::2],
    ],
    ids=["type", "frames", "channels", "axes", "not contiguous"],
)
def test_frames_that_the_kernel_would_read_beyond_are_refused(shipped, frames):
    network, _ = both(shipped)
    with pytest.raises(ModelAbiError, match="expected contiguous uint16"):
        network.bind(frames)
