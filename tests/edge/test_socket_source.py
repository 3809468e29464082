"""The socket source, with producers that come, go, stall and send garbage."""

import contextlib
import gc
import logging
import os
import socket
import stat
import threading

import numpy as np
import pytest

from edge.capture import Block, Capture, Lost, Opened
from edge.errors import AudioError, UsageError
from edge.health import Health
from edge.live_sources import socket as socket_source
from edge.live_sources.socket import Settings, make

DEADLINE_S = 20.0


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sound"


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def source(path):
    return make(Settings(path=str(path)))


@pytest.fixture
def producer(path):
    """Connect to the source; the connections are closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def connect(family=socket.AF_UNIX, address=None):
            connection = stack.enter_context(socket.socket(family))
            connection.settimeout(DEADLINE_S)
            connection.connect(address or str(path))
            return connection

        yield connect


def listening(source):
    """Let a source listen; nobody is there yet."""
    source._listening()
    return source


def samples(n, seed=3):
    return np.random.default_rng(seed).integers(-3000, 3000, n).astype("<i2")


def test_what_is_sent_is_the_stream(source, producer):
    sent = samples(5000)
    listening(source)
    with contextlib.closing(producer()) as connection:
        connection.sendall(sent.tobytes())
    blocks = list(source.blocks())
    assert [block.size for block in blocks[:-1]] == [512] * 9
    np.testing.assert_array_equal(np.concatenate(blocks), sent)


def test_the_next_producer_is_a_stream_of_its_own(source, producer):
    listening(source)
    for seed in (1, 2):
        sent = samples(2000, seed)
        with contextlib.closing(producer()) as connection:
            # Half a sample is left over from nobody.
            connection.sendall(sent.tobytes())
        np.testing.assert_array_equal(np.concatenate(list(source.blocks())), sent)


def test_any_format_rate_and_channel(path, producer):
    source = listening(
        make(Settings(path=str(path), rate_hz=48_000, format="s32le", channels=2, channel=1)),
    )
    tone = np.sin(2 * np.pi * 500 * np.arange(48_000) / 48_000)
    frames = np.stack([np.zeros(48_000), 0.5 * tone], axis=1)
    with contextlib.closing(producer()) as connection:
        data = (frames * 2**31).astype("<i4").tobytes()
        sending = threading.Thread(target=connection.sendall, args=(data,))
        sending.start()
        heard = np.concatenate(list(_until_closed(source, sending, connection)))
    assert heard.size == 16_000
    assert np.abs(heard[2000:-2000]).max() == pytest.approx(16384, rel=0.01)
    assert source.native_rate_hz == 48_000


def _until_closed(source, sending, connection):
    def end():
        sending.join(DEADLINE_S)
        connection.shutdown(socket.SHUT_WR)

    ending = threading.Thread(target=end)
    ending.start()
    yield from source.blocks()
    ending.join(DEADLINE_S)


def test_on_a_loopback_port(free_port, producer):
    source = listening(make(Settings(port=free_port)))
    sent = samples(3000)
    with contextlib.closing(producer(socket.AF_INET, ("127.0.0.1", free_port))) as connection:
        connection.sendall(sent.tobytes())
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), sent)
    assert source.name == f"127.0.0.1:{free_port}"


def test_one_at_a_time(source, producer, caplog):
    listening(source)
    first = producer()
    sent = samples(2048)
    first.sendall(sent[:512].tobytes())
    blocks = source.blocks()
    heard = [next(blocks)]
    second = producer()
    first.sendall(sent[512:1024].tobytes())
    heard.append(next(blocks))
    first.sendall(sent[1024:].tobytes())
    assert second.recv(1) == b"", "it was not turned away"
    first.close()
    heard += list(blocks)
    np.testing.assert_array_equal(np.concatenate(heard), sent)
    assert "another producer was turned away" in caplog.text


def test_who_connects_and_leaves_is_nobody(source, producer):
    listening(source)
    producer().close()
    producer().close()
    sent = samples(600)
    with contextlib.closing(producer()) as connection:
        connection.sendall(sent.tobytes())
    np.testing.assert_array_equal(np.concatenate(list(source.blocks())), sent)


def test_nobody_is_a_fault_that_is_told_and_the_next_is_heard(source, producer, monkeypatch):
    monkeypatch.setattr(socket_source, "_WAIT_S", 0.02)
    with pytest.raises(AudioError, match="nobody sends sound there"):
        next(source.blocks())
    # It listens on meanwhile.
    connection = producer()
    connection.sendall(samples(512).tobytes())
    assert next(source.blocks()).size == 512


@pytest.mark.parametrize("before", [b"", b"\1", b"\1" * 1024])
def test_who_falls_silent_makes_room_for_another(source, producer, monkeypatch, before):
    monkeypatch.setattr(socket_source, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(socket_source, "_WAIT_S", 0.1)
    listening(source)
    silent = producer()
    silent.sendall(before)
    with pytest.raises(AudioError, match="expected"):
        list(source.blocks())
    assert silent.recv(1) == b""
    with contextlib.closing(producer()) as connection:
        connection.sendall(bytes(2048))
    assert np.concatenate(list(source.blocks())).size == 1024


def test_a_trickle_is_no_sound(source, producer, monkeypatch):
    monkeypatch.setattr(socket_source, "_PATIENCE_S", 1.0)
    listening(source)
    slow = producer()
    stop = threading.Event()

    def trickle():
        with contextlib.suppress(OSError):
            while not stop.wait(0.02):
                slow.sendall(b"\1" * 20)

    dripping = threading.Thread(target=trickle)
    dripping.start()
    try:
        with pytest.raises(AudioError, match=r"the producer sends [1-9]\d* bytes/s, expected at least 3200"):
            list(source.blocks())
    finally:
        stop.set()
        dripping.join(DEADLINE_S)


@pytest.mark.parametrize(
    ("settings", "data", "problem"),
    [
        ({}, b"RIFF" + bytes(4000), "got a WAV file, expected raw s16le samples"),
        ({}, bytes(4001), "the stream ends inside a sample"),
        ({"format": "f32le"}, np.array([0.1] * 600 + [np.nan] * 5, "<f4").tobytes(), "not a finite number"),
    ],
)
def test_garbage_ends_its_stream_only(path, producer, settings, data, problem):
    source = listening(make(Settings(path=str(path), **settings)))
    with contextlib.closing(producer()) as connection:
        connection.sendall(data)
    with pytest.raises(AudioError, match=problem):
        list(source.blocks())
    with contextlib.closing(producer()) as connection:
        connection.sendall(bytes(2048))
    assert np.concatenate(list(source.blocks())).size == 2048 // (4 if settings else 2)


def test_any_bytes_at_all(source, producer):
    rng = np.random.default_rng(5)
    listening(source)
    for n in (2, 100, 65_536):
        with contextlib.closing(producer()) as connection:
            connection.sendall(rng.bytes(n))
        assert sum(block.size for block in source.blocks()) == n // 2


def test_a_connection_that_breaks_is_an_end(free_port, producer):
    source = listening(make(Settings(port=free_port)))
    connection = producer(socket.AF_INET, ("127.0.0.1", free_port))
    connection.sendall(samples(512).tobytes())
    blocks = source.blocks()
    next(blocks)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()
    with pytest.raises(AudioError, match="cannot be read"):
        next(blocks)


class TestFile:
    def test_rights(self, path):
        source = listening(make(Settings(path=str(path), mode="600")))
        assert path.exists()
        assert source.name == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_closing_the_generator_closes_it(self, source, path, producer):
        listening(source)
        connection = producer()
        connection.sendall(samples(512).tobytes())
        blocks = source.blocks()
        next(blocks)
        blocks.close()
        assert connection.recv(1) == b""
        assert not path.exists()

    def test_so_does_closing_it_between_two_producers(self, source, path, producer):
        listening(source)
        with contextlib.closing(producer()) as connection:
            connection.sendall(samples(100).tobytes())
        assert sum(block.size for block in source.blocks()) == 100
        assert path.exists()
        source.close()
        assert not path.exists()

    def test_so_does_forgetting_it(self, path):
        before = len(os.listdir("/proc/self/fd"))
        source = listening(make(Settings(path=str(path))))
        assert path.exists()
        del source
        gc.collect()
        assert not path.exists()
        assert len(os.listdir("/proc/self/fd")) == before

    def test_removed_by_somebody_it_is_made_again(self, source, path, producer, caplog):
        listening(source)
        path.unlink()
        listening(source)
        producer()
        assert "somebody removed the socket" in caplog.text

    def test_one_that_cannot_be_made_is_a_fault_for_later(self, source, path):
        path.mkdir()
        with pytest.raises(AudioError, match="a file that is no socket"):
            next(source.blocks())
        path.rmdir()
        listening(source)
        assert path.exists()

    def test_a_port_that_is_taken(self, free_port):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", free_port))
            taken.listen()
            with pytest.raises(AudioError, match=f"127.0.0.1:{free_port}: cannot be listened at"):
                next(make(Settings(port=free_port)).blocks())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "expected one of the two"),
        ({"path": "s", "port": 5}, "expected one of the two"),
        ({"port": 5, "host": "0.0.0.0"}, "source.host: got '0.0.0.0', expected a loopback address"),
        ({"port": 5, "host": "192.168.1.4"}, "expected a loopback address"),
        ({"port": 5, "host": "::"}, "expected a loopback address"),
        ({"port": 5, "host": "example.org"}, "expected a loopback address"),
        ({"path": "x" * 200}, "source.path: got a path of 200 bytes"),
        ({"path": "s", "mode": "x"}, "source.mode: got 'x'"),
        ({"path": "s", "channels": 2, "channel": 2}, "got channel 2"),
    ],
)
def test_settings_that_cannot_work(settings, problem):
    with pytest.raises(UsageError) as caught:
        make(Settings(**settings))
    assert problem in str(caught.value)


def test_through_a_capture_producers_come_and_go(source, producer, caplog):
    caplog.set_level(logging.CRITICAL)
    capture = Capture(listening(source), health=Health())
    try:
        items = []

        def until(kind):
            while not items or not isinstance(items[-1], kind):
                items.append(capture.take(DEADLINE_S))
            return items[-1]

        capture.take(0)
        for _ in range(2):
            connection = producer()
            connection.sendall(samples(1024).tobytes())
            until(Opened)
            until(Block)
            connection.close()
            until(Lost)
    finally:
        capture.close()


@pytest.mark.parametrize("port", [False, True])
@pytest.mark.parametrize("sending", [False, True])
def test_the_end_does_not_wait_for_a_producer(path, free_port, producer, monkeypatch, port, sending):
    monkeypatch.setattr(socket_source, "_WAIT_S", 1000.0)
    monkeypatch.setattr(socket_source, "_PATIENCE_S", 1000.0)
    source = listening(make(Settings(port=free_port) if port else Settings(path=str(path))))
    capture = Capture(source, health=Health())
    capture.take(0)
    if sending:
        connection = producer(*((socket.AF_INET, ("127.0.0.1", free_port)) if port else ()))
        connection.sendall(samples(512).tobytes())
        assert isinstance(capture.take(DEADLINE_S), Opened)
    capture.close()
    capture._thread.join(DEADLINE_S)
    assert not capture._thread.is_alive()
    assert not path.exists()
    if sending:
        assert connection.recv(1) == b""
