"""What the Wyoming services cost: reading an event, sound through the whole gate, and the way of a detection.

    python tests/bench/wyoming_frames.py

Clients, the services, and the service behind the proxy are in one process, over sockets of loopback. Times are of this
machine; how long the gate looks on after a word is time in the sound, which no machine makes shorter.
"""

import argparse
import asyncio
import io
import json
import multiprocessing
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from processes import ROOT, summary, write_result
from wyoming_clients import CHUNK, RATE, flood, other_service, paced, stream

EVENTS = 5_000
REPEATS = 5
OWN_BLOCK = 512
OWN_BLOCKS = 300
CLIENTS = (1, 2, 4, 8)


def frames(event: Any) -> bytes:
    """Return an event as the library writes it."""
    from wyoming.event import write_event

    stream = io.BytesIO()
    write_event(event, stream)
    return stream.getvalue()


def reading(content: bytes) -> dict[str, Any]:
    """Compare reading of one event by the library and within limits, us."""
    from wyoming.event import async_read_event

    from firmware_bridge.wyoming_framing import CLIENTS as LIMITS
    from firmware_bridge.wyoming_framing import read_event

    async def once(read: Any) -> float:
        reader = asyncio.StreamReader(limit=LIMITS.header)
        reader.feed_data(content * EVENTS)
        reader.feed_eof()
        began = time.perf_counter()
        for _ in range(EVENTS):
            assert await read(reader) is not None
        return 1e6 * (time.perf_counter() - began) / EVENTS

    found: dict[str, list[float]] = {"library_us": [], "limited_us": []}
    for _ in range(REPEATS):
        found["library_us"].append(asyncio.run(once(async_read_event)))
        found["limited_us"].append(asyncio.run(once(lambda reader: read_event(reader, LIMITS))))
    return {name: summary(values, 2) for name, values in found.items()}


def memory_mb() -> float:
    """Return the resident set of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def throughput(samples: Any, seconds: float) -> dict[str, Any]:
    """Measure seconds of sound that go through the whole gate in a second, and processor time for one of them."""
    from firmware_bridge import wyoming_wake
    from tests.firmware_bridge.wyoming_house import RealHouse, opened

    async def all_of(port: int, clients: int) -> None:
        found = await asyncio.gather(*(stream(port, samples) for _ in range(clients)))
        assert min(found) == max(found) > 0, found

    results = {}
    with opened(wyoming_wake, RealHouse(), max_clients=16) as sink:
        asyncio.run(all_of(sink.port, 1))
        for clients in CLIENTS:
            rates, costs = [], []
            for _ in range(3):
                wall, cpu = time.perf_counter(), time.process_time()
                asyncio.run(all_of(sink.port, clients))
                heard = clients * seconds
                rates.append(heard / (time.perf_counter() - wall))
                costs.append(1e3 * (time.process_time() - cpu) / heard)
            results[str(clients)] = {"sound_s_per_s": summary(rates, 1), "cpu_ms_per_sound_s": summary(costs, 2)}
    return results


def without_service(samples: Any, seconds: float) -> dict[str, float]:
    """Measure processor time for a second of sound that is pushed into a session directly, ms."""
    from tests.firmware_bridge.wyoming_house import RealHouse

    costs = []
    for _ in range(3):
        house = RealHouse()
        session = house.session("bench")
        cpu = time.process_time()
        for at in range(0, samples.size, CHUNK):
            for _ in session.push(samples[at : at + CHUNK]):
                pass
        costs.append(1e3 * (time.process_time() - cpu) / seconds)
        session.close()
    return summary(costs, 2)


def way_of_a_detection(samples: Any) -> dict[str, Any]:
    """Measure the time from the chunk that completes what the gate needs to the detection, and what it looks on."""
    from firmware_bridge import wyoming_wake
    from tests.firmware_bridge.wyoming_house import RealHouse, opened

    delays, looked_on = [], []
    with opened(wyoming_wake, RealHouse()) as sink:
        for _ in range(REPEATS):
            more, looks = asyncio.run(paced(sink.port, samples))
            delays += more
            looked_on += looks
    return {
        "detections": len(delays),
        "after_the_chunk_ms": summary(delays, 2),
        "decided_after_the_end_of_the_word_ms": summary(looked_on, 0),
    }


def through_the_proxy(samples: Any, marks: list[int], late_chunks: int) -> dict[str, Any]:
    """Measure the time from the other service's word to that of the proxy, ms; it speaks some chunks after the word."""
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.client import AsyncTcpClient

    from firmware_bridge import wyoming_proxy
    from tests.firmware_bridge.wyoming_house import RealHouse, opened

    said_at: list[float] = []
    delays: list[float] = []

    async def run() -> None:
        spoken = [mark + late_chunks * CHUNK for mark in marks]
        async with other_service(spoken, said_at, late_chunks) as port:
            with opened(wyoming_proxy, RealHouse(), "proxy", upstream=f"tcp://127.0.0.1:{port}") as sink:
                for _ in range(REPEATS):
                    async with AsyncTcpClient("127.0.0.1", sink.port) as client:
                        await client.write_event(AudioStart(RATE, 2, 1).event())
                        for at in range(0, samples.size, CHUNK):
                            audio = samples[at : at + CHUNK].tobytes()
                            known = len(said_at)
                            await client.write_event(AudioChunk(RATE, 2, 1, audio, timestamp=at // 16).event())
                            if any(at <= mark < at + CHUNK for mark in spoken):
                                # Whatever it becomes; the sound goes on meanwhile as a person's would.
                                pending = asyncio.create_task(client.read_event())
                                more = at + CHUNK
                                while not (await asyncio.wait([pending], timeout=CHUNK / RATE))[0]:
                                    audio = samples[more : more + CHUNK].tobytes()
                                    await client.write_event(AudioChunk(RATE, 2, 1, audio).event())
                                    more += CHUNK
                                event = await pending
                                assert event is not None, "the proxy closed"
                                delays.append(1e3 * (time.perf_counter() - said_at[known]))
                                break
                await asyncio.to_thread(sink.close)

    asyncio.run(run())
    return {"words": len(delays), "added_ms": summary(delays, 2)}


def memory_of_clients(samples: Any) -> float:
    """Return what a client adds that streams through the whole gate, MB."""
    from wyoming.client import AsyncTcpClient
    from wyoming.ping import Ping

    from firmware_bridge import wyoming_wake
    from tests.firmware_bridge.wyoming_house import RealHouse, opened, send, until

    house = RealHouse()
    most = 8

    async def run(port: int) -> float:
        clients = []
        sizes = []
        for _ in range(most):
            clients.append(AsyncTcpClient("127.0.0.1", port))
            await clients[-1].connect()
            await send(clients[-1], samples[: 8 * RATE], stop=False)
            await until(lambda: len(house.open) == len(clients))
            await clients[-1].write_event(Ping().event())
            while (event := await clients[-1].read_event()) is not None and event.type != "pong":
                pass
            sizes.append(memory_mb())
        for client in clients:
            await client.disconnect()
        return (sizes[-1] - sizes[0]) / (most - 1)

    with opened(wyoming_wake, house) as sink:
        return asyncio.run(run(sink.port))


def beside_floods(samples: Any) -> dict[str, Any]:
    """Measure how long blocks of the daemon's own sound take, in real time, while clients flood the service."""
    from wyoming.audio import AudioChunk

    from firmware_bridge import wyoming_wake
    from tests.firmware_bridge.wyoming_house import RealHouse, opened

    events = [AudioChunk(RATE, 2, 1, samples[at : at + CHUNK].tobytes()) for at in range(0, samples.size, CHUNK)]
    content = b"".join(frames(one.event()) for one in events)
    spawn = multiprocessing.get_context("spawn")
    results = {}
    house = RealHouse()
    with opened(wyoming_wake, house) as sink:
        for clients in (0, 1, 8):
            senders = [spawn.Process(target=flood, args=(sink.port, content), daemon=True) for _ in range(clients)]
            for sender in senders:
                sender.start()
            asyncio.run(_all_there(house, clients))
            session = house.session("source")
            took, behind, began = [], [], time.perf_counter()
            for i in range(OWN_BLOCKS):
                time.sleep(max(0.0, began + i * OWN_BLOCK / RATE - time.perf_counter()))
                at = i * OWN_BLOCK % (samples.size - OWN_BLOCK)
                started = time.perf_counter()
                for _ in session.push(samples[at : at + OWN_BLOCK]):
                    pass
                took.append(1e3 * (time.perf_counter() - started))
                behind.append(1e3 * (time.perf_counter() - began - i * OWN_BLOCK / RATE))
            session.close()
            for sender in senders:
                sender.kill()
                sender.join()
            asyncio.run(_all_there(house, 0))
            results[str(clients)] = {"push_ms": summary(took, 2), "behind_ms": summary(behind, 1)}
    return results


async def _all_there(house: Any, clients: int) -> None:
    from tests.firmware_bridge.wyoming_house import until

    await until(lambda: len(house.open) == clients)


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "wyoming_frames.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore", DeprecationWarning)
    import soundfile
    from wyoming.audio import AudioChunk

    from edge.bundle import DEFAULT_BUNDLE, open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.events import Wake
    from edge.pipeline import Pipeline

    scene = soundfile.read(ROOT / "edge" / "data" / "scene.flac", dtype="int16")[0]
    seconds = scene.size / RATE
    pipeline = Pipeline(open_bundle())
    ends = [event.end_sample for event in pipeline.push(scene) if isinstance(event, Wake)]
    marks = ends[:1]
    chunk = frames(AudioChunk(RATE, 2, 1, scene[:CHUNK].tobytes(), timestamp=12_345).event())
    results: dict[str, Any] = {
        "event_of_sound": {"samples": CHUNK, "bytes": len(chunk), **reading(chunk)},
        "clients_at_a_time": throughput(scene, seconds),
        "session_alone_cpu_ms_per_sound_s": without_service(scene, seconds),
        "detection": way_of_a_detection(scene),
        "proxy_word_told_at_once": through_the_proxy(scene, marks, 0),
        "proxy_word_told_256_ms_later": through_the_proxy(scene, marks, 4),
        "own_sound_beside_clients_that_flood": beside_floods(scene),
        "client_mb": round(memory_of_clients(scene), 2),
    }
    body = {
        "bundle_sha256": bundle_hash(DEFAULT_BUNDLE),
        "method": (
            "edge/data/scene.flac in chunks of 1,024 samples; clients, services and the service behind the proxy "
            "in one process on loopback; event_of_sound: one audio-chunk from memory, by the reader of the "
            "library and by that with limits; clients_at_a_time: sent as fast as it is taken, with all that the "
            "gate does, three times; detection: after_the_chunk_ms from sending the chunk that completes what the "
            "gate needs, decided_after_the_end_of_the_word_ms is time of the sound; proxy: from the other "
            "service's detection to what the client is told, the sound going on in real time; "
            "own_sound_beside_clients_that_flood: a session of the daemon's own in the same process, 300 blocks "
            "of 32 ms in real time, beside 0, 1 and 8 clients (own processes) that send without a pause: time of "
            "a block, and how long after its time it was done; client_mb: resident memory that each further "
            "streaming client adds"
        ),
        "results": results,
    }
    write_result(args.out, "python tests/bench/wyoming_frames.py", body)
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
