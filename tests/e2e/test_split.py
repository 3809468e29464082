"""Split operation: the daemon as a process, its microphone and its lights at a device at the other end of a link."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from link_device import PATIENCE_S, Device, capable

ROOT = Path(__file__).resolve().parents[2]
SCENE = ROOT / "edge" / "data" / "scene.flac"


@pytest.fixture(scope="module")
def scene():
    return soundfile.read(SCENE, dtype="int16")[0]


@pytest.fixture(scope="module")
def found(vivavoce):
    """Return wakes and decisions of ``vivavoce run``."""
    lines = [json.loads(line) for line in vivavoce("run", "--json", SCENE).stdout.splitlines()]
    return ([one for one in lines if one["event"] == kind] for kind in ("wake", "decision"))


@pytest.fixture(scope="module")
def expected(found):
    wakes, decisions = map(list, found)
    assert len(wakes) == len(decisions) > 1
    return list(zip(wakes, decisions, strict=True))


@contextmanager
def daemon(folder, port, source=""):
    (folder / "d.toml").write_text(
        f'[gate]\nrefractory_s = 0.0\n[source]\nkind = "firmware"\nport = "{port}"\n{source}\n'
        f'[sinks.firmware]\nport = "{port}"\n[store]\nenabled = false\n'
    )
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "daemon", "--config", str(folder / "d.toml")],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(folder)},
            stderr=log,
        )
        try:
            yield lambda: (folder / "log").read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in (folder / "log").read_text()


def told(values):
    verdicts = ("accept", "reject", "unsure")
    return values["word"], verdicts[values["verdict"]], round(values["score"] / 65535, 3)


def of_run(expected):
    return [(d["word"], d["decision"], round(d["live_probability"], 3)) for _, d in expected]


@pytest.mark.parametrize("way", ["socket", "pty"])
def test_sound_goes_there_and_decisions_come_back(tmp_path, scene, expected, way):
    if way == "pty":
        pytest.importorskip("serial", reason="needs pyserial: pip install 'vivavoce[bridge]'")
    with Device(tmp_path / "s" if way == "socket" else "") as device, daemon(tmp_path, device.port) as log:
        device.index = start = 123_456_789
        device.play(scene)
        device.wait(lambda device: len(device.of("decision")) == len(expected))
        got = device.of("decision")
        for one, other in zip(map(told, got), of_run(expected), strict=True):
            assert one[:2] == other[:2]
            assert one[2] == pytest.approx(other[2], abs=0.002)
        # Where the word ended, by the count of the device.
        assert [round((one["index"] - start) / 16_000, 2) for one in got] == [
            pytest.approx(d["end_s"], abs=0.02) for _, d in expected
        ]
        assert {3 if d["decision"] == "accept" else 4 for _, d in expected} <= {
            one["state"] for one in device.of("led")
        }
        assert "listening to test device" in log()


def test_words_of_the_device_are_answered_for(tmp_path, scene, expected):
    with (
        Device(tmp_path / "s", capable("audio", "wake words", "LEDs")) as device,
        daemon(tmp_path, device.port, 'words = "device"'),
    ):
        wakes = [(round((d["decided_s"] - 0.1) * 16_000), d["word"]) for _, d in expected]
        device.play(scene, wakes=wakes, early=True)
        device.wait(lambda device: len(device.of("decision")) == len(expected))
        got = device.of("decision")
        assert [one["index"] for one in got] == [index for index, _ in wakes]
        assert [one[:2] for one in map(told, got)] == [one[:2] for one in of_run(expected)]


def test_the_switch_of_the_device_wins(tmp_path, scene, expected):
    with Device(tmp_path / "s") as device, daemon(tmp_path, device.port) as log:
        device.switch(True)
        device.wait(lambda device: (device.last("led") or {}).get("state") == 6)
        device.play(scene)
        device.say("mute", muted=0, origin=0)
        device.wait(lambda device: "which wins over software" in log() or None)
        assert device.of("decision") == []
        device.switch(False)
        device.play(scene)
        device.wait(lambda device: len(device.of("decision")) == len(expected))
        device.wait(lambda device: device.last("mute") == {"muted": 0, "origin": 0})


def test_a_device_that_goes_and_one_that_starts_anew_do_not_end_it(tmp_path, scene, expected):
    with Device(tmp_path / "s") as device, daemon(tmp_path, device.port) as log:
        device.play(scene)
        device.wait(lambda device: len(device.of("decision")) == len(expected))
        # By then the decisions are acknowledged; otherwise one that starts anew is told them again.
        device.wait(lambda device: (device.last("led") or {}).get("state") == 1)
        device.garble(os.urandom(5000))
        device.unplug()
        device.wait(lambda device: "tried again from now on" in log() or None)
        device.restart()
        device.play(scene)
        device.wait(lambda device: len(device.of("decision")) == 2 * len(expected))
        again = device.of("decision")[len(expected) :]
        assert [one[:2] for one in map(told, again)] == [one[:2] for one in of_run(expected)]
