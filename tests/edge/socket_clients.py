"""A socket sink, a house for it, and clients that read lines."""

import contextlib
import json
import socket
import time
from dataclasses import replace

import numpy as np
import pytest

from edge.answers import Answer, Audio, Status
from edge.health import Health
from edge.sinks.socket import Settings, make

DEADLINE_S = 20.0

ANSWER = Answer(
    id="0abc",
    at_s=1.5,
    origin="source",
    word="smart_mirror",
    phrase="smart mirror",
    action="pass",
    decision="accept",
    reasons=("live",),
    wake_score=0.9,
    live_probability=0.8,
    live_score=1.5,
    quality=None,
    start_sample=2000,
    end_sample=9000,
    decided_sample=10_000,
    pre_roll=np.arange(10_000, dtype=np.int16)[-8000:],
)


class House:
    """As much of a house as a sink asks for."""

    def __init__(self):
        self.health = Health()
        self.status = Status(
            at_s=0.0, source="listening", source_name="x", muted=False, playing=False, words=("a",), bundle="1"
        )
        self.asked = []
        self.bus = None

    def mute(self, muted):
        self.asked.append(("mute", muted))
        self.status = replace(self.status, muted=muted)
        if self.bus is not None:
            self.bus.push(self.status)

    def playing(self, playing):
        self.asked.append(("playing", playing))
        self.status = replace(self.status, playing=playing)


class Connection:
    """A client that reads lines."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\n"), "the connection was closed"
        return json.loads(line)

    def until(self, **wanted):
        """Read on to the first line that has these entries."""
        while True:
            line = self.line()
            if all(line.get(key) == value for key, value in wanted.items()):
                return line

    def say(self, **command):
        self.socket.sendall(json.dumps(command).encode() + b"\n")

    def ask(self, **command):
        self.say(**command)
        return self.until(event="done")

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture(name="house")
def house_fixture():
    return House()


@pytest.fixture(name="path")
def path_fixture(tmp_path):
    return tmp_path / "s"


@pytest.fixture(name="opened")
def opened_fixture(house, path):
    """Open a sink with settings, without a bus."""
    made = []

    def open_sink(**settings):
        sink = make(Settings(path=str(path), **settings), "local", house)
        made.append(sink)
        sink.open()
        return sink

    yield open_sink
    for sink in made:
        sink.close()


@pytest.fixture(name="connect")
def connect_fixture(path):
    """Connect clients, and close them at the end."""
    with contextlib.ExitStack() as stack:

        def connected(where=path):
            return stack.enter_context(contextlib.closing(Connection(where)))

        yield connected


def block(start, size=512):
    return Audio(start, np.arange(start, start + size).astype(np.int16))


def wait_for(condition):
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.002)
