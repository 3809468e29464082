"""One daemon on a microphone tells a socket, an MQTT subscriber and a Wyoming client what ``vivavoce run`` says.

The microphone is the monitor of a null sink, heard through PortAudio; broker and Wyoming client are real ones. The
recordings are real where they are there, and the synthetic scene that ships otherwise.
"""

import asyncio
import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("paho.mqtt.client")
pytest.importorskip("wyoming.client")

from e2e.virtual_microphone import RATE_HZ, Room, missing
from wyoming.client import AsyncTcpClient
from wyoming.wake import Detect, Detection

from edge.bundle import open_bundle
from tests.e2e.test_daemon import Client
from tests.firmware_bridge.mqtt_broker import Broker, wait_for, watching

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("VIVAVOCE_DATA", ROOT.parent / "shared/data"))
SCENE = ROOT / "edge" / "data" / "scene.flac"
WORDS = 8

pytestmark = pytest.mark.slow


def recordings() -> np.ndarray:
    """Return words of dev one after another, in the noise of a quiet room; the scene where there are none."""
    if not (DATA / "manifest.csv").is_file():
        return soundfile.read(SCENE, dtype="int16")[0]
    phrases = {word.phrase for word in open_bundle().words}
    with open(DATA / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "dev" and row["label"] in phrases]
    random = np.random.default_rng(5)
    pieces = [random.normal(0, 6, RATE_HZ)]
    for place in random.permutation(len(rows))[:WORDS]:
        x, rate_hz = soundfile.read(DATA / rows[place]["path"], always_2d=True)
        x = soxr.resample(x[: 3 * rate_hz, 0], rate_hz, RATE_HZ)
        pieces += [20_000 * x / np.abs(x).max(), random.normal(0, 6, RATE_HZ)]
    return np.concatenate([piece + random.normal(0, 6, piece.size) for piece in pieces]).round().astype(np.int16)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def room(tmp_path_factory) -> Iterator[Room]:
    if missing():
        pytest.skip(missing())
    folder = tmp_path_factory.mktemp("pa")
    folder.chmod(0o700)
    room = Room(folder)
    try:
        yield room
    finally:
        room.close()


def test_all_are_told_the_same(room, tmp_path, tmp_path_factory, vivavoce):
    sound = recordings()
    soundfile.write(tmp_path / "sound.wav", sound, RATE_HZ, subtype="PCM_16")
    lines = map(json.loads, vivavoce("run", "--json", tmp_path / "sound.wav").stdout.splitlines())
    expected = [(one["word"], one["decision"]) for one in lines if one["event"] == "decision"]
    assert len(expected) >= 2

    broker = Broker(tmp_path_factory.mktemp("mqtt")).start()
    path, port = tmp_path_factory.mktemp("s") / "s", free_port()
    (tmp_path / "daemon.toml").write_text(
        f"[store]\nenabled = false\n[memory]\nenabled = false\n[gate]\nrefractory_s = 0.0\npasses_per_minute = 0\n"
        f'[source]\ndevice = "pulse"\n[sinks.socket]\npath = "{path}"\n'
        f'[sinks.mqtt]\nport = {broker.port}\ntopic = "vivavoce/e2e"\n[sinks.wyoming]\nport = {port}\n'
    )
    # The pause in front is what the first samples of a player need.
    soundfile.write(tmp_path / "played.wav", np.concatenate((np.zeros(RATE_HZ, np.int16), sound)), RATE_HZ)
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "daemon", "--config", str(tmp_path / "daemon.toml")],
            cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(tmp_path)}, stderr=log,
        )  # fmt: skip
    try:
        with watching(broker.port, topic="vivavoce/e2e/#") as watcher:
            client = Client(path, process)
            # The monitor gives samples only while something is played, be it nothing.
            soundfile.write(tmp_path / "silence.wav", np.zeros(120 * RATE_HZ + sound.size, np.int16), RATE_HZ)
            room.play(tmp_path / "silence.wav")
            client.wait(lambda client: any(line["source"] == "listening" for line in client.of("status")))
            room.play(tmp_path / "played.wav")
            client.wait(lambda client: len(client.of("answer")) >= len(expected), 60 + sound.size / RATE_HZ)
            told = asyncio.run(over_wyoming(port, sound))
            answers = client.of("answer")
            wait_for(lambda: len(answers_of(watcher)) >= len(answers))
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "log").read_text()
            client.close()
    finally:
        process.kill()
        process.wait()
        broker.kill()
    own = [answer for answer in answers if answer["origin"] == "source"]
    assert [(answer["word"], answer["decision"]) for answer in own] == expected
    assert [answer["id"] for answer in answers_of(watcher)] == [answer["id"] for answer in client.of("answer")]
    # A Wyoming client hears of what may pass, and of nothing else.
    assert told == [word for word, decision in expected if decision == "accept"]
    assert "Traceback" not in (tmp_path / "log").read_text()


def answers_of(watcher) -> list[dict]:
    """Return what an MQTT subscriber was told of answers, in its order."""
    while not watcher.told.empty():
        _, payload, _ = watcher.told.get()
        if payload.startswith("{") and "decision" in payload:
            record = json.loads(payload)
            if "id" in record:
                watcher.kept.setdefault("answers", []).append(record)
    return watcher.kept.get("answers", [])


async def over_wyoming(port: int, sound: np.ndarray) -> list[str]:
    """Send sound as a satellite does, and return the words by which something may pass."""
    from wyoming.audio import AudioChunk, AudioStart, AudioStop

    client = AsyncTcpClient("127.0.0.1", port, read_timeout=60)
    await client.connect()
    await client.write_event(Detect(names=[]).event())
    await client.write_event(AudioStart(rate=RATE_HZ, width=2, channels=1).event())
    for at in range(0, sound.size, 1024):
        chunk = sound[at : at + 1024].tobytes()
        await client.write_event(AudioChunk(rate=RATE_HZ, width=2, channels=1, audio=chunk).event())
    await client.write_event(AudioStop().event())
    words: list[str] = []
    while True:
        try:
            event = await asyncio.wait_for(client.read_event(), 5)
        except TimeoutError:
            break
        if event is None:
            break
        if Detection.is_type(event.type):
            words.append(Detection.from_event(event).name)
        if event.type == "not-detected":
            break
    await client.disconnect()
    return words
