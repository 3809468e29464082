"""The simulated device: compiled here, at a pseudoterminal, with a host in Python."""

import json
import os
import select
import shutil
import time

import numpy as np
import pytest

from edge.__main__ import main
from edge.bundle import open_bundle, without_verifier
from edge.errors import AudioError, UsageError
from edge.events import Wake
from edge.pipeline import Pipeline
from edge.sources import FileSource
from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.transports import DescriptorTransport
from firmware_bridge.simulated.build import build_device, find_compiler
from firmware_bridge.simulated.process import SimulatedDevice, readable
from firmware_bridge.simulated.sound import prepare, read_sound

SCENE = "edge/data/scene.flac"
SANITIZED = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture(scope="module")
def program(bundle, tmp_path_factory):
    return build_device(bundle, folder=tmp_path_factory.mktemp("device"), flags=SANITIZED)


class Host:
    """A peer at the other end; what came is in ``got``."""

    def __init__(self, device) -> None:
        self.device = device
        self.peer = Peer(Settings(role=0, name="host"), session=7)
        self.transport = DescriptorTransport(os.open(device.pty, os.O_RDWR | os.O_NOCTTY), device.pty)
        self.got: list[Message] = []

    def turn(self) -> bool:
        """Do what there is to do; False once the device is gone."""
        select.select([self.transport.fileno()], [], [], 0.005)
        try:
            self.peer.receive(self.transport.read(), time.monotonic())
            self.got += self.peer.messages()
            out = self.peer.poll(time.monotonic())
            while out:
                out = out[self.transport.write(out) :]
        except AudioError:
            return False
        return True

    def until(self, condition, limit_s=30.0) -> None:
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < limit_s, "it did not come about"
            assert self.turn(), "the device is gone"

    def of(self, kind):
        return [message.values for message in self.got if message.kind == kind]

    @property
    def samples(self):
        return np.frombuffer(b"".join(block["samples"] for block in self.of("audio")), "<i2")


def test_it_hears_what_is_heard_here(bundle, program, tmp_path):
    pcm = read_sound([SCENE])
    sound = prepare(bundle, pcm, tmp_path, hears=True)
    # The device's wake network decides alone.
    alone = Pipeline(without_verifier(bundle))
    expected = [(e.word, e.end_sample) for e in alone.run(FileSource(SCENE)) if isinstance(e, Wake)]
    with SimulatedDevice(program, sound, speed=0, once=True) as device:
        host = Host(device)
        host.until(lambda: host.peer.established)
        host.peer.send(Message("led", {"state": 3, "brightness": 9}))
        said = {"index": 1, "verdict": 1, "action": 2, "score": 77, "word": 'a"\n\\é'}
        host.peer.send(Message("decision", said))
        while host.turn():
            pass
        host.transport.close()
        events = list(device.events())
    assert np.array_equal(host.samples, pcm)
    assert [(wake["word"], wake["index"]) for wake in host.of("wake")] == expected != []
    assert all(wake["preroll"] == min(wake["index"], 160_000) for wake in host.of("wake"))
    assert {"event": "led", "state": "accepted", "brightness": 9} in events
    assert {"event": "decision", **said, "verdict": "reject", "action": "ask"} in events
    assert events[-1]["event"] == "end"
    assert events[-1]["lost"] == 0
    assert all(map(readable, events))


def test_the_switch_wins_over_the_host(bundle, program, tmp_path):
    rng = np.random.default_rng(1)
    sound = prepare(bundle, rng.integers(-9000, 9000, 160_000, np.int16), tmp_path, hears=False)
    with SimulatedDevice(program, sound, speed=4) as device:
        host = Host(device)
        host.until(lambda: len(host.of("audio")) > 10)
        device.tell("switch")
        host.until(lambda: host.of("mute")[-1] == {"muted": 1, "origin": 1})
        host.peer.send(Message("mute", {"muted": 0, "origin": 0}))
        told = len(host.of("mute"))
        heard = len(host.samples)
        host.until(lambda: len(host.of("mute")) > told)
        ends = time.monotonic() + 0.5
        host.until(lambda: time.monotonic() > ends)
        assert host.of("mute")[-1] == {"muted": 1, "origin": 1}
        assert len(host.samples) == heard, "sound while it was muted"
        device.tell("unmute")
        host.until(lambda: len(host.samples) > heard)
        # By software, as long as the switch allows it.
        host.peer.send(Message("mute", {"muted": 1, "origin": 0}))
        host.until(lambda: not host.peer.waiting)
        heard = len(host.samples)
        ends = time.monotonic() + 0.2
        host.until(lambda: time.monotonic() > ends)
        assert len(host.samples) == heard
        # It is told of the switch only, and not what it wished itself.
        assert host.of("mute")[-1] == {"muted": 0, "origin": 1}
        host.transport.close()


def test_a_host_that_goes_and_comes_again(bundle, program, tmp_path):
    pcm = np.arange(64_000).astype(np.int16)
    sound = prepare(bundle, pcm, tmp_path, hears=False)
    with SimulatedDevice(program, sound, speed=0, once=True, wakes=[(40_000, "alexa")]) as device:
        host = Host(device)
        host.until(lambda: len(host.of("audio")) > 20)
        host.transport.close()
        host.got += host.peer.messages()
        host.peer.disconnected(time.monotonic())
        again = Host(device)
        host.transport = again.transport
        while host.turn():
            pass
        host.transport.close()
        assert list(device.events())[-1]["sessions"] == 2
    assert np.array_equal(host.samples, pcm), "nothing is lost or doubled"
    assert [(wake["index"], wake["score"], wake["word"]) for wake in host.of("wake")] == [(40_000, 65535, "alexa")]


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VIVAVOCE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.stdin", None)
    link = tmp_path / "device"
    seen = []
    started = SimulatedDevice.events

    def events(self):
        seen.append(os.readlink(link))
        self.tell("quit")
        return started(self)

    monkeypatch.setattr(SimulatedDevice, "events", events)
    assert main(["bridge", "simulate", SCENE, "--json", "--pty", str(link)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["port"] == str(link)
    assert lines[-1]["event"] == "end"
    assert seen == [lines[0]["pty"]]
    assert not link.is_symlink()
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.wav"], "no.wav: no such file"),
        ([SCENE, "--wake", "x:alexa"], "expected INDEX:WORD"),
        ([SCENE, "--wake", "1:" + "a" * 65], "up to 64 bytes"),
        ([SCENE, "--speed", "-1"], "--speed: got -1"),
        ([SCENE, "--speed", "nan"], "--speed: got nan"),
        ([SCENE, "--flash", "edge"], "--flash: edge is no file"),
        ([SCENE, "--flash", "no/flash"], "--flash: no/flash is no file"),
    ],
)
def test_what_is_refused(arguments, said, capsys):
    assert main(["bridge", "simulate", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_a_file_in_the_place_of_the_link_is_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VIVAVOCE_CACHE_DIR", str(tmp_path / "cache"))
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert main(["bridge", "simulate", SCENE, "--pty", str(taken)]) == 2
    assert "is there and no link to a pseudoterminal" in capsys.readouterr().err
    assert taken.read_text() == "mine"


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("CC", "/nowhere/cc")
    with pytest.raises(UsageError, match=r"CC=/nowhere/cc, which is no program, expected a C compiler; install one"):
        find_compiler()
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="none of cc, gcc, clang"):
        find_compiler()


def test_a_device_that_is_killed_is_told(bundle, program, tmp_path):
    sound = prepare(bundle, np.zeros(16_000, np.int16), tmp_path, hears=False)
    with SimulatedDevice(program, sound) as device:
        os.kill(device.pid, 9)
        with pytest.raises(AudioError, match="the simulated device has ended: exit code -9"):
            list(device.events())
