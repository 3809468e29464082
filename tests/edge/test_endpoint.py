import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.endpoint import FRAME_SAMPLES, frame_levels_db, loudest_window, speech_span

RATE = 16000


def _noise(rng, seconds, rms):
    return rng.normal(0, rms, int(seconds * RATE))


def _int16(x):
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("start_s", [0.3, 0.507, 1.0])
@pytest.mark.parametrize(("floor", "burst"), [(1.0, 3000.0), (100.0, 3000.0), (300.0, 2000.0)])
def test_burst_between_noise_is_found_within_20_ms(start_s, floor, burst):
    rng = np.random.default_rng(0)
    x = _noise(rng, 1.6, floor)
    start, stop = int(start_s * RATE), int((start_s + 0.45) * RATE)
    x[start:stop] += _noise(rng, 0.45, burst)[: stop - start]
    span = speech_span(_int16(x))
    assert abs(span.start - start) <= 0.02 * RATE
    assert abs(span.stop - stop) <= 0.02 * RATE


@pytest.mark.parametrize(("pause_s", "bridged"), [(0.05, True), (0.18, True), (0.23, False), (0.4, False)])
def test_pauses_inside_a_word_are_bridged_and_those_between_words_are_not(pause_s, bridged):
    rng = np.random.default_rng(1)
    x = _noise(rng, 1.6, 20)
    first, second = 4000, 4000 + 4800 + int(pause_s * RATE)
    x[first : first + 4800] += _noise(rng, 0.3, 3000)
    x[second : second + 4000] += _noise(rng, 0.25, 2500)
    span = speech_span(_int16(x))
    assert abs(span.start - first) <= 320
    # The louder and longer stretch is the answer where there are two.
    assert abs(span.stop - (second + 4000 if bridged else first + 4800)) <= 320


def test_level_does_not_matter():
    rng = np.random.default_rng(2)
    x = _noise(rng, 1.6, 200)
    x[8000:14000] += _noise(rng, 0.375, 6000)
    assert speech_span(_int16(x)) == speech_span(_int16(x / 8))


@pytest.mark.parametrize("n", [0, 1, 160, 799])
def test_too_short_to_tell_is_all_of_it(n):
    assert speech_span(np.ones(n, np.int16)) == (0, n)


def test_levels_are_those_of_each_frame():
    amplitude = 16384
    tone = amplitude * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    levels = frame_levels_db(_int16(np.concatenate((tone, tone / 10))))
    assert levels.shape == (200,)
    np.testing.assert_allclose(levels[:100], -6.02 - 3.01, atol=0.02)
    np.testing.assert_allclose(levels[100:], -26.02 - 3.01, atol=0.02)


def test_constant_offset_is_not_sound():
    assert frame_levels_db(np.full(1600, 5000, np.int16)).max() < -100


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 20000), frames=st.integers(1, 100))
def test_loudest_window_equals_brute_force(seed, n, frames):
    rng = np.random.default_rng(seed)
    x = _int16(rng.normal(size=n) * np.repeat(10.0 ** rng.uniform(0, 4, n // 500 + 1), 500)[:n])
    length = frames * FRAME_SAMPLES
    span = loudest_window(x, length)
    if n <= length:
        assert span == (0, n)
        return
    assert span.stop - span.start == length
    centred = (x[: n // FRAME_SAMPLES * FRAME_SAMPLES] - np.mean(x[: n // FRAME_SAMPLES * FRAME_SAMPLES])) ** 2
    energies = [centred[at : at + length].sum() for at in range(0, centred.size - length + 1, FRAME_SAMPLES)]
    assert energies[span.start // FRAME_SAMPLES] == pytest.approx(max(energies), rel=1e-4)


def test_a_word_that_just_ended_is_found_behind_louder_speech():
    rng = np.random.default_rng(3)
    x = _noise(rng, 1.6, 16)
    x[1600:8000] += _noise(rng, 0.4, 9000)
    x[14400:24000] += _noise(rng, 0.6, 1500)
    loudest, latest = speech_span(_int16(x)), speech_span(_int16(x), latest=True)
    assert abs(loudest.start - 1600) <= 320
    assert abs(loudest.stop - 8000) <= 320
    assert abs(latest.start - 14400) <= 320
    assert abs(latest.stop - 24000) <= 320
