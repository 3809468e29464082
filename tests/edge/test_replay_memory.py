"""The replay memory: a recording that is played again is known, a word that is said again is not."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soxr

from edge.errors import FrontendError, UsageError
from edge.fingerprint import LONGEST_S, fingerprint, similarities, whitened
from edge.replay_memory import MemorySettings, ReplayMemory
from edge.strict_toml import from_tables

RATE = 16_000
SETTINGS = MemorySettings(window_h=24.0, entries=100)
BEFORE = 4800


def word(take, seconds=0.7, pitch_hz=120.0):
    """Return a voiced word, as one person says it: the vowels are those of all takes, melody and breath are its own."""
    rng = np.random.default_rng(take)
    n = round(seconds * RATE)
    t = np.arange(n) / RATE
    knots = np.linspace(0.0, seconds, 8)
    melody_hz = pitch_hz * (1.0 + np.interp(t, knots, rng.normal(0.0, 0.06, knots.size)))
    phase = 2 * np.pi * np.cumsum(melody_hz) / RATE
    sound = np.zeros(n)
    for order in range(1, 32):
        formants = sum(np.exp(-(((order * pitch_hz - hz) / 250.0) ** 2)) for hz in (600, 1400, 2600))
        sound += (0.1 + formants) * np.sin(order * phase + order * 1.3)
    sound += 0.5 * rng.standard_normal(n)
    sound *= np.sin(np.pi * np.arange(n) / n) ** 0.5
    return np.concatenate((np.zeros(BEFORE), sound / sound.std() * 3000.0))


def room(sound, seed):
    """Return a sound as heard from a loudspeaker that lacks bass, in a room."""
    rng = np.random.default_rng(seed)
    response = rng.standard_normal(3200) * np.exp(-np.arange(3200) / 700.0) * 0.06
    response[int(rng.integers(0, 40))] = 1.0
    bass = np.convolve(sound, np.ones(24) / 24, mode="same")
    return np.convolve(sound - 0.9 * bass, response)[: sound.size]


def int16(sound):
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def noise(sound, snr_db, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(sound.size) * np.sqrt(np.mean(sound[BEFORE:] ** 2)) * 10 ** (-snr_db / 20)


def remembered(*sounds, settings=SETTINGS):
    memory = ReplayMemory(settings)
    for at, sound in enumerate(sounds):
        memory.add(int16(sound), 100.0 * at)
    return memory


NOW_S = 1000.0


def test_a_recording_that_is_played_again_is_known():
    memory = remembered(word(5), word(1), word(6))
    played = room(word(1), 3)
    found = memory.match(int16(played + noise(played, 10.0, 4)), NOW_S)
    assert found.hit
    assert found.age_s == NOW_S - 100.0


def test_two_playings_in_two_rooms_are_one_recording():
    first, second = room(word(1), 3), room(word(1), 8)
    memory = remembered(first + noise(first, 15.0, 1))
    assert memory.match(int16(second + noise(second, 15.0, 2)), NOW_S).hit


def test_the_same_person_saying_the_word_again_is_not_a_repetition():
    memory = remembered(*(word(take) for take in range(20)))
    similarity = [memory.match(int16(word(take)), NOW_S + 9000.0) for take in range(100, 140)]
    assert not any(found.hit for found in similarity)
    assert max(found.similarity for found in similarity) > 0.02


@pytest.mark.parametrize("gain", [0.01, 0.1, 9.0])
def test_the_level_does_not_matter(gain):
    assert remembered(word(1)).match(int16(word(1) * gain), NOW_S).hit


@pytest.mark.parametrize("shift_s", [-0.3, -0.0123, 0.3])
def test_where_the_cut_begins_does_not_matter(shift_s):
    shift = round(shift_s * RATE)
    rng = np.random.default_rng(2)
    cut = np.concatenate((rng.standard_normal(max(0, shift)) * 9.0, word(1)[max(0, -shift) :]))
    assert remembered(word(1)).match(int16(cut), NOW_S).hit


def test_a_cut_that_lost_the_end_is_known():
    assert remembered(word(1)).match(int16(word(1)[:-2400]), NOW_S).hit


@pytest.mark.parametrize("ppm", [-200, 200])
def test_clocks_may_be_unequal(ppm):
    played = soxr.resample(room(word(1), 3), RATE, RATE * (1 + 1e-6 * ppm))
    assert remembered(word(1)).match(int16(played), NOW_S).hit


def test_a_loudspeaker_may_be_wired_the_other_way_round():
    # Breath alone: a voice is like itself, turned over, half a period later.
    whisper = np.random.default_rng(1).standard_normal(12_000) * np.sin(np.pi * np.arange(12_000) / 12_000) * 3000.0
    assert remembered(whisper).match(int16(-whisper), NOW_S).similarity > 0.5


@pytest.mark.parametrize("seconds", [1.6, 6.0])
def test_long_words_are_compared_by_their_loudest_part(seconds):
    memory = remembered(word(1, seconds))
    assert memory.match(int16(word(1, seconds)), NOW_S).hit
    assert not memory.match(int16(word(2, seconds)), NOW_S).hit


@pytest.mark.parametrize("seconds", [0.3, 0.9, 3.0])
def test_a_word_takes_less_than_a_kilobyte(seconds):
    kept = fingerprint(whitened(int16(word(1, seconds))))
    assert kept is not None
    assert len(kept.bits) <= 1000 * LONGEST_S < 1000
    assert len(kept.bits) == -(-kept.size // 8)


def test_what_is_older_than_the_window_is_forgotten():
    memory = ReplayMemory(MemorySettings(enabled=True, window_h=1.0))
    memory.add(int16(word(1)), 0.0)
    assert memory.match(int16(word(1)), 3600.0).hit
    found = memory.match(int16(word(1)), 3600.1)
    assert not found.hit
    assert math.isnan(found.age_s)
    assert len(memory) == 0
    memory.add(int16(word(1)), 4000.0)
    memory.add(int16(word(2)), 9000.0)
    assert len(memory) == 1


def test_the_oldest_gives_way():
    memory = remembered(word(1), word(2), word(3), settings=MemorySettings(enabled=True, entries=2))
    assert len(memory) == 2
    assert not memory.match(int16(word(1)), NOW_S).hit
    assert memory.match(int16(word(2)), NOW_S).hit


def test_what_could_be_the_same_sound_is_no_repetition():
    heard = int16(word(1))
    memory = ReplayMemory(SETTINGS)
    memory.add(heard, 50.0)
    # Another microphone of the house heard it, too; and so did this one, twice.
    assert math.isnan(memory.match(heard, 50.4).age_s)
    assert math.isnan(memory.match(heard, 49.6).age_s)
    assert memory.match(heard, 50.0 + heard.size / RATE).hit


def test_matching_does_not_remember():
    memory = ReplayMemory(SETTINGS)
    memory.match(int16(word(1)), 0.0)
    assert not memory.match(int16(word(1)), NOW_S).hit


def test_reset_forgets():
    memory = remembered(word(1))
    memory.reset()
    assert len(memory) == 0
    assert not memory.match(int16(word(1)), NOW_S).hit


def test_a_memory_that_is_turned_off_remembers_nothing():
    memory = remembered(word(1), settings=MemorySettings(enabled=False))
    assert len(memory) == 0
    assert memory.match(int16(word(1)), NOW_S).similarity == 0.0


NO_WORDS = {
    "none": np.zeros(0, np.int16),
    "short": int16(word(1))[BEFORE + 4000 : BEFORE + 6000],
    "digital silence": np.zeros(RATE, np.int16),
    "constant": np.full(RATE, -32768, np.int16),
    "a bit of noise": np.random.default_rng(1).integers(-1, 2, RATE).astype(np.int16),
}


@pytest.mark.parametrize("samples", NO_WORDS.values(), ids=NO_WORDS)
def test_what_is_no_word_is_neither_remembered_nor_known(samples):
    memory = remembered(word(1))
    memory.add(samples, 500.0)
    assert len(memory) == 1
    found = memory.match(samples, NOW_S)
    assert (found.similarity, found.hit) == (0.0, False)
    assert math.isnan(found.age_s)


def test_extremes_are_taken():
    square = np.where(word(1) > 0, 32767, -32768).astype(np.int16)
    memory = ReplayMemory(SETTINGS)
    memory.add(square, 0.0)
    assert memory.match(square, NOW_S).hit
    click = np.zeros(RATE, np.int16)
    click[8000] = -32768
    memory.add(click, 500.0)
    assert 0.0 <= memory.match(click, NOW_S).similarity <= 1.0


def test_a_tone_is_taken():
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.int16)
    assert 0.0 <= remembered(word(1)).match(tone, NOW_S).similarity <= 1.0


def test_the_cutoff_decides():
    played = room(word(1), 3)
    similarity = remembered(word(1)).match(int16(played), NOW_S).similarity
    for cutoff, hit in ((similarity - 0.01, True), (similarity + 0.01, False)):
        memory = remembered(word(1), settings=MemorySettings(enabled=True, cutoff=cutoff))
        assert memory.match(int16(played), NOW_S).hit is hit


def test_similarity_is_a_correlation():
    wave = whitened(int16(word(1)))
    assert wave.dtype == np.float32
    assert np.mean(wave**2) == pytest.approx(1.0, abs=1e-4)
    one, other = fingerprint(wave), fingerprint(whitened(int16(word(2))))
    assert one is not None
    assert other is not None
    found = similarities(wave, [other, one])
    # By the definition, over all delays of a whole word.
    signs = np.unpackbits(np.frombuffer(one.bits, np.uint8), count=one.size) * 2.0 - 1.0
    slow = np.abs(np.correlate(wave.astype(np.float64), signs, mode="full")).max() / np.sqrt(wave.size * signs.size)
    assert found[1] == pytest.approx(slow, abs=1e-4)
    assert found[1] > 0.5 > 0.2 > found[0]


def test_words_come_from_several_threads():
    memory = ReplayMemory(MemorySettings(enabled=True, entries=8))
    barrier = threading.Barrier(4)

    def session(number):
        barrier.wait(timeout=30)
        for at in range(10):
            memory.match(int16(word(number)), 10.0 * at)
            memory.add(int16(word(number)), 10.0 * at)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(session, number) for number in range(4)]:
            done.result(timeout=60)
    assert len(memory) == 8


@pytest.mark.parametrize("samples", [np.zeros(9), np.zeros((9, 1), np.int16), [1, 2]], ids=["float", "shape", "list"])
def test_other_samples_are_refused(samples):
    memory = ReplayMemory(SETTINGS)
    for call in (memory.match, memory.add):
        with pytest.raises(FrontendError, match=r"replay memory: got .* expected int16"):
            call(samples, 0.0)


def test_settings_are_a_table():
    given = from_tables(MemorySettings, {"enabled": True, "window_h": 2, "entries": 5}, "f.toml", name="memory")
    assert given == MemorySettings(enabled=True, window_h=2.0, entries=5)
    # What is kept of a word is sound, for whoever can read the memory of the process: the owner decides.
    assert MemorySettings().enabled


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"entries": 0}, "memory.entries: got 0, expected a whole number from 1 to 1000"),
        ({"window_h": 0.0}, "memory.window_h"),
        ({"cutoff": 2}, "memory.cutoff"),
        ({"window": 3}, "did you mean memory.window_h"),
    ],
)
def test_wrong_settings_are_told(table, message):
    with pytest.raises(UsageError, match=message):
        from_tables(MemorySettings, table, "f.toml", name="memory")
