"""One client of the proxy: its sound goes to the other service and to the gate, and what that one hears through it."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe, SelectProgram
from wyoming.ping import Ping
from wyoming.wake import Detect, Detection, NotDetected

from edge.errors import DataError
from edge.house import House
from firmware_bridge.wyoming_connection import Connection, LinkError
from firmware_bridge.wyoming_framing import FrameError
from firmware_bridge.wyoming_gated import GatedStream, Heard
from firmware_bridge.wyoming_messages import detection, error, mark, marked, not_detected, refusal
from firmware_bridge.wyoming_pace import Pace
from firmware_bridge.wyoming_proxy_settings import Settings
from firmware_bridge.wyoming_server import Client
from firmware_bridge.wyoming_session import AsyncSession
from firmware_bridge.wyoming_sound import SAMPLES_PER_MS, IncomingSound, SoundFormat, timestamp_of
from firmware_bridge.wyoming_upstream import AwayError, Upstream
from firmware_bridge.wyoming_wake_client import names_of, pong

__all__ = ["ProxyClient"]

_LONGEST_NAME = 200


def _heard(data: dict[str, Any]) -> Heard:
    """Read what can be used of a detection; the rest of it is not worth losing it."""
    name, speaker, context = data.get("name"), data.get("speaker"), data.get("context")
    try:
        json.dumps(context, allow_nan=False)
    except ValueError:
        context = None
    try:
        time_ms = timestamp_of(data)
    except DataError:
        time_ms = None
    return Heard(
        name[:_LONGEST_NAME] if isinstance(name, str) else None,
        None if time_ms is None else time_ms * SAMPLES_PER_MS,
        {
            "speaker": speaker[:_LONGEST_NAME] if isinstance(speaker, str) else None,
            "context": context if isinstance(context, dict) else {},
        },
    )


class ProxyClient:
    """Serve one client.

    Parameters
    ----------
    client : Client
    name : str
        Of the sink.
    settings : Settings
    house : House
    upstream : Upstream
        Shared by all clients.
    """

    def __init__(self, client: Client, name: str, settings: Settings, house: House, upstream: Upstream) -> None:
        self._connection = client.connection
        self._settings = settings
        self._upstream = upstream
        self._session = AsyncSession(client.pool, house, f"{name} {client.address}")
        self._stream = GatedStream(name, self._session, self._tell, fail_open=settings.fail == "open")
        # What the other service is told first.
        self._program: Event | None = None
        self._detect: Event | None = None
        self._pace = Pace(settings.speed, time.monotonic)
        self._passed = False
        self._refused: dict[str, Any] | None = None
        self._link: Connection | None = None
        self._reaching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._serving: asyncio.Task[Any] | None = None
        self._fault: Exception | None = None

    async def run(self) -> None:
        """Serve until the connection ends.

        Raises
        ------
        DataError
            If the client says what cannot be understood.
        LinkError
            If it is no more, or too slow.
        AwayError
            If the other service is away, and the settings say that this is the end.
        """
        self._serving = asyncio.current_task()
        try:
            while (event := await self._connection.read()) is not None:
                await self._take(event)
        except asyncio.CancelledError:
            if self._fault is None or self._serving is None:
                raise
            self._serving.uncancel()
            raise self._fault from None
        finally:
            self._serving = None
            for task in self._tasks:
                task.cancel()
            # All of it is under way before anything is waited for: the service may be closed meanwhile.
            released = self._session.close()
            try:
                if self._link is not None:
                    await self._link.close()
            finally:
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await released

    async def _take(self, event: Event) -> None:
        """Act on an event; one that is not known is let go by."""
        if AudioChunk.is_type(event.type):
            await self._chunk(event)
        elif AudioStart.is_type(event.type):
            await self._begin(SoundFormat.from_data(event.data, None), timestamp_of(event.data))
        elif AudioStop.is_type(event.type):
            await self._stop()
        elif Detect.is_type(event.type):
            self._detect = Detect(names=list(names_of(event.data)) or None).event()
            await self._forward(self._detect)
        elif SelectProgram.is_type(event.type):
            await self._select(event.data.get("name"))
        elif Describe.is_type(event.type):
            described = await self._upstream.info()
            await self._connection.write(
                error("the wake service behind this one is away", "upstream-away")
                if described is None
                else marked(described, self._settings.name)
            )
        elif Ping.is_type(event.type):
            await self._connection.write(pong(event.data))

    async def _select(self, name: Any) -> None:
        if not isinstance(name, str):
            raise DataError("select-program: name: expected the name of a program")
        # Under the name that it has here, or its own.
        self._program = SelectProgram(name=name.removeprefix(mark(self._settings.name))).event()
        await self._forward(self._program)

    # ------------------------------------------------------------------------------------ sound

    async def _begin(self, form: SoundFormat, time_ms: float | None) -> IncomingSound:
        self._passed = False
        self._refused = None
        sound = await self._stream.begin(form, time_ms)
        if self._link is not None:
            await self._forward(_start(sound))
        elif self._upstream.due:
            # What is said first must not be lost: the client's sound waits for the connection.
            await self._reach()
        return sound

    async def _chunk(self, event: Event) -> None:
        time_ms = timestamp_of(event.data)
        sound = self._stream.sound
        form = SoundFormat.from_data(event.data, sound.form if sound else None)
        if sound is None or form != sound.form:
            sound = await self._begin(form, time_ms)
        payload = event.payload or b""
        # The other service counts as we do, whatever the clock of the client is.
        chunk = AudioChunk(*form, payload, timestamp=round(sound.position / SAMPLES_PER_MS))
        await self._stream.push(payload, time_ms)
        await self._forward(chunk.event())
        await self._pace.hold(sound.seconds_of(payload))
        if self._link is None and self._upstream.due and (self._reaching is None or self._reaching.done()):
            self._reaching = self._start(self._reach)

    async def _stop(self) -> None:
        if self._stream.sound is not None:
            await self._stream.flush()
            self._settled.clear()
            await self._forward(AudioStop().event())
            if self._link is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.settle_s):
                        await self._settled.wait()
            await self._stream.end()
        if not self._passed:
            await self._connection.write(not_detected(self._refused))
        self._passed = False
        self._refused = None

    # ------------------------------------------------------------------------------------ words

    async def _tell(self, heard: Heard, time_ms: float, told: dict[str, Any]) -> None:
        if told["action"] == "pass":
            self._passed = True
            context = heard.about["context"] | {"liveness": told}
            await self._connection.write(detection(heard.name, time_ms, context, heard.about["speaker"]))
            return
        self._refused = told
        if self._settings.tell_refusals:
            await self._connection.write(refusal(heard.name, time_ms, told))

    # ------------------------------------------------------------------------------------ the other service

    async def _forward(self, event: Event) -> None:
        if self._link is None:
            return
        try:
            await self._link.write(event)
        except LinkError as fault:
            await self._lose(fault)

    async def _reach(self) -> None:
        """Connect, and tell of the stream that is under way."""
        sound = self._stream.sound
        try:
            link = await self._upstream.connect()
        except LinkError as fault:
            await self._lose(fault)
            return
        try:
            for event in (self._program, self._detect, _start(sound) if sound is not None else None):
                if event is not None:
                    await link.write(event)
        except LinkError as fault:
            await link.close()
            await self._lose(fault)
            return
        if self._link is not None or sound is not self._stream.sound:
            await link.close()  # meanwhile there was another, or it was told of another stream
            return
        self._link = link
        self._start(partial(self._listen, link))

    async def _lose(self, fault: Exception) -> None:
        link, self._link = self._link, None
        self._settled.set()
        self._upstream.lost(fault)
        if link is not None:
            await link.close()
        if self._settings.upstream_lost == "close":
            raise AwayError(f"the wake service behind this one is away: {fault}")

    async def _listen(self, link: Connection) -> None:
        """Take what the other service says, until it is away, or another connection to it is used."""
        while True:
            why: Exception = LinkError("it closed the connection")
            event = None
            try:
                event = await link.read()
            except (FrameError, LinkError) as fault:
                why = fault
            if event is None:
                if self._link is link:
                    await self._lose(why)
                return
            if Detection.is_type(event.type):
                await self._stream.heard(_heard(event.data))
            elif NotDetected.is_type(event.type):
                self._settled.set()

    def _start(self, work: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        """Do work beside the reading; if it fails, the connection ends as if the reading had failed."""

        async def guarded() -> None:
            try:
                await work()
            except Exception as fault:
                self._fault = fault
                if self._serving is not None:
                    self._serving.cancel()

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _start(sound: IncomingSound) -> Event:
    return AudioStart(*sound.form, timestamp=round(sound.position / SAMPLES_PER_MS)).event()
