"""The own-playback guard: what the device plays is its own, what a person says over it is not."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soxr

from edge import playback_guard
from edge.coherence import SHORTEST_SAMPLES, explained_share, find_offset
from edge.errors import FrontendError, UsageError
from edge.playback_guard import GuardSettings, PlaybackGuard
from edge.strict_toml import from_tables

RATE = 16_000
SETTINGS = GuardSettings()
START, STOP = 3 * RATE, 3 * RATE + 12_000
LENGTH = 4 * RATE


def babble(seed, n=LENGTH, level=3000.0):
    """Sound that comes and goes in syllables and has more power below than above, as speech has."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n)
    for _ in range(2):
        noise = np.convolve(noise, [0.5, 0.5], mode="same")
    knots = rng.uniform(0.0, 1.0, n // 1600 + 2) ** 2
    sound = noise * np.interp(np.arange(n) / 1600, np.arange(knots.size), knots)
    return sound / sound.std() * level


def path(sound, delay, seed=7):
    """Return what a microphone hears of a loudspeaker beside it: later, coloured, with an echo."""
    rng = np.random.default_rng(seed)
    response = np.zeros(400)
    response[:30] = rng.standard_normal(30) * np.exp(-np.arange(30) / 6.0)
    response[0] = 2.0
    response[399] = 0.3
    heard = np.convolve(sound, response)[: sound.size]
    return np.roll(heard, delay)


def int16(sound):
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def in_blocks(samples, size=320):
    return [samples[at : at + size] for at in range(0, samples.size, size)]


def fed(heard, reference, *, late=lambda rng: 0, size=320):
    """Return a guard that got both, the reference in blocks that come at the end of what they hold, or later."""
    guard = PlaybackGuard(SETTINGS)
    rng = np.random.default_rng(3)
    guard.push(int16(heard))
    at = 0
    for block in in_blocks(int16(reference), size):
        at += block.size
        guard.push_reference(block, at + late(rng))
    return guard


def noise(seed, level):
    return np.random.default_rng(seed).standard_normal(LENGTH) * level


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.31, 0.58])
def test_what_the_device_plays_is_its_own_at_any_delay(delay_s):
    sound = babble(1)
    found = fed(path(sound, round(delay_s * RATE)) + noise(2, 30.0), sound).judge(START, STOP)
    assert found.own
    assert found.coherence > 0.95
    assert found.delay_s == pytest.approx(delay_s, abs=0.001)


def test_a_reference_may_come_later_than_it_was_heard():
    sound = babble(1)
    found = fed(path(sound, 0), np.roll(sound, 1600)).judge(START, STOP)
    assert found.own
    assert found.delay_s == pytest.approx(-0.1, abs=0.001)


def test_a_delay_beyond_the_search_is_not_found():
    sound = babble(1)
    found = fed(path(sound, round(0.7 * RATE)), sound).judge(START, STOP)
    assert not found.own
    assert found.coherence < 0.3


def test_a_loudspeaker_may_be_wired_the_other_way_round():
    sound = babble(1)
    found = fed(-np.roll(sound, 800), sound).judge(START, STOP)
    assert found.own
    assert found.delay_s == 800 / RATE


@pytest.mark.parametrize("over_db", [-3.0, 0.0, 10.0])
def test_a_voice_over_what_is_played_passes(over_db):
    played, voice = path(babble(1), 2000), path(babble(5), 0)
    voice[: START - 800] = 0.0
    part = slice(START, STOP)
    voice *= played[part].std() / voice[part].std() * 10 ** (over_db / 20)
    found = fed(played + voice, babble(1)).judge(START, STOP)
    assert not found.own
    # Of a few frames any two sounds have a little in common.
    assert found.coherence == pytest.approx(1 / (1 + 10 ** (over_db / 10)) + 0.05, abs=0.1)


def test_a_voice_that_spoke_before_the_word_passes():
    played, voice = path(babble(1), 2000), babble(5)
    voice *= played[START:STOP].std() / voice[START:STOP].std()
    assert not fed(played + voice, babble(1)).judge(START, STOP).own


def test_a_voice_that_has_nothing_to_do_with_what_is_played_passes():
    found = fed(babble(5), babble(1)).judge(START, STOP)
    assert not found.own
    assert found.coherence < 0.2


def test_steady_noise_is_nobodys_voice():
    sound = babble(1)
    heard = path(sound, 1000)
    loud = noise(2, heard[START:STOP].std() * 10 ** (-4 / 20))
    found = fed(heard + loud, sound).judge(START, STOP)
    assert found.own
    # Without what was heard before the word, nobody knows what of it is noise.
    guard = PlaybackGuard(SETTINGS)
    guard.push(int16(heard + loud)[START:])
    guard.push_reference(int16(sound), STOP + (LENGTH - STOP) - START)
    assert not guard.judge(0, STOP - START).own


def test_blocks_may_come_late_and_in_bursts():
    sound = babble(1)
    found = fed(path(sound, 3000), sound, late=lambda rng: int(rng.integers(0, 2400)), size=500).judge(START, STOP)
    assert found.own
    # The earliest blocks say where the stream lies, whatever the first one did.
    assert found.delay_s == pytest.approx(3000 / RATE, abs=0.02)


@pytest.mark.parametrize("size", [1, 160, 7777, LENGTH])
def test_the_size_of_blocks_does_not_matter(size):
    sound = babble(1, LENGTH)
    guard = fed(path(sound, 900), sound, size=size)
    assert guard.judge(START, STOP) == fed(path(sound, 900), sound).judge(START, STOP)


@pytest.mark.parametrize("first", [-3000, 40_000])
def test_the_first_block_may_come_at_any_time(first):
    sound = babble(1)
    guard = PlaybackGuard(SETTINGS)
    guard.push(int16(path(sound, 500)))
    at = max(0, first)
    for block in in_blocks(int16(sound)[at:]):
        at += block.size
        guard.push_reference(block, at)
    assert guard.judge(START, STOP).own


@pytest.mark.parametrize("ppm", [-150, 150])
def test_the_clocks_may_be_unequal(ppm):
    seconds = 120
    sound = babble(1, seconds * RATE)
    heard = int16(soxr.resample(path(sound, 3200), RATE, RATE * (1 + ppm * 1e-6)))
    guard = PlaybackGuard(SETTINGS)
    for number, block in enumerate(in_blocks(int16(sound), 1600)):
        at = round((number + 1) * 1600 * (1 + ppm * 1e-6))
        guard.push(heard[round(number * 1600 * (1 + ppm * 1e-6)) : at])
        guard.push_reference(block, at)
    end = min(heard.size, at)
    found = guard.judge(end - 12_000, end)
    assert found.own
    # The clocks are 18 ms apart at the end, and the delay is what it was.
    assert found.delay_s == pytest.approx(0.2, abs=0.004)


def test_a_clock_that_goes_slower_for_hours_is_followed():
    guard = PlaybackGuard(SETTINGS)
    block = np.ones(1600, np.int16)
    # An hour at 200 millionths is 0.7 s: more than a pause, had it not been followed.
    for number in range(1, 36_001):
        guard.push_reference(block, round(number * 1600 * 1.0002))
    assert guard._shift is not None
    assert guard._shift + guard._played.head == pytest.approx(36_000 * 1600 * 1.0002, abs=2)
    assert guard._played.head == 36_000 * 1600


@pytest.mark.parametrize("pause_s", [0.5, 1.0, 3600.0])
def test_a_reference_may_stop_and_go_on(pause_s):
    pause = round(pause_s * RATE)
    sound = babble(1)
    shown = int16(sound)
    guard = PlaybackGuard(SETTINGS)
    silence = np.random.default_rng(0).integers(-9, 10, min(pause, 20 * RATE)).astype(np.int16)
    guard.push_reference(shown, LENGTH)
    guard.push(int16(path(sound, 500)))
    # Time goes on for the microphone; what it heard in an hour need not be pushed for the counts alone.
    guard._heard._head += pause - silence.size
    guard.push(silence)
    resumed = LENGTH + pause
    assert not guard.judge(resumed - 8000, resumed - 100).own
    guard.push(int16(path(sound, 500)))
    for number, block in enumerate(in_blocks(shown)):
        guard.push_reference(block, resumed + 320 * (number + 1))
    found = guard.judge(resumed + START, resumed + STOP)
    assert found.own
    assert found.delay_s == pytest.approx(500 / RATE, abs=0.001)


def test_what_was_played_before_a_pause_keeps_its_place():
    sound = babble(1)
    guard = PlaybackGuard(SETTINGS)
    guard.push(int16(path(sound, 500)))
    guard.push_reference(int16(sound)[:STOP], STOP)
    guard.push_reference(np.ones(160, np.int16), STOP + RATE)
    assert guard.judge(START, STOP).delay_s == pytest.approx(500 / RATE, abs=0.001)


@pytest.mark.parametrize(
    "reference", [np.zeros(LENGTH), np.full(LENGTH, 800.0), noise(3, 1.0)], ids=["zero", "offset", "noise"]
)
def test_a_silent_reference_is_told_at_once(reference, monkeypatch):
    def never(*_):
        raise AssertionError("nothing to compare")

    monkeypatch.setattr(playback_guard, "find_offset", never)
    found = fed(babble(1), reference).judge(START, STOP)
    assert (found.coherence, found.own) == (0.0, False)
    assert math.isnan(found.delay_s)


def test_without_a_reference_no_word_is_ones_own():
    guard = PlaybackGuard(SETTINGS)
    guard.push(int16(babble(1)))
    assert not guard.judge(START, STOP).own


def test_digital_silence_at_the_microphone_is_no_word():
    found = fed(np.zeros(LENGTH), babble(1)).judge(START, STOP)
    assert (found.coherence, found.own) == (0.0, False)


def test_extremes_are_taken():
    square = np.where(babble(1) > 0, 32767.0, -32768.0)
    found = fed(square, square).judge(START, STOP)
    assert found.own
    assert found.coherence == pytest.approx(1.0, abs=1e-6)
    assert 0.0 <= fed(square, babble(2, level=9000.0)).judge(START, STOP).coherence <= 1.0


@pytest.mark.parametrize(
    ("start", "stop"),
    [(START, START), (START, START + 10), (STOP, START), (-5, START), (START, LENGTH + 999_999)],
    ids=["empty", "short", "backwards", "long", "not heard yet"],
)
def test_any_span_is_judged_on_what_is_there(start, stop):
    sound = babble(1)
    assert fed(path(sound, 500), sound).judge(start, stop).own


@pytest.mark.parametrize(("start", "stop"), [(-900, -100), (0, 100), (0, 0), (START, 2000)])
def test_a_word_at_the_edge_of_what_is_kept_is_nobodys(start, stop):
    sound = babble(1)
    assert not fed(path(sound, 500), sound).judge(start, stop).own
    guard = PlaybackGuard(SETTINGS)
    assert not guard.judge(start, stop).own


def test_a_word_that_is_not_kept_any_more_is_nobodys():
    sound = babble(1)
    guard = fed(path(sound, 500), sound)
    guard.push(np.zeros(20 * RATE, np.int16))
    assert not guard.judge(START, STOP).own


def test_reset_begins_again():
    sound = babble(1)
    guard = fed(path(sound, 500), sound)
    guard.reset()
    assert not guard.judge(START, STOP).own
    guard.push(int16(path(sound, 500)))
    guard.push_reference(np.ones(160, np.int16), LENGTH + 160)
    # What was played before is not compared with what is heard now.
    assert not guard.judge(START, STOP).own
    guard.reset()
    guard.push(int16(path(sound, 500)))
    guard.push_reference(int16(sound), LENGTH)
    assert guard.judge(START, STOP).own


def test_a_guard_that_is_turned_off_takes_nothing_for_its_own():
    sound = babble(1)
    guard = PlaybackGuard(GuardSettings(enabled=False))
    guard.push(int16(sound))
    guard.push_reference(int16(sound), LENGTH)
    assert not guard.judge(START, STOP).own


def test_the_cutoff_decides():
    guard = fed(path(babble(1), 500) + 0.5 * path(babble(5), 0), babble(1))
    coherence = guard.judge(START, STOP).coherence
    assert 0.55 < coherence < 0.95
    for cutoff, own in ((coherence - 0.01, True), (coherence + 0.01, False)):
        guard._settings = GuardSettings(cutoff=cutoff)
        assert guard.judge(START, STOP).own is own


def test_streams_come_from_two_threads():
    sound = babble(1, 12 * RATE)
    heard = int16(path(sound, 500))
    guard = PlaybackGuard(SETTINGS)
    barrier = threading.Barrier(2)

    def microphone():
        barrier.wait()
        for block in in_blocks(heard, 97):
            guard.push(block)
            guard.judge(guard._heard.head - 8000, guard._heard.head) if guard._heard.head % 9700 == 0 else None

    def player():
        barrier.wait()
        at = 0
        for block in in_blocks(int16(sound), 113):
            at += block.size
            guard.push_reference(block, at)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(microphone), pool.submit(player)]:
            done.result(timeout=60)
    found = guard.judge(11 * RATE, 12 * RATE - 3000)
    assert found.own
    assert found.delay_s == pytest.approx(500 / RATE, abs=0.001)


@pytest.mark.parametrize("samples", [np.zeros(9), np.zeros((9, 1), np.int16), [1, 2]], ids=["float", "shape", "list"])
def test_other_samples_are_refused(samples):
    guard = PlaybackGuard(SETTINGS)
    with pytest.raises(FrontendError, match=r"playback guard, microphone: got .* expected int16"):
        guard.push(samples)
    with pytest.raises(FrontendError, match=r"playback guard, reference: got .* expected int16"):
        guard.push_reference(samples, 9)


def test_settings_are_a_table():
    given = from_tables(GuardSettings, {"cutoff": 0.8, "search_s": 0.3}, "f.toml", name="guard")
    assert given == GuardSettings(cutoff=0.8, search_s=0.3)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"cutoff": 1.1}, r"guard.cutoff: got 1.1, expected a number from 0.5 to 1"),
        ({"search_s": 0.0}, "guard.search_s"),
        ({"cutof": 0.8}, "did you mean guard.cutoff"),
    ],
)
def test_wrong_settings_are_told(table, message):
    with pytest.raises(UsageError, match=message):
        from_tables(GuardSettings, table, "f.toml", name="guard")


def test_offset_is_where_the_sound_lies_in_the_reference():
    sound = int16(babble(1))
    assert find_offset(sound, sound[5000:15_000]) == 5000
    assert find_offset(sound, sound) == 0
    # A tone that is louder elsewhere does not draw it there.
    tone = 20_000 * np.sin(2 * np.pi * 700 * np.arange(LENGTH) / RATE) * np.linspace(0.1, 1.0, LENGTH)
    mixed = int16(0.5 * babble(1) + tone)
    assert find_offset(mixed, mixed[5000:15_000]) == 5000
    with pytest.raises(ValueError, match="expected at least 64000"):
        find_offset(sound[1:], sound)


@pytest.mark.parametrize(
    ("sizes", "before"), [((9000, 9001), 0), ((9000, 9000), 9000 - SHORTEST_SAMPLES + 1), ((9000, 9000), -1)]
)
def test_coherence_needs_two_sounds_of_one_length(sizes, before):
    with pytest.raises(ValueError, match="expected as many of both"):
        explained_share(*(np.zeros(size, np.int16) for size in sizes), before)
