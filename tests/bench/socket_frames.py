"""The socket of the daemon with good, slow and mad clients at once: frames a second, delays, losses, what is left.

    python tests/bench/socket_frames.py

A process of its own has the sink on a real bus, and tells of an answer 50 times a second and of sound 31 times, as a
microphone does. One client reads everything, and says how long each answer took; one that asked for sound never reads,
another reads slowly; one sends frames, half of them mutations of good ones, on connections of 30 frames each, and reads
what it is told in return.
"""

import argparse
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from processes import ROOT, write_result

sys.path.insert(0, str(ROOT))
from tests.mutated_frames import mutated

FRAMES = 10_000
FRAMES_A_CONNECTION = 30
"""So many that few connections are ended for their faults before all was read."""
SECONDS = 40
ANSWERS_S = 50
BLOCK = 512
RATE_HZ = 16_000
GOOD = [
    json.dumps({"command": command, "value": value}).encode()
    for command in ("mute", "playing", "audio")
    for value in (True, False)
] + [b'{"command": "ping"}']


def serve(path: str) -> None:
    """Run the sink until standard input ends; a line there asks how it is."""
    import numpy as np

    from edge.answers import Answer, Audio, Status
    from edge.bus import Bus
    from edge.health import Health
    from edge.sinks.socket import Settings, make

    class House:
        health = Health()
        status = Status(
            at_s=0.0, source="listening", source_name="x", muted=False, playing=False, words=("w",), bundle="1"
        )

        def mute(self, muted: bool) -> None:
            pass

        playing = mute

    house = House()
    bus = Bus([make(Settings(path=path, audio=True, max_clients=8), "socket", house)], lambda: house.status)
    bus.start()
    ended = threading.Event()

    def tell() -> None:
        began = time.monotonic()
        heard = answers = 0
        while not ended.wait(0.004):
            passed = time.monotonic() - began
            while heard + BLOCK <= passed * RATE_HZ:
                bus.push(Audio(heard, np.zeros(BLOCK, np.int16)))
                heard += BLOCK
            while answers < passed * ANSWERS_S:
                answers += 1
                bus.push(
                    Answer(
                        id=str(answers),
                        at_s=time.time(),
                        origin="source",
                        word="w",
                        phrase="w",
                        action="pass",
                        decision="accept",
                        reasons=("live",),
                        wake_score=0.9,
                        live_probability=0.9,
                        live_score=2.0,
                        quality=None,
                        start_sample=heard,
                        end_sample=heard,
                        decided_sample=heard,
                        # Clients that are timed must see when: the public form is rounded to a millisecond.
                        bundle=repr(time.time()),
                    )
                )

    telling = threading.Thread(target=tell)
    telling.start()
    for _ in sys.stdin:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        told = {
            "rss_mb": round(pages * resource.getpagesize() / 2**20, 1),
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "open_files": len(os.listdir("/proc/self/fd")),
            "lost_lines": house.health.gauges["sink_socket_lost_lines"],
            "bus_dropped": bus.counts["socket"].dropped,
            "failures": bus.counts["socket"].failures,
        }
        print(json.dumps(told), flush=True)
    ended.set()
    telling.join()
    bus.close()


def connected(path: str) -> socket.socket:
    """Connect; there may be no room yet, or no socket."""
    ends = time.monotonic() + 30
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


def send(path: str, frames: int, rng: random.Random) -> Counter[str]:
    """Send frames of a mad client, and read everything that it is told; count it by its kind."""
    told: Counter[str] = Counter()
    for at in range(0, frames, FRAMES_A_CONNECTION):
        with connected(path) as client:
            some = [
                mutated(rng, rng.choice(GOOD)) if i % 2 else rng.choice(GOOD)
                for i in range(min(FRAMES_A_CONNECTION, frames - at))
            ]
            try:
                client.sendall(b"\n".join(some) + b"\n")
                client.shutdown(socket.SHUT_WR)
                with client.makefile("rb") as lines:
                    told.update(json.loads(line)["event"] for line in lines)
            except (BrokenPipeError, ConnectionResetError):
                told["sent away"] += 1
    return told


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "socket_frames.json")
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return 0

    with tempfile.TemporaryDirectory() as name:
        path = f"{name}/s"
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert server.stdin is not None
        assert server.stdout is not None

        def state() -> dict[str, float]:
            server.stdin.write("\n")
            server.stdin.flush()
            known: dict[str, float] = json.loads(server.stdout.readline())
            return known

        delays_ms: list[float] = []
        ids: list[int] = []
        ended = threading.Event()

        def read(client: socket.socket) -> None:
            for line in client.makefile("rb"):
                record = json.loads(line)
                if record["event"] == "answer":
                    delays_ms.append(1e3 * (time.time() - float(record["bundle"])))
                    ids.append(int(record["id"]))
                if ended.is_set():
                    return

        def read_slowly(client: socket.socket) -> None:
            while not ended.wait(0.1):
                client.recv(2000)

        witness, deaf, slow = connected(path), connected(path), connected(path)
        for client in (deaf, slow):
            client.sendall(b'{"command": "audio", "value": true}\n')
        readers = [threading.Thread(target=read, args=(witness,)), threading.Thread(target=read_slowly, args=(slow,))]
        for reader in readers:
            reader.start()
        rng = random.Random(1)
        send(path, 2000, rng)  # what is loaded once is loaded now
        before = state()
        began = time.monotonic()
        told = send(path, args.frames, rng)
        took = time.monotonic() - began
        cpu_s = state()["cpu_s"] - before["cpu_s"]
        time.sleep(max(0.5, SECONDS - took))
        after = state()
        ended.set()
        for reader in readers:
            reader.join()
        for client in (witness, deaf, slow):
            client.close()
        server.stdin.close()
        server.stdout.close()
        code = server.wait()
    delays_ms.sort()
    body = {
        "frames": args.frames,
        "frames_per_s": round(args.frames / took),
        "server_cpu_ms_per_frame": round(1e3 * cpu_s / args.frames, 3),
        "told_in_return": dict(told.most_common()),
        "witness": {
            "answers": len(ids),
            "missing": ids[-1] - ids[0] + 1 - len(ids),
            "delay_ms": {f"p{p}": round(delays_ms[min(len(ids) - 1, len(ids) * p // 100)], 2) for p in (50, 95, 99)},
            "longest_delay_ms": round(delays_ms[-1], 2),
        },
        "before": before,
        "after": after,
        "exit_code": code,
    }
    for known in (before, after):
        del known["cpu_s"]
    write_result(args.out, "tests/bench/socket_frames.py", body)
    print(json.dumps(body, indent=1))
    return code


if __name__ == "__main__":
    raise SystemExit(main())
