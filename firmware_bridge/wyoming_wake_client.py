"""One client of the wake service: what it asks, its sound, and what it is told."""

import time
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect

from edge.answers import Answer
from edge.bundle_parts import find_word
from edge.errors import DataError, UsageError
from edge.house import House
from firmware_bridge.wyoming_messages import detection, error, info, liveness, not_detected, refusal
from firmware_bridge.wyoming_pace import Pace
from firmware_bridge.wyoming_server import Client
from firmware_bridge.wyoming_session import AsyncSession
from firmware_bridge.wyoming_sound import IncomingSound, SoundFormat, timestamp_of
from firmware_bridge.wyoming_wake_settings import Settings

__all__ = ["WakeClient", "names_of", "pong"]

_MOST_NAMES = 100


def names_of(data: dict[str, Any]) -> tuple[str, ...]:
    """Read the names of ``detect``; none is any.

    Raises
    ------
    DataError
        If they are no list of text.
    """
    names = data.get("names") or []
    if not isinstance(names, list) or len(names) > _MOST_NAMES or not all(isinstance(one, str) for one in names):
        raise DataError(f"detect: names: expected a list of at most {_MOST_NAMES} names")
    return tuple(names)


def pong(data: dict[str, Any]) -> Event:
    """Answer a ``ping``."""
    text = data.get("text")
    return Pong(text=text if isinstance(text, str) else None).event()


class WakeClient:
    """Serve one client.

    Parameters
    ----------
    client : Client
    name : str
        Of the sink, for where its sound comes from.
    settings : Settings
    house : House
    """

    def __init__(self, client: Client, name: str, settings: Settings, house: House) -> None:
        self._connection = client.connection
        self._settings = settings
        self._house = house
        self._session = AsyncSession(client.pool, house, f"{name} {client.address}")
        # Ids of the words that were asked for, all if empty; None where they are all unknown.
        self._words: tuple[str, ...] | None = ()
        self._sound: IncomingSound | None = None
        self._pace = Pace(settings.speed, time.monotonic)
        self._passed = False
        self._refused: dict[str, Any] | None = None

    async def run(self) -> None:
        """Serve until the connection ends.

        Raises
        ------
        DataError
            If the client says what cannot be understood.
        LinkError
            If it is no more, or too slow.
        """
        try:
            while (event := await self._connection.read()) is not None:
                await self._take(event)
        finally:
            await self._session.close()

    async def _take(self, event: Event) -> None:
        """Act on an event; one that is not known is let go by."""
        if AudioChunk.is_type(event.type):
            await self._chunk(event)
        elif AudioStart.is_type(event.type):
            await self._begin(SoundFormat.from_data(event.data, None), timestamp_of(event.data))
        elif AudioStop.is_type(event.type):
            await self._stop()
        elif Detect.is_type(event.type):
            await self._detect(names_of(event.data))
        elif Describe.is_type(event.type):
            await self._connection.write(info(self._settings.name, self._house.words, self._house.status.bundle))
        elif Ping.is_type(event.type):
            await self._connection.write(pong(event.data))

    async def _detect(self, names: tuple[str, ...]) -> None:
        there = self._house.words
        known, unknown = [], []
        for name in names:
            try:
                known.append(find_word(there, name, "this service").id)
            except UsageError as fault:
                unknown.append(str(fault))
        for text in unknown[:1]:
            await self._connection.write(error(text, "unknown-word"))
        words = None if names and not known else tuple(dict.fromkeys(known))
        if words != self._words:
            # Sound that comes from now on is another stream.
            self._words = words
            self._sound = None

    async def _begin(self, form: SoundFormat, time_ms: float | None) -> None:
        self._sound = IncomingSound(form, time_ms)
        self._passed = False
        self._refused = None
        if self._words is not None:
            await self._session.begin(form.rate_hz, words=self._words)

    async def _chunk(self, event: Event) -> None:
        time_ms = timestamp_of(event.data)
        form = SoundFormat.from_data(event.data, self._sound.form if self._sound else None)
        if self._sound is None or form != self._sound.form:
            await self._begin(form, time_ms)
        sound = self._sound
        assert sound is not None, "a stream has begun"
        for piece in sound.pieces(event.payload or b"", time_ms):
            if self._words is not None:
                await self._tell(await self._session.push(sound.decode(piece)), sound)
                await self._pace.hold(sound.seconds_of(piece))

    async def _stop(self) -> None:
        sound = self._sound
        self._sound = None
        if sound is not None and self._words is not None:
            await self._tell(await self._session.push(sound.flush()), sound)
            await self._tell(await self._session.finish(), sound)
        if not self._passed:
            await self._connection.write(not_detected(self._refused))
        self._passed = False
        self._refused = None

    async def _tell(self, answers: list[Answer], sound: IncomingSound) -> None:
        for answer in answers:
            told = liveness(answer, sound.clock)
            end_ms = sound.clock.at(answer.end_sample)
            if answer.action == "pass":
                self._passed = True
                await self._connection.write(detection(answer.word, end_ms, {"liveness": told}))
                continue
            self._refused = told
            if self._settings.tell_refusals:
                await self._connection.write(refusal(answer.word, end_ms, told))
