"""Sound that is taken back by the peer in C, as when the microphone is muted."""

import shutil

import pytest
from link_c_peer import QUEUE, build_peer, c_peers
from link_wire import Wire, audio, log

from firmware_bridge.link.peer import Peer

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
WINDOW = 32


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    return build_peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture
def wire(code):
    wire = Wire(makes=(Peer, c_peers(code)))
    wire.until(lambda: wire.host.established and wire.device.established)
    return wire


def blank(index):
    return {"index": index, "samples": b""}


def test_what_waits_is_dropped_and_what_is_on_its_way_has_no_samples(wire):
    wire.connected = False  # what is sent now is lost, and has to be sent again
    for index in range(40):
        assert wire.device.send(audio(index))
        assert wire.device.send(log(index))
    wire.run(0.2)
    sent = [index for index in range(40) if 2 * index < WINDOW]
    assert wire.device.withdraw_audio() == 40
    assert wire.device.waiting == 40 + len(sent)
    assert wire.device.withdraw_audio() == 0, "there is nothing more to take back"
    wire.connected = True
    # What comes after it is sound again.
    assert wire.device.send(audio(99))
    wire.until(lambda: not wire.device.waiting)
    wire.run(0.05)
    got = wire.got[wire.host]
    assert [one.values for one in got if one.kind == "audio"] == [*map(blank, sent), audio(99).values]
    assert [one for one in got if one.kind == "log"] == list(map(log, range(40))), "the rest comes, in order"


def test_what_has_come_is_left_alone(wire):
    for index in range(5):
        assert wire.device.send(audio(index))
    wire.until(lambda: not wire.device.waiting)
    assert wire.device.withdraw_audio() == 0
    assert wire.got[wire.host] == list(map(audio, range(5)))


def test_no_sample_leaves_it_after_a_reconnect(wire):
    """Not those of the session before either, which a new one sends again."""
    wire.connected = False
    for index in range(QUEUE):
        assert wire.device.send(audio(index))
    wire.run(0.2)
    assert wire.device.withdraw_audio() == QUEUE
    leaving = []
    wire.fault = lambda data: [leaving.append(data) or data]
    wire.reconnect()
    wire.connected = True
    wire.until(lambda: not wire.device.waiting)
    wire.run(0.05)
    assert [one.values["samples"] for one in wire.got[wire.host]] == [b""] * WINDOW
    # A block of sound takes more than 300 bytes.
    assert sum(map(len, leaving)) < 100 * WINDOW
