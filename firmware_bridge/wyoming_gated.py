"""A stream in which somebody else hears the words, and the gate judges them.

Who hears a word tells of it some time after its end, and says where it was. The session is therefore kept behind the
sound: at a word it is brought to exactly where that ended, told of it, and shown what followed. That is most often
there already, so that the answer is not late by the time for which the gate looks on after a word.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.answers import Answer
from edge.errors import VivavoceError
from edge.ring import Ring
from edge.sample_time import SAMPLE_RATE_HZ
from firmware_bridge.wyoming_messages import liveness
from firmware_bridge.wyoming_session import AsyncSession
from firmware_bridge.wyoming_sound import SAMPLES_PER_MS, IncomingSound, SoundFormat

__all__ = ["NOT_JUDGED", "GatedStream", "Heard"]

_log = logging.getLogger(__name__)

NOT_JUDGED = "not_judged"
"""Reason of what follows from a word that could not be judged here at all."""

_BEHIND = 2 * SAMPLE_RATE_HZ
"""Samples that the session is kept behind the sound: more than a service is late that keeps up."""
_KEPT = 30 * SAMPLE_RATE_HZ
"""Samples that are kept for a service that is later, or a client that sends faster than people speak."""
_BEFORE = 3 * SAMPLE_RATE_HZ
"""Samples that a session is shown before a word where it has to go back: its look-back, and the room around it."""
_NEAR = SAMPLE_RATE_HZ // 10
"""Samples by which a session may be ahead of a word without going back."""
_MOST_WAITING = 32
_UNNAMED = "unknown"


@dataclass(frozen=True, slots=True)
class Heard:
    """A word that somebody else heard."""

    name: str | None
    """Its name there."""
    sample: float | None
    """First sample of the chunk in which it was heard; None if nobody says."""
    about: Mapping[str, Any]
    """Whatever else is to be told with it."""


Tell = Callable[[Heard, float, dict[str, Any]], Awaitable[None]]
"""Is told of a word that was judged: when it was as the client counts, ms, and its liveness."""


class GatedStream:
    """Streams of one client, one after the other.

    All methods may be called at any time, and wait for each other.

    Parameters
    ----------
    name : str
        For logs.
    session : AsyncSession
    tell : callable
        See :data:`Tell`.
    fail_open : bool
        Whether a word passes that cannot be judged. Otherwise what a session raises leaves every method.
    """

    def __init__(self, name: str, session: AsyncSession, tell: Tell, *, fail_open: bool) -> None:
        self.sound: IncomingSound | None = None
        """What came in of the stream that is under way."""
        self._name = name
        self._session = session
        self._tell = tell
        self._fail_open = fail_open
        self._ring = Ring(_KEPT)
        self._chunk_samples = 0
        # Of the session: whether it works; where it began and where it stands, in samples of the stream.
        self._judging = False
        self._base = 0
        self._judged = 0
        self._waiting: deque[Heard] = deque()
        self._one = asyncio.Lock()

    async def begin(self, form: SoundFormat, time_ms: float | None) -> IncomingSound:
        """Begin a stream; words of the one before that were not judged are forgotten.

        Raises
        ------
        DataError
            If there is no such sound.
        """
        async with self._one:
            sound = self.sound = IncomingSound(form, time_ms)
            self._ring.reset()
            self._waiting.clear()
            self._base = self._judged = self._chunk_samples = 0
            await self._restart(form.rate_hz)
        return sound

    async def push(self, payload: bytes, time_ms: float | None) -> None:
        """Take a chunk of the stream.

        Raises
        ------
        DataError
            If it ends inside a frame.
        """
        async with self._one:
            sound = self.sound
            assert sound is not None, "a stream has begun"
            began = sound.position
            for piece in sound.pieces(payload, time_ms):
                for block in sound.decode(piece):
                    self._ring.write(block)
                await self._follow()
            self._chunk_samples = round(sound.position - began)

    async def heard(self, heard: Heard) -> None:
        """Have a word judged."""
        async with self._one:
            if self.sound is None or len(self._waiting) >= _MOST_WAITING or not await self._reach(self._place(heard)):
                await self._tell_unjudged(heard)
                return
            try:
                await self._session.heard(heard.name or _UNNAMED, 1.0)
            except Exception as fault:
                self._unable(fault)
                await self._tell_unjudged(heard)
                return
            self._waiting.append(heard)
            await self._follow()

    async def flush(self) -> None:
        """Take what the resampler still holds, at the end of the sound; words of the stream may still be told."""
        async with self._one:
            assert self.sound is not None, "a stream has begun"
            for block in self.sound.flush():
                self._ring.write(block)
            await self._follow()

    async def end(self) -> None:
        """End the stream: words that wait are judged with what there is."""
        async with self._one:
            await self._finish()
            self.sound = None

    def _place(self, heard: Heard) -> int:
        """Return where a word ended at the latest."""
        if heard.sample is None:
            return self._ring.head
        return min(self._ring.head, max(0, round(heard.sample)) + self._chunk_samples)

    # ------------------------------------------------------------------------------------ the session

    async def _restart(self, rate_hz: int) -> None:
        self._judging = True
        try:
            await self._session.begin(rate_hz, listen=False)
        except Exception as fault:
            self._unable(fault)

    def _unable(self, fault: Exception) -> None:
        """Go on without a session, or not."""
        self._judging = False
        if not self._fail_open:
            raise fault
        expected = isinstance(fault, VivavoceError)
        _log.error("%s: words pass without being judged: %s", self._name, fault, exc_info=not expected)

    async def _follow(self) -> None:
        """Bring the session as near to the sound as it is to be."""
        await self._advance(self._ring.head - (0 if self._waiting else _BEHIND))

    async def _advance(self, sample: int) -> bool:
        """Push the sound up to a sample; False if there is no session."""
        if not self._judging:
            return False
        if sample > self._judged:
            start = max(self._judged, self._ring.tail)
            self._judged = sample
            try:
                answers = await self._session.push([self._ring.read(start, sample)])
            except Exception as fault:
                self._unable(fault)
                await self._give_up()
                return False
            await self._answered(answers)
        return True

    async def _reach(self, at: int) -> bool:
        """Bring the session to a sample, if need be by going back; False if it cannot."""
        if not self._judging:
            return False
        if self._judged - at > _NEAR:
            before = max(0, at - _BEFORE)
            if before < self._ring.tail:
                return False
            await self._finish()
            assert self.sound is not None, "a stream has begun"
            self._base = self._judged = before
            await self._restart(self.sound.form.rate_hz)
        return await self._advance(at)

    async def _finish(self) -> None:
        if not self._waiting or not await self._advance(self._ring.head):
            return
        try:
            answers = await self._session.finish()
        except Exception as fault:
            self._unable(fault)
            await self._give_up()
            return
        await self._answered(answers)

    # ------------------------------------------------------------------------------------ what is told

    async def _answered(self, answers: list[Answer]) -> None:
        for answer in answers:
            if self.sound is None or not self._waiting:
                return
            heard = self._waiting.popleft()
            end = self._base + answer.end_sample
            told = liveness(answer, self.sound.clock, self._base)
            await self._tell(heard, self._time_ms(heard, end), told)

    async def _give_up(self) -> None:
        while self._waiting:
            await self._tell_unjudged(self._waiting.popleft())

    async def _tell_unjudged(self, heard: Heard) -> None:
        action = "pass" if self._fail_open else "block"
        told = {"action": action, "decision": "unsure", "reasons": [NOT_JUDGED], "live_probability": None}
        await self._tell(heard, self._time_ms(heard, self._ring.head), told)

    def _time_ms(self, heard: Heard, end: int) -> float:
        """Return when a word was heard: in the chunk that was named, or at its end."""
        at = end if heard.sample is None else max(0.0, min(heard.sample, self._ring.head))
        return at / SAMPLES_PER_MS if self.sound is None else self.sound.clock.at(at)
