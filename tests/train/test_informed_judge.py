"""A judge that is given the recording sees the way of the sound, where another one hears only the talker."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import soundfile

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import DataError
from edge.sample_time import SAMPLE_RATE_HZ
from tests.train.small_world import small_simulator
from tests.train.synthetic_speech import synthetic_word
from train.baseline_models import judged_audio
from train.clip import Clip
from train.informed_judge import SpectrumJudge, evidence_of
from train.liveness_scenes import generator, look_back, padded, said
from train.metrics import equal_error_rate
from train.simulator.chain import LABELS, clip_rng
from train.simulator.recipe import shipped_recipe
from train.sound_way import way_of
from train.speeds import Speeds

CUES = CueSettings()
COARSE = CUES.coarse_bands
SPEEDS = Speeds(1.0, 0.2)
SEED = 5
PLAIN = ("plain", "programme")


def _behind_a_filter(level, *, cut_hz=1000.0):
    """Return a noise, the same behind a high-pass and under other noise, and the gain of the filter in dB by bin."""
    rng = np.random.default_rng(3)
    spoken = rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    section = scipy.signal.butter(1, cut_hz, "highpass", fs=SAMPLE_RATE_HZ)
    heard = scipy.signal.lfilter(*section, spoken) + level * rng.standard_normal(spoken.size)
    _, response = scipy.signal.freqz(
        *section, worN=np.arange(CUES.fft_samples // 2 + 1) * CUES.bin_hz, fs=SAMPLE_RATE_HZ
    )
    return spoken, heard.astype(np.float32), 20 * np.log10(np.maximum(np.abs(response), 1e-6))


@pytest.mark.parametrize("level", [0.0, 0.3])
def test_the_way_is_the_gain_and_noise_is_no_part_of_it(level):
    spoken, heard, gain_db = _behind_a_filter(level)
    way = way_of(spoken, heard, CUES)
    assert way.shape == (2 * COARSE + CUES.fine_bands,)
    power = 10 ** (gain_db[1 : COARSE * CUES.bins_per_band + 1] / 10)
    coarse_db = 10 * np.log10(power.reshape(COARSE, -1).mean(axis=1))
    level_db = np.median(coarse_db[8:32])
    assert np.abs(way[:COARSE] - (coarse_db - level_db))[1:].max() < 1.5
    fine = way[2 * COARSE :] - (gain_db[1 : CUES.fine_bands + 1] - level_db)
    assert np.abs(fine)[4:].mean() < 1.0


def test_coherence_falls_with_noise():
    clean, noisy, other = (
        way_of(*_behind_a_filter(level, cut_hz=5.0)[:2], CUES)[COARSE : 2 * COARSE].mean()
        for level in (0.01, 1.0, 30.0)
    )
    assert clean > 0.99
    assert 0.4 < noisy < 0.6
    assert other < 0.1


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return two recordings, and whole clips that the simulator rendered of them at other speeds."""
    folder = tmp_path_factory.mktemp("recordings")
    recordings = []
    for number in range(2):
        path = f"{number}.flac"
        soundfile.write(folder / path, synthetic_word(number), SAMPLE_RATE_HZ)
        clip = Clip(path, folder / path, "made", str(number), "train", "wake", "x", 1.0, SAMPLE_RATE_HZ, "CC0-1.0")
        recordings.append(clip)
    simulator, rows, samples = small_simulator("train"), [], []
    for number in range(8):
        clip = recordings[number // 2 % 2]
        one = simulator.render(
            said(clip, SPEEDS, SEED, number), LABELS[number % 2], clip_rng(clip.path, SEED, number),
            conditions={"codec": "none", "snr_db": 40.0, "distance_m": 0.3, "variant": PLAIN[number % 2]},
        )  # fmt: skip
        samples.append(one.samples)
        rows.append((one.samples.size, one.speech_start, one.speech_stop, clip.path, number % 2 == 0))
    size, start, stop, source, live = map(np.array, zip(*rows, strict=True))
    return recordings, {
        "samples": np.concatenate(samples), "size": size, "speech_start": start, "speech_stop": stop,
        "source": source, "live": live.astype(np.int8),
    }  # fmt: skip


def _evidence(recordings, clips, *, speeds=SPEEDS, seed=SEED):
    return evidence_of(clips, recordings, CUES, shipped_recipe(), speeds=speeds, seed=seed)


def test_what_was_said_stands_where_it_is_heard(world):
    recordings, clips = world
    found = _evidence(recordings, clips)
    assert found.cues.shape == (8, *CUES.shape)
    coherent = found.way[:, COARSE : 2 * COARSE].max(axis=1)
    # A tenth of a second beside, nothing follows from anything.
    moved = dict(clips, speech_start=clips["speech_start"] - 1600, speech_stop=clips["speech_stop"] - 1600)
    assert (coherent > 0.7).all()
    assert (_evidence(recordings, moved).way[:, COARSE : 2 * COARSE].max(axis=1) < coherent).all()


def test_the_cues_are_those_of_what_a_device_looks_back_on(world):
    recordings, clips = world
    ends = np.cumsum(clips["size"])
    heard = [
        look_back(clips["samples"][end - size : end], int(stop), generator("look back", SEED, number))
        for number, (end, size, stop) in enumerate(zip(ends, clips["size"], clips["speech_stop"], strict=True))
    ]
    audio = {"audio": np.stack([padded(one) for one in heard]), "audio_size": np.array([one.size for one in heard])}
    assert audio["audio"].shape[1] == LOOK_BACK_SAMPLES
    expected = [np.round(liveness_cues(window, CUES) * 255) for window in judged_audio(audio, CUES)]
    np.testing.assert_array_equal(_evidence(recordings, clips).cues, np.array(expected, np.uint8))


@pytest.mark.parametrize("other", [{"speeds": Speeds()}, {"seed": 6}])
def test_another_speed_than_that_which_was_rendered_is_told(world, other):
    with pytest.raises(
        DataError, match=r"is not what clip 0 was rendered from \(got a word of .* render the clips again"
    ):
        _evidence(*world, **other)


def test_a_recording_that_is_not_there_is_told(world):
    recordings, clips = world
    with pytest.raises(DataError, match=r"1\.flac: got no such recording; give the --data"):
        _evidence(recordings[:1], clips)


def test_a_recording_that_is_silent_now_is_told(world, tmp_path):
    recordings, clips = world
    soundfile.write(tmp_path / "silent.flac", np.zeros(SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    with pytest.raises(DataError, match=r"silent\.flac: .*digital silence\); replace it or drop its row"):
        _evidence([replace(recordings[0], file=tmp_path / "silent.flac"), recordings[1]], clips)


def test_who_knows_the_way_finds_what_talkers_hide():
    pytest.importorskip("sklearn", reason="needs scikit-learn (the extra `train`)")
    rng = np.random.default_rng(2)

    def made(n):
        live = np.arange(n) % 2 == 0
        spoken = rng.normal(0.5, 0.2, (n, 12))
        heard = spoken + rng.normal(0, 0.02, spoken.shape)
        heard[~live, :2] -= 0.1
        return heard.astype(np.float32), (heard - spoken).astype(np.float32), live

    (heard, way, live), (new_heard, new_way, new_live) = made(600), made(400)
    blind = SpectrumJudge.fit(heard, live, seed=1).score(new_heard)
    both = np.concatenate((heard, way), axis=1), np.concatenate((new_heard, new_way), axis=1)
    informed = SpectrumJudge.fit(both[0], live, seed=1).score(both[1])
    assert equal_error_rate(informed[new_live], informed[~new_live]) < 0.02
    assert equal_error_rate(blind[new_live], blind[~new_live]) > 0.2
