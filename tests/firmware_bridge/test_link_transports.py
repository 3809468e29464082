"""The link over a pseudoterminal, sockets and memory, with two peers on the clock of the machine."""

import os
import select
import socket
import time

import pytest
from link_wire import audio, log

from edge.errors import AudioError, MissingExtraError
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings
from firmware_bridge.link.transports import SocketTransport, memory_pair, open_serial, open_tcp, open_unix, pty_pair


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = open_tcp("127.0.0.1", listener.getsockname()[1])
        return ours, SocketTransport(listener.accept()[0], "device")


def unix_pair():
    one, another = socket.socketpair()
    return SocketTransport(one, "host"), SocketTransport(another, "device")


@pytest.mark.parametrize("make", [memory_pair, pty_pair, tcp_pair, unix_pair])
def test_both_directions(make):
    ends = make()
    peers = Peer(Settings(role=0), session=1), Peer(Settings(role=1), session=2)
    unsent = [b"", b""]
    got: list[list] = [[], []]
    sent = [0, 0]
    count = 300
    deadline = time.monotonic() + 30.0
    try:
        while len(got[0]) < count or len(got[1]) < count:
            assert time.monotonic() < deadline
            for place, (peer, end) in enumerate(zip(peers, ends, strict=True)):
                while sent[place] < count and peer.send((log if place == 0 else audio)(sent[place])):
                    sent[place] += 1
                peer.receive(end.read(), time.monotonic())
                got[place] += peer.messages()
                if not unsent[place]:
                    unsent[place] = peer.poll(time.monotonic(), room=1024)
                if unsent[place]:
                    unsent[place] = unsent[place][end.write(unsent[place]) :]
    finally:
        for end in ends:
            end.close()
            end.close()
    assert got == [[audio(n) for n in range(count)], [log(n) for n in range(count)]]
    assert [peer.damaged for peer in peers] == [0, 0]


@pytest.mark.parametrize("make", [memory_pair, pty_pair, tcp_pair, unix_pair])
def test_the_other_side_is_gone(make):
    ours, theirs = make()
    try:
        theirs.close()
        if ours.fileno() >= 0:
            waiting = select.poll()
            waiting.register(ours.fileno(), select.POLLIN)
            assert waiting.poll(5000)
        with pytest.raises(AudioError, match="is gone"):
            ours.read()
    finally:
        ours.close()


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(AudioError, match=r"none\.sock: No such file or directory; check that the device"):
        open_unix(str(tmp_path / "none.sock"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AudioError, match="refused"):
        open_tcp("127.0.0.1", port)
    with pytest.raises(AudioError, match=r"a\.\.b:5000: .*; check that the device is connected"):
        open_tcp("a..b", 5000)


def test_a_serial_port(tmp_path):
    master, slave = os.openpty()
    try:
        try:
            port = open_serial(os.ttyname(slave))
        except MissingExtraError:
            pytest.skip("pyserial is not installed: pip install 'vivavoce[bridge]'")
        try:
            assert port.read() == b""
            assert port.write(b"a\0\n\r") == 4
            assert os.read(master, 100) == b"a\0\n\r"
            os.write(master, b"\r\n\0\x11\x13")
            waiting = select.poll()
            waiting.register(port.fileno(), select.POLLIN)
            assert waiting.poll(5000)
            assert port.read() == b"\r\n\0\x11\x13"
        finally:
            port.close()
        with pytest.raises(AudioError, match=r"nothing: .*; check that the device is connected"):
            open_serial(str(tmp_path / "nothing"))
    finally:
        os.close(master)
        os.close(slave)
