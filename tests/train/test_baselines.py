import numpy as np
import pytest
from scipy import signal

from edge.cues import CueSettings
from train.baselines import f70_hz

RATE = 16000


def _int16(x):
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def test_white_noise_reaches_seventy_percent_at_seventy_percent_of_the_band():
    x = _int16(np.random.default_rng(0).normal(0, 3000, RATE))
    assert f70_hz(x, CueSettings()) == pytest.approx(0.7 * 8000, rel=0.02)


def test_tone_is_found_at_its_frequency():
    x = _int16(9000 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE))
    assert f70_hz(x, CueSettings()) == pytest.approx(1000, abs=125)


def test_loudspeaker_without_bass_raises_it():
    # Power falls by 6 dB an octave above 100 Hz, as in voiced speech.
    noise = np.random.default_rng(1).normal(0, 1, RATE)
    voice = signal.lfilter(*signal.butter(1, 100, fs=RATE), noise)
    small = signal.sosfilt(signal.butter(4, 300, "highpass", fs=RATE, output="sos"), voice)
    through_mouth = f70_hz(_int16(voice / np.abs(voice).max() * 20000), CueSettings())
    through_speaker = f70_hz(_int16(small / np.abs(small).max() * 20000), CueSettings())
    assert through_mouth < 300 < through_speaker


def test_only_the_loudest_second_counts_and_its_level_does_not():
    rng = np.random.default_rng(2)
    low = signal.lfilter(*signal.butter(4, 800, fs=RATE), rng.normal(0, 4000, RATE))
    hiss = rng.normal(0, 100, RATE)
    alone = f70_hz(_int16(low), CueSettings())
    assert f70_hz(_int16(np.concatenate((hiss, low, hiss))), CueSettings()) == pytest.approx(alone, rel=0.02)
    assert f70_hz(_int16(low / 4), CueSettings()) == pytest.approx(alone, rel=0.02)


def test_silence_has_none():
    assert f70_hz(np.zeros(RATE, np.int16), CueSettings()) == 0.0
