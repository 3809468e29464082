"""The log-mel spectrogram of the verifier."""

import numpy as np
import pytest

from edge.log_mel import MEL_BANDS, log_mel, mel_frames, samples_of_mel_frames

SECOND = 16_000


def noise(n=SECOND, rms=1000.0, seed=0):
    return np.clip(np.rint(np.random.default_rng(seed).standard_normal(n) * rms), -32768, 32767).astype(np.int16)


def tone(hz, n=SECOND, peak=8000.0):
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(n) / SECOND)).astype(np.int16)


def by_definition(samples):
    """Return the spectrogram by the formulas, in double precision, one frame at a time."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    mel = lambda hz: hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)  # noqa: E731
    hz = lambda mel: mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)  # noqa: E731
    edges = [hz(one) for one in np.linspace(mel(60.0), mel(3800.0), 34)]
    rows = []
    for at in range(0, samples.size - 511, 160):
        frame = samples[at + 56 : at + 456].astype(float) * window
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        row = []
        for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
            weights = [
                max(0.0, min((31.25 * k - low) / (centre - low), (high - 31.25 * k) / (high - centre)))
                for k in range(257)
            ]
            row.append(np.dot(weights, power) * 2 / (high - low))
        rows.append(row)
    decibels = 10 * np.log10(np.maximum(rows, 1e-10))
    return np.maximum(decibels, decibels.max() - 80) / 10 + 2


@pytest.mark.parametrize("samples", [noise(3000), noise(3000, rms=3.0), tone(440, 3000), noise(512)])
def test_it_is_what_its_definition_says(samples):
    assert np.allclose(log_mel(samples), by_definition(samples), atol=1e-4)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (511, 0), (512, 1), (671, 1), (672, 2), (27_872, 172)])
def test_frames(samples, frames):
    found = log_mel(np.ones(samples, np.int16))
    assert found.shape == (frames, MEL_BANDS)
    assert found.dtype == np.float32
    assert mel_frames(samples) == frames


@pytest.mark.parametrize("frames", [1, 2, 76, 172])
def test_samples_of_frames(frames):
    assert mel_frames(samples_of_mel_frames(frames)) == frames
    assert mel_frames(samples_of_mel_frames(frames) - 1) == frames - 1


def test_a_level_moves_all_of_it_by_as_many_tenths_of_a_decibel():
    loud = noise(rms=3000.0)
    assert np.allclose(log_mel(loud) - log_mel((loud // 10).astype(np.int16)), 2.0, atol=0.05)


def test_nothing_is_more_than_eight_units_below_the_loudest():
    samples = np.concatenate((np.zeros(8000, np.int16), noise(8000)))
    found = log_mel(samples)
    assert found.min() == pytest.approx(found.max() - 8.0)
    assert (found[:40] == found.min()).all()


def test_silence_is_a_number():
    assert np.allclose(log_mel(np.zeros(1000, np.int16)), -8.0, atol=1e-5)


def test_a_tone_is_in_its_band_and_one_above_the_axis_in_none():
    low, high = (int(log_mel(tone(hz)).mean(axis=0).argmax()) for hz in (300.0, 3000.0))
    assert low < high
    assert log_mel(tone(6000.0)).max() < log_mel(tone(3000.0)).max() - 3
