"""What Home Assistant is told over MQTT, so that it finds a device by itself."""

import json

import pytest

pytest.importorskip("paho.mqtt.client")

from firmware_bridge.home_assistant import Topics, discovery
from tests.firmware_bridge.mqtt_broker import watching
from tests.firmware_bridge.mqtt_sink import TOPIC, broker_fixture, house_fixture, running_fixture, watcher_fixture  # noqa: F401  # fixtures


class TestHomeAssistant:
    def test_discovery_is_kept_and_leads_to_what_is_told(self, running, broker):
        running()
        with watching(broker.port, topic="homeassistant/#") as later:
            found = {}
            for component, name in (
                ("event", "answer"),
                ("switch", "mute"),
                ("sensor", "live_probability"),
                ("binary_sensor", "problem"),
            ):
                payload, retained = later.until(f"homeassistant/{component}/vivavoce_test/{name}/config")
                assert retained
                found[name] = json.loads(payload)
        assert found["answer"]["event_types"] == ["pass", "block", "ask"]
        assert found["answer"]["state_topic"] == f"{TOPIC}/answer"
        assert found["mute"]["command_topic"] == f"{TOPIC}/mute/set"
        assert found["mute"]["state_topic"] == f"{TOPIC}/mute"
        assert found["live_probability"]["state_topic"] == f"{TOPIC}/answer"
        assert found["problem"]["device_class"] == "problem"
        assert len({record["unique_id"] for record in found.values()}) == 4
        for record in found.values():
            assert record["availability_topic"] == f"{TOPIC}/availability"
            assert record["device"]["identifiers"] == ["vivavoce_test"]
            assert record["device"]["name"] == "Vivavoce test"

    def test_when_it_starts_it_is_told_again(self, running, watcher, house):
        running()
        watcher.until(f"{TOPIC}/status")
        watcher.say("homeassistant/status", "offline")
        watcher.say("homeassistant/status", "online")
        assert watcher.until("homeassistant/switch/vivavoce_test/mute/config")
        assert watcher.until(f"{TOPIC}/availability", "online")
        assert watcher.until(f"{TOPIC}/mute", "OFF")

    def test_without_discovery_nothing_is_told_there(self, running, watcher):
        running(discovery=False)
        watcher.until(f"{TOPIC}/status")
        assert not [topic for topic in watcher.latest if topic.startswith("homeassistant")]

    def test_two_devices_share_no_name(self):
        one, two = (discovery(Topics(f"vivavoce/{name}"), "homeassistant") for name in ("a", "b"))
        assert not one.keys() & two.keys()
        assert not {r["unique_id"] for r in one.values()} & {r["unique_id"] for r in two.values()}
        assert Topics("v/küche 1").node == "v_k_che_1"
