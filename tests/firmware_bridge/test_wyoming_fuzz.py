"""Ten thousand events, half of them damaged, from clients that come and go: the service and its other clients stay."""

import asyncio
import gc
import io
import os
import random
from pathlib import Path

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, write_event
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.wake import Detect

from firmware_bridge import wyoming_proxy, wyoming_wake
from tests.firmware_bridge.wyoming_house import FakeHouse, client_of, opened, send, sound, told, until
from tests.firmware_bridge.wyoming_other import Other, served

FRAMES = 10_000
WARM_UP = 2_000
ATTACKERS = 3
# Below what is kept for each connection of the proxy, times the connections; the allocator takes some by itself.
GROWTH_BYTES = 128 << 20


class Forgetful(FakeHouse):
    """Keeps nothing, so that what grows is ours."""

    def session(self, *args, **kwargs):
        session = super().session(*args, **kwargs)
        self.sessions.clear()
        self.answers.clear()
        return session


def frame(event):
    stream = io.BytesIO()
    write_event(event, stream)
    return stream.getvalue()


def valid(chance):
    samples = sound(0.064, **({f"_{chance.choice([20_000, 21_000, 23_000])}": 0.03} if chance.random() < 0.1 else {}))
    rate, width, channels = chance.choice([(16_000, 2, 1), (16_000, 2, 1), (44_100, 2, 2), (8_000, 1, 1)])
    make = chance.choice(
        [
            lambda: AudioStart(rate, width, channels, timestamp=chance.choice([None, 5, 10**15])).event(),
            lambda: AudioChunk(16_000, 2, 1, samples.tobytes(), timestamp=chance.choice([None, 7])).event(),
            lambda: AudioChunk(rate, width, channels, bytes(400 * width * channels)).event(),
            lambda: AudioStop().event(),
            lambda: Detect(names=chance.choice([None, ["smart_mirror"], ["x"]])).event(),
            lambda: Describe().event(),
            lambda: Ping(text="x" * chance.randrange(100)).event(),
            lambda: Event("transcript", {"text": "unknown"}, b"x"),
        ]
    )
    return frame(make())


def damaged(chance):
    content = bytearray(valid(chance))
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(6)
        at = chance.randrange(len(content)) if content else 0
        head = content.find(b"\n") + 1
        if kind == 0:
            content[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del content[at : at + chance.randint(1, 20)]
        elif kind == 2:
            content[at:at] = chance.randbytes(chance.randint(1, 20))
        elif kind == 3 and head:
            # The line, where the meaning is.
            place = chance.randrange(head)
            content[place : place + 1] = bytes([chance.choice(b'0123456789{}[]",:-eE.tfn\n')])
        elif kind == 4:
            content = content.replace(b'_length": ', b'_length": ' + chance.choice([b"9", b"-", b"1e9", b"4294967296"]))
        else:
            for word in (b"16000", b'"rate"', b"2,", b"null", b"audio-chunk"):
                if word in content and chance.random() < 0.5:
                    content = content.replace(
                        word, chance.choice([b"-1", b"{}", b"[]", b"1e999", b"NaN", b'""', b"0,"])
                    )
    return bytes(content)


async def attack(sink, chance, frames):
    """Send frames over connections that last for a few."""
    left = frames
    while left:
        count = min(left, chance.randint(1, 20))
        left -= count
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        try:
            for _ in range(count):
                writer.write(damaged(chance) if chance.random() < 0.5 else valid(chance))
            await writer.drain()
            if chance.random() < 0.3:
                writer.transport.abort()
                continue
            writer.write_eof()
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


async def behave(sink, done):
    """Be a client that has its words detected, again and again, on one connection."""
    streams = 0
    async with client_of(sink) as client:
        while not done.is_set() or streams < 3:
            await send(client, sound(1, _22000=0.5), start_ms=1000)
            detection = (await told(client, "detection"))[-1]
            assert (detection.data["name"], detection.data["context"]["liveness"]["action"]) == ("hey_house", "pass")
            streams += 1
            await client.write_event(Ping(text=str(streams)).event())
            assert (await told(client, "pong"))[-1].data["text"] == str(streams)
    return streams


def used():
    """Return resident bytes, descriptors, and how many objects of the services there are."""
    gc.collect()
    ours = [one for one in gc.get_objects() if str(type(one).__module__).startswith("firmware_bridge")]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE"), len(os.listdir("/proc/self/fd")), len(ours)


@pytest.mark.slow
@pytest.mark.parametrize("plugin", [wyoming_wake, wyoming_proxy], ids=["wake", "proxy"])
def test_ten_thousand_events_half_of_them_damaged(plugin, caplog):
    house = Forgetful()
    figures = []

    async def run():
        other = Other()
        async with served(other) as port:
            tables = {"upstream": f"tcp://127.0.0.1:{port}", "settle_s": 10.0} if plugin is wyoming_proxy else {}
            with opened(plugin, house, "fuzz", message_s=1.0, **tables) as sink:
                done = asyncio.Event()
                good = asyncio.create_task(behave(sink, done))
                for frames, seed in ((WARM_UP, 0), (FRAMES - WARM_UP, 1)):
                    chances = [random.Random(ATTACKERS * seed + i) for i in range(ATTACKERS)]
                    await asyncio.gather(*(attack(sink, chance, frames // ATTACKERS + 1) for chance in chances))
                    await until(lambda: house.health.gauges["fuzz_clients"] == 1)
                    other.events.clear()
                    other.connections.clear()
                    other.sound = np.zeros(0, np.int16)
                    figures.append(used())
                done.set()
                assert await good >= 3
                await until(lambda: house.health.gauges["fuzz_clients"] == 0)
                await asyncio.to_thread(sink.close)

    async def limited():
        async with asyncio.timeout(300):
            await run()

    asyncio.run(limited())
    assert house.health.gauges["fuzz_faults"] > FRAMES / 100, "the damage was noticed"
    unexpected = [record for record in caplog.records if record.exc_info]
    assert not unexpected, unexpected[0].getMessage()
    (rss_before, fds_before, ours_before), (rss_after, fds_after, ours_after) = figures
    print(f"faults {house.health.gauges['fuzz_faults']:.0f}; resident bytes, descriptors, objects: {figures}")
    assert fds_after <= fds_before + 2
    assert ours_after <= ours_before + 20, "objects of connections that have ended are still there"
    assert rss_after - rss_before < GROWTH_BYTES
