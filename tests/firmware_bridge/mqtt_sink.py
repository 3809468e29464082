"""The sink of MQTT, alone or on a bus, beside a real broker and somebody who watches it."""

import pytest

from edge import bus as bus_module
from edge.bus import Bus
from firmware_bridge.mqtt import Settings, make
from tests.firmware_bridge.mqtt_broker import Broker, House, wait_for, watching

TOPIC = "vivavoce/test"


@pytest.fixture(name="broker")
def broker_fixture(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(name="house")
def house_fixture():
    return House()


@pytest.fixture(name="watcher")
def watcher_fixture(broker):
    with watching(broker.port) as watcher:
        yield watcher


@pytest.fixture(name="running")
def running_fixture(house, broker, monkeypatch):
    """Run a sink on a bus that retries at once."""
    monkeypatch.setattr(bus_module, "_RETRY_S", (0.05, 0.1))
    monkeypatch.setattr(bus_module, "_CHECK_S", 0.05)

    def start(**settings):
        sink = make(Settings(**{"port": broker.port, "topic": TOPIC, **settings}), "home", house)
        house.bus = Bus([sink], lambda: house.status)
        house.bus.start()
        wait_for(lambda: house.bus.counts["home"].up)
        return house.bus

    yield start
    if house.bus is not None:
        house.bus.close()


def sink_of(house, port, **settings):
    return make(Settings(**{"port": port, "topic": TOPIC, **settings}), "home", house)
