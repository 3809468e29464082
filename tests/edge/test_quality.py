"""Quality flags: each on sound that has the fault by construction, and none on sound that has not."""

import json

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from edge.quality import FLAGS, QualityMeter, assess

RATE = 16_000
RNG = np.random.default_rng(3)


def to_int16(x):
    return np.clip(np.rint(x * 32_768), -32_768, 32_767).astype(np.int16)


def gain(db):
    return 10 ** (db / 20)


def speech(level_dbfs=-20.0, floor_dbfs=-75.0, seconds=0.7, rate=RATE):
    """Voice-like sound: 0.4 s of room, then vowels (harmonics, falling by 12 dB an octave) and fricatives."""
    n = round(seconds * rate)
    t = np.arange(n) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 1.5 * t)) / rate
    vowel = sum(np.sin(k * pitch) / (1 + (k / 5) ** 2) for k in range(1, int(0.45 * rate / 145)))
    hiss = signal.sosfilt(signal.butter(2, 0.5, "high", output="sos"), RNG.normal(size=n))
    syllables = 0.5 - 0.5 * np.cos(2 * np.pi * 4 / 0.7 * t)
    voice = vowel * syllables + 0.1 * hiss * (1 - syllables)
    loudest = np.sqrt(np.max(np.convolve(voice**2, np.full(rate // 20, 20 / rate), "valid")))
    out = RNG.normal(0, gain(floor_dbfs), round(1.2 * rate))
    at = round(0.4 * rate)
    out[at : at + n] += voice / loudest * gain(level_dbfs)
    return out


def of_meter(samples, portion=160):
    meter = QualityMeter()
    for at in range(0, samples.size, portion):
        meter.push(samples[at : at + portion])
    return meter.flags


def test_sound_speech_has_no_flag():
    samples = to_int16(speech())
    assert assess(samples).flags == ()
    assert of_meter(samples) == ()


# -------------------------------------------------------------------------------------------- levels


def test_levels_are_in_db_re_full_scale():
    square = np.where(np.arange(RATE) // 40 % 2, 32_767, -32_768).astype(np.int16)
    sine = to_int16(0.1 * np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE))
    assert assess(square).level_dbfs == pytest.approx(0.0, abs=0.01)
    assert assess(sine).level_dbfs == pytest.approx(-23.01, abs=0.01)


@pytest.mark.parametrize("level_dbfs", [-20.0, -35.0, -50.0])
def test_the_level_is_that_of_the_loudest_moment(level_dbfs):
    assert assess(to_int16(speech(level_dbfs))).level_dbfs == pytest.approx(level_dbfs, abs=0.5)


@pytest.mark.parametrize(
    ("level_dbfs", "flags"), [(-50.0, set()), (-60.0, {"quiet"}), (-64.0, {"quiet"}), (-76.0, {"silent"})]
)
def test_quiet_is_not_silent(level_dbfs, flags):
    samples = to_int16(speech(level_dbfs, floor_dbfs=-95.0))
    assert set(assess(samples).flags) & {"quiet", "silent"} == flags
    assert set(of_meter(samples)) & {"quiet", "silent"} == flags


@pytest.mark.parametrize("offset", [0, 300])
def test_digital_silence_is_silent_whatever_its_offset(offset):
    samples = np.full(2 * RATE, offset, np.int16)
    assert assess(samples).flags == ("silent",)
    assert of_meter(samples) == ("silent",)


# --------------------------------------------------------------------------------------------- noise


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 40.0])
def test_the_signal_to_noise_ratio_is_near_the_true_one(snr_db):
    # The 95th percentile lies a little below the loudest moment.
    got = assess(to_int16(speech(-15.0, -15.0 - snr_db))).snr_db
    assert snr_db - 4 <= got <= snr_db + 2


@pytest.mark.parametrize(("floor_dbfs", "noisy"), [(-17.0, True), (-60.0, False), (-30.0, False)])
def test_noisy(floor_dbfs, noisy):
    samples = to_int16(speech(-20.0, floor_dbfs))
    assert ("noisy" in assess(samples).flags) == noisy
    assert ("noisy" in of_meter(samples)) == noisy


# ------------------------------------------------------------------------------------------ clipping


@pytest.mark.parametrize("amplitude", [1.0, 0.99])
def test_a_full_scale_square_wave_is_clipped(amplitude):
    square = to_int16(np.where(np.arange(2 * RATE) // 40 % 2, amplitude, -amplitude))
    assert "clipped" in assess(square).flags
    assert "clipped" in of_meter(square)
    assert assess(square).clipped_fraction == 1.0


def test_loud_speech_that_just_reaches_full_scale_is_not_clipped():
    voice = speech()
    samples = to_int16(voice / np.abs(voice).max())
    assert np.abs(samples.astype(int)).max() >= 32_767
    assert assess(samples).flags == ()
    assert of_meter(samples) == ()


def test_overdriven_speech_is_clipped():
    voice = speech()
    samples = to_int16(voice / np.abs(voice).max() * gain(12))
    assert "clipped" in assess(samples).flags
    # Long pauses around it must not hide it.
    padded = np.concatenate((np.zeros(60 * RATE, np.int16), samples, np.zeros(60 * RATE, np.int16)))
    assert "clipped" in of_meter(padded)


# ----------------------------------------------------------------------------------------- bandwidth


def by_soxr(x):
    return soxr.resample(x, 8_000, RATE)


def by_polyphase(x):
    return signal.resample_poly(x, 2, 1)  # a wide transition, and images 55 dB down


def by_fourier(x):
    return signal.resample(x, 2 * x.size)


@pytest.mark.parametrize("resample", [by_soxr, by_polyphase, by_fourier])
@pytest.mark.parametrize("level_dbfs", [-3.0, -20.0, -45.0])
def test_speech_from_8_khz_is_band_limited(resample, level_dbfs):
    low = to_int16(speech(level_dbfs, level_dbfs - 40, rate=8_000))
    samples = to_int16(resample(low / 32_768))
    found = assess(samples)
    assert "band_limited" in found.flags
    assert "band_limited" in of_meter(samples)
    assert 3_500 <= found.bandwidth_hz <= 4_750


def test_the_harmonics_of_clipping_are_not_taken_for_bandwidth():
    low = speech(-20.0, -60.0, rate=8_000)
    # Loud enough that the resampler's overshoot is clipped in some frames, at 16 kHz.
    samples = to_int16(by_soxr(np.clip(low / np.abs(low).max() * gain(2), -1, 1)))
    assert np.any(samples == 32_767)
    assert "band_limited" in assess(samples).flags


@pytest.mark.parametrize("order", [1, 2, 4])
def test_a_dull_recording_is_not_band_limited(order):
    # 6 to 24 dB an octave from 4 kHz on: a cloth over the microphone, not a missing band.
    dull = signal.sosfilt(signal.butter(order, 4_000, fs=RATE, output="sos"), speech(-20.0, -70.0))
    assert "band_limited" not in assess(to_int16(dull)).flags


@pytest.mark.parametrize("top_hz", [2_000, 3_000, 5_000, 6_000, 7_000])
def test_the_bandwidth_is_where_the_energy_ends(top_hz):
    noise = RNG.normal(0, 0.1, 2 * RATE)
    low = signal.sosfiltfilt(signal.ellip(10, 0.5, 60, top_hz, fs=RATE, output="sos"), noise)
    assert top_hz <= assess(to_int16(low)).bandwidth_hz <= top_hz + 500


# -------------------------------------------------------------------------------------------- length


@pytest.mark.parametrize("ms", [10, 50, 100])
def test_a_burst_is_no_word(ms):
    samples = to_int16(RNG.normal(0, gain(-70), RATE))
    samples[8_000 : 8_000 + 16 * ms] = to_int16(RNG.normal(0, 0.1, 16 * ms))
    found = assess(samples)
    assert found.flags == ("too_short",)
    assert found.speech_s == pytest.approx(ms / 1000, abs=0.011)
    assert of_meter(samples) == ("too_short",)


@pytest.mark.parametrize("n", [0, 1, 159, 160, 319, 320, 511, 512, 1_600])
def test_next_to_nothing_is_too_short_and_no_fault(n):
    samples = to_int16(RNG.normal(0, 0.1, n))
    assert "too_short" in assess(samples).flags
    assert "too_short" in of_meter(samples)
    assert "too_short" in assess(np.zeros(n, np.int16)).flags


def test_one_word_in_minutes_of_quiet_is_enough_for_a_stream():
    room = to_int16(RNG.normal(0, gain(-75), 60 * RATE))
    assert of_meter(np.concatenate((room, to_int16(speech()), room))) == ()


# ------------------------------------------------------------------------------------------- streams


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=6), kind=st.integers(0, 3))
def test_the_flags_of_a_stream_do_not_depend_on_its_portions(sizes, kind):
    samples = STREAMS[kind]
    meter, at, turn = QualityMeter(), 0, 0
    while at < samples.size:
        n = sizes[turn % len(sizes)] or 1
        meter.push(samples[at : at + n])
        at += n
        turn += 1
    assert meter.flags == of_meter(samples, samples.size)


STREAMS = [
    to_int16(speech()),
    np.zeros(RATE, np.int16),
    to_int16(by_soxr(speech(rate=8_000))),
    to_int16(speech(0.0, -5.0)),
]


def test_asking_for_the_flags_changes_nothing():
    samples = to_int16(speech())
    meter = QualityMeter()
    for at in range(0, samples.size, 700):
        meter.push(samples[at : at + 700])
        _ = meter.flags
    assert meter.flags == of_meter(samples)


def test_reset_forgets_the_stream():
    meter = QualityMeter()
    meter.push(np.full(2 * RATE, 32_767, np.int16))
    meter.reset()
    meter.push(to_int16(speech()))
    assert meter.flags == ()


def test_the_public_form_is_plain_data():
    found = assess(to_int16(speech(-60.0, -95.0)))
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["flags"] == ["quiet"]
    assert set(record["flags"]) <= set(FLAGS)
    assert record["level_dbfs"] == pytest.approx(found.level_dbfs, abs=0.001)
