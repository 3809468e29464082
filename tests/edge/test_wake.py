import numpy as np
import pytest

from edge.errors import ModelAbiError
from edge.frontend import FEATURE_SCALE, quantise_features
from edge.interpreter import TensorSpec
from edge.wake import WakeStage

CHANNELS, CONTEXT, STRIDE = 40, 5, 3
SCALE, ZERO_POINT = 0.125, 4


class ScriptedModel:
    """A wake network that answers with given logits, one row a run, and remembers what it was shown."""

    name = "scripted.tflite"

    def __init__(self, logits, *, is_float=True, state_shape=(1, 2, 3), state_zero=-7):
        self.logits = [np.atleast_1d(row) for row in logits]
        words = self.logits[0].size
        kind, scale = (np.dtype(np.float32), 0.0) if is_float else (np.dtype(np.int8), SCALE)
        self.inputs = {
            "features": TensorSpec(
                "features",
                (1, CONTEXT, CHANNELS),
                kind,
                0.0 if is_float else FEATURE_SCALE,
                0 if is_float else -128,
            ),
            "state": TensorSpec("state", state_shape, kind, scale, 0 if is_float else state_zero),
        }
        self.outputs = (
            TensorSpec("state_out", state_shape, kind, scale, 0 if is_float else state_zero),
            TensorSpec("logits", (1, words), kind, scale, 0 if is_float else ZERO_POINT),
        )
        self.shown, self.states = [], []

    def run(self, inputs):
        self.shown.append(inputs["features"].copy())
        self.states.append(inputs["state"].copy())
        spec = self.outputs[1]
        row = self.logits[min(len(self.shown), len(self.logits)) - 1][None]
        if spec.scale:
            row = np.clip(np.rint(row / spec.scale) + spec.zero_point, -128, 127)
        return {"logits": row.astype(spec.dtype), "state_out": (inputs["state"] + 1).astype(spec.dtype)}


def _stage(model, cutoffs=(0.5,), *, smoothing=1, refractory=0):
    return WakeStage(
        model,
        list(cutoffs),
        channels=CHANNELS,
        stride_frames=STRIDE,
        context_frames=CONTEXT,
        smoothing_steps=smoothing,
        refractory_frames=refractory,
    )


def _frames(n, first=0):
    """Frame *i* holds the value 5 (first + i) in every channel, so that it can be recognised."""
    return np.repeat((first + np.arange(n, dtype=np.uint16)) * 5, CHANNELS).reshape(n, CHANNELS)


def _frame_of_run(run):
    """Index of the newest frame that a run of the network is shown."""
    return CONTEXT - 1 + run * STRIDE


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_network_sees_the_last_five_frames_every_third_frame():
    model = ScriptedModel([-9.0], is_float=False)
    frames = _frames(CONTEXT + 4 * STRIDE + 2)
    stage = _stage(model)
    stage.push(frames)
    assert stage.runs == len(model.shown) == 5
    for run, shown in enumerate(model.shown):
        newest = _frame_of_run(run)
        np.testing.assert_array_equal(shown[0], quantise_features(frames[newest - CONTEXT + 1 : newest + 1]))


def test_float_network_sees_the_same_numbers():
    exact, real = ScriptedModel([-9.0], is_float=False), ScriptedModel([-9.0])
    for model in (exact, real):
        _stage(model).push(_frames(20))
    for a, b in zip(exact.shown, real.shown, strict=True):
        np.testing.assert_allclose((a.astype(np.float32) + 128) * FEATURE_SCALE, b, rtol=1e-6)


@pytest.mark.parametrize("sizes", [(1,), (2, 5), (100,), (0, 1, 4)])
def test_pushes_of_any_size_give_the_same_detections(sizes):
    logits = np.random.default_rng(0).normal(0, 2, (60, 2))
    whole = _stage(ScriptedModel(logits), (0.7, 0.8), smoothing=2, refractory=10)
    expected = whole.push(_frames(180))
    assert expected
    stage = _stage(ScriptedModel(logits), (0.7, 0.8), smoothing=2, refractory=10)
    got, at, i = [], 0, 0
    while at < 180:
        got += stage.push(_frames(min(sizes[i % len(sizes)], 180 - at), at))
        at += sizes[i % len(sizes)]
        i += 1
    assert got == expected


@pytest.mark.parametrize(("is_float", "silence"), [(True, 0), (False, -7)])
def test_state_starts_at_zero_and_is_fed_back(is_float, silence):
    model = ScriptedModel([-9.0], is_float=is_float)
    _stage(model).push(_frames(CONTEXT + 3 * STRIDE))
    assert [state.reshape(-1)[0] for state in model.states] == [silence + run for run in range(4)]


def test_score_is_the_mean_probability_of_the_last_runs():
    logits = [-2.0, 3.0, 0.5, 4.0, -1.0]
    stage = _stage(ScriptedModel(logits), (1.0,), smoothing=3)
    scores = []
    for i in range(_frame_of_run(4) + 1):
        before = stage.runs
        stage.push(_frames(1, i))
        if stage.runs > before:
            scores.append(stage.scores[0])
    # Before three runs have been made, the missing ones count as zero: one loud run is not enough.
    probabilities = [0.0, 0.0, *_sigmoid(np.array(logits))]
    np.testing.assert_allclose(scores, [np.mean(probabilities[i : i + 3]) for i in range(5)])
    assert stage.max_scores[0] == pytest.approx(max(scores))


def test_integer_logits_are_given_their_scale():
    stage = _stage(ScriptedModel([1.5], is_float=False), (1.0,))
    stage.push(_frames(CONTEXT))
    assert stage.scores[0] == pytest.approx(_sigmoid(1.5))


def test_detection_is_made_above_the_cutoff_and_tells_when():
    # Probability 1/2 exactly is not above a cut-off of 1/2.
    stage = _stage(ScriptedModel([-5.0, 0.0, 1.0, -5.0]), (0.5,))
    (found,) = stage.push(_frames(_frame_of_run(3) + 1))
    assert found == (0, pytest.approx(_sigmoid(1.0)), _frame_of_run(2))


def test_word_with_a_cutoff_above_one_is_never_heard():
    assert _stage(ScriptedModel([[20.0, 20.0]]), (2.0, 0.9)).push(_frames(CONTEXT))[0].word == 1
    assert _stage(ScriptedModel([20.0]), (2.0,)).push(_frames(50)) == []


def test_of_two_words_the_one_further_above_its_own_cutoff_wins():
    # 0.90 is 90 % of the way from 0 to 1 above its cut-off; 0.95 only half of the way from 0.9 to 1.
    logit = np.log([0.90 / 0.10, 0.95 / 0.05])
    assert [d.word for d in _stage(ScriptedModel([logit]), (0.0, 0.9)).push(_frames(CONTEXT))] == [0]
    assert [d.word for d in _stage(ScriptedModel([logit]), (0.8, 0.8)).push(_frames(CONTEXT))] == [1]


@pytest.mark.parametrize("refractory", [0, 5, 6, 30])
def test_nothing_is_detected_in_the_refractory_time(refractory):
    stage = _stage(ScriptedModel([5.0]), (0.5,), refractory=refractory)
    frames = [found.frame for found in stage.push(_frames(100))]
    assert frames[0] == _frame_of_run(0)
    assert set(np.diff(frames)) == {(refractory // STRIDE + 1) * STRIDE}


def test_scores_start_over_after_a_detection():
    # Otherwise what fired once would fire again as soon as the refractory time ends.
    stage = _stage(ScriptedModel([9.0] * 3 + [-9.0]), (0.6,), smoothing=4)
    found = stage.push(_frames(_frame_of_run(10)))
    assert [d.frame for d in found] == [_frame_of_run(2)]
    assert stage.scores[0] < 0.01


def test_reset_forgets_everything():
    logits = np.random.default_rng(1).normal(0, 2, (40, 1))
    model = ScriptedModel(logits)
    stage = _stage(model, (0.6,), smoothing=2, refractory=20)
    first = stage.push(_frames(100))
    seen, states = [x.copy() for x in model.shown], [x.copy() for x in model.states]
    stage.reset()
    assert stage.runs == 0
    assert stage.max_scores.max() == stage.scores.max() == 0
    model.shown, model.states = [], []
    assert stage.push(_frames(100)) == first
    np.testing.assert_array_equal(model.states, states)
    np.testing.assert_array_equal(model.shown, seen)


def test_network_for_other_words_or_frames_is_refused():
    with pytest.raises(ModelAbiError, match=r"scripted\.tflite.*got .*expected"):
        _stage(ScriptedModel([[0.0, 0.0]]), (0.5,))
    model = ScriptedModel([0.0])
    model.inputs["features"] = model.inputs["features"]._replace(shape=(1, CONTEXT + 1, CHANNELS))
    with pytest.raises(ModelAbiError, match=r"scripted\.tflite.*got .*expected"):
        _stage(model)


@pytest.mark.parametrize("change", [{"scale": FEATURE_SCALE / 2}, {"zero_point": -127}], ids=str)
def test_network_whose_features_mean_something_else_is_refused(change):
    # It would run, and hear sounds of another loudness than those that it was trained with.
    model = ScriptedModel([0.0], is_float=False)
    model.inputs["features"] = model.inputs["features"]._replace(**change)
    with pytest.raises(ModelAbiError, match=r"scripted\.tflite.*'features': got int8 .*expected scale 0\.10156.*-128"):
        _stage(model)
