import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import edge
from edge.bundle import open_bundle
from edge.errors import UsageError
from edge.events import Decision, End, Wake
from edge.pipeline import Pipeline
from edge.sources import FileSource

SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
RATE = 16000


class LazySource:
    """Blocks of an array, or of an endless iterator, that counts what was pulled."""

    name = "lazy"
    native_rate_hz = RATE

    def __init__(self, samples, block):
        self._samples, self._block = samples, block
        self.pulled = 0

    def blocks(self):
        for at in range(0, self._samples.size, self._block):
            block = self._samples[at : at + self._block]
            self.pulled += block.size
            yield block


@pytest.fixture(scope="module")
def scene():
    samples, rate = soundfile.read(SCENE, dtype="int16")
    assert rate == RATE
    return samples


@pytest.fixture(scope="module")
def pipeline():
    return Pipeline(open_bundle())


@pytest.fixture(scope="module")
def events(pipeline, scene):
    found = list(pipeline.run(LazySource(scene, 1024)))
    assert any(isinstance(event, Decision) for event in found), "the scene holds no word that is heard"
    return found


@pytest.mark.parametrize("block", [1, 160, 512, 16000])
def test_blocks_of_any_size_give_identical_events(pipeline, scene, events, block):
    assert list(pipeline.run(LazySource(scene, block))) == events


@pytest.mark.parametrize("block", [1, 160, 512, 1024, 16000])
def test_a_file_gives_the_events_of_its_samples(pipeline, events, block):
    assert list(pipeline.run(FileSource(SCENE, block=block))) == events


@pytest.mark.parametrize("block", [1, 160, 1024, 1600])
def test_events_come_before_a_tenth_of_a_second_more_has_been_pulled(pipeline, scene, block):
    source = LazySource(scene, block)
    part = open_bundle().verifier
    # A word is told of when the verifier has looked, and the sample is that at which the wake network found it.
    waits = {Wake: 0 if part is None else part.delay_ms * RATE // 1000, Decision: 0}
    late = [
        source.pulled - event.decided_sample - waits[type(event)]
        for event in pipeline.run(source)
        if isinstance(event, Wake | Decision)
    ]
    assert late
    assert min(late) >= 0, "an event rests on audio that had not been pulled"
    assert max(late) <= RATE // 10


def test_every_wake_is_decided_soon_and_the_end_comes_last(scene, events):
    assert isinstance(events[-1], End)
    assert events[-1].end_sample == scene.size
    pairs = events[:-1]
    for wake, decision in zip(pairs[::2], pairs[1::2], strict=True):
        assert isinstance(wake, Wake)
        assert isinstance(decision, Decision)
        assert wake.word == decision.word
        assert 0 <= wake.start_sample < wake.end_sample == decision.end_sample
        assert wake.end_sample <= wake.decided_sample <= decision.decided_sample <= scene.size
        assert decision.decided_sample - wake.decided_sample <= RATE // 10
        assert 0.0 <= decision.live_probability <= 1.0


def test_reset_begins_a_new_stream(pipeline, scene, events):
    pipeline.reset()
    list(pipeline.push(scene[: scene.size // 2 + 77]))
    pipeline.reset()
    again = [*pipeline.push(scene), *pipeline.finish()]
    assert again == events


def test_without_a_reset_time_goes_on(pipeline, scene, events):
    pipeline.reset()
    list(pipeline.push(np.zeros(5 * RATE, np.int16)))
    later = [event for event in pipeline.push(scene) if isinstance(event, Decision)]
    assert later
    assert all(event.decided_sample > 5 * RATE for event in later)
    assert list(pipeline.finish())[-1].end_sample == 5 * RATE + scene.size


def test_only_the_chosen_words_are_listened_for(scene, events):
    heard = {event.word for event in events[:-1]}
    word = sorted(heard)[0]
    found = list(Pipeline(open_bundle(), words=[word]).run(LazySource(scene, 1024)))
    assert {event.word for event in found[:-1]} == {word}
    with pytest.raises(UsageError, match="xyzzy"):
        Pipeline(open_bundle(), words=["xyzzy"])


def _resident_bytes():
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")
    return int(statm.read_text().split()[1]) * 4096


@pytest.mark.slow
def test_memory_is_flat_over_ten_minutes(pipeline, scene):
    noise = np.rint(np.random.default_rng(0).normal(0, 30, RATE)).astype(np.int16)

    def minute():
        # The scene, with noise between its repetitions.
        part = np.concatenate((scene, noise))
        return np.resize(part, 60 * RATE)

    def listen(minutes):
        sound = minute()
        decisions = 0
        for _ in range(minutes):
            for at in range(0, sound.size, 1024):
                decisions += sum(isinstance(e, Decision) for e in pipeline.push(sound[at : at + 1024]))
        return decisions

    pipeline.reset()
    assert listen(1) > 0
    resident = _resident_bytes()
    listen(9)
    assert _resident_bytes() - resident < 4 << 20
    # RSS is coarse: the objects of the tenth minute must be those of the eleventh.
    tracemalloc.start()
    try:
        listen(1)
        before = tracemalloc.get_traced_memory()[0]
        assert listen(1) > 0
        assert tracemalloc.get_traced_memory()[0] - before < 64 << 10
    finally:
        tracemalloc.stop()


def test_a_stream_that_ends_before_the_judgement_still_gets_one(pipeline, scene, events):
    wake = next(event for event in events if isinstance(event, Wake))
    short = scene[: wake.decided_sample + RATE // 100]
    found = list(pipeline.run(LazySource(short, 512)))
    # A verifier looks at what there is: its score is another one.
    score = wake.score if open_bundle().verifier is None else found[0].score
    assert found[0] == replace(wake, score=score)
    assert isinstance(found[1], Decision)
    assert found[1].decided_sample == short.size


@pytest.mark.parametrize("rate_hz", [8000, 11025, 12000])
def test_a_source_below_16_khz_is_never_sure(pipeline, scene, rate_hz):
    source = LazySource(scene, 1024)
    source.native_rate_hz = rate_hz
    *decided, end = (event for event in pipeline.run(source) if not isinstance(event, Wake))
    assert decided
    assert {event.decision for event in decided} == {"unsure"}
    assert all("band_limited" in event.reasons for event in decided)
    assert "band_limited" in end.quality
