"""A judge that knows what was said finds what the way changed, where another one hears only the talker."""

import numpy as np
import pytest
import soundfile

from edge.cues import CueSettings, liveness_cues
from edge.errors import DataError
from edge.events import SAMPLE_RATE_HZ
from edge.liveness import judged_window
from tests.train.synthetic_speech import synthetic_word
from train.clip import Clip
from train.informed_judge import SpectrumJudge, changes, said_summaries
from train.metrics import equal_error_rate
from train.simulator.levels import to_int16
from train.simulator.recipe import shipped_recipe
from train.speeds import Speeds

CUES = CueSettings()
SPEEDS = Speeds(1.0, 0.2)


@pytest.fixture
def recordings(tmp_path):
    """Return two recordings, as a manifest lists them."""
    out = []
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.flac", synthetic_word(number), SAMPLE_RATE_HZ)
        path = f"{number}.flac"
        out.append(Clip(path, tmp_path / path, "made", f"made/{number}", "train", "wake", "x", 1.0, 16_000, "CC0-1.0"))
    return out


def _clips(*rows):
    source, variant = zip(*rows, strict=True)
    return {
        "source": np.array(source),
        "variant": np.array(variant),
        "live": (np.arange(len(rows)) % 2 == 0).astype(np.int8),
    }


def _summaries(clips, recordings, speeds=SPEEDS):
    return said_summaries(clips, recordings, CUES, shipped_recipe(), speeds=speeds, seed=5)


def test_what_was_said_is_the_recording_and_not_the_rendering(recordings):
    found = _summaries(_clips(("0.flac", "plain"), ("0.flac", "programme")), recordings, Speeds())
    assert found.shape == (2, CUES.summary_rows, CUES.shape[1])
    samples, _ = soundfile.read(recordings[0].file, dtype="float32")
    whole = liveness_cues(judged_window(to_int16(samples * np.float32(0.3)), CUES), CUES)[: CUES.summary_rows]
    loud = whole > 0.4
    assert np.abs(found[0] - whole)[loud].max() < 0.06, "5 dB: margins and silence of the file are no part of it"


def test_a_pair_is_of_one_speed_and_another_pair_of_another(recordings):
    clips = _clips(("0.flac", "two_rooms"), ("0.flac", "recorded"), ("0.flac", "two_rooms"), ("0.flac", "recorded"))
    found = _summaries(clips, recordings)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert np.abs(found[0] - found[2]).max() > 0.05


def test_a_recording_as_it_is_keeps_its_speed_and_its_partner_does_not(recordings):
    found = _summaries(_clips(("0.flac", "raw"), ("0.flac", "recorded")), recordings)
    as_recorded = _summaries(_clips(("0.flac", "plain")), recordings, Speeds())
    np.testing.assert_array_equal(found[0], as_recorded[0])
    pair = _summaries(_clips(("0.flac", "plain"), ("0.flac", "recorded")), recordings)
    np.testing.assert_array_equal(found[1], pair[1])
    assert np.abs(found[0] - found[1]).max() > 0.05


def test_a_recording_that_is_not_there_is_told(recordings):
    with pytest.raises(DataError, match=r"gone\.flac: got no such recording"):
        _summaries(_clips(("gone.flac", "plain")), recordings)


def test_changes_are_those_of_the_mean_and_of_the_loud_spectrum():
    said = np.full((2, 3, 4), 0.5, np.float32)
    heard = said.copy()
    heard[1, 0, 2] += 0.25
    heard[1, 1] += 0.1
    heard[1, 2, 3] -= 0.125
    np.testing.assert_allclose(changes(heard, said), [[0] * 8, [0, 0, 0.25, 0, 0, 0, 0, -0.125]], atol=1e-6)


def test_who_knows_what_was_said_finds_what_talkers_hide():
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    rng = np.random.default_rng(2)

    def made(n):
        live = np.arange(n) % 2 == 0
        said = rng.normal(0.5, 0.2, (n, 3, 12)).astype(np.float32)
        heard = said + rng.normal(0, 0.02, said.shape).astype(np.float32)
        heard[~live, :, :2] -= 0.1
        return heard.reshape(n, -1), changes(heard, said), live

    (heard, changed, live), (new_heard, new_changed, new_live) = made(600), made(400)
    blind = SpectrumJudge.fit(heard, live, seed=1).score(new_heard)
    both = np.concatenate((heard, changed), axis=1), np.concatenate((new_heard, new_changed), axis=1)
    informed = SpectrumJudge.fit(both[0], live, seed=1).score(both[1])
    assert equal_error_rate(informed[new_live], informed[~new_live]) < 0.02
    assert equal_error_rate(blind[new_live], blind[~new_live]) > 0.2
