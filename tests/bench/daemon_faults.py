"""What becomes of the installed daemon when its surroundings fail, one fault after the other.

    python tests/bench/daemon_faults.py

Every fault is made for real, to a ``vivavoce daemon`` in a process of its own: the sound server is killed, the broker
is killed, a client vanishes in the middle of a stream, a disk is full, the clock jumps, the processor is taken away. Of
each it is written down what the daemon noticed, how long it took to work again, and whether the words that were said
afterwards were answered. Faults of the store and of updates have benches of their own (``store_faults.py``,
``update_faults.py``).
"""

import argparse
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from processes import ROOT, write_result

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

RATE_HZ = 16_000
SCENE = ROOT / "edge" / "data" / "scene.flac"
PATIENCE_S = 90.0

# Runs the command with a clock that somebody else may set: what it reads is the real one and what stands in a file.
CLOCK = """
import sys, time
real, path = time.time, sys.argv.pop(1)
def shifted():
    with open(path) as file:
        return real() + float(file.read() or 0)
time.time = shifted
from edge.__main__ import main
sys.exit(main())
"""


class Daemon:
    """A daemon, the lines of its socket, and its log."""

    def __init__(
        self, folder: Path, settings: str, command: list[str], environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.lines: list[tuple[float, dict]] = []
        (folder / "daemon.toml").write_text(settings)
        self._log = open(folder / "log", "wb")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*command, "daemon", "--config", str(folder / "daemon.toml")],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._log,
        )  # fmt: skip
        atexit.register(self.process.kill)
        self.connection = socket.socket(socket.AF_UNIX)
        self.until(self._connected, "a socket")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _connected(self) -> bool:
        if self.process.poll() is not None:
            raise SystemExit(f"the daemon ended: {self.log()}")
        try:
            self.connection.connect(str(self.folder / "s"))
        except OSError:
            return False
        return True

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            for line in self.connection.makefile("r", encoding="utf-8"):
                self.lines.append((time.monotonic(), json.loads(line)))

    def of(self, event: str) -> list[dict]:
        return [record for _, record in list(self.lines) if record["event"] == event]

    def state(self) -> str:
        found = self.of("status")
        return found[-1]["source"] if found else ""

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def hear(self, sound: bytes) -> None:
        """Write sound into the daemon's pipe, and wait until its words are answered."""
        before = len(self.of("answer"))
        assert self.process.stdin is not None
        self.process.stdin.write(sound)
        self.process.stdin.flush()
        self.until(lambda: len(self.of("answer")) >= before + 2, "both words of the scene")

    def until(self, condition: Callable[[], bool], what: str) -> float:
        """Wait until something is so; return how long it took, s."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > PATIENCE_S:
                raise SystemExit(f"waited {PATIENCE_S:g} s in vain for {what}: {self.log()[-3000:]}")
            time.sleep(0.01)
        return round(time.monotonic() - began, 2)

    def close(self) -> int:
        """End it, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.connection.close()
        self._log.close()
        return code


def settings(folder: Path, source: str, more: str = "") -> str:
    """Return settings without memory, so that the same scene may be heard again."""
    return (
        "[memory]\nenabled = false\n[gate]\nrefractory_s = 0.0\npasses_per_minute = 0\n"
        f'[source]\n{source}\n[sinks.socket]\npath = "{folder}/s"\n{more}'
        + ("" if "[store]" in more else "[store]\nenabled = false\n")
    )


def microphone_gone(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Kill the sound server while the daemon listens to it, three times, and start it again."""
    import numpy as np
    import soundfile
    from e2e.virtual_microphone import Room

    samples = np.concatenate((np.zeros(RATE_HZ, np.int16), np.frombuffer(scene, np.int16)))
    soundfile.write(folder / "scene.wav", samples, RATE_HZ)
    folder.chmod(0o700)
    room = Room(folder)
    noticed, back, answered = [], [], []
    try:
        daemon = Daemon(folder, settings(folder, 'device = "pulse"'), command, room.environment)
        room.make_noise(600)
        daemon.until(lambda: daemon.state() == "listening", "the microphone")
        for gone_s in (0.0, 3.0, 10.0):
            room.unplug()
            noticed.append(daemon.until(lambda: daemon.state() == "lost", "the loss"))
            time.sleep(gone_s)
            room.plug_in()
            room.make_noise(600)
            back.append(daemon.until(lambda: daemon.state() == "listening", "the microphone again"))
            before = len(daemon.of("answer"))
            room.play(folder / "scene.wav").wait()
            daemon.until(lambda before=before: len(daemon.of("answer")) >= before + 2, "answers")
            answered.append(len(daemon.of("answer")) - before)
        code = daemon.close()
    finally:
        room.close()
    return {
        "fault": "the sound server killed and started again after 0, 3 and 10 s",
        "noticed_after_s": noticed, "listening_again_after_s": back, "words_answered_then": answered,
        "words_said_then": [2, 2, 2], "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


def broker_gone(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Kill the MQTT broker in the middle of a stream."""
    from tests.firmware_bridge.mqtt_broker import Broker, watching

    broker = Broker(folder).start()
    daemon = Daemon(
        folder, settings(folder, 'kind = "pipe"', f'[sinks.mqtt]\nport = {broker.port}\ntopic = "v/f"\n'), command
    )
    try:
        with watching(broker.port, topic="v/f/#") as watcher:
            daemon.until(lambda: watcher.latest.get("v/f/availability") == "online", "the broker to know")
            daemon.hear(scene)
        broker.kill()
        daemon.hear(scene)  # the socket goes on while the broker is away
        broker.start()
        with watching(broker.port, topic="v/f/#") as watcher:
            back = daemon.until(lambda: watcher.latest.get("v/f/availability") == "online", "the broker again")
            daemon.hear(scene)
            ids = {answer["id"] for answer in daemon.of("answer")[-2:]}
            told = daemon.until(lambda: all(one in "".join(texts(watcher)) for one in ids), "answers over MQTT")
        code = daemon.close()
    finally:
        broker.kill()
    return {
        "fault": "the MQTT broker killed and started again between words",
        "socket_answers_meanwhile": 2, "online_again_after_s": back, "answers_told_after_s": told,
        "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


def texts(watcher: object) -> list[str]:
    """Return all that a watcher was told."""
    kept = watcher.__dict__.setdefault("texts", [])
    while not watcher.told.empty():
        kept.append(watcher.told.get()[1])
    return kept


def client_gone(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Break off Wyoming clients in the middle of a stream, while another one is served."""
    import asyncio
    import struct

    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.wake import Detect

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = Daemon(folder, settings(folder, 'kind = "pipe"', f"[sinks.wyoming]\nport = {port}\n"), command)

    async def talk(broken: bool) -> list[str]:
        client = AsyncTcpClient("127.0.0.1", port, read_timeout=20)
        while True:
            try:
                await client.connect()
                break
            except OSError:
                await asyncio.sleep(0.05)
        await client.write_event(Detect(names=[]).event())
        await client.write_event(AudioStart(rate=RATE_HZ, width=2, channels=1).event())
        for at in range(0, len(scene), 2048):
            await client.write_event(AudioChunk(rate=RATE_HZ, width=2, channels=1, audio=scene[at : at + 2048]).event())
            if broken and at > len(scene) // 2:
                # A connection that is reset, as by a power cut.
                raw = client._writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client._writer.transport.abort()
                return []
        await client.write_event(AudioStop().event())
        told = []
        while (event := await asyncio.wait_for(client.read_event(), 20)) is not None:
            told.append(event.type)
            if event.type == "not-detected" or "detection" in told:
                break
        await client.disconnect()
        return told

    async def both() -> list[list[str]]:
        found = []
        for _ in range(10):
            done = await asyncio.gather(talk(True), talk(False), talk(True))
            found.append(done[1])
        return found

    asyncio.run(talk(False))
    daemon.hear(scene)
    before = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    found = asyncio.run(both())
    leaked = daemon.until(
        lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= before, "descriptors to be freed"
    )
    daemon.hear(scene)
    code = daemon.close()
    return {
        "fault": "20 Wyoming clients reset in the middle of a stream, beside 10 that stayed",
        "served_beside": sum("detection" in told for told in found), "of": len(found),
        "descriptors_freed_after_s": leaked, "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


def disk_full(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Fill the disk of the store while events come."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        return {"fault": "a full disk", "skipped": "mounting a small disk needs root"}
    try:
        daemon = Daemon(
            folder, settings(folder, 'kind = "pipe"', f'[store]\npath = "{disk}/events.sqlite3"\n'), command
        )
        daemon.hear(scene)
        filler = disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        for _ in range(30):
            daemon.hear(scene)
        filler.unlink()
        listed = [
            sys.executable,
            "-m",
            "edge",
            "events",
            "--store",
            f"{disk}/events.sqlite3",
            "--json",
            "--limit",
            "500",
        ]

        def kept() -> set[str]:
            done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
            return {json.loads(line).get("id", "") for line in done.stdout.splitlines()}

        def last_is_kept() -> bool:
            return daemon.of("answer")[-1]["id"] in kept()

        recovered = daemon.until(last_is_kept, "the store to go on")
        daemon.hear(scene)
        daemon.until(last_is_kept, "the next event")
        answers = [answer["id"] for answer in daemon.of("answer")]
        there = kept()
        code = daemon.close()
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return {
        "fault": "the disk of the store full during 60 answers, then free again",
        "answers": len(answers), "events_kept": sum(one in there for one in answers),
        "writing_again_after_s": recovered,
        "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


def clock_jumps(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Let the clock jump forward by a month, back by a year, and to 1970."""
    shift = folder / "shift"
    shift.write_text("0")
    daemon = Daemon(
        folder,
        settings(folder, 'kind = "pipe"', f'[store]\npath = "{folder}/events.sqlite3"\n'),
        [sys.executable, "-c", CLOCK, str(shift)],
        {**os.environ, "PYTHONPATH": str(ROOT)},
    )
    jumps = {
        "a month on": 30 * 86_400.0,
        "a year back": -365 * 86_400.0,
        "to 1970": -time.time() + 5.0,
        "right again": 0.0,
    }
    for by in jumps.values():
        daemon.hear(scene)
        new = folder / "new"
        new.write_text(str(by))
        new.replace(shift)
    daemon.hear(scene)
    answers = daemon.of("answer")
    samples = [answer["decided_sample"] for answer in answers]
    code = daemon.close()
    return {
        "fault": f"the clock jumps: {', '.join(jumps)}",
        "answers": len(answers), "words_said": 2 * (len(jumps) + 1),
        
        "time_of_the_sound_goes_on": samples == sorted(samples),
        "ids_are_unique": len({answer["id"] for answer in answers}) == len(answers),
        "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


def starved(folder: Path, command: list[str], scene: bytes) -> dict[str, object]:
    """Take the processor away: half of the time, then for longer than sound is held."""
    import numpy as np
    import soundfile
    from e2e.virtual_microphone import Room

    samples = np.concatenate((np.zeros(RATE_HZ, np.int16), np.frombuffer(scene, np.int16)))
    soundfile.write(folder / "scene.wav", samples, RATE_HZ)
    folder.chmod(0o700)
    room = Room(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        daemon = Daemon(
            folder, settings(folder, 'device = "pulse"', f"[metrics]\nenabled = true\nport = {port}\n"), command,
            room.environment,
        )  # fmt: skip
        room.make_noise(600)
        daemon.until(lambda: daemon.state() == "listening", "the microphone")
        halved = threading.Event()

        def halve() -> None:
            while not halved.is_set():
                daemon.process.send_signal(signal.SIGSTOP)
                time.sleep(0.25)
                daemon.process.send_signal(signal.SIGCONT)
                time.sleep(0.25)

        from soak import metrics

        thread = threading.Thread(target=halve)
        thread.start()
        for _ in range(3):
            before = len(daemon.of("answer"))
            room.play(folder / "scene.wav").wait()
        daemon.until(lambda: len(daemon.of("answer")) >= 6, "answers on half a processor")
        halved.set()
        thread.join()
        half = metrics(port)
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(30.0)
        daemon.process.send_signal(signal.SIGCONT)
        before = len(daemon.of("answer"))
        time.sleep(2.0)
        room.play(folder / "scene.wav").wait()
        recovered = daemon.until(lambda: len(daemon.of("answer")) >= before + 2, "answers afterwards")
        stopped = metrics(port)
        code = daemon.close()
    finally:
        room.close()
    return {
        "fault": "stopped for 0.25 s twice a second while six words are said; then for 30 s",
        "words_answered_at_half": 6, "overflows_at_half": half["vivavoce_audio_overflows_total"],
        "dropped_s_at_half": half["vivavoce_audio_dropped_seconds_total"],
        "overflows_after_30_s": stopped["vivavoce_audio_overflows_total"],
        "dropped_s_after_30_s": stopped["vivavoce_audio_dropped_seconds_total"],
        "words_answered_afterwards": 2, "answered_after_s": recovered,
        "exit_code": code, "tracebacks": daemon.log().count("Traceback"),
    }  # fmt: skip


FAULTS = (microphone_gone, broker_gone, client_gone, disk_full, clock_jumps, starved)


def main() -> int:
    """Make every fault, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vivavoce", default=str(Path(sys.executable).with_name("vivavoce")), help="the command")
    parser.add_argument("--only", help="one fault, by the name of its function")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "daemon_faults.json")
    args = parser.parse_args()

    import soundfile

    scene = soundfile.read(SCENE, dtype="int16")[0].tobytes()
    found = {}
    for fault in FAULTS:
        if args.only and fault.__name__ != args.only:
            continue
        with tempfile.TemporaryDirectory() as name:
            print(f"{fault.__name__} ...", file=sys.stderr)
            found[fault.__name__] = fault(Path(name), [args.vivavoce], scene)
            print(json.dumps(found[fault.__name__]), flush=True)
    if not args.only:
        method = __doc__.split("\n\n", 2)[2].replace("\n", " ").strip()
        write_result(args.out, "python tests/bench/daemon_faults.py", {"method": method, "results": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
