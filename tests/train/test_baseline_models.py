"""The baselines on made-up talkers, of whom the replayed have no bass."""

import numpy as np
import pytest

from edge.cues import CueSettings
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import DataError
from tests.train.synthetic_speech import examples
from train.baseline_models import BASELINES, Examples, fit_baseline, judged_audio
from train.metrics import equal_error_rate

TRAIN, OTHERS = examples(range(16), 3), examples(range(20, 28), 4)


def _eer(scores: np.ndarray) -> float:
    return equal_error_rate(scores[OTHERS.live], scores[~OTHERS.live])


# A single number with no talker to compare with tells fewer of them.
@pytest.mark.parametrize(("name", "most"), [("f70", 0.3), ("void", 0.05), ("lfcc-gmm", 0.05)])
def test_a_copy_without_bass_is_told_from_live(name, most):
    if name != "f70":
        pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    baseline = fit_baseline(name, TRAIN, seed=0, components=4)
    scores = baseline.score(OTHERS.audio)
    assert scores.shape == OTHERS.live.shape
    assert _eer(scores) <= most
    # The same clip, alone or among others, on the same machine or on one fitted anew, has the same score.
    again = fit_baseline(name, TRAIN, seed=0, components=4)
    np.testing.assert_allclose(again.score(OTHERS.audio[:3]), scores[:3], rtol=1e-6)


@pytest.mark.parametrize("name", ["void", "lfcc-gmm"])
def test_what_was_fitted_on_no_difference_finds_none(name):
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    # Both classes hold the same live clips.
    alike = Examples([a for a, one in zip(TRAIN.audio, TRAIN.live, strict=True) if one for _ in range(2)],
                     TRAIN.live, TRAIN.talkers)  # fmt: skip
    assert 0.2 < _eer(fit_baseline(name, alike, seed=0, components=4).score(OTHERS.audio)) < 0.8


def test_the_majority_is_chance():
    assert _eer(fit_baseline("majority", TRAIN, seed=0).score(OTHERS.audio)) == 0.5
    fewer = Examples(TRAIN.audio[:3], TRAIN.live[:3], TRAIN.talkers[:3])
    np.testing.assert_array_equal(fit_baseline("majority", fewer, seed=0).score(OTHERS.audio[:2]), [1.0, 1.0])


def test_the_machine_is_chosen_without_sharing_talkers():
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    chosen = fit_baseline("void", TRAIN, seed=0).record
    assert len(chosen["candidates"]) == len({(entry["c"], entry["gamma"]) for entry in chosen["candidates"]}) > 4
    best = min(entry["eer"] for entry in chosen["candidates"])
    assert {"c": chosen["c"], "gamma": chosen["gamma"], "eer": best} in chosen["candidates"]
    alone = Examples(TRAIN.audio, TRAIN.live, np.full(TRAIN.live.size, "one"))
    with pytest.raises(DataError, match="got clips of 1 talkers, expected at least 3"):
        fit_baseline("void", alone, seed=0)


@pytest.mark.parametrize(("name", "told"), [("void", "0 replay"), ("lfcc-gmm", "0 frames of replay clips")])
def test_both_classes_are_needed(name, told):
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    only = Examples([a for a, one in zip(TRAIN.audio, TRAIN.live, strict=True) if one],
                    TRAIN.live[TRAIN.live], TRAIN.talkers[TRAIN.live])  # fmt: skip
    with pytest.raises(DataError, match=told):
        fit_baseline(name, only, seed=0)


def test_there_are_no_others():
    with pytest.raises(ValueError, match=", ".join(BASELINES)):
        fit_baseline("oracle", TRAIN, seed=0)


def test_the_loudest_second_is_judged_and_no_padding():
    rng = np.random.default_rng(3)
    audio = np.zeros((1, LOOK_BACK_SAMPLES), np.int16)
    audio[0, -20_000:] = 5
    audio[0, -18_000:-2_000] = rng.normal(0, 5000, 16_000)
    (heard,) = judged_audio({"audio": audio, "audio_size": np.array([20_000])}, CueSettings())
    # The second is found on a grid of 10 ms.
    assert heard.size == 16_000
    assert np.count_nonzero(np.abs(heard) > 100) >= np.count_nonzero(np.abs(audio) > 100) - 160
    (short,) = judged_audio({"audio": audio, "audio_size": np.array([9_000])}, CueSettings())
    np.testing.assert_array_equal(short, audio[0, -9_000:])
