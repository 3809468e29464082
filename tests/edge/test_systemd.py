"""What systemd is told: datagrams to a socket of the test."""

import itertools
import os
import socket
import time
import uuid

import pytest

from edge.systemd import Notifier


@pytest.fixture
def system(tmp_path):
    """Listen as systemd does; return the socket and its address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(str(tmp_path / "notify"))
        yield listening, str(tmp_path / "notify")


def told(listening: socket.socket) -> list[str]:
    listening.setblocking(False)
    found = []
    try:
        while True:
            found.append(listening.recv(4096).decode())
    except BlockingIOError:
        return found


def test_each_message_is_a_datagram_of_its_own(system):
    listening, address = system
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("listening to\na microphone")
    notifier.stopping()
    assert told(listening) == ["READY=1", "STATUS=listening to a microphone", "STOPPING=1"]


def test_reloading_says_when_by_the_clock_that_systemd_compares(system):
    listening, address = system
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier({"NOTIFY_SOCKET": address}).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    (message,) = told(listening)
    first, second = message.split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= after


def test_an_abstract_address(tmp_path):
    name = f"vivavoce-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert told(listening) == ["READY=1"]


def test_text_that_is_no_utf_8_is_told_as_well_as_it_can_be(system):
    listening, address = system
    Notifier({"NOTIFY_SOCKET": address}).status("Mikrofon \udcfc")
    assert told(listening) == ["STATUS=Mikrofon ?"]


class TestWatchdog:
    def test_it_is_fed_no_more_often_than_it_has_to_be(self, system, monkeypatch):
        listening, address = system
        now_s = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: now_s)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "8000000"})
        assert notifier.watchdog_s == 8.0
        fed = []
        for _ in range(100):
            now_s += 0.1
            notifier.watchdog()
            fed += [now_s] * len(told(listening))
        assert len(fed) == 5
        assert all(1.9 < later - earlier < 2.2 for earlier, later in itertools.pairwise(fed))

    def test_it_is_not_fed_where_there_is_none(self, system):
        listening, address = system
        Notifier({"NOTIFY_SOCKET": address}).watchdog()
        assert told(listening) == []

    @pytest.mark.parametrize(
        ("environment", "watchdog_s"),
        [
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
            ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, 0.0),
            ({"WATCHDOG_USEC": "much"}, 0.0),
            ({}, 0.0),
        ],
    )
    def test_whose_it_is_and_what_it_asks(self, environment, watchdog_s):
        assert Notifier(environment).watchdog_s == watchdog_s


def test_nobody_is_told_where_nobody_asks():
    notifier = Notifier({})
    notifier.ready()
    notifier.watchdog()


def test_a_socket_that_is_gone_is_one_line_until_it_is_there_again(tmp_path, caplog):
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.stopping()
    assert len(caplog.records) == 1
    assert "No such file or directory" in caplog.text
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        notifier.ready()
        assert told(listening) == ["READY=1"]
    notifier.ready()
    assert len(caplog.records) == 2


def test_a_system_that_does_not_read_is_not_waited_for_long(system, caplog):
    _, address = system
    notifier = Notifier({"NOTIFY_SOCKET": address})
    deadline = time.monotonic() + 20
    while not caplog.records and time.monotonic() < deadline:
        notifier.status("x" * 1000)
    assert len(caplog.records) == 1
    assert "timed out" in caplog.text
