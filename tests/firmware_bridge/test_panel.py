"""The panel: patterns, the bytes of a ring, and the sink with inputs and lights that the test holds in its hands."""

import subprocess
import sys
import time
from shutil import which

import numpy as np
import pytest
from answer_maker import answer
from link_house import SwitchedHouse

from edge.errors import DataError, MissingExtraError, UsageError
from edge.strict_toml import from_tables
from firmware_bridge.panel.lights import STATES, Lights
from firmware_bridge.panel.patterns import PATTERNS, c_header, drawn
from firmware_bridge.panel.pins import FakePins, GpioPins
from firmware_bridge.panel.ring import FakeRing, SpiRing, frame
from firmware_bridge.panel_sink import PanelSink, Settings, make


@pytest.fixture
def panel():
    house, pins, ring = SwitchedHouse(), FakePins(), FakeRing()
    sink = PanelSink(Settings(lights=6, brightness=1.0), "panel", house, pins=pins, ring=ring)
    sink.open()
    sink._stop.set()  # the test looks itself, at times of its own
    sink._thread.join()
    yield sink, house, pins, ring
    sink.close()
    assert pins.closed
    assert ring.closed


def test_every_state_of_the_wire_has_its_pattern_in_the_same_order():
    assert tuple(PATTERNS) == STATES
    looks = {(p.colour, p.motion) for p in PATTERNS.values()}
    assert len(looks) == len(STATES)
    assert all((p.period_s > 0) == (p.motion != "steady") for p in PATTERNS.values())


def test_motion():
    assert (drawn("accepted", 4, 9.9, 0.5) == [0, 128, 20]).all()
    bright, dark = (int(drawn("asking", 4, at, 1.0)[0, 0]) for at in (0.0, 0.6))
    assert (bright, dark) == (255, 38)
    spin = [drawn("listening", 6, at / 6, 1.0)[:, 2].astype(bool).tolist() for at in (0.01, 1.01)]
    assert spin == [[True, True, False, False, False, False], [False, True, True, False, False, False]]
    assert drawn("idle", 0, 0.0, 1.0).shape == (0, 3)


def test_bytes_of_a_ring():
    got = frame(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    assert got == bytes(4) + bytes([255, 3, 2, 1, 255, 6, 5, 4]) + bytes(5)
    # Half a clock edge for each light, beyond the 32 that an SK9822 takes.
    assert len(frame(np.zeros((144, 3), np.uint8))) == 4 + 4 * 144 + 4 + 9


@pytest.mark.skipif(which("gcc") is None, reason="needs gcc")
def test_the_c_header_compiles_and_says_the_same(tmp_path):
    subprocess.run([sys.executable, "-m", "firmware_bridge.panel.patterns", tmp_path / "p.h"], check=True)
    assert (tmp_path / "p.h").read_text() == c_header()
    (tmp_path / "t.c").write_text(
        '#include <stdio.h>\n#include "p.h"\nint main(void) { for (unsigned i = 0U; i < VV_PATTERNS; i++) { '
        'printf("%u %u %u %u\\n", vv_patterns[i].red, vv_patterns[i].green, vv_patterns[i].blue, '
        "vv_patterns[i].period_ms); } return 0; }\n"
    )
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
    subprocess.run(["gcc", *flags, "t.c", "-o", "t"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "t"], capture_output=True, text=True, check=True).stdout
    rows = [(*p.colour, round(1000 * p.period_s)) for p in PATTERNS.values()]
    assert said == "".join(f"{r} {g} {b} {t}\n" for r, g, b, t in rows)


class TestLights:
    def test_what_mutes_comes_before_what_is_wrong_and_that_before_answers(self):
        house, lights = SwitchedHouse(), Lights(2.0)
        assert lights.state(0.0) == "off"
        lights.push(house.status, 0.0)
        lights.push(answer(), 0.0)
        assert [lights.state(at) for at in (0.0, 1.9, 2.0)] == ["accepted", "accepted", "idle"]
        house.change(source="lost")
        lights.push(answer(), 3.0)
        lights.push(house.status, 3.0)
        assert lights.state(3.0) == "fault"
        house.change(muted=True)
        lights.push(house.status, 3.0)
        assert lights.state(3.0) == "muted"

    def test_answers_to_others_are_not_shown(self):
        house, lights = SwitchedHouse(), Lights(2.0)
        lights.push(house.status, 0.0)
        lights.push(answer(origin="wyoming x"), 0.0)
        assert lights.state(0.0) == "idle"


class TestSink:
    def test_a_short_press_turns_the_mute_on_and_off(self, panel):
        sink, house, pins, _ = panel
        for muted in (True, False):
            pins.now["button"] = True
            sink._look(10.0)
            pins.now["button"] = False
            sink._look(10.5)
            assert house.status.muted is muted

    def test_a_long_press_does_nothing(self, panel):
        sink, house, pins, _ = panel
        pins.now["button"] = True
        sink._look(10.0)
        pins.now["button"] = False
        sink._look(11.0)
        assert not house.status.muted

    def test_the_switch_wins_over_the_button(self, panel, caplog):
        caplog.set_level("INFO")
        sink, house, pins, _ = panel
        pins.now["switch"] = True
        sink._look(10.0)
        assert house.status.mute_switch
        pins.now["button"] = True
        sink._look(10.1)
        pins.now["button"] = False
        sink._look(10.2)
        assert house.status.muted
        assert "switch of panel is on" in caplog.text
        pins.now["switch"] = False
        sink._look(10.3)
        assert not house.status.muted

    def test_lights(self, panel):
        sink, house, _, ring = panel
        sink.push(house.status)
        sink._look(time.monotonic())
        assert (ring.shown == PATTERNS["idle"].colour).all()
        sink.push(answer(action="block"))
        sink._look(time.monotonic())
        assert (ring.shown == PATTERNS["rejected"].colour).all()

    def test_steady_states_are_drawn_once(self, panel):
        sink, house, _, ring = panel
        sink.push(house.status)
        sink._look(1.0)
        ring.shown = None
        sink._look(2.0)
        assert ring.shown is None

    def test_lights_go_out_at_the_end(self):
        ring = FakeRing()
        sink = PanelSink(Settings(lights=3), "panel", SwitchedHouse(), pins=FakePins(), ring=ring)
        sink.open()
        sink.push(SwitchedHouse().status)
        sink.close()
        sink.close()
        assert ring.shown.tolist() == [[0, 0, 0]] * 3

    def test_a_panel_that_breaks_is_told_by_check(self):
        class Broken(FakePins):
            def read(self):
                if self.now:
                    raise OSError("torn out")
                return {}

        pins = Broken()
        sink = PanelSink(Settings(lights=0), "panel", SwitchedHouse(), pins=pins)
        sink.open()
        sink.check()
        pins.now["x"] = True
        sink._thread.join(10.0)
        with pytest.raises(DataError, match="sink panel: OSError: torn out"):
            sink.check()
        sink.close()

    def test_the_switch_mutes_without_a_ring(self, caplog):
        house, pins = SwitchedHouse(), FakePins()
        pins.now["switch"] = True
        sink = PanelSink(Settings(switch_line=1, spi_bus=31, spi_device=31), "panel", house, pins=pins)
        sink.open()
        assert house.status.mute_switch
        sink._stop.set()
        sink._thread.join()
        now_s = time.monotonic()
        pins.now["switch"] = False
        for later_s in (10.0, 100.0, 100.1):
            sink._look(now_s + later_s)
        sink.check()
        sink.close()
        assert not house.status.mute_switch
        assert caplog.text.count("sink panel: goes on without lights") == 1

    def test_a_ring_that_fails_comes_back_and_the_switch_stays(self, caplog):
        class Loose(FakeRing):
            torn = True
            shows = 0

            def show(self, colours):
                self.shows += 1
                if self.torn:
                    raise OSError("torn out")
                super().show(colours)

        caplog.set_level("INFO")
        house, pins, ring = SwitchedHouse(), FakePins(), Loose()
        sink = PanelSink(Settings(lights=2, brightness=1.0), "panel", house, pins=pins, ring=ring)
        sink.push(house.status)
        for now_s, tries in ((0.0, 1), (0.9, 1), (1.1, 2), (3.0, 2), (3.2, 3)):
            sink._pins = pins
            sink._look(now_s)
            assert ring.shows == tries
        assert ring.closed
        pins.now["switch"] = True
        sink._look(3.3)
        assert house.status.mute_switch
        sink.push(house.status)
        ring.torn = False
        for now_s in (10.0, 10.1):
            sink._look(now_s)
        assert (ring.shown == PATTERNS["muted"].colour).all()
        assert ring.shows == 4
        assert caplog.text.count("goes on without lights: OSError: torn out") == 1
        assert caplog.text.count("the lights work again") == 1
        sink.close()

    def test_a_fake_panel_says_what_it_would_show(self, caplog):
        caplog.set_level("INFO")
        sink = make(Settings(fake=True, switch_line=3), "panel", SwitchedHouse())
        sink.open()
        sink.close()
        assert "sink panel: shows off" in caplog.text


def test_what_is_not_there_is_one_line(tmp_path):
    pytest.importorskip("gpiod", reason="needs gpiod: pip install 'vivavoce[panel]'")
    with pytest.raises(DataError, match=r"none: lines 3 cannot be used \(No such file.*gpiodetect"):
        GpioPins(str(tmp_path / "none"), {"switch": 3}, active_low=True)
    pytest.importorskip("spidev", reason="needs spidev: pip install 'vivavoce[panel]'")
    with pytest.raises(DataError, match=r"/dev/spidev31\.31: cannot be opened .*turn SPI on"):
        SpiRing(31, 31)


@pytest.mark.parametrize(("module", "make_it"), [
    ("gpiod", lambda: GpioPins("/dev/gpiochip0", {"switch": 3}, active_low=True)), ("spidev", lambda: SpiRing(0, 1)),
])  # fmt: skip
def test_without_the_extra_there_is_one_line(monkeypatch, module, make_it):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vivavoce\[panel\]'"):
        make_it()


def test_two_inputs_at_one_line_cannot_be():
    with pytest.raises(UsageError, match=r"sinks\.panel: button_line: got 4, which is switch_line, too"):
        from_tables(Settings, {"switch_line": 4, "button_line": 4}, "f", name="sinks.panel")
