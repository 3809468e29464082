"""What is told over MQTT, and the orders that come back."""

import json
import logging
import time

import pytest

pytest.importorskip("paho.mqtt.client")

from tests.firmware_bridge.mqtt_broker import DEADLINE_S, answer, watching
from tests.firmware_bridge.mqtt_sink import TOPIC, broker_fixture, house_fixture, running_fixture, watcher_fixture  # noqa: F401  # fixtures


class TestTold:
    def test_answers_and_states(self, running, watcher, house):
        bus = running()
        assert watcher.until(f"{TOPIC}/availability")[0] == "online"
        assert watcher.until(f"{TOPIC}/mute")[0] == "OFF"
        assert watcher.until(f"{TOPIC}/problem")[0] == "OFF"
        assert watcher.json(f"{TOPIC}/status") == house.status.to_dict()
        told = answer(action="ask")
        bus.push(told)
        assert watcher.json(f"{TOPIC}/answer") == {"event_type": "ask", **told.to_dict()}
        house.change(source="lost", source_name="unplugged")
        assert watcher.until(f"{TOPIC}/problem", "ON")
        assert watcher.json(f"{TOPIC}/status")["source_name"] == "unplugged"

    def test_what_is_kept_is_there_for_who_comes_later_and_answers_are_not(self, running, broker, house, watcher):
        bus = running()
        house.change(muted=True)
        bus.push(answer())
        watcher.until(f"{TOPIC}/answer")
        with watching(broker.port) as later:
            later.say("end", "1")
            later.until("end")
            assert later.kept[f"{TOPIC}/mute"] == "ON"
            assert json.loads(later.kept[f"{TOPIC}/status"]) == house.status.to_dict()
            assert later.kept[f"{TOPIC}/availability"] == "online"
            assert f"{TOPIC}/answer" not in later.latest

    def test_a_planned_end_is_told_once_and_is_no_last_will(self, running, watcher):
        running().close()
        assert watcher.until(f"{TOPIC}/availability", "offline")
        watcher.say("end", "1")
        told = []
        while (message := watcher.told.get(timeout=DEADLINE_S))[0] != "end":
            told.append(message)
        assert told == []

    def test_an_old_answer_is_not(self, running, watcher, caplog):
        bus = running(stale_s=5.0)
        bus.push(answer(id="old", at_s=time.time() - 60))
        bus.push(answer(id="new"))
        assert watcher.json(f"{TOPIC}/answer")["id"] == "new"
        assert "the answer old is not told any more: it is 60 s old" in caplog.text

    def test_as_a_hotword_of_hermes_if_it_passes(self, running, watcher):
        bus = running(hermes_site="kitchen")
        bus.push(answer(action="block"))
        bus.push(answer(word="a/b+#"))
        told = watcher.json("hermes/hotword/a_b__/detected")
        assert (told["modelId"], told["siteId"]) == ("a/b+#", "kitchen")
        assert [topic for topic in watcher.latest if topic.startswith("hermes")] == ["hermes/hotword/a_b__/detected"]


class TestOrders:
    @pytest.mark.parametrize("what", ["mute", "playing"])
    def test_there_and_back(self, running, watcher, house, what):
        running()
        watcher.say(f"{TOPIC}/{what}/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == (what, True)
        assert watcher.until(f"{TOPIC}/{what}", "ON")
        watcher.say(f"{TOPIC}/{what}/set", "OFF")
        assert house.asked.get(timeout=DEADLINE_S) == (what, False)
        assert watcher.until(f"{TOPIC}/{what}", "OFF")

    def test_anything_else_is_one_line(self, running, watcher, house, caplog):
        running()
        for said in (b"on", b"", b"\xff" * 100_000, b"ON ", b"1"):
            watcher.say(f"{TOPIC}/mute/set", said)
        watcher.say(f"{TOPIC}/mute/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("mute", True)
        assert house.asked.empty()
        lines = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert lines == ["vivavoce/test/mute/set: got b'on', expected ON or OFF, not retained"]

    def test_an_order_that_fails_ends_nothing(self, running, watcher, house, monkeypatch, caplog):
        def fail(muted):
            raise RuntimeError("a bug")

        monkeypatch.setattr(house, "mute", fail)
        running()
        watcher.say(f"{TOPIC}/mute/set", "ON")
        watcher.say(f"{TOPIC}/playing/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("playing", True)
        assert "the order failed" in caplog.text

    def test_what_the_broker_kept_is_of_another_time(self, running, watcher, house, caplog):
        watcher.say(f"{TOPIC}/mute/set", "ON", retain=True)
        running()
        watcher.say(f"{TOPIC}/playing/set", "ON")
        assert house.asked.get(timeout=DEADLINE_S) == ("playing", True)
        assert "got b'ON' (retained)" in caplog.text
