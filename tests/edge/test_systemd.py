"""What systemd is told, by a socket that stands in for it."""

import os
import socket
import time

import pytest

from edge.systemd import Notifier


@pytest.fixture
def manager(tmp_path):
    """Make a socket as systemd's; yield the environment, and a function that gives the next message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(10)
        heard.bind(str(tmp_path / "notify"))
        yield {"NOTIFY_SOCKET": str(tmp_path / "notify")}, lambda: heard.recv(4096).decode()


def test_states_are_told_as_the_protocol_writes_them(manager):
    environment, told = manager
    notifier = Notifier(environment)
    notifier.ready()
    assert told() == "READY=1"
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = told().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.status("lost:\nREADY=1")
    assert told() == "STATUS=lost: READY=1", "a line of a message must not become one of the protocol"
    notifier.stopping()
    assert told() == "STOPPING=1"


def test_an_abstract_address_is_reached():
    name = f"vivavoce-test-{os.getpid()}-{os.urandom(4).hex()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(10)
        heard.bind("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        assert heard.recv(100) == b"READY=1"


def test_the_watchdog_is_fed_no_more_often_than_it_must(manager, monkeypatch):
    environment, told = manager
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    notifier = Notifier({**environment, "WATCHDOG_USEC": "20000000"})
    assert notifier.watchdog_s == 20
    for _ in range(100):
        notifier.watchdog()
        now[0] += 0.25
    notifier.stopping()
    fed = 0
    while told() == "WATCHDOG=1":
        fed += 1
    assert fed == 5


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_without_a_watchdog_none_is_fed(manager, more):
    environment, told = manager
    notifier = Notifier({**environment, **more})
    notifier.watchdog()
    notifier.stopping()
    assert notifier.watchdog_s == 0
    assert told() == "STOPPING=1"


def test_the_watchdog_of_this_process_is_fed(manager):
    environment, told = manager
    Notifier({**environment, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog()
    assert told() == "WATCHDOG=1"


def test_without_systemd_nothing_is_told():
    notifier = Notifier({})
    notifier.ready()
    notifier.watchdog()


def test_a_socket_that_is_gone_is_told_of_once(tmp_path, caplog):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nothing")})
    for _ in range(3):
        notifier.ready()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "systemd cannot be told (No such file or directory): READY=1" in caplog.text
