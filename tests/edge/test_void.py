import csv
import os
from pathlib import Path
from typing import NamedTuple

import naive_cues as naive
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, freqz, lfilter, sosfilt, sosfreqz

from edge import void as module
from edge.cues import CueSettings, band_powers, liveness_cues
from edge.endpoint import loudest_window
from edge.errors import FrontendError
from edge.void import VoidSettings, segment_powers, void_features

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared" / "data"))
RATE = 16000
DEFAULT = VoidSettings()
LFP, LDF, HPF, LPCC = DEFAULT.groups.values()

TOLERANCES = {"lfp": 1e-6, "ldf": 1e-5, "hpf": 1e-6, "lpcc": 2e-4}
"""What single precision in the transform may change. A tone shows it in the predictor's cepstrum: 90 dB below the tone,
the transform's own rounding counts."""

# ------------------------------------------------------------------------------------------------ signals


def _int16(x):
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def _noise(seed, n=RATE, rms=3000.0):
    return _int16(np.random.default_rng(seed).normal(0, rms, n))


def _tone(hz, n=RATE, amplitude=10000.0):
    return _int16(amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE))


def _voice(seed, pitch_hz, n=RATE):
    """Glottal pulses (-12 dB an octave) through four formants, radiated (+6 dB), in syllables; full scale is 1."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / RATE
    pitch = pitch_hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)))
    x = (np.diff(np.floor(np.cumsum(pitch) / RATE), prepend=0) > 0).astype(float)
    x = lfilter([1, -0.97], np.convolve([1, -0.98], [1, -0.9]), x)
    for hz, width in ((rng.uniform(300, 700), 80), (rng.uniform(1000, 2000), 110), (rng.uniform(2300, 2900), 160)):
        radius = np.exp(-np.pi * width / RATE)
        x = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * hz / RATE), radius**2], x)
    x *= np.clip(np.sin(2 * np.pi * 3.1 * t), 0.05, 1)
    return 0.6 * x / np.abs(x).max()


SIGNALS = {
    "noise": lambda n: _noise(0, n),
    "tone": lambda n: _tone(1000.0, n),
    "loud tone between bins": lambda n: _tone(440.3, n, 32767),
    "low-passed noise": lambda n: _int16(lfilter(np.hanning(40), 1, np.random.default_rng(1).normal(0, 900, n))),
    "voice": lambda n: _int16(32768 * _voice(2, 120.0, 4000)[2000 : 2000 + n]),
    "last bit": lambda n: np.random.default_rng(3).integers(-1, 2, n).astype(np.int16),
    "noise with offset": lambda n: _noise(4, n, 500) + np.int16(9000),
    "square": lambda n: np.where(np.arange(n) // 37 % 2, 32767, -32768).astype(np.int16),
    # A single impulse has an even spectrum, whose peaks are a matter of rounding; two make a comb.
    "two impulses": lambda n: np.isin(np.arange(n), (150, 165)).astype(np.int16) * np.int16(20000),
}


# ------------------------------------------------------------------------------------------------ twin


def _compare(got, expected, groups):
    for name, part in groups.items():
        np.testing.assert_allclose(got[part], expected[part], rtol=1e-6, atol=TOLERANCES[name], err_msg=name)


@pytest.mark.parametrize("signal", SIGNALS)
# Three frames and a rest that fills none; one frame that is not whole.
@pytest.mark.parametrize("n", [372 + 2 * 93 + 50, 200])
def test_equals_the_naive_twin(signal, n):
    samples = SIGNALS[signal](n)
    got = void_features(samples, DEFAULT)
    assert got.dtype == np.float32
    assert got.shape == DEFAULT.shape == (97,)
    _compare(got, np.array(naive.void(samples.tolist())), DEFAULT.groups)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(40, 400),
    window=st.integers(64, 160),
    step=st.integers(30, 64),
    segment_hz=st.floats(250.0, 700.0),
    low_segments=st.integers(5, 11),
    peak_share=st.floats(0.0, 1.0),
    fit_order=st.integers(0, 4),
    fit_points=st.integers(2, 20),
    predictor_order=st.integers(1, 14),
    floor_db=st.floats(-90.0, 0.0),
)
def test_other_settings_equal_the_naive_twin(seed, n, window, step, segment_hz, floor_db, **same):
    wanted = VoidSettings(
        window_ms=window / 16, step_ms=step / 16, segment_hz=segment_hz, predictor_floor_db=floor_db, **same
    )
    samples = _noise(seed, n)
    # Twice the window, rounded up to a power of two, leaves the predictor's lags room.
    points = 128 if window == 64 else 256 if window <= 128 else 512
    expected = naive.void(
        samples.tolist(), window=window, step=step, points=points, segment_hz=segment_hz,
        predictor_floor_db=floor_db, **same,
    )  # fmt: skip
    _compare(void_features(samples, wanted), np.array(expected), wanted.groups)


@pytest.mark.parametrize("frames", [1, 7, 10**6])
def test_the_size_of_chunks_does_not_matter(frames, monkeypatch):
    samples = _noise(5, 2 * RATE)
    expected = void_features(samples, DEFAULT)
    monkeypatch.setattr(module, "_CHUNK_FRAMES", frames)
    np.testing.assert_allclose(void_features(samples, DEFAULT), expected, rtol=1e-6, atol=1e-7)


def test_the_same_audio_gives_the_same_bits():
    samples = _noise(6)
    assert void_features(samples, DEFAULT).tobytes() == void_features(samples.copy(), DEFAULT).tobytes()
    # Also from a view with other strides.
    stereo = np.stack((samples, samples[::-1]), axis=1)
    assert void_features(samples, DEFAULT).tobytes() == void_features(stereo[:, 0], DEFAULT).tobytes()


# ------------------------------------------------------------------------------------------------ physics


@pytest.mark.parametrize("hz", [60.0, 161.0, 700.0, 1000.0, 2500.0, 5100.0, 7900.0])
def test_a_tone_lands_in_its_segment(hz):
    shares = segment_powers(_tone(hz), DEFAULT)
    shares /= shares.sum()
    expected = int(hz / DEFAULT.segment_hz)
    assert int(np.argmax(shares)) == expected
    # The main lobe of a Hann window of 23 ms reaches 86 Hz to each side: within the neighbours.
    assert shares[max(0, expected - 1) : expected + 2].sum() > 0.999
    features = void_features(_tone(hz), DEFAULT)
    if expected < DEFAULT.low_segments:
        assert features[HPF][0] == 1
        assert features[HPF][1] == pytest.approx((expected + 0.5) * DEFAULT.segment_hz / 1000, rel=1e-6)
        assert features[HPF][2] == 0
    else:
        assert features[LFP].max() < 1e-3


def test_the_segments_are_those_of_the_paper():
    # Bins of 44.1 kHz / 4096, ten to a segment, 48 of them; the window 1024 and the hop 256 samples.
    assert pytest.approx(10 * 44100 / 4096, abs=0.001) == DEFAULT.segment_hz
    assert DEFAULT.window_samples / RATE == pytest.approx(1024 / 44100, abs=0.5 / RATE)
    assert DEFAULT.step_samples / RATE == pytest.approx(256 / 44100, abs=0.5 / RATE)
    assert {name: part.stop - part.start for name, part in DEFAULT.groups.items()} == {
        "lfp": 48, "ldf": 2, "hpf": 35, "lpcc": 12,
    }  # fmt: skip
    assert DEFAULT.segments == 74


def test_power_is_that_of_the_signal():
    # Parseval: half of the transform holds half of the power; the window takes its mean square from it.
    samples = _noise(7, 4 * RATE, rms=2000)
    window_power = np.mean(np.hanning(373)[:-1] ** 2)
    below = DEFAULT.segments * DEFAULT.segment_hz / 8000
    expected = below * DEFAULT.fft_samples / 2 * 372 * window_power * (2000 / 32768) ** 2
    assert segment_powers(samples, DEFAULT).sum() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("hz", [400.0, 1000.0, 1700.0, 4000.0, 6500.0])
def test_linearity_of_power_at_one_frequency(hz):
    # A step at the share a of the span: integrals of the step against a line and a parabola.
    a = hz / (DEFAULT.segments * DEFAULT.segment_hz)
    rho, q = void_features(_tone(hz), DEFAULT)[LDF]
    assert rho == pytest.approx(np.sqrt(3 * a * (1 - a)), abs=0.04)
    assert q == pytest.approx(-30 * a * (1 - a) * (1 - 2 * a), abs=0.2)


def test_linearity_of_even_power():
    rho, q = void_features(_noise(8, 20 * RATE), DEFAULT)[LDF]
    assert rho > 0.9999
    assert abs(q) < 0.02


def test_linearity_of_power_that_falls_exponentially():
    # White noise through a pole at zero frequency: the shape is known, and so are rho and q of its integral.
    pole = 0.8
    samples = _int16(lfilter([1], [1, -pole], np.random.default_rng(9).normal(0, 1500, 40 * RATE)))
    hz = np.linspace(0, DEFAULT.segments * DEFAULT.segment_hz, 4001)
    power = 1 / np.abs(1 - pole * np.exp(-2j * np.pi * hz / RATE)) ** 2
    power[hz < RATE / DEFAULT.fft_samples / 2] = 0  # the bin at 0 Hz is left out
    integral = np.concatenate(([0.0], np.cumsum((power[1:] + power[:-1]) / 2)))
    place = np.linspace(0, 1, DEFAULT.segments + 1)
    cumulative = np.interp(place * hz[-1], hz, integral)
    rho, q = void_features(samples, DEFAULT)[LDF]
    assert rho == pytest.approx(np.corrcoef(place, cumulative)[0, 1], abs=0.003)
    assert q == pytest.approx(np.polyfit(place, cumulative / cumulative[-1], 2)[0], abs=0.02)


def test_peaks_are_counted_from_the_share_of_the_largest():
    # Amplitudes 1, 0.85, 0.7: powers 1, 0.72, 0.49 of the largest; the centres of segments keep the lobes in place.
    centres = [(i + 0.5) * DEFAULT.segment_hz for i in (5, 20, 40)]
    samples = sum(
        _tone(hz, amplitude=amplitude)
        for hz, amplitude in zip(centres, (9000, 0.85 * 9000, 0.7 * 9000), strict=True)
    )  # fmt: skip
    count, mean, deviation = void_features(samples, DEFAULT)[HPF][:3]
    assert count == 2
    assert mean == pytest.approx((centres[0] + centres[1]) / 2000, rel=1e-6)
    assert deviation == pytest.approx((centres[1] - centres[0]) / 2000, rel=1e-6)
    assert void_features(samples, VoidSettings(peak_share=0.4))[HPF][0] == 3
    assert void_features(samples, VoidSettings(peak_share=0.8))[HPF][0] == 1


def test_the_fitted_curve_follows_a_smooth_spectrum():
    # A resonance 2.6 kHz wide is within a polynomial of order 6.
    radius, angle = 0.6, 2 * np.pi * 2500 / RATE
    x = lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], np.random.default_rng(10).normal(0, 900, 40 * RATE))
    features = void_features(_int16(x), DEFAULT)
    curve, low = features[HPF][3:], features[LFP]
    at = np.linspace(0, low.size - 1, curve.size)
    np.testing.assert_allclose(curve, np.interp(at, np.arange(low.size), low), atol=0.05 * low.max())
    # A wide resonance peaks below its pole.
    hz = np.linspace(0, 5000, 501)
    peak_hz = hz[np.argmax(np.abs(freqz([1], [1, -2 * radius * np.cos(angle), radius**2], hz, fs=RATE)[1]))]
    assert abs((at[np.argmax(curve)] + 0.5) * DEFAULT.segment_hz - peak_hz) < 250


@pytest.mark.parametrize(
    "poles",
    [
        ((0.9, 500.0),),
        ((0.8, 500.0), (0.8, 1700.0), (0.7, 3000.0)),
    ],
    ids=["one formant", "three formants"],
)
def test_cepstrum_of_a_filtered_noise_is_that_of_its_poles(poles):
    p = np.array([radius * np.exp(sign * 2j * np.pi * hz / RATE) for radius, hz in poles for sign in (1, -1)])
    x = lfilter([1], np.real(np.poly(p)), np.random.default_rng(11).normal(0, 300, 60 * RATE))
    expected = np.array([np.real(np.sum(p**n)) / n for n in range(1, 13)])
    # The window smears each line over 86 Hz; the formants are 540 Hz wide and more.
    np.testing.assert_allclose(void_features(_int16(x), DEFAULT)[LPCC], expected, atol=0.02)


# ------------------------------------------------------------------------------------------------ invariance


@pytest.mark.parametrize("signal", ["noise", "voice", "square"])
def test_level_does_not_matter(signal):
    soft = (SIGNALS[signal](2000) // 4).astype(np.int16)
    reference = void_features(soft, DEFAULT)
    # A power of two changes no digit.
    np.testing.assert_array_equal(void_features(soft * np.int16(2), DEFAULT), reference)
    np.testing.assert_allclose(void_features(soft * np.int16(3), DEFAULT), reference, rtol=1e-4, atol=2e-5)


def test_constant_offset_does_not_matter():
    samples = _noise(12, rms=1000)
    got = void_features(samples + np.int16(5000), DEFAULT)
    np.testing.assert_allclose(got, void_features(samples, DEFAULT), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0, 1, -32768, 32767])
@pytest.mark.parametrize("n", [0, 1, 100, 372, 16000])
def test_silence_and_constants_are_zero(n, value):
    assert void_features(np.full(n, value, np.int16), DEFAULT).tolist() == [0.0] * 97


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(st.sampled_from([-32768, -1, 0, 1, 300, 32767]), min_size=1, max_size=700).map(
        lambda values: np.array(values, np.int16)
    )
)
def test_everything_is_finite_and_within_its_range(samples):
    features = void_features(samples, DEFAULT)
    assert np.isfinite(features).all()
    assert features[LFP].min() >= 0
    assert features[LFP].sum() <= 1 + 1e-5
    assert 0 <= features[LDF][0] <= 1 + 1e-6
    count, mean, deviation = features[HPF][:3]
    assert count == int(count) <= 24
    assert 0 <= mean <= 5.168
    assert 0 <= deviation <= 5.168 / 2


# ------------------------------------------------------------------------------------------------ loudspeaker

SPEAKER = butter(2, 300, "high", fs=RATE, output="sos")
"""A closed box with its resonance at 300 Hz: 12 dB an octave, as small loudspeakers have."""


class _Seen(NamedTuple):
    """What is compared between a voice and its replay."""

    rho: float
    f70_hz: float
    bass: float
    below_1k: float
    peak_khz: float
    fine_bass: float
    fine_rest: float


def _seen(samples):
    features = void_features(samples, DEFAULT)
    cumulative = np.concatenate(([0.0], np.cumsum(segment_powers(samples, DEFAULT))))
    edges = np.arange(cumulative.size) * DEFAULT.segment_hz
    cues = CueSettings()
    fine = liveness_cues(samples, cues)[0, cues.coarse_bands :]
    bass = int(300 / cues.bin_hz)
    return _Seen(
        rho=float(features[LDF][0]),
        f70_hz=float(np.interp(0.7 * cumulative[-1], cumulative, edges)),
        bass=float(features[LFP][:3].sum()),
        below_1k=float(features[LFP][:9].sum()),
        peak_khz=float(features[HPF][1]),
        fine_bass=float(fine[:bass].mean()),
        fine_rest=float(fine[bass + 2 :].mean()),
    )


def _live_and_played(recordings):
    """Return the two tables, (recordings, fields), of the loudest seconds."""
    live, played = [], []
    for x in recordings:
        span = loudest_window(_int16(32768 * x), RATE)
        part = x[span.start : span.stop]
        part = 0.6 * part / np.abs(part).max()
        live.append(_seen(_int16(32768 * part)))
        played.append(_seen(_int16(32768 * sosfilt(SPEAKER, part))))
    return _Seen(*np.array(live).T), _Seen(*np.array(played).T)


def _assert_direction(live, played):
    """Hold what the paper predicts, and what follows from 12 dB an octave below 300 Hz."""
    assert np.all(played.f70_hz > live.f70_hz)
    assert np.mean(played.rho > live.rho) >= 0.95
    assert np.all(played.bass < live.bass)
    # Half of the power at 300 Hz is gone, and more below.
    assert np.median(played.bass / live.bass) < 0.5
    assert np.all(played.below_1k < live.below_1k)
    # Peaks move up, but a small one may newly count beside a largest one that has shrunk.
    assert np.mean(played.peak_khz >= live.peak_khz - 1e-6) >= 0.95
    # The cues have a range of 90 dB: 5 dB at least, against a slight rise where nothing was taken away.
    assert np.median(live.fine_bass - played.fine_bass) > 5 / 90
    assert np.all(played.fine_bass < live.fine_bass)
    assert np.mean(played.fine_rest > live.fine_rest) >= 0.9


def test_a_loudspeaker_without_bass_changes_a_synthetic_voice_as_the_paper_says():
    voices = [_voice(seed, pitch) for seed in range(10) for pitch in (95.0, 125.0, 200.0)]
    live, played = _live_and_played(voices)
    assert np.median(live.f70_hz) < 1000
    assert np.median(live.below_1k) > 0.7
    _assert_direction(live, played)


@pytest.mark.slow
def test_a_loudspeaker_without_bass_changes_real_voices_as_the_paper_says():
    manifest = DATA / "manifest.csv"
    if not manifest.exists():
        pytest.skip(f"no recordings at {DATA}: set VIVAVOCE_DATA to a folder with manifest.csv")
    with manifest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train" and row["role"] in ("wake", "speech")]
    chosen = np.random.default_rng(12).permutation(len(rows))[:100]
    live, played = _live_and_played([soundfile.read(DATA / rows[i]["path"])[0] for i in chosen])
    # Section 3 of the paper: 70 % of the power of live voices lies below about 1 kHz.
    assert np.median(live.f70_hz) < 1000
    assert np.median(live.below_1k) > 0.7
    _assert_direction(live, played)
    assert np.mean(played.peak_khz > live.peak_khz) > 0.3


def test_the_more_bass_is_missing_the_straighter_the_curve():
    voices = [_voice(seed, 120.0) for seed in range(5)]
    rho, f70 = [], []
    for corner_hz in (50, 300, 600, 1000):
        box = butter(2, corner_hz, "high", fs=RATE, output="sos")
        seen = [_seen(_int16(32768 * sosfilt(box, x))) for x in voices]
        rho.append(np.mean([one.rho for one in seen]))
        f70.append(np.mean([one.f70_hz for one in seen]))
    assert rho == sorted(rho)
    assert f70 == sorted(f70)
    assert f70[-1] > f70[0] + 200


def test_cues_move_by_the_response_of_the_loudspeaker():
    cues = CueSettings()
    x = np.random.default_rng(13).normal(0, 0.1, RATE)
    live, played = (_int16(32768 * y) for y in (x, sosfilt(SPEAKER, x)))
    change_db = 90 * (liveness_cues(played, cues)[0] - liveness_cues(live, cues)[0])
    powers = [band_powers(y, cues)[:, : cues.coarse_bands].mean() for y in (live, played)]
    level_db = 10 * np.log10(powers[1] / powers[0])
    hz = cues.bin_hz * np.arange(1, cues.fine_bands + 1)
    response = 20 * np.log10(np.abs(sosfreqz(SPEAKER, hz, fs=RATE)[1]))
    # From the fourth bin on: below, the window brings more from above than the loudspeaker leaves.
    np.testing.assert_allclose(change_db[cues.coarse_bands :][3:], (response - level_db)[3:], atol=1.0)
    assert np.all(change_db[cues.coarse_bands :][:3] < -10)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("samples", "got"),
    [
        (np.zeros(160, np.float32), r"got float32 of shape \(160,\)"),
        (np.zeros((160, 1), np.int16), r"got int16 of shape \(160, 1\)"),
        ([0] * 160, "got list"),
    ],
    ids=["float", "two axes", "list"],
)
@pytest.mark.parametrize("function", [void_features, segment_powers])
def test_wrong_samples_are_refused_with_what_was_expected(function, samples, got):
    with pytest.raises(FrontendError, match=f"Void features: {got}, expected int16 samples"):
        function(samples, DEFAULT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window_ms", 3.9), ("window_ms", 65.0), ("window_ms", float("nan")), ("step_ms", 0.05), ("step_ms", 24.0),
        ("segment_hz", 40.0), ("segment_hz", 2001.0), ("low_segments", 0), ("low_segments", 75),
        ("peak_share", -0.1), ("peak_share", 1.1), ("fit_order", -1), ("fit_order", 21), ("fit_points", 1),
        ("predictor_order", 0), ("predictor_order", 187), ("predictor_floor_db", 0.1),
        ("predictor_floor_db", -121.0),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_realised_are_refused_by_name(name, value):
    with pytest.raises(FrontendError, match=rf"Void setting {name}: got {value}.*expected"):
        VoidSettings(**{name: value})


def test_settings_survive_the_manifest():
    changed = VoidSettings(segment_hz=200.0, low_segments=20)
    assert VoidSettings.from_dict(changed.to_dict()) == changed
    with pytest.raises(FrontendError, match=r"Void setting 'omega' is unknown; there are: .*peak_share"):
        VoidSettings.from_dict({"omega": 0.6})
