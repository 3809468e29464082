"""Sound of clients becomes 16 kHz mono, as the protocol's library understands its samples; and times stay theirs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.audio import AudioChunk, AudioChunkConverter

from edge.errors import DataError
from firmware_bridge.wyoming_pace import Pace
from firmware_bridge.wyoming_sound import Clock, IncomingSound, SoundFormat, timestamp_of


def decoded(form, content, chunk_frames):
    sound = IncomingSound(SoundFormat(*form))
    size = chunk_frames * form[1] * form[2]
    blocks = [
        block
        for at in range(0, len(content), size)
        for piece in sound.pieces(content[at : at + size], None)
        for block in sound.decode(piece)
    ]
    blocks += sound.flush()
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    assert sound.samples == samples.size
    return samples


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_every_width_mean_what_they_mean_to_the_library(width):
    wide = np.random.default_rng(width).integers(-(2 ** (8 * width - 1)), 2 ** (8 * width - 1), 3000, dtype=np.int64)
    content = wide.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    expected = np.frombuffer(AudioChunkConverter(width=2).convert(AudioChunk(16_000, width, 1, content)).audio, "<i2")
    # The library cuts bits off, where we round.
    np.testing.assert_allclose(decoded((16_000, width, 1), content, 100), expected, rtol=0, atol=1)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_other_rates(rate, channels):
    seconds = 0.5
    tone = 8000 * np.sin(2 * np.pi * 1000 * np.arange(round(rate * seconds)) / rate)
    frames = np.repeat(tone[:, None], channels, axis=1).astype("<i2")
    samples = decoded((rate, 2, channels), frames.tobytes(), 321)
    assert samples.size == pytest.approx(8000, abs=2)
    expected = 8000 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 16_000)
    # Away from the ends, where a filter sees nothing on one side.
    assert np.abs(samples[800:7200] - expected[800:7200]).max() < (400 if rate < 16_000 else 60)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_how_it_is_cut_makes_no_difference(sizes):
    content = np.random.default_rng(0).integers(-9000, 9000, 2000).astype("<i2").tobytes()
    sound = IncomingSound(SoundFormat(44_100, 2, 1))
    blocks, at = [], 0
    for size in (*sizes, len(content)):
        for piece in sound.pieces(content[at : at + 2 * size], None):
            blocks += sound.decode(piece)
        at += 2 * size
    blocks += sound.flush()
    np.testing.assert_array_equal(np.concatenate(blocks), decoded((44_100, 2, 1), content, 2000))


def test_a_long_chunk_is_cut_into_pieces():
    sound = IncomingSound(SoundFormat(16_000, 2, 1))
    content = bytes(1 << 20)
    pieces = sound.pieces(content, None)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) == 8000
    assert sound.position == 1 << 19
    assert sound.pieces(b"", None) == []


@pytest.mark.parametrize(
    "form", [(999, 2, 1), (768_001, 2, 1), (16_000, 2, 0), (16_000, 2, 65), (-16_000, 2, 1), (1 << 70, 2, 1)]
)
def test_what_cannot_be_sound(form):
    with pytest.raises(DataError, match="cannot be sound"):
        IncomingSound(SoundFormat(*form))


@pytest.mark.parametrize("key", ["rate", "width", "channels"])
@pytest.mark.parametrize("value", [None, "16000", 1.0, True, [2]])
def test_a_format_that_is_none(key, value):
    data = {"rate": 16_000, "width": 2, "channels": 1} | {key: value}
    with pytest.raises(DataError, match=f"{key}: got"):
        SoundFormat.from_data(data, None)


def test_what_a_chunk_does_not_say_is_as_before():
    known = SoundFormat(8000, 1, 2)
    assert SoundFormat.from_data({}, known) == known
    assert SoundFormat.from_data({"width": 4}, known) == (8000, 4, 2)


@pytest.mark.parametrize("value", ["1", True, float("nan"), float("inf"), [], 1 << 63])
def test_times_that_are_none(value):
    with pytest.raises(DataError, match="timestamp: got"):
        timestamp_of({"timestamp": value})


def test_times():
    assert timestamp_of({}) is None
    assert timestamp_of({"timestamp": None}) is None
    assert timestamp_of({"timestamp": -5}) == -5.0


def test_sound_is_held_up_after_a_minute_at_once():
    now = [100.0]
    pace = Pace(4.0, lambda: now[0])
    assert pace.owed_s(60.0) == 0
    assert pace.owed_s(2.0) == 0.5
    now[0] += 0.5
    assert pace.owed_s(0.0) == 0
    assert pace.owed_s(4.0) == 1.0
    now[0] += 1000.0
    # What was not used for a long time is a minute, and no more.
    assert pace.owed_s(60.0) == 0
    assert pace.owed_s(1.0) == 0.25


def test_sound_in_real_time_is_never_held_up():
    now = [0.0]
    pace = Pace(1.0, lambda: now[0])
    for _ in range(100_000):
        now[0] += 0.064
        assert pace.owed_s(0.064) == 0


def test_how_long_a_chunk_is():
    assert IncomingSound(SoundFormat(48_000, 3, 2)).seconds_of(bytes(48_000 * 6)) == 1.0


def test_a_clock_without_marks_counts_from_0():
    assert Clock().at(16_000) == 1000


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(-(10**12), 10**12)), min_size=1, max_size=60))
def test_a_clock_gives_back_what_it_was_told(steps):
    clock = Clock()
    sample = 0
    for step, time_ms in steps:
        sample += step
        clock.mark(sample, time_ms)
        assert abs(clock.at(sample) - time_ms) <= 1.0


def test_a_clock_keeps_the_last_seconds_only():
    clock = Clock()
    for i in range(100_000):
        clock.mark(i * 160, i * 10 + (i % 2) * 5)
    assert len(clock._samples) <= 2048
    assert clock.at(99_999 * 160) == 99_999 * 10 + 5
    # A second ago, too.
    assert clock.at(99_898 * 160) == 99_898 * 10
