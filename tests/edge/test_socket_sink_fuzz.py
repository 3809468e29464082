"""The socket sink: ten thousand frames of anything."""

import contextlib
import gc
import json
import os
import random
import socket
import tracemalloc

from tests.edge.socket_clients import (  # noqa: F401  # fixtures
    ANSWER,
    Connection,
    connect_fixture,
    house_fixture,
    opened_fixture,
    path_fixture,
    wait_for,
)
from tests.mutated_frames import mutated


def test_ten_thousand_frames_of_anything(opened, connect, house):
    """Half of them are mutations of good ones. Nothing breaks, nothing is left behind, and others notice nothing."""
    sink = opened(audio=True, max_clients=4)
    good = [
        json.dumps({"command": command, "value": value}).encode()
        for command in ("mute", "playing", "audio")
        for value in (True, False)
    ] + [b'{"command": "ping"}']
    rng = random.Random(20_261_126)
    witness = connect()
    witness.line()

    def rounds(n):
        for _ in range(n):
            client = Connection(sink._path)
            frames = [
                mutated(rng, rng.choice(good)) if rng.random() < 0.5 else rng.choice([rng.randbytes(30), *good])
                for _ in range(20)
            ]
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.socket.sendall(b"\n".join(frames) + rng.choice([b"\n", b""]))
                if rng.random() < 0.5:
                    client.socket.shutdown(socket.SHUT_WR)
                    for line in client.file:
                        assert json.loads(line)["event"] in {"status", "pong", "done", "error", "answer", "audio"}
            client.close()
            sink.push(ANSWER)
            assert witness.line()["id"] == ANSWER.id
            house.asked.clear()  # of this test, not of the sink

    rounds(30)
    wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
    before = len(os.listdir("/proc/self/fd"))
    tracemalloc.start()
    try:
        rounds(100)
        wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
        gc.collect()
        first = tracemalloc.get_traced_memory()[0]
        rounds(370)
        wait_for(lambda: house.health.gauges["sink_local_clients"] == 1)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    sink.check()
    # The last connection is closed a moment after it is forgotten.
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
    assert grown < 200_000  # a client alone is some 3 kB: 370 would be a megabyte
    assert len(sink._listening) == 0
