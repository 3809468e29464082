"""The sink ``firmware``, with a device in Python at a Unix socket, and a house that the test holds in its hands."""

import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from answer_maker import answer
from link_device import PATIENCE_S, Device, capable
from link_house import SwitchedHouse

from edge.errors import UsageError
from firmware_bridge import link_host
from firmware_bridge.link.messages import Message
from firmware_bridge.link_sink import FirmwareSink, Settings, make


@pytest.fixture
def told(tmp_path):
    with Device(tmp_path / "s", capable("audio", "wake words", "mute switch", "LEDs")) as device:
        house = SwitchedHouse()
        sink = make(Settings(port=device.port, hold_s=0.3), "firmware", house)
        house.sink = sink
        sink.open()
        sink.push(house.status)
        yield SimpleNamespace(device=device, house=house, sink=sink)
        sink.close()


def lit(device, state):
    return lambda _: (device.last("led") or {}).get("state") == state


def muted(device, on, origin):
    return lambda _: device.last("mute") == {"muted": on, "origin": origin}


def until(condition):
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_a_device_is_told_how_it_is_when_it_comes(told):
    told.device.wait(lit(told.device, 1))
    assert told.device.last("led")["brightness"] == 128
    told.device.wait(muted(told.device, 0, 0))


@pytest.mark.parametrize(("action", "state"), [("pass", 3), ("block", 4), ("ask", 5)])
def test_an_answer_is_a_decision_and_lights_for_a_while(told, action, state):
    told.device.wait(lit(told.device, 1))
    told.sink.push(answer(action=action, decision="unsure", live_probability=0.25))
    told.device.wait(lambda device: device.of("decision"))
    (values,) = told.device.of("decision")
    assert values == {
        "index": 9000,
        "verdict": 2,
        "action": ["pass", "block", "ask"].index(action),
        "score": 16384,
        "word": "smart_mirror",
    }
    told.device.wait(lambda device: any(one["state"] == state for one in device.of("led")))
    told.device.wait(lit(told.device, 1))


def test_indices_and_words_are_those_of_the_device(told):
    clock = told.sink._link.clock
    clock.place(1_000_000, 20_000, 0.0, anew=True)
    told.device.wait(lit(told.device, 1))
    told.sink.push(answer())
    clock.heard(8400, 1_008_123, "Smart Mirror")
    told.sink.push(answer())
    told.device.wait(lambda device: len(device.of("decision")) == 2)
    assert [(one["index"], one["word"]) for one in told.device.of("decision")] == [
        (1_009_000, "smart_mirror"),
        (1_008_123, "Smart Mirror"),
    ]


def test_what_is_odd_is_told_within_the_ranges_of_the_wire(told):
    told.device.wait(lit(told.device, 1))
    told.sink.push(answer(word="ß" * 50, live_probability=math.nan))
    told.device.wait(lambda device: device.of("decision"))
    (values,) = told.device.of("decision")
    assert values["word"] == "ß" * 32
    assert values["score"] == 32768


def test_what_others_sent_and_what_is_old_is_not_told(told, caplog):
    told.device.wait(lit(told.device, 1))
    told.sink.push(answer(origin="wyoming 1"))
    told.sink.push(answer(at_s=time.time() - 60, id="old"))
    told.sink.push(answer(word="last"))
    told.device.wait(lambda device: device.of("decision"))
    assert [one["word"] for one in told.device.of("decision")] == ["last"]
    assert "the decision old is not told: it is 60 s old" in caplog.text


def test_without_a_device_a_decision_is_counted_and_not_kept(tmp_path, caplog):
    house = SwitchedHouse()
    sink = make(Settings(port=f"unix:{tmp_path}/s"), "firmware", house)
    sink.open()
    sink.push(answer())
    with Device(tmp_path / "s") as device:
        sink.push(house.status)
        device.wait(lit(device, 1))
        assert device.of("decision") == []
    sink.close()
    sink.close()
    assert sink._untold == 1
    assert "is not told" in caplog.text


class TestMute:
    def test_software_mutes_the_device(self, told):
        told.house.mute(True)
        told.device.wait(muted(told.device, 1, 0))
        told.device.wait(lit(told.device, 6))
        told.house.mute(False)
        told.device.wait(muted(told.device, 0, 0))
        told.device.wait(lit(told.device, 1))

    def test_the_switch_wins(self, told):
        told.device.switch(True)
        told.device.wait(muted(told.device, 1, 1))
        assert told.house.status.mute_switch
        with pytest.raises(UsageError, match="switch of firmware"):
            told.house.mute(False)
        told.device.switch(False)
        told.device.wait(muted(told.device, 0, 0))
        assert not told.house.status.muted

    def test_a_button_of_the_device_is_software(self, told):
        told.device.say("mute", muted=1, origin=0)
        until(lambda: told.house.status.muted)
        assert not told.house.status.mute_switch
        told.device.say("mute", muted=0, origin=0)
        until(lambda: not told.house.status.muted)

    def test_a_button_cannot_end_what_another_switch_holds(self, told):
        told.house.mute_switch("panel", True)
        told.device.wait(muted(told.device, 1, 1))
        before = len(told.device.of("mute"))
        told.device.say("mute", muted=0, origin=0)
        told.device.wait(lambda device: len(device.of("mute")) > before)
        assert told.device.last("mute") == {"muted": 1, "origin": 1}
        assert told.house.status.muted

    def test_a_device_that_goes_stays_muted_and_another_without_a_switch_ends_it(self, told, tmp_path):
        told.device.switch(True)
        until(lambda: told.house.status.mute_switch)
        told.device.unplug()
        until(lambda: told.sink._link.up)
        assert told.house.status.mute_switch
        told.device.settings = type(told.device.settings)(role=1, name="plain", capabilities=capable("audio"))
        told.device.restart()
        until(lambda: not told.house.status.mute_switch)

    def test_one_that_starts_anew_is_told_everything_again(self, told):
        told.house.mute(True)
        told.device.wait(lit(told.device, 6))
        with told.device.news:
            told.device.got.clear()
        told.device.restart()
        told.device.wait(lit(told.device, 6))
        told.device.wait(muted(told.device, 1, 0))


def test_a_word_lights_until_its_answer(told):
    told.device.wait(lit(told.device, 1))
    told.device.wake(100, "a")
    told.device.wait(lit(told.device, 2))
    told.sink.push(answer())
    told.device.wait(lit(told.device, 3))


def test_a_lost_source_is_a_fault(told):
    told.house.change(source="lost")
    told.device.wait(lit(told.device, 7))


def test_what_the_device_says_of_itself_is_measured(told, caplog):
    caplog.set_level("INFO")
    told.device.say("health", index=1, lost=5, damaged=0, resent=0, free_ram=1, temperature=-15)
    told.device.say("log", index=9, level=2, text="hot\n\x1b[31m!")
    gauges = told.house.health.gauges
    until(lambda: "sink_firmware_temperature_celsius" in gauges)
    assert gauges["sink_firmware_temperature_celsius"] == -1.5
    assert gauges["sink_firmware_lost_samples"] == 5
    assert gauges["sink_firmware_up"]
    until(lambda: "at sample 9: hot  [31m!" in caplog.text)


def test_settings():
    assert FirmwareSink(Settings(port="unix:/x", brightness=1.0), "a", SwitchedHouse())._brightness == 255
    assert np.isclose(Settings(port="/dev/x").brightness, 0.5)


class TestLink:
    def test_what_cannot_be_opened_at_all_is_tried_again(self, tmp_path, monkeypatch):
        sink = make(Settings(port=f"unix:{tmp_path}/s"), "firmware", SwitchedHouse())
        link, ports = sink._link, []

        def slip():
            ports.append(None)
            raise ValueError("odd")

        monkeypatch.setattr(link, "_open_port", slip)
        sink.open()
        until(lambda: len(ports) > 1)
        assert link.why == f"{link.settings.port}: ValueError: odd"
        sink.close()

    @pytest.mark.parametrize("on", [True, False])
    def test_a_sink_that_opens_again_hears_how_the_switch_is(self, told, on):
        link = told.sink._link
        link.join()  # as the source does
        told.device.switch(not on)
        until(lambda: link.switched is not on and told.house.status.mute_switch is not on)
        told.sink.close()
        told.device.switch(on)
        until(lambda: link.switched is on)
        told.sink.open()
        until(lambda: told.house.status.mute_switch is on)
        link.leave()

    def test_a_mute_that_finds_the_queue_full_is_told_later(self, told):
        link, device = told.sink._link, told.device
        device.wait(lit(device, 1))
        link.ticks.remove(told.sink._tick)  # it tells of lights, and so of all that is owed
        with link._changed:
            while link._peer.send(Message("led", {"state": 1, "brightness": 1})):
                pass
            link.stand(Message("mute", {"muted": 1, "origin": 0}))
        device.wait(muted(device, 1, 0))
        link.ticks.append(told.sink._tick)

    def test_a_callback_that_fails_loses_nothing_that_was_taken(self, told, caplog):
        def fail():
            raise RuntimeError("a slip")

        link = told.sink._link
        link.ticks.append(fail)
        link.word_heard.insert(0, fail)
        heard = []
        link.word_heard.append(lambda: heard.append("a"))
        told.device.wake(100, "a")
        told.device.switch(True)
        until(lambda: told.house.status.mute_switch)
        assert heard == ["a"]
        assert link.up
        assert link._peer.counts.sessions == 1
        assert caplog.text.count("RuntimeError: a slip") == 1
        link.ticks.remove(fail)

    def test_a_port_that_opens_after_it_was_left_is_closed_again(self, told, monkeypatch):
        link = told.sink._link
        told.device.wait(lit(told.device, 1))
        told.sink.close()
        opening, go, real = threading.Event(), threading.Event(), link._open_port
        late = SimpleNamespace(closed=False, reads=0)

        class Late:
            def read(self):
                late.reads += 1
                return b""

            def fileno(self):
                return 0

            def close(self):
                late.closed = True

        def slow():
            monkeypatch.setattr(link, "_open_port", real)
            opening.set()
            go.wait(PATIENCE_S)
            return Late()

        monkeypatch.setattr(link, "_open_port", slow)
        monkeypatch.setattr(link_host, "_LEAVE_S", 0.01)
        told.sink.open()
        opening.wait(PATIENCE_S)
        old = link._thread
        told.sink.close()
        told.sink.open()
        until(lambda: link.up)
        waker, sessions = link._waker, link._sessions
        go.set()
        old.join(PATIENCE_S)
        assert (late.closed, late.reads) == (True, 0)
        assert (link.up, link._waker, link._sessions) == (True, waker, sessions)


def test_a_decision_about_sound_that_came_long_ago_is_not_told_or_shown(told, caplog):
    told.device.wait(lit(told.device, 1))
    told.sink._link.clock.place(0, 20_000, 0.0, anew=True)
    told.sink._link.clock.came(0, time.monotonic() - 20)
    told.sink._link.clock.came(9500, time.monotonic())
    told.sink.push(answer(id="late"))
    assert told.sink._lights.state(time.monotonic()) == "idle"
    told.sink.push(answer(word="last", end_sample=9600))
    told.device.wait(lambda device: device.of("decision"))
    assert [one["word"] for one in told.device.of("decision")] == ["last"]
    assert "the decision late is not told: it is 20 s old" in caplog.text


def test_a_decision_that_is_not_told_takes_its_word_with_it(told):
    clock = told.sink._link.clock
    clock.place(1_000_000, 20_000, 0.0, anew=True)
    told.device.wait(lit(told.device, 1))
    clock.heard(8400, 1_008_123, "First")
    clock.heard(8500, 1_008_223, "Second")
    told.sink.push(answer(at_s=time.time() - 60))
    told.sink.push(answer())
    told.device.wait(lambda device: device.of("decision"))
    assert [one["word"] for one in told.device.of("decision")] == ["Second"]


def test_a_decision_about_a_word_of_before_a_mute_is_not_told(told, caplog):
    told.device.wait(lit(told.device, 1))
    told.sink._link.clock.place(0, 9500, 0.0, anew=True)
    told.house.mute(True)
    told.house.mute(False)
    told.sink.push(answer(id="before"))
    told.sink.push(answer(word="last", end_sample=9600))
    told.device.wait(lambda device: device.of("decision"))
    assert [one["word"] for one in told.device.of("decision")] == ["last"]
    assert "the decision before is not told: its word is of before a mute" in caplog.text
