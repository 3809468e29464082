"""The two sides of the link, in Python and in C, over a wire that damages, drops, doubles and cuts."""

import functools
import random
import shutil

import pytest
from link_c_peer import build_peer, c_peers
from link_wire import Wire, audio, bit_errors, log

from edge.errors import UsageError
from firmware_bridge.link.framing import Frame, frame_bytes
from firmware_bridge.link.messages import Message, encode
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings


@pytest.fixture(scope="module")
def c_code(tmp_path_factory):
    if shutil.which("gcc") is None:
        return None
    folder = tmp_path_factory.mktemp("peer")
    return build_peer(folder, "-fsanitize=undefined", "-fno-sanitize-recover=all")


@pytest.fixture(params=["python-python", "c-python", "python-c", "c-c"])
def make_wire(request, c_code):
    """Return what makes a wire, with a host and a device in the languages that are named in this order."""
    languages = request.param.split("-")
    if "c" in languages and c_code is None:
        pytest.skip("gcc is not installed")
    makes = tuple(Peer if one == "python" else c_peers(c_code, began_ms=(1 << 32) - 7000) for one in languages)
    return functools.partial(Wire, makes=makes)


def sequences(peer, following=-1, expected=-1) -> None:
    """Have a peer count from other numbers on."""
    if not isinstance(peer, Peer):
        peer.sequences(following, expected)
        return
    if following >= 0:
        peer._sending.next_sequence = following
    if expected >= 0:
        peer._receiving.expected = expected


def bits(mask: int) -> list[int]:
    return [bit for bit in range(32) if mask >> bit & 1]


def exchange(wire, count: int, limit_s: float = 120.0) -> None:
    """Send messages in both directions and see that all come, once and in order."""
    first = len(wire.got[wire.host]), len(wire.got[wire.device])
    sent = [0, 0]

    def done() -> bool:
        for place, (peer, make) in enumerate(((wire.device, audio), (wire.host, log))):
            while sent[place] < count and peer.send(make(sent[place])):
                sent[place] += 1
        return sent == [count, count] and not wire.device.waiting and not wire.host.waiting

    wire.until(done, limit_s)
    assert wire.got[wire.host][first[0] :] == [audio(index) for index in range(count)]
    assert wire.got[wire.device][first[1] :] == [log(index) for index in range(count)]


def test_handshake_and_both_directions(make_wire):
    wire = make_wire()
    assert wire.until(lambda: wire.host.established and wire.device.established) < 0.1
    assert wire.host.version == 1
    assert wire.host.peer_hello.values["name"] == "device"
    exchange(wire, 1000)
    assert wire.host.counts.resent == wire.device.counts.resent == 0
    wire.run(10.0)
    assert wire.host.counts.sessions == 1
    assert wire.host.counts.lost == 0


def test_sequence_numbers_come_round(make_wire):
    wire = make_wire()
    wire.until(lambda: wire.host.established and wire.device.established)
    for peer in (wire.host, wire.device):
        sequences(peer, 65530, 65530)
    exchange(wire, 200)
    assert wire.host.counts.sessions == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [1e-5, 1e-4])
def test_bit_errors(make_wire, rate, seed):
    wire = make_wire(bit_errors(rate, random.Random(seed)))
    exchange(wire, 500)
    assert wire.host.damaged > 0
    assert wire.device.counts.resent > 0


@pytest.mark.parametrize("seed", range(3))
def test_drops_and_duplicates_and_changed_order(make_wire, seed):
    dice = random.Random(seed)
    held = []

    def fault(data):
        out = [data] * dice.choice([0, 1, 1, 1, 1, 2])
        if dice.random() < 0.1:
            held.append(data)
            return []
        if held and dice.random() < 0.2:
            out.append(held.pop(0))
        return out

    wire = make_wire(fault)
    exchange(wire, 500)
    assert wire.device.counts.resent > 0
    assert wire.host.counts.repeated > 0


def test_what_was_held_up_across_reconnects_is_stale(make_wire):
    dice = random.Random(4)
    old: list[bytes] = []

    def fault(data):
        old.append(data)
        return [data, dice.choice(old)] if dice.random() < 0.3 else [data]

    wire = make_wire(fault)
    count = 0
    for index in range(400):
        wire.device.send(audio(index))
        wire.run(0.02)
        if index % 40 == 39:
            wire.reconnect()
            count += 1
    wire.until(lambda: not wire.device.waiting)
    assert wire.got[wire.host] == [audio(index) for index in range(400)]
    assert wire.host.counts.stale > 0
    assert wire.host.counts.sessions >= count


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lost", [0.1, 0.5])
def test_reconnects_while_hellos_are_lost(make_wire, lost, seed):
    """A session in which nothing came must not make the other side forget what came in the one before."""
    dice = random.Random(seed)
    wire = make_wire(lambda data: [] if dice.random() < lost else [data])
    for index in range(150):
        assert wire.device.send(audio(index))
        assert wire.host.send(log(index))
        wire.run(0.01)
        if dice.random() < 0.05:
            wire.reconnect()
    wire.until(lambda: not wire.device.waiting and not wire.host.waiting)
    assert wire.got[wire.host] == [audio(index) for index in range(150)]
    assert wire.got[wire.device] == [log(index) for index in range(150)]


def test_cut_at_every_byte(make_wire):
    wire = make_wire()
    wire.device.send(audio(0))
    wire.until(lambda: not wire.device.waiting)
    size = 700
    sent = 1
    for cut in range(size):
        wire.fault = lambda data, cut=cut: [data[:cut]]
        wire.device.send(audio(sent))
        sent += 1
        wire.run(0.02)
        wire.reconnect()
        wire.fault = lambda data: [data]
        assert wire.until(lambda: not wire.device.waiting) < 1.0
    assert wire.got[wire.host] == [audio(index) for index in range(sent)]


@pytest.mark.parametrize("session", [200, 201, 5000])
def test_a_peer_that_starts_anew(make_wire, session):
    wire = make_wire()
    exchange(wire, 20)
    wire.run(2.0)
    old = wire.device
    wire.start_device(session)
    wire.host.send(log(1))
    assert wire.until(lambda: bool(wire.got[wire.device])) < 1.0
    assert wire.got[wire.device] == [log(1)]
    assert old is not wire.device
    assert wire.host.counts.sessions == 2


def test_a_hello_of_long_ago_ends_nothing(make_wire):
    wire = make_wire()
    exchange(wire, 20)
    values = {**wire.host.peer_hello.values, "echo": 0, "established": 0}
    stale = frame_bytes(Frame(1, 1, 77, 0, encode(Message("hello", values))))
    wire.host.receive(stale, wire.now_s)
    exchange(wire, 20)
    wire.run(5.0)
    assert wire.host.counts.sessions == 1


def test_what_was_told_to_resume_from_does_not_change(make_wire):
    """Else what comes late would be delivered, and sent again in the next session."""
    wire = make_wire()
    exchange(wire, 20)
    values = {**wire.host.peer_hello.values, "echo": 0, "established": 0}
    wire.host.receive(frame_bytes(Frame(1, 1, 77, 0, encode(Message("hello", values)))), wire.now_s)
    wire.device.send(audio(20))
    wire.run(1.0)
    assert len(wire.got[wire.host]) == 20
    wire.run(2.0)
    assert len(wire.got[wire.host]) == 21
    assert wire.host.counts.sessions == 1


def test_a_sender_that_heeds_no_window_fills_no_memory(make_wire):
    wire = make_wire(window=4)
    wire.until(lambda: wire.host.established and wire.device.established)
    for sequence in range(1, 1000):
        frame = Frame(1, 19, wire.device._session, sequence, b"\0\0")
        wire.host.receive(frame_bytes(frame), wire.now_s)
    early = wire.host._receiving.early if isinstance(wire.host, Peer) else bits(wire.host.early)
    assert sorted(early) == [1, 2, 3]


def test_when_to_poll_next(make_wire):
    wire = make_wire()
    assert wire.device.next_poll_s() <= 0.0
    exchange(wire, 20)
    wire.run(0.1)
    assert wire.now_s < wire.device.next_poll_s() <= wire.now_s + 0.5
    for index in range(5):
        wire.device.send(audio(index))
        assert wire.device.next_poll_s() <= wire.now_s
    assert wire.device.poll(wire.now_s, room=800)
    assert wire.device.next_poll_s() <= wire.now_s, "there was no room for all"
    wire.device.poll(wire.now_s)
    assert wire.now_s < wire.device.next_poll_s() <= wire.now_s + wire.device.settings.resend_s


def test_silence_ends_the_session_and_it_comes_back(make_wire):
    wire = make_wire()
    exchange(wire, 20)
    wire.connected = False
    assert 1.9 < wire.until(lambda: not wire.host.established) < 2.6
    wire.device.send(audio(20))
    wire.connected = True
    assert wire.until(lambda: not wire.device.waiting) < 3.0
    assert wire.got[wire.host][-1] == audio(20)
    assert len(wire.got[wire.host]) == 21


def test_nobody_takes_and_then_somebody_does(make_wire):
    wire = make_wire()
    wire.until(lambda: wire.host.established and wire.device.established)
    wire.taking = False
    sent = 0
    while wire.device.send(audio(sent)):
        sent += 1
    assert sent == wire.device.settings.queue
    wire.run(10.0)
    assert wire.device.waiting == sent - wire.host.settings.window
    assert wire.host.counts.sessions == 1
    wire.taking = True
    wire.until(lambda: not wire.device.waiting)
    assert wire.got[wire.host] == [audio(index) for index in range(sent)]


def newer(lowest: int) -> bytes:
    values = {
        "lowest": lowest, "highest": 9, "established": 0, "role": 1, "echo": 0, "resume_session": 0, "resume_next": 0,
        "window": 32, "payload_max": 704, "capabilities": 0xFFFFFFFF, "name": "newer",
    }  # fmt: skip
    return frame_bytes(Frame(1, 1, 5, 0, encode(Message("hello", values)) + b"more of a newer version"))


def test_a_newer_peer_that_still_speaks_ours(make_wire):
    wire = make_wire()
    wire.start_device(highest=7)
    exchange(wire, 20)
    assert wire.device.version == wire.host.version == 1
    assert (wire.device._sending if isinstance(wire.device, Peer) else wire.device).add(200, b"a message of tomorrow")
    wire.until(lambda: not wire.device.waiting)
    assert wire.host.counts.refused == 1
    exchange(wire, 20)


def test_a_newer_peer_that_does_not_speak_ours_is_told():
    host = Peer(Settings(role=0), session=1)
    host.receive(newer(2), 0.0)
    host.poll(0.0)
    assert not host.established
    assert "versions 2..9" in host.fault
    assert "expected one of 1..1" in host.fault


def test_a_hello_of_a_newer_version_may_be_longer():
    host = Peer(Settings(role=0), session=1)
    host.poll(0.0)
    host.receive(newer(1), 0.1)
    assert not host.fault
    assert not host.established
    assert host.poll(0.1)


def test_a_wrong_acknowledgement_leaves_nothing_stuck(make_wire):
    wire = make_wire()
    exchange(wire, 5)
    wire.fault = lambda data: []
    wire.device.send(audio(5))
    wire.step()
    values = {"next": 6, "have": 0, "credit": 32}
    forged = Frame(1, 2, wire.host._session, 0, encode(Message("ack", values)))
    wire.device.receive(frame_bytes(forged), wire.now_s)
    assert not wire.device.waiting
    wire.fault = lambda data: [data]
    wire.device.send(audio(6))
    assert wire.until(lambda: not wire.device.waiting) < 6.5
    assert wire.got[wire.host][-1] == audio(6)


def test_what_cannot_be_sent_is_told():
    peer = Peer(Settings(role=0), session=1)
    with pytest.raises(UsageError, match=r"mute.muted: got 2, expected a whole number in 0..1"):
        peer.send(Message("mute", {"muted": 2, "origin": 0}))
    with pytest.raises(UsageError, match="fields missing or unknown: origin"):
        peer.send(Message("mute", {"muted": 1}))
    with pytest.raises(UsageError, match="by the link itself"):
        peer.send(Message("ack", {"next": 0, "have": 0, "credit": 0}))
    with pytest.raises(UsageError, match=r"expected one of docs/link\.md"):
        peer.send(Message("muet", {}))
    with pytest.raises(UsageError, match=r"window of 33, expected 1..32"):
        Peer(Settings(role=0, window=33), session=1)
