"""Clients of the Wyoming services, and a service to stand behind the proxy, for ``wyoming_frames.py``."""

import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

__all__ = ["CHUNK", "RATE", "flood", "other_service", "paced", "stream"]

CHUNK = 1024
RATE = 16_000


async def stream(port: int, samples: Any) -> int:
    """Send a stream as fast as it is taken; return how many detections came."""
    from wyoming.client import AsyncTcpClient
    from wyoming.ping import Ping

    from tests.firmware_bridge.wyoming_house import send, told

    async with AsyncTcpClient("127.0.0.1", port) as client:
        await send(client, samples, chunk=CHUNK)
        await client.write_event(Ping().event())
        return [event.type for event in await told(client, "pong")].count("detection")


async def paced(port: int, samples: Any) -> tuple[list[float], list[float]]:
    """Send chunk by chunk, each when the one before was done with.

    Returns
    -------
    times of detections after the chunk that brought them was sent, ms; and in time of the sound, after the end of
    the word, ms
    """
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.client import AsyncTcpClient
    from wyoming.ping import Ping

    delays, looked_on = [], []
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(AudioStart(RATE, 2, 1).event())
        for at in range(0, samples.size, CHUNK):
            began = time.perf_counter()
            audio = samples[at : at + CHUNK].tobytes()
            await client.write_event(AudioChunk(RATE, 2, 1, audio, timestamp=at // 16).event())
            await client.write_event(Ping().event())
            while (event := await client.read_event()) is not None and event.type != "pong":
                if event.type == "detection":
                    delays.append(1e3 * (time.perf_counter() - began))
                    told = event.data["context"]["liveness"]
                    looked_on.append(told["decided_ms"] - told["end_ms"])
    return delays, looked_on


@contextlib.asynccontextmanager
async def other_service(marks: list[int], said_at: list[float], late_chunks: int) -> AsyncIterator[int]:
    """Run a wake service that detects words in chunks so long before these samples, and notes when it said so."""
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.server import AsyncEventHandler, AsyncTcpServer
    from wyoming.wake import Detection

    class Handler(AsyncEventHandler):
        async def handle_event(self, event: Any) -> bool:
            if AudioStart.is_type(event.type):
                self.at = 0
            elif AudioChunk.is_type(event.type):
                chunk = AudioChunk.from_event(event)
                if any(self.at <= mark < self.at + chunk.samples for mark in marks):
                    said_at.append(time.perf_counter())
                    time_ms = chunk.timestamp - late_chunks * CHUNK * 1000 // RATE
                    await self.write_event(Detection(name="smart_mirror", timestamp=time_ms).event())
                self.at += chunk.samples
            return True

    server = AsyncTcpServer("127.0.0.1", 0)
    await server.start(Handler)
    try:
        yield server._server.sockets[0].getsockname()[1]
    finally:
        await server.stop()


def flood(port: int, content: bytes) -> None:
    """Send events without end, as fast as they are taken."""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(ConnectionError):
        while True:
            connection.sendall(content)
