"""Another wake service, written with the protocol's library, and a client that talks to it through the proxy."""

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.wake import Detection, NotDetected

from firmware_bridge import wyoming_proxy
from tests.firmware_bridge.wyoming_house import MARKERS, client_of, in_time, opened, send, told

MADE = Attribution(name="someone", url="https://example.org")
MODEL = WakeModel(
    name="smart_mirror", attribution=MADE, installed=True, description=None, version=None, languages=[], phrase="x"
)
PROGRAM = WakeProgram(
    name="other", attribution=MADE, installed=True, description="another service", version="7", models=[MODEL]
)


class Other:
    """What the other service does, and what it was asked."""

    def __init__(self, *, late=0, timed=True, stop="always"):
        self.late = late
        self.timed = timed
        self.stop = stop
        self.events = []
        self.sound = np.zeros(0, np.int16)
        self.connections = []
        self.extra = {}
        self.info = Info(wake=[PROGRAM]).event().data


class Handler(AsyncEventHandler):
    """Hears markers as the house of these tests does, and tells of them some chunks later."""

    def __init__(self, other, *streams):
        super().__init__(*streams)
        self._other = other
        self._heard = []
        self._any = False
        other.connections.append(self)

    async def run(self):
        with suppress(ConnectionError):  # which the library leaves to the log
            await super().run()

    async def handle_event(self, event):
        other = self._other
        other.events.append(event)
        if Describe.is_type(event.type):
            await self.write_event(Event("info", other.info))
        elif AudioStart.is_type(event.type):
            self._heard, self._any = [], False
        elif AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            samples = np.frombuffer(chunk.audio, "<i2")
            other.sound = np.concatenate((other.sound, samples))
            self._heard = [(left - 1, detection) for left, detection in self._heard]
            for value in samples[np.isin(samples, list(MARKERS))]:
                time_ms = chunk.timestamp if other.timed else None
                detection = Detection(name=MARKERS[int(value)][0], timestamp=time_ms, **other.extra)
                self._heard.append((other.late, detection))
            await self._tell(0)
        elif AudioStop.is_type(event.type):
            await self._tell(1 << 30)
            # openWakeWord says so always, and the protocol only if nothing was detected.
            if other.stop == "always" or (other.stop == "if none" and not self._any):
                await self.write_event(NotDetected().event())
        return True

    async def _tell(self, most):
        for left, detection in list(self._heard):
            if left <= most:
                self._any = True
                await self.write_event(detection.event())
                self._heard.remove((left, detection))


@asynccontextmanager
async def served(other, port=0):
    server = AsyncTcpServer("127.0.0.1", port)
    await server.start(partial(Handler, other))
    try:
        yield server._server.sockets[0].getsockname()[1]
    finally:
        await server.stop()
        await server._server.wait_closed()


def talk(house, other, *steps, **tables):
    """Run steps of one client against the proxy; return what it is told."""

    async def run():
        async with served(other) as port:
            with opened(wyoming_proxy, house, "proxy", upstream=f"tcp://127.0.0.1:{port}", **tables) as sink:
                try:
                    async with client_of(sink) as client:
                        for step in steps:
                            await step(client)
                        await client.write_event(Ping(text="end").event())
                        return (await told(client, "pong"))[:-1]
                finally:
                    await asyncio.to_thread(sink.close)

    return in_time(run())


def of(kind, events):
    return [kind.from_event(event) for event in events if kind.is_type(event.type)]


def streaming(samples, **how):
    return lambda client: send(client, samples, **how)
