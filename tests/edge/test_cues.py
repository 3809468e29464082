import numpy as np
import pytest

from edge.cues import CueSettings, band_powers, liveness_cues
from edge.errors import FrontendError

SETTINGS = CueSettings()
RATE = 16000


def _noise(rng, seconds=1.0, rms=3000.0):
    return np.clip(np.rint(rng.normal(0, rms, int(seconds * RATE))), -32768, 32767).astype(np.int16)


def _tone(hz, seconds=1.0, amplitude=10000.0):
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.int16)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        # 97 spectra of 32 ms, 10 ms apart, fit into a second; 64 bands of 125 Hz and 32 of 31.25 Hz.
        (CueSettings(), (97 + 3, 64 + 32)),
        (CueSettings(step_ms=20.0, coarse_band_hz=250.0), (49 + 3, 32 + 32)),
        (CueSettings(window_s=0.5, fft_ms=16.0, fine_top_hz=500.0), (49 + 3, 64 + 8)),
    ],
    ids=["default", "coarser", "shorter"],
)
def test_shape_and_range(settings, shape):
    cues = liveness_cues(_noise(np.random.default_rng(0)), settings)
    assert settings.shape == cues.shape == shape
    assert cues.dtype == np.float32
    assert 0.0 <= cues.min() < cues.max() <= 1.0


def test_level_does_not_matter():
    rng = np.random.default_rng(1)
    t = np.arange(RATE) / RATE
    speech_like = rng.normal(size=RATE) * (0.05 + np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)) * 9000
    loud = np.clip(np.rint(speech_like), -32768, 32767).astype(np.int16)
    soft = np.rint(loud / 10).astype(np.int16)  # -20 dB
    change = np.abs(liveness_cues(loud, SETTINGS) - liveness_cues(soft, SETTINGS))
    range_db = SETTINGS.top_db - SETTINGS.floor_db
    # Rounding to integers adds noise some 30 dB below the softest part of the soft copy.
    assert change.mean() * range_db < 0.1
    assert np.percentile(change, 99) * range_db < 1.0


def test_constant_offset_does_not_matter():
    x = _noise(np.random.default_rng(2), rms=1000)
    np.testing.assert_allclose(liveness_cues(x, SETTINGS), liveness_cues(x + np.int16(5000), SETTINGS), atol=1e-4)


@pytest.mark.parametrize("hz", [187.5, 437.5, 937.5, 1500.0, 3450.0, 7700.0])
def test_tone_lands_in_its_bands(hz):
    powers = band_powers(_tone(hz), SETTINGS).mean(axis=0)
    coarse, fine = powers[: SETTINGS.coarse_bands], powers[SETTINGS.coarse_bands :]
    # Bands are counted from the first bin above 0 Hz: bin b covers (b - 1/2, b + 1/2) bin widths.
    at_bin = hz / SETTINGS.bin_hz - 1
    assert abs(int(np.argmax(coarse)) - at_bin / SETTINGS.bins_per_band) <= 1.0
    # The three bins of a Hann window's main lobe can touch a neighbouring band, and no further one.
    assert np.sort(coarse)[-2:].sum() > 0.99 * coarse.sum()
    if hz < SETTINGS.fine_top_hz:
        assert int(np.argmax(fine)) == round(at_bin)


def test_rows_are_the_spectrum_its_spread_and_its_course():
    # A tone that sounds in the second half only.
    x = _noise(np.random.default_rng(3), rms=30)
    x[RATE // 2 :] += _tone(2000.0, 0.5)
    cues = liveness_cues(x, SETTINGS)
    band = int(np.argmax(cues[0, : SETTINGS.coarse_bands]))
    mean, low, high = cues[:3, band]
    course = cues[SETTINGS.summary_rows :, band]
    assert low < mean < high, "10th percentile, mean and 90th percentile of a band that is switched on"
    assert np.all(course[:45] < mean)
    assert np.all(course[-45:] > mean)


def test_power_is_that_of_the_signal():
    # Parseval: the mean power of all bins is the mean square of the windowed frame, times its length.
    x = _noise(np.random.default_rng(4), seconds=1.0, rms=2000)
    powers = band_powers(x, SETTINGS)[:, : SETTINGS.coarse_bands]
    window_power = np.mean(np.hanning(SETTINGS.fft_samples + 1)[:-1] ** 2)
    expected = SETTINGS.fft_samples * window_power * (2000 / 32768) ** 2
    assert powers.mean() == pytest.approx(expected, rel=0.03)


def test_short_audio_is_extended_in_front_and_long_audio_is_cut_in_front():
    x = _noise(np.random.default_rng(5), seconds=1.5)
    np.testing.assert_array_equal(liveness_cues(x, SETTINGS), liveness_cues(x[-RATE:], SETTINGS))
    padded = np.concatenate((np.zeros(RATE - 4000, np.int16), x[:4000]))
    np.testing.assert_array_equal(liveness_cues(x[:4000], SETTINGS), liveness_cues(padded, SETTINGS))


@pytest.mark.parametrize("n", [0, 1, 16000])
def test_silence_gives_numbers(n):
    cues = liveness_cues(np.zeros(n, np.int16), SETTINGS)
    assert np.isfinite(cues).all()
    assert np.ptp(cues) == 0.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"window_s": 0.01}, "window 0.01 s"),
        ({"fft_ms": 2.0}, "transform 2.0 ms"),
        ({"step_ms": 0.0}, "step 0.0 ms"),
        ({"coarse_band_hz": 10.0}, "bands of 10.0 Hz"),
        ({"fine_top_hz": 8001.0}, "fine branch to 8001.0 Hz"),
        ({"fine_top_hz": 0.0}, "fine branch to 0.0 Hz"),
        ({"floor_db": 30.0}, "range 30.0 to 30.0 dB"),
    ],
)
def test_settings_that_cannot_be_realised_are_refused(changes, named):
    with pytest.raises(FrontendError, match=rf"got .*{named}.*expected"):
        CueSettings(**changes)


def test_settings_survive_the_manifest():
    changed = CueSettings(step_ms=20.0)
    assert CueSettings.from_dict(changed.to_dict()) == changed
    with pytest.raises(FrontendError, match=r"'hop_s' is unknown; there are: .*step_ms"):
        CueSettings.from_dict({"hop_s": 10})
