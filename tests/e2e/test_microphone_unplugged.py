"""A microphone as the source of the daemon, through PortAudio: heard, pulled out, and plugged in again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e.virtual_microphone import RATE_HZ, Room, missing, room_for

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

LISTEN = """
import sys, json, logging
import numpy as np
from edge.capture import Block, Capture, Gap, Lost, Opened
from edge.health import Health
from edge.live_sources.microphone import Settings, make
logging.basicConfig(level="INFO", format="%(message)s")
health = Health()
capture = Capture(make(Settings(device="pulse", **json.loads(sys.argv[2]))), health=health, checked=True)
heard = open(sys.argv[1], "wb", buffering=0)
while True:
    item = capture.take(0.2)
    if isinstance(item, Block):
        heard.write(item.samples.tobytes())
    elif isinstance(item, (Opened, Lost)):
        value = item.native_rate_hz if isinstance(item, Opened) else item.reason
        print(json.dumps([type(item).__name__, value]), flush=True)
"""


@pytest.fixture
def room(tmp_path_factory) -> Iterator[Room]:
    yield from room_for(tmp_path_factory, missing())


@pytest.fixture
def listen(room, tmp_path):
    running: list[subprocess.Popen[str]] = []

    def begin(**settings) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, str(tmp_path / "heard"), json.dumps(settings)],
            cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> tuple[str, object]:
    kind, value = json.loads(process.stdout.readline())
    return kind, value


def heard(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), np.int16)


def holds(path: Path, sound: np.ndarray) -> bool:
    """Wait until a sound was heard, without a sample lost or changed; room noise is added to it by the sound server."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        whole = heard(path)
        if whole.size > sound.size:
            size = 1 << (whole.size + sound.size).bit_length()
            spectrum = np.fft.rfft(whole.astype(float), size) * np.conj(np.fft.rfft(sound.astype(float), size))
            at = int(np.argmax(np.fft.irfft(spectrum, size)[: whole.size]))
            part = whole[at : at + sound.size].astype(int)
            if part.size == sound.size and np.abs(part - sound).max() <= 40:
                return True
        time.sleep(0.1)
    return False


def spoken(folder: Path, seed: int) -> tuple[Path, np.ndarray]:
    sound = np.random.default_rng(seed).normal(0, 3000, RATE_HZ).round().astype(np.int16)
    path = folder / f"{seed}.wav"
    soundfile.write(path, np.concatenate((np.zeros(RATE_HZ * 6 // 10, np.int16), sound, sound[:0])), RATE_HZ)
    return path, sound


def test_sound_comes_through_whole_before_and_after_it_was_unplugged(room, listen, tmp_path):
    process = listen()
    assert told(process) == ("Opened", RATE_HZ)
    path, sound = spoken(tmp_path, 1)
    room.play(path)
    assert holds(tmp_path / "heard", sound)

    room.unplug()
    kind, reason = told(process)
    assert kind == "Lost"
    assert reason.startswith("pulse: the microphone stopped")
    # It is looked for, and PortAudio's list no longer has it.
    kind, reason = told(process)
    assert kind == "Lost"
    assert reason.startswith("microphone: no input")

    room.plug_in()
    room.make_noise()
    kind, value = told(process)
    while kind == "Lost":
        kind, value = told(process)
    assert (kind, value) == ("Opened", RATE_HZ)
    path, sound = spoken(tmp_path, 2)
    room.play(path)
    assert holds(tmp_path / "heard", sound)


def test_a_sound_server_that_hangs_keeps_nothing_from_ending(room, tmp_path):
    room.server.send_signal(signal.SIGSTOP)
    (tmp_path / "daemon.toml").write_text('[source]\ndevice = "pulse"\n[store]\nenabled = false\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "daemon", "--config", str(tmp_path / "daemon.toml")],
        cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert "bundle " in process.stderr.readline()
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
        os.kill(room.server.pid, signal.SIGCONT)
