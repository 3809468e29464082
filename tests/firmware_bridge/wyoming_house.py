"""A house for tests of the Wyoming services, whose sessions hear markers in the sound; and what tests do as clients."""

import asyncio
import math
import threading
from contextlib import asynccontextmanager, contextmanager, suppress

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from edge.answers import Answer, Status, new_id
from edge.bundle import open_bundle
from edge.bundle_parts import Word, find_word
from edge.errors import UsageError
from edge.events import Wake
from edge.health import Health
from edge.policy import Circumstances, GateSettings
from edge.sample_time import SAMPLE_RATE_HZ
from edge.session import GateSession, Rules
from edge.strict_toml import from_tables

WORDS = (Word("smart_mirror", "smart mirror", 0.5), Word("hey_house", "hey house", 0.5))
POST_ROLL = 1600
WORD_SAMPLES = 8000
PATIENCE_S = 60.0
# A sample of this value is the last of a word.
MARKERS = {
    20_000: ("smart_mirror", "pass"),
    21_000: ("smart_mirror", "block"),
    22_000: ("hey_house", "pass"),
    23_000: ("hey_house", "ask"),
}


class FakeSession:
    """Hears a word at each marker; answers POST_ROLL samples later."""

    def __init__(self, house, origin, words, listen):
        self.origin = origin
        self.words = words
        self.listen = listen
        self.rates_hz = []
        self.closed = False
        # Sound since the last reset.
        self.sound = np.zeros(0, np.int16)
        # For each word of somebody else: the sound up to then, and the score.
        self.told = []
        self._house = house
        self._pending = []
        self._one = threading.Lock()

    def push(self, samples):
        assert self._one.acquire(blocking=False), "a session is for one thread at a time"
        try:
            assert not self.closed
            self._house.before_push(self)
            if self._house.failing:
                raise RuntimeError("the session fails")
            at = self.sound.size
            self.sound = np.concatenate((self.sound, samples))
            for place in np.flatnonzero(np.isin(samples, list(MARKERS))) if self.listen else ():
                word, action = MARKERS[int(samples[place])]
                if not self.words or word in self.words:
                    yield self._wake(word, 0.9, action, at + int(place) + 1)
            yield from self._answers(self.sound.size)
        finally:
            self._one.release()

    def heard(self, word, score):
        self.told.append((word, score, self.sound.copy()))
        with suppress(UsageError):
            word = find_word(WORDS, word, "the house").id
        return self._wake(word, score, self._house.actions.get(word, "pass"), self.sound.size)

    def finish(self):
        yield from self._answers(math.inf)

    def reset(self, *, native_rate_hz=SAMPLE_RATE_HZ):
        self.rates_hz.append(native_rate_hz)
        self.sound = np.zeros(0, np.int16)
        self._pending.clear()

    def close(self):
        assert not self.closed
        self.closed = True
        self._house.open.discard(self)

    def _wake(self, word, score, action, end):
        wake = Wake(word, score, max(0, end - WORD_SAMPLES), end, end)
        self._pending.append((wake, action))
        return wake

    def _answers(self, heard):
        while self._pending and self._pending[0][0].end_sample + POST_ROLL <= heard:
            wake, action = self._pending.pop(0)
            answer = Answer(
                id=new_id(0.0),
                at_s=0.0,
                origin=self.origin,
                word=wake.word,
                phrase=wake.word,
                action=action,
                decision="accept" if action == "pass" else "reject",
                reasons=("live" if action == "pass" else "loudspeaker",),
                wake_score=wake.score,
                live_probability=math.nan,
                live_score=math.nan,
                quality=None,
                start_sample=wake.start_sample,
                end_sample=wake.end_sample,
                decided_sample=min(wake.end_sample + POST_ROLL, self.sound.size),
            )
            self._house.answers.append(answer)
            yield answer


class FakeHouse:
    def __init__(self, most=8):
        self.health = Health()
        self.words = WORDS
        self.most = most
        self.sessions = []
        self.open = set()
        self.answers = []
        self.actions = {}
        self.failing = False
        self.before_push = lambda session: None
        self.sinks = {}
        self.status = Status(
            at_s=0.0,
            source="listening",
            source_name="fake",
            muted=False,
            playing=False,
            words=tuple(word.id for word in WORDS),
            bundle="1.2.3",
        )

    def session(self, origin, *, words=None, listen=True):
        for word in words or ():
            find_word(WORDS, word, "the house")
        if len(self.open) >= self.most:
            raise UsageError(f"{origin}: too many")
        session = FakeSession(self, origin, words, listen)
        self.sessions.append(session)
        self.open.add(session)
        return session


class RealHouse(FakeHouse):
    """Has the gate itself."""

    def __init__(self):
        super().__init__()
        self.words = open_bundle().words
        self.health = Health()
        self.rules = Rules(
            open_bundle(), GateSettings(refractory_s=0, passes_per_minute=0), words=(), runtime=None, pre_roll=16_000
        )

    def session(self, origin, *, words=None, listen=True):
        session = GateSession(
            origin, self.rules, self, words=words or (), listen=listen, on_close=lambda one: self.open.discard(one)
        )
        self.open.add(session)
        return session

    def publish(self, answer):
        self.answers.append(answer)

    def circumstances(self, origin, samples, start, stop, at_s):
        return Circumstances()


@contextmanager
def opened(plugin, house, name="wyoming", **tables):
    """Make a sink as the daemon does, on a free port, open it, and see that nothing is left when it is closed."""
    before = set(threading.enumerate())
    settings = from_tables(plugin.Settings, {"port": 0} | tables, "test.toml", name=f"sinks.{name}")
    sink = plugin.make(settings, name, house)
    sink.open()
    try:
        yield sink
    finally:
        sink.close()
    assert not house.open, "a session was left open"
    # Those of asyncio are of the test's own loop, which closes a sink in one.
    left = [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio_")]
    assert not left, "a thread was left"


def in_time(coroutine):
    """Run a test's coroutine with a deadline."""

    async def limited():
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(limited())


@asynccontextmanager
async def client_of(sink):
    async with AsyncTcpClient("127.0.0.1", sink.port, read_timeout=PATIENCE_S) as client:
        yield client


def sound(seconds, **marks):
    """Return silence with a marker at each second that is named: ``sound(2, _20000=0.7)``."""
    samples = np.zeros(round(seconds * SAMPLE_RATE_HZ), np.int16)
    for value, at_s in marks.items():
        for one in at_s if isinstance(at_s, tuple) else (at_s,):
            samples[round(one * SAMPLE_RATE_HZ) - 1] = int(value[1:])
    return samples


async def send(client, samples, *, chunk=1024, start_ms=None, clock=None, begin=True, stop=True):
    """Send a stream as satellites do; `clock` gives the time of a sample, ms."""
    if begin:
        await client.write_event(AudioStart(SAMPLE_RATE_HZ, 2, 1, timestamp=start_ms).event())
    for at in range(0, samples.size, chunk):
        time_ms = clock(at) if clock else None
        audio = samples[at : at + chunk].astype("<i2").tobytes()
        await client.write_event(AudioChunk(SAMPLE_RATE_HZ, 2, 1, audio, timestamp=time_ms).event())
    if stop:
        await client.write_event(AudioStop().event())


async def told(client, last):
    """Return what a client is told, up to an event of this type."""
    events = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        assert event is not None, f"the connection ended after {[one.type for one in events]}, before {last}"
        events.append(event)
    return events


async def until(condition):
    """Wait for something that another thread does."""
    while not condition():
        await asyncio.sleep(0.005)
