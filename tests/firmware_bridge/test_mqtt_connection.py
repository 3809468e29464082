"""The connection to a real broker that is killed, stopped and started again, or is none."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt.client")

from edge.errors import DataError
from firmware_bridge import mqtt
from tests.firmware_bridge.mqtt_broker import DEADLINE_S, answer, wait_for, watching
from tests.firmware_bridge.mqtt_sink import (  # noqa: F401  # fixtures
    TOPIC,
    broker_fixture,
    house_fixture,
    running_fixture,
    sink_of,
    watcher_fixture,
)

PROCESS = """
import sys
from edge.bus import Bus
from firmware_bridge.mqtt import Settings, make
from tests.firmware_bridge.mqtt_broker import House
house = House()
bus = Bus([make(Settings(port=int(sys.argv[1]), topic="vivavoce/test"), "home", house)], lambda: house.status)
bus.start()
sys.stdin.read()
"""


def test_the_last_will_of_a_process_that_is_killed(broker, watcher):
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(broker.port)],
        stdin=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with process:
        assert watcher.until(f"{TOPIC}/status")
        assert watcher.latest[f"{TOPIC}/availability"] == "online"
        process.kill()
        assert watcher.until(f"{TOPIC}/availability", "offline")
    with watching(broker.port) as later:
        assert later.until(f"{TOPIC}/availability") == ("offline", True)


class TestBroker:
    def test_killed_and_started_again_everything_returns(self, running, broker, house):
        bus = running()
        bus.push(answer(id="before"))
        wait_for(lambda: bus.counts["home"].told >= 1)
        broker.kill()
        wait_for(lambda: not bus.counts["home"].up)
        house.change(muted=True)
        bus.push(answer(id="meanwhile"))
        told = bus.counts["home"].told
        broker.start()
        # What was retained is gone with the broker: it forgets everything.
        with watching(broker.port) as watcher:
            assert watcher.until(f"{TOPIC}/mute", "ON")
            assert watcher.until(f"{TOPIC}/status")
            assert watcher.latest[f"{TOPIC}/availability"] == "online"
            wait_for(lambda: bus.counts["home"].told > told)
            bus.push(answer(id="after"))
            assert json.loads(watcher.until(f"{TOPIC}/answer")[0])["id"] in ("meanwhile", "after")
            watcher.say(f"{TOPIC}/mute/set", "OFF")
            assert house.asked.get(timeout=DEADLINE_S) == ("mute", False)
        with watching(broker.port, topic="homeassistant/#") as later:
            assert later.until("homeassistant/switch/vivavoce_test/mute/config")[1]
        assert bus.counts["home"].dropped == 0

    def test_one_that_hangs_costs_seconds_and_not_an_answer(self, running, broker, watcher, monkeypatch, caplog):
        monkeypatch.setattr(mqtt, "_CONFIRM_S", 0.2)
        monkeypatch.setattr(mqtt, "_CONNECT_S", 0.5)
        bus = running()
        broker.process.send_signal(signal.SIGSTOP)
        try:
            bus.push(answer(id="patient"))
            wait_for(lambda: bus.counts["home"].failures >= 2)
        finally:
            broker.process.send_signal(signal.SIGCONT)
        assert watcher.json(f"{TOPIC}/answer")["id"] == "patient"
        assert "does not confirm what it is sent" in caplog.text

    def test_the_end_does_not_wait_for_one_that_hangs(self, running, broker, monkeypatch):
        monkeypatch.setattr(mqtt, "_CONFIRM_S", 0.2)
        monkeypatch.setattr(mqtt, "_KEEPALIVE_S", 1000)
        bus = running()
        broker.process.send_signal(signal.SIGSTOP)
        try:
            bus.push(answer())
            bus.close()
            wait_for(lambda: not [one for one in threading.enumerate() if one.name.startswith("paho-mqtt")])
        finally:
            broker.process.send_signal(signal.SIGCONT)

    def test_one_that_is_not_there(self, house, tmp_path):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            sink = sink_of(house, taken.getsockname()[1])
            with pytest.raises(DataError, match=r"broker 127.0.0.1:\d+: cannot be reached"):
                sink.open()
            sink.close()
            with pytest.raises(DataError, match="there is no connection"):
                sink.push(answer())
            sink.close()

    def test_what_listens_and_is_no_broker(self, house, monkeypatch):
        monkeypatch.setattr(mqtt, "_CONNECT_S", 0.2)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            sink = sink_of(house, listener.getsockname()[1])
            with pytest.raises(DataError, match="takes connections and does not answer"):
                sink.open()
            sink.close()

    def test_one_that_speaks_something_else(self, house):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()

            def serve():
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)

            serving = threading.Thread(target=serve)
            serving.start()
            sink = sink_of(house, listener.getsockname()[1])
            with pytest.raises(DataError, match=r"broker 127\.0\.0\.1"):
                sink.open()
            sink.close()
            serving.join(DEADLINE_S)


def test_opened_and_closed_again_and_again_nothing_is_left(broker, house):
    def count():
        return len(os.listdir("/proc/self/fd"))

    with contextlib.closing(sink_of(house, broker.port)) as sink:
        sink.open()
        sink.close()
        before = count()
        for _ in range(5):
            sink.open()
            sink.push(answer())
            sink.close()
    wait_for(lambda: count() <= before)
