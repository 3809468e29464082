"""A real broker, somebody who watches it, and a house, for tests of what is told over MQTT."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from dataclasses import replace
from queue import Empty, SimpleQueue

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.answers import Status
from edge.health import Health
from tests.answer_maker import answer as an_answer

DEADLINE_S = 20.0


def answer(**changes):
    """Return an answer of now, with what MQTT tells beside."""
    return an_answer(**{"bundle": "1.2.3", "pre_roll": np.zeros(100, np.int16), **changes})


class House:
    """As much of a house as the sink asks for."""

    def __init__(self):
        self.health = Health()
        self.bus = None
        self.asked = SimpleQueue()
        self.status = Status(
            at_s=1.0, source="listening", source_name="x", muted=False, playing=False, words=("a",), bundle="1.2.3"
        )

    def mute(self, muted):
        self.change(muted=muted)
        self.asked.put(("mute", muted))

    def playing(self, playing):
        self.change(playing=playing)
        self.asked.put(("playing", playing))

    def change(self, **changes):
        self.status = replace(self.status, **changes)
        if self.bus is not None:
            self.bus.push(self.status)


def wait_for(condition):
    """Wait until something is so."""
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


class Broker:
    """mosquitto on a free port of this machine."""

    def __init__(self, folder, *lines):
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.skip("mosquitto is not installed here")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings = folder / "mosquitto.conf"
        access = () if any("allow_anonymous" in line for line in lines) else ("allow_anonymous true",)
        # As root it would become another user, who cannot read the folder of the test.
        text = ["user root", "persistence false", f"listener {self.port} 127.0.0.1", *access, *lines]
        self.settings.write_text("\n".join(text) + "\n")
        self._command = [program, "-c", str(self.settings)]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def there():
            assert self.process.poll() is None, "mosquitto ended"
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_for(there)
        return self

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Watcher:
    """Hears everything that is told."""

    def __init__(self, port, topic="#", prepare=lambda client: None):
        self._client = Client(CallbackAPIVersion.VERSION2)
        prepare(self._client)
        self.told = SimpleQueue()
        self.latest = {}
        self.kept = {}
        subscribed = SimpleQueue()
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        subscribed.get(timeout=DEADLINE_S)

    def _heard(self, client, data, message):
        payload = message.payload.decode(errors="replace")
        self.latest[message.topic] = payload
        if message.retain:
            self.kept[message.topic] = payload
        self.told.put((message.topic, payload, message.retain))

    def until(self, topic, payload=None):
        """Wait for a message under a topic; return its payload and whether it was a retained one."""
        while True:
            try:
                got, said, retained = self.told.get(timeout=DEADLINE_S)
            except Empty:
                pytest.fail(f"nothing was told under {topic}; latest: {self.latest}")
            if got == topic and payload in (None, said):
                return said, retained

    def json(self, topic):
        return json.loads(self.until(topic)[0])

    def say(self, topic, payload, *, retain=False):
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(DEADLINE_S)
        assert sent.is_published(), "the broker does not take it"

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def watching(port, **options):
    """Watch what is told."""
    watcher = Watcher(port, **options)
    try:
        yield watcher
    finally:
        watcher.close()
