"""The wake stage computes the very numbers of the plain way: one frame at a time, one formula after the other."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.bundle import open_bundle
from edge.errors import ModelAbiError
from edge.frontend import FEATURE_SCALE, FEATURE_ZERO_POINT, Frontend, quantise_features
from edge.interpreter import TensorSpec, dequantise, load_model
from edge.wake import WakeDetection, WakeStage

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"


class NoisyModel:
    """A wake network whose logits are a hash of everything that it was ever shown: one wrong byte shows."""

    name = "noisy.tflite"

    def __init__(self, *, words, context, is_float, float_logits=None, scale=0.125, channels=40):
        kind = np.dtype(np.float32 if is_float else np.int8)
        float_logits = is_float if float_logits is None else float_logits
        logits_kind = np.dtype(np.float32 if float_logits else np.int8)
        quantised = (0.0, 0) if is_float else (scale, 4)
        features = (0.0, 0) if is_float else (FEATURE_SCALE, FEATURE_ZERO_POINT)
        self.inputs = {
            "features": TensorSpec("features", (1, context, channels), kind, *features),
            "state": TensorSpec("state", (1, 2, 3), kind, *quantised),
        }
        self.outputs = (
            TensorSpec("logits", (1, words), logits_kind, *((0.0, 0) if float_logits else (scale, 4))),
            TensorSpec("state_out", (1, 2, 3), kind, *quantised),
        )

    def run(self, inputs):
        for role, spec in self.inputs.items():
            assert (inputs[role].shape, inputs[role].dtype) == (spec.shape, spec.dtype)
        seed = zlib.crc32(inputs["features"].tobytes() + inputs["state"].tobytes())
        rng = np.random.default_rng(seed)
        return {
            spec.name: (
                rng.integers(-128, 128, spec.shape, np.int8)
                if spec.scale
                else rng.normal(0, 3, spec.shape).astype(np.float32)
            )
            for spec in self.outputs
        }


def plainly(model, features, cutoffs, *, stride, context, smoothing, refractory):
    """Return the detections, the scores after each run, and the highest scores."""
    state_spec, logits_spec = model.inputs["state"], next(x for x in model.outputs if len(x.shape) == 2)
    state_name = next(x.name for x in model.outputs if x.shape == state_spec.shape)
    state = np.full(state_spec.shape, state_spec.zero_point, state_spec.dtype)
    recent, cutoffs, detections, scores, deaf_until = np.zeros((smoothing, len(cutoffs))), np.array(cutoffs), [], [], 0
    window = np.zeros((context, features.shape[1]), np.int8)
    for frame, row in enumerate(quantise_features(features)):
        window = np.concatenate((window[1:], row[None]))
        if frame + 1 < context or (frame + 1 - context) % stride:
            continue
        shown = window[None]
        if not model.inputs["features"].scale:
            shown = (shown.astype(np.float32) - FEATURE_ZERO_POINT) * np.float32(FEATURE_SCALE)
        result = model.run({"features": shown, "state": state})
        state = result[state_name]
        logits = dequantise(result[logits_spec.name][0], logits_spec).astype(np.float64)
        with np.errstate(over="ignore"):
            recent[len(scores) % smoothing] = 1.0 / (1.0 + np.exp(-logits))
        score = recent.mean(axis=0)
        scores.append(score)
        over = score - cutoffs
        if frame + 1 > deaf_until and (over > 0).any():
            word = int(np.argmax(over / np.maximum(1.0 - cutoffs, 1e-3)))
            detections.append(WakeDetection(word, float(score[word]), frame))
            deaf_until = frame + 1 + refractory
            recent[:] = 0
    return detections, scores, np.max(scores, axis=0)


def _agree(model, features, cutoffs, *, stride, context, smoothing, refractory, largest, seed=0):
    """Push blocks of random sizes; return the number of detections."""
    expected, scores, highest = plainly(
        model, features, cutoffs, stride=stride, context=context, smoothing=smoothing, refractory=refractory
    )
    stage = WakeStage(
        model,
        cutoffs,
        channels=features.shape[1],
        stride_frames=stride,
        context_frames=context,
        smoothing_steps=smoothing,
        refractory_frames=refractory,
    )
    for _ in range(2):  # the second time after a reset
        rng, got, at = np.random.default_rng(seed), [], 0
        while at < len(features):
            size = int(rng.integers(0, largest + 1))
            got += stage.push(features[at : at + size])
            at += size
            if stage.runs:
                np.testing.assert_array_equal(stage.scores, scores[stage.runs - 1])
        assert got == expected
        assert stage.runs == len(scores)
        np.testing.assert_array_equal(stage.max_scores, highest)
        stage.reset()
    return len(expected)


@pytest.mark.parametrize("is_float", [False, True], ids=["int8", "float"])
@pytest.mark.parametrize(("stride", "context"), [(3, 5), (1, 5), (5, 5), (3, 1), (7, 2), (4, 9), (1, 1)])
def test_random_features_in_pushes_of_any_size(stride, context, is_float):
    features = np.random.default_rng(stride).integers(0, 900, (600, 40), np.uint16)
    for words, smoothing, largest in ((1, 1, 1), (6, 5, 4), (3, 10, 40)):
        model = NoisyModel(words=words, context=context, is_float=is_float)
        cutoffs = np.linspace(0.55, 0.75, words).tolist()
        found = _agree(
            model,
            features,
            cutoffs,
            stride=stride,
            context=context,
            smoothing=smoothing,
            refractory=8,
            largest=largest,
        )
        assert found > 1


@pytest.mark.parametrize("scale", [1e-3, 0.12539006769657135, 20.0])
@pytest.mark.parametrize("words", [1, 2, 6, 7])
def test_every_int8_logit_has_the_very_probability_of_the_formula(words, scale):
    # Too large a step overflows the exponential, which is no reason to warn: the probability is 0.
    model = NoisyModel(words=words, context=1, is_float=False, scale=scale)
    every = np.random.default_rng(1).permutation(np.resize(np.arange(-128, 128), 256 * words))
    rows = iter(every.astype(np.int8).reshape(-1, 1, words).tolist() * 3)
    model.run = lambda inputs: {"logits": np.array(next(rows), np.int8), "state_out": inputs["state"]}
    features = np.zeros((256, 40), np.uint16)
    _agree(model, features, [2.0] * words, stride=1, context=1, smoothing=1, refractory=0, largest=1)


@pytest.mark.parametrize("is_float", [False, True], ids=["int8 in", "float in"])
def test_network_with_integers_at_one_end_only(is_float):
    model = NoisyModel(words=2, context=5, is_float=is_float, float_logits=not is_float)
    features = np.random.default_rng(4).integers(0, 900, (300, 40), np.uint16)
    assert _agree(model, features, [0.7, 0.6], stride=3, context=5, smoothing=3, refractory=8, largest=4) > 1


def test_pushes_go_on_after_a_run_that_failed():
    model = NoisyModel(words=1, context=5, is_float=False)
    shown, whole = [], model.run

    def run(inputs):
        shown.append(inputs["features"].copy())
        if len(shown) == 2:
            raise ModelAbiError("no")
        return whole(inputs)

    model.run = run
    features = np.random.default_rng(2).integers(0, 900, (14, 40), np.uint16)
    stage = WakeStage(
        model, [2.0], channels=40, stride_frames=3, context_frames=5, smoothing_steps=1, refractory_frames=0
    )
    for i in range(14):
        if i == 7:
            with pytest.raises(ModelAbiError):
                stage.push(features[i : i + 1])
        else:
            stage.push(features[i : i + 1])
    assert len(shown) == 4
    for i, window in enumerate(shown):
        np.testing.assert_array_equal(window[0], quantise_features(features[3 * i : 3 * i + 5]))


@pytest.mark.parametrize("cutoff", [None, 0.2], ids=["own cut-offs", "low cut-offs"])
def test_recorded_speech_and_the_network_of_the_bundle(cutoff):
    bundle = open_bundle()
    wake = bundle.wake
    model = load_model(bundle.content(wake.file), name=wake.file, kernels="reference")
    features = Frontend().push(soundfile.read(SCENE, dtype="int16")[0])
    cutoffs = [cutoff or own for own in bundle.wake_cutoffs.values()]
    found = _agree(
        model,
        features,
        cutoffs,
        stride=wake.stride_frames,
        context=wake.context_frames,
        smoothing=wake.smoothing_steps,
        refractory=wake.refractory_ms // 10,
        largest=3,
    )
    assert found >= 1
