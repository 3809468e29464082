"""``vivavoce daemon`` on a microphone that is pulled out and put in again: PortAudio on the monitor of a null sink."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e.virtual_microphone import RATE_HZ, Room, missing, room_for

import edge

ROOT = Path(__file__).resolve().parents[2]
SCENE = Path(edge.__file__).parent / "data" / "scene.flac"
PATIENCE_S = 60

pytestmark = pytest.mark.slow


@pytest.fixture
def room(tmp_path_factory) -> Iterator[Room]:
    yield from room_for(tmp_path_factory, missing())


class Service:
    """The daemon in a process of its own, and the lines of its log as they come."""

    def __init__(self, room: Room, folder: Path, source: str) -> None:
        (folder / "daemon.toml").write_text(
            f"[store]\nenabled = false\n[memory]\nenabled = false\n[source]\n{source}\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "daemon", "--config", str(folder / "daemon.toml")],
            cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self.news = threading.Condition()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()

    def wait(self, pattern: str, count: int = 1) -> None:
        """Wait until so many lines match."""
        with self.news:
            found = self.news.wait_for(lambda: self.count(pattern) >= count, PATIENCE_S)
        assert found, (pattern, self.lines)

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, line) is not None for line in self.lines)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stderr.close()


@pytest.fixture
def service(room, tmp_path):
    started = []

    def start(source: str) -> Service:
        started.append(Service(room, tmp_path, source))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def scene(tmp_path) -> Path:
    """Make a file of the scene with the pause in front that the first samples of a player need."""
    samples, _ = soundfile.read(SCENE, dtype="int16")
    soundfile.write(tmp_path / "scene.wav", np.concatenate((np.zeros(RATE_HZ, np.int16), samples)), RATE_HZ)
    return tmp_path / "scene.wav"


def test_it_hears_and_hears_again_after_the_microphone_was_gone(room, service, scene):
    one = service('device = "pulse"')
    one.wait("listening to pulse")
    room.play(scene)
    one.wait("source .*: pass", 1)
    passed = one.count("source .*: pass")
    room.unplug()
    one.wait("tried again from now on")
    room.plug_in()
    room.make_noise()
    one.wait("listening to pulse", 2)
    room.play(scene)
    one.wait("source .*: pass", passed + 1)
    began = time.monotonic()
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(PATIENCE_S) == 0
    assert time.monotonic() - began < PATIENCE_S / 2
    text = "\n".join(one.lines)
    assert "Traceback" not in text
    # Libraries complain of devices and servers that are not there: not into the log of a service.
    assert "ALSA lib" not in text
    assert "jack" not in text.casefold()
    assert one.count("tried again from now on") == 1


def test_it_waits_for_a_microphone_that_is_not_there_yet(room, service):
    room.unplug()
    one = service('device = "pulse"')
    one.wait("tried again from now on")
    room.plug_in()
    room.make_noise()
    one.wait("listening to pulse")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(PATIENCE_S) == 0


def test_microphone_and_reference_both_come_again(room, service):
    # PortAudio is initialised again only while neither of the two has a stream open.
    one = service('device = "pulse"\n[reference]\nkind = "microphone"\ndevice = "pulse"\nlatency = "high"')
    one.wait("listening to pulse")
    one.wait("comparing with what is played: pulse")
    room.unplug()
    one.wait("edge.daemon: .*tried again from now on")
    one.wait("edge.reference: what is played is not heard")
    room.plug_in()
    room.make_noise()
    one.wait("listening to pulse", 2)
    one.wait("comparing with what is played: pulse", 2)
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(PATIENCE_S) == 0
    assert "Traceback" not in "\n".join(one.lines)


def test_it_ends_in_time_while_the_microphone_gives_nothing(room, service):
    one = service('device = "pulse"')
    one.wait("listening to pulse")
    # A stopped server is a device that hangs: it takes calls and never answers.
    os.kill(room.server.pid, signal.SIGSTOP)
    try:
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(PATIENCE_S) == 0
    finally:
        os.kill(room.server.pid, signal.SIGCONT)


def test_it_ends_in_time_though_the_sound_server_hangs_from_the_beginning(room, service):
    os.kill(room.server.pid, signal.SIGSTOP)
    try:
        one = service('device = "pulse"')
        one.wait("edge.daemon: bundle")
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(PATIENCE_S / 3) == 0
    finally:
        os.kill(room.server.pid, signal.SIGCONT)
