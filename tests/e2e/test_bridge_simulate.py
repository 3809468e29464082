"""``vivavoce bridge simulate``, a device in C, and the daemon at the ends of a link: what ``vivavoce run`` decides."""

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from e2e.test_split import ROOT, SCENE, daemon

from edge.bundle import open_bundle, without_verifier
from edge.events import Decision
from edge.pipeline import Pipeline
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sources import FileSource

PATIENCE_S = 60

pytest.importorskip("serial", reason="needs pyserial: pip install 'vivavoce[bridge]'")
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def decided(vivavoce):
    """Return the decisions of ``vivavoce run``."""
    lines = [json.loads(line) for line in vivavoce("run", "--json", SCENE).stdout.splitlines()]
    decisions = [one for one in lines if one["event"] == "decision"]
    assert len(decisions) > 1
    return decisions


class Simulated:
    """The command as a process; what it told is in ``told``."""

    def __init__(self, folder, *options):
        self.port = folder / "device"
        self.told = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge", "bridge", "simulate", SCENE, "--json", "--pty", self.port, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "VIVAVOCE_CACHE_DIR": str(folder / "cache")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self):
        for line in self._process.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()

    def of(self, event):
        with self._news:
            return [one for one in self.told if one["event"] == event]

    def wait(self, condition):
        with self._news:
            assert self._news.wait_for(lambda: condition(self), PATIENCE_S), self.told

    def say(self, line):
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def close(self):
        if self._process.poll() is None:
            self.say("quit")
        try:
            assert self._process.wait(PATIENCE_S) == 0, self._process.stderr.read()
        finally:
            self._process.kill()
            self._process.wait()
            self._reading.join()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                pipe.close()


@contextmanager
def simulated(folder, *options):
    device = Simulated(folder, *options)
    try:
        device.wait(lambda device: device.of("ready"))
        yield device
    finally:
        device.close()


def decided_without_verifier():
    pipeline = Pipeline(without_verifier(open_bundle()))
    found = [event for event in pipeline.run(FileSource(SCENE)) if isinstance(event, Decision)]
    assert len(found) > 1
    return [
        {
            "word": one.word,
            "decision": one.decision,
            "live_probability": one.live_probability,
            "end_s": one.end_sample / SAMPLE_RATE_HZ,
        }
        for one in found
    ]


@pytest.mark.parametrize("hears", [False, True], ids=["sound", "words"])
def test_decisions_are_told_to_the_device(tmp_path, decided, hears):
    options = ("--hear",) if hears else ()
    # Of a device that hears by itself, words are found by the wake network alone.
    decided = decided_without_verifier() if hears else decided
    source = 'words = "device"' if hears else ""
    # Not as fast as the host takes it: a daemon that has little of the processor drops what waits for longer than 20 s.
    with simulated(tmp_path, "--speed", "2", *options) as device, daemon(tmp_path, device.port, source):
        device.wait(lambda device: len(device.of("decision")) >= len(decided))
        got = device.of("decision")[: len(decided)]
        lights = {one["state"] for one in device.of("led")}
    assert [(one["word"], one["verdict"]) for one in got] == [(one["word"], one["decision"]) for one in decided]
    live = [one["live_probability"] for one in decided]
    assert [one["score"] / 65535 for one in got] == pytest.approx(live, abs=2e-3)
    # Where the word ended, by the count of the device.
    assert [one["index"] / 16_000 for one in got] == pytest.approx([one["end_s"] for one in decided], abs=0.02)
    assert {{"accept": "accepted", "reject": "rejected"}.get(one["verdict"], "asking") for one in got} <= lights
    if hears:
        assert [(one["word"], one["index"]) for one in device.of("wake")][: len(got)] == [
            (one["word"], one["index"]) for one in got
        ]


def test_the_switch_wins_over_the_daemon(tmp_path, decided):
    with simulated(tmp_path, "--speed", "4") as device, daemon(tmp_path, device.port) as log:
        device.wait(lambda device: device.of("led"))
        device.say("switch")
        device.wait(lambda device: device.of("mute")[-1:] and device.of("mute")[-1]["muted"])
        device.wait(lambda device: device.of("led")[-1]["state"] == "muted")
        heard = len(device.of("decision"))
        played = len(device.of("played"))
        # The recording is played over and over: two whole rounds in which nobody is answered.
        device.wait(lambda device: len(device.of("played")) >= played + 2)
        assert len(device.of("decision")) == heard
        assert device.of("mute")[-1]["origin"] == "switch of the device"
        device.say("switch")
        device.wait(lambda device: not device.of("mute")[-1]["muted"])
        device.wait(lambda device: len(device.of("decision")) >= heard + len(decided))
        assert "error" not in log().lower()


def test_a_bundle_is_sent_to_it(tmp_path, vivavoce):
    flash = ("--flash", tmp_path / "flash")
    with simulated(tmp_path, *flash) as device:
        sent = json.loads(vivavoce("bridge", "send", "edge/data/bundle", "--port", device.port, "--json").stdout)
        device.wait(lambda device: len(device.of("model")) == 2)
        states = [one["state"] for one in device.of("bundle_state")]
    assert (sent["state"], sent["bytes_sent"]) == ("active", sent["bytes"])
    assert [(one["what"], one["sha256"]) for one in device.of("model")] == [
        ("built in", ""),
        ("activated", sent["sha256"]),
    ]
    assert states[-2:] == ["verified", "active"]
    with simulated(tmp_path, *flash) as device:
        device.wait(lambda device: device.of("model"))
        assert [(one["what"], one["sha256"]) for one in device.of("model")] == [("runs", sent["sha256"])]


def test_one_that_takes_no_models_says_so(tmp_path, vivavoce):
    with simulated(tmp_path) as device:
        said = vivavoce("bridge", "send", "edge/data/bundle", "--port", device.port, code=2).stderr
    assert "simulated has no slots for models" in said
    assert said.count("\n") == 1
