"""The source ``firmware``, with a device in Python at a Unix socket or a pseudoterminal."""

import threading
import time
from contextlib import closing, suppress

import numpy as np
import pytest
from link_device import PATIENCE_S, Device, capable

from edge.errors import AudioError, UsageError
from edge.live import SoundLost, WordHeard
from edge.strict_toml import from_tables
from firmware_bridge import link_shared, link_source
from firmware_bridge.link_source import FirmwareSource, Settings

WORDS = capable("audio", "wake words")


class Ear(threading.Thread):
    """Reads a source, as the daemon does: again whenever it fails."""

    def __init__(self, source, again=True):
        super().__init__(daemon=True)
        self.source, self.again = source, again
        self.items, self.faults = [], []
        self.news = threading.Condition()
        self.ending = False
        self.start()

    def run(self):
        while not self.ending:
            try:
                with closing(self.source.blocks()) as blocks:
                    for item in blocks:
                        if self.ending:
                            return
                        if not isinstance(item, np.ndarray) or item.size:
                            with self.news:
                                self.items.append(item)
                                self.news.notify_all()
            except AudioError as error:
                with self.news:
                    self.faults.append(str(error))
                    self.news.notify_all()
                if not self.again:
                    return
                time.sleep(0.02)

    def wait(self, condition):
        with self.news:
            assert self.news.wait_for(lambda: condition(self), PATIENCE_S), (self.faults, self.items)

    def sound(self):
        with self.news:
            blocks = [item for item in self.items if isinstance(item, np.ndarray)]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)

    def of(self, kind):
        with self.news:
            return [item for item in self.items if isinstance(item, kind)]

    def end(self):
        self.ending = True
        self.join(PATIENCE_S)
        self.source.close()
        assert not self.is_alive()


@pytest.fixture
def listening():
    ears = []

    def listen(device, **settings):
        ears.append(Ear(FirmwareSource(Settings(port=device.port, **settings))))
        return ears[-1]

    yield listen
    for ear in ears:
        ear.end()


@pytest.fixture(params=["socket", "pty"])
def place(request, tmp_path):
    if request.param == "pty":
        pytest.importorskip("serial", reason="needs pyserial: pip install 'vivavoce[bridge]'")
        return ""
    return tmp_path / "s"


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(-3000, 3000, size, dtype=np.int16)


def test_every_sample_comes_once_and_in_order(listening, place):
    with Device(place) as device:
        ear = listening(device)
        sound = noise(50_001)
        device.play(sound)
        ear.wait(lambda ear: sum(item.size for item in ear.items) == sound.size)
        np.testing.assert_array_equal(ear.sound(), sound)
        assert ear.faults == []
        assert ear.source.name == f"test device at {device.port}"
        assert ear.source.overflows == 0


def test_lost_samples_are_told_in_their_place(listening, tmp_path):
    with Device(tmp_path / "s") as device:
        ear = listening(device)
        device.play(noise(3200))
        device.skip(1234)
        device.play(noise(3200, 1))
        ear.wait(lambda ear: ear.sound().size == 6400)
        at = next(i for i, item in enumerate(ear.items) if isinstance(item, SoundLost))
        assert ear.items[at] == SoundLost(1234, "the device did not send them")
        assert sum(item.size for item in ear.items[:at]) == 3200
        assert ear.source.overflows == 1


def test_a_device_that_was_on_for_days_begins_where_it_is(listening, tmp_path):
    with Device(tmp_path / "s") as device:
        device.index = 16_000 * 3600 * 24 * 400
        ear = listening(device)
        device.play(noise(3200))
        ear.wait(lambda ear: ear.sound().size == 3200)
        assert ear.of(SoundLost) == []


def test_garbage_between_frames_changes_nothing(listening, place):
    with Device(place) as device:
        ear = listening(device)
        sound = noise(32_000)
        device.garble(noise(3000).tobytes())
        for at in range(0, sound.size, 3200):
            device.garble(noise(100, at).tobytes() + b"\0")
            device.play(sound[at : at + 3200])
        ear.wait(lambda ear: ear.sound().size == sound.size)
        np.testing.assert_array_equal(ear.sound(), sound)


def test_a_device_that_goes_and_comes_again_loses_nothing_that_it_kept(listening, tmp_path):
    with Device(tmp_path / "s") as device:
        ear = listening(device)
        device.play(noise(3200))
        ear.wait(lambda ear: ear.sound().size == 3200)
        device.unplug()
        ear.wait(lambda ear: ear.faults)
        device.play(noise(6400, 1))
        ear.wait(lambda ear: ear.sound().size == 9600)
        assert ear.of(SoundLost) == []
        np.testing.assert_array_equal(ear.sound(), np.concatenate([noise(3200), noise(6400, 1)]))
        assert ear.faults[0].startswith(str(tmp_path / "s"))


def test_a_device_that_starts_anew_counts_from_zero_and_the_stream_goes_on(listening, tmp_path):
    with Device(tmp_path / "s") as device:
        ear = listening(device)
        device.play(noise(32_000))
        ear.wait(lambda ear: ear.sound().size == 32_000)
        device.restart()
        device.play(noise(3200, 1))
        ear.wait(lambda ear: ear.sound().size == 35_200)
        assert ear.of(SoundLost) == []
        clock = ear.source._link.clock
        assert (clock.position, clock.device_index(35_200), clock.device_index(100)) == (35_200, 3200, 100)


def test_nobody_answers(listening, tmp_path, monkeypatch):
    monkeypatch.setattr(link_source, "ANSWER_S", 0.2)
    with Device(tmp_path / "s") as device:
        device.peer.poll = lambda now_s, room=0: b""
        ear = listening(device)
        ear.wait(lambda ear: len(ear.faults) > 1)
        assert ear.faults[0] == f"{device.port}: no device answers; check that its firmware runs"


def test_nothing_is_connected(tmp_path, monkeypatch):
    monkeypatch.setattr(link_source, "ANSWER_S", 0.2)
    ear = Ear(FirmwareSource(Settings(port=f"unix:{tmp_path}/none")), again=False)
    ear.wait(lambda ear: ear.faults)
    assert ear.faults == [f"{tmp_path}/none: No such file or directory; check that the device is connected"]
    ear.end()


def test_a_newer_device_that_speaks_our_version_too(listening, tmp_path):
    with Device(tmp_path / "s", highest=9) as device:
        ear = listening(device)
        device.play(noise(640))
        ear.wait(lambda ear: ear.sound().size == 640)


def test_a_device_that_is_too_new_is_told_of(listening, tmp_path, monkeypatch):
    monkeypatch.setattr(link_source, "ANSWER_S", 0.5)
    with Device(tmp_path / "s", lowest=8, highest=9) as device:
        ear = listening(device)
        ear.wait(lambda ear: ear.faults)
        assert "the peer speaks versions 8..9 of the link, expected one of 1..1; update the older side" in ear.faults[0]


@pytest.mark.parametrize(
    ("capabilities", "words", "missing"),
    [(capable("LEDs"), "host", "'audio'"), (capable("audio"), "device", "'wake words'")],
)
def test_a_device_that_cannot_do_what_it_is_for(listening, tmp_path, capabilities, words, missing):
    with Device(tmp_path / "s", capabilities) as device:
        ear = listening(device, words=words)
        ear.wait(lambda ear: ear.faults)
        assert f"test device does not offer {missing}, expected a device that does" in ear.faults[0]


def test_a_device_that_sends_no_sound(listening, tmp_path, monkeypatch):
    monkeypatch.setattr(link_source, "_SOUND_S", 0.5)
    with Device(tmp_path / "s") as device:
        ear = listening(device)
        ear.wait(lambda ear: ear.faults)
        assert ear.faults[0].endswith("the device is there, and sends no sound; check its microphone")


class TestWords:
    def test_a_word_stands_exactly_where_it_ended(self, listening, place):
        with Device(place, WORDS) as device:
            ear = listening(device, words="device")
            device.index = 1000
            device.play(noise(16_000), wakes=[(1100, "a"), (5000, "b"), (5000, "c"), (17_000, "d")], early=True)
            ear.wait(lambda ear: len(ear.of(WordHeard)) == 4)
            heard, places = 0, []
            for item in ear.items:
                if isinstance(item, WordHeard):
                    places.append((item.word, heard))
                else:
                    heard += item.size
            assert places == [("a", 100), ("b", 4000), ("c", 4000), ("d", 16_000)]
            np.testing.assert_array_equal(ear.sound(), noise(16_000))

    def test_a_word_that_comes_late_is_told_of_at_once(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(3200))
            device.wake(500, "a", score=32_768)
            device.play(noise(3200))
            ear.wait(lambda ear: ear.sound().size == 6400)
            at = next(i for i, item in enumerate(ear.items) if isinstance(item, WordHeard))
            assert sum(item.size for item in ear.items[:at]) == 3200
            assert ear.items[at].score == pytest.approx(0.5, abs=1e-4)
            assert ear.source._link.clock.answered(3200 + 1600) == (500, "a")

    def test_a_word_of_a_device_that_started_anew_waits_for_its_sound(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(16_000))
            ear.wait(lambda ear: ear.sound().size == 16_000)
            device.restart()
            device.play(noise(1600), wakes=[(800, "a")], early=True)
            ear.wait(lambda ear: ear.of(WordHeard))
            at = next(i for i, item in enumerate(ear.items) if isinstance(item, WordHeard))
            assert sum(item.size for item in ear.items[:at]) == 16_800

    def test_where_no_more_sound_comes_a_word_is_ended(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(1600), wakes=[(1600, "a")])
            ear.wait(lambda ear: ear.of(SoundLost))
            assert isinstance(ear.items[-2], WordHeard)
            assert ear.items[-1] == SoundLost(0, "the device sends no more after a word")

    def test_a_word_without_sound_is_forgotten(self, listening, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(link_source, "_WORD_S", 0.1)
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(640), wakes=[(64_000, "a")], early=True)
            ear.wait(lambda ear: "heard 'a', and did not send its sound" in caplog.text)
            assert ear.of(WordHeard) == []

    def test_a_word_far_ahead_is_forgotten_while_sound_comes(self, listening, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(link_source, "_WORD_S", 0.5)
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.wake(10**12, "far")
            ends = time.monotonic() + PATIENCE_S
            while "heard 'far', and did not send its sound" not in caplog.text:
                assert time.monotonic() < ends
                device.play(noise(320))
                time.sleep(0.02)  # never so long that the source finds nothing
            assert ear.source._words == []

    def test_a_word_far_ahead_does_not_hold_back_those_that_come(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(3200), wakes=[(10**12, "far"), (2000, "b"), (1000, "a")], early=True)
            device.wake(device.index, "c")
            ear.wait(lambda ear: len(ear.of(WordHeard)) == 3)
            assert [item.word for item in ear.of(WordHeard)] == ["a", "b", "c"]

    def test_words_that_wait_are_no_more_than_some(self, listening, tmp_path, caplog):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            for n in range(70):
                device.wake(10**12 - n, f"far {n}")
            device.play(noise(640), wakes=[(320, "a")], early=True)
            ear.wait(lambda ear: ear.of(WordHeard))
            assert len(ear.source._words) <= 64
            assert "heard 'far 0', and 64 words before it wait" in caplog.text

    def test_words_are_not_used_where_the_host_detects_them(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device)
            assert not ear.source.hears_words
            device.play(noise(3200), wakes=[(1000, "a")])
            ear.wait(lambda ear: ear.sound().size == 3200)
            assert ear.of(WordHeard) == []


class TestSwitch:
    def test_what_comes_while_the_switch_is_on_is_never_heard(self, listening, tmp_path):
        with Device(tmp_path / "s") as device:
            ear = listening(device)
            device.play(noise(3200))
            device.switch(True)
            device.play(noise(6400, 1))
            device.switch(False)
            device.play(noise(3200, 2))
            ear.wait(lambda ear: ear.sound().size == 6400)
            np.testing.assert_array_equal(ear.sound(), np.concatenate([noise(3200), noise(3200, 2)]))
            assert ear.of(SoundLost) == [SoundLost(6400, "the device was muted")]
            assert ear.source.overflows == 0

    def test_a_word_before_the_switch_is_not_told_of_after_it(self, listening, tmp_path):
        with Device(tmp_path / "s", WORDS) as device:
            ear = listening(device, words="device")
            device.play(noise(3200))
            device.wake(device.index + 800, "before")
            device.switch(True)
            device.switch(False)
            device.play(noise(3200), wakes=[(device.index + 1600, "after")])
            ear.wait(lambda ear: ear.of(WordHeard) and ear.sound().size == 6400)
            assert [item.word for item in ear.of(WordHeard)] == ["after"]

    def test_a_muted_device_that_is_silent_is_no_fault(self, listening, tmp_path, monkeypatch):
        monkeypatch.setattr(link_source, "_SOUND_S", 0.3)
        with Device(tmp_path / "s") as device:
            ear = listening(device)
            device.switch(True)
            time.sleep(1.0)
            assert ear.faults == []
            device.switch(False)
            ear.wait(lambda ear: ear.faults)

    def test_a_device_that_is_away_stays_muted_until_it_says_otherwise(self, listening, tmp_path):
        with Device(tmp_path / "s") as device:
            ear = listening(device)
            device.switch(True)
            device.wait(lambda device: not device.peer.waiting and device.peer.established)
            device.unplug()
            ear.wait(lambda ear: ear.faults)
            device.play(noise(3200))
            device.switch(False)
            device.play(noise(3200, 1))
            ear.wait(lambda ear: ear.sound().size == 3200)
            np.testing.assert_array_equal(ear.sound(), noise(3200, 1))


@pytest.mark.parametrize(
    "port", ["", "COM3", "tcp:", "tcp:host", "tcp:host:0", "tcp:host:99999", "unix:", "tcp::5", "ttyACM0"]
)
def test_ports_that_cannot_be(port):
    with pytest.raises(UsageError, match=r"source\.port: got .*, expected the path of a serial port"):
        FirmwareSource(Settings(port=port))


@pytest.mark.parametrize("port", ["tcp:host:7000", "tcp:[::1]:7000", "unix:/run/x", "/dev/ttyACM0"])
def test_ports_that_can_be(port):
    if port.startswith("/"):
        pytest.importorskip("serial", reason="needs pyserial: pip install 'vivavoce[bridge]'")
    assert FirmwareSource(Settings(port=port)).name == port


def test_without_pyserial_there_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(UsageError, match=r"pyserial.*pip install 'vivavoce\[bridge\]'"):
        FirmwareSource(Settings(port="/dev/ttyACM0"))


def test_settings_are_read_strictly():
    with pytest.raises(UsageError, match=r"source\.port is missing"):
        from_tables(Settings, {}, "f", name="source")
    with pytest.raises(UsageError, match=r"source\.words: got 'both', expected one of 'host', 'device'"):
        from_tables(Settings, {"port": "/dev/x", "words": "both"}, "f", name="source")


def test_one_port_is_one_link_at_one_rate(tmp_path):
    settings = Settings(port=f"unix:{tmp_path}/s")
    link = link_shared.shared(settings, "source")
    assert link_shared.shared(settings, "sinks.a") is link
    with pytest.raises(UsageError, match=r"sinks\.a\.baud: got 9600, expected 921600: source and sink share"):
        link_shared.shared(Settings(port=settings.port, baud=9600), "sinks.a")


def test_nothing_is_left_behind(tmp_path):
    with Device(tmp_path / "s") as device:
        source = FirmwareSource(Settings(port=device.port))
        ear = Ear(source)
        device.play(noise(640))
        ear.wait(lambda ear: ear.sound().size == 640)
        ear.end()
        with suppress(AttributeError):
            assert not source._link._thread.is_alive()
        assert not source._link.up


def test_what_comes_before_the_first_look_is_heard_where_the_sink_was_first(tmp_path):
    with Device(tmp_path / "s") as device:
        source = FirmwareSource(Settings(port=device.port))
        source._link.join()
        device.play(noise(3200))
        device.wait(lambda device: device.peer.established and not device.peer.waiting)
        ear = Ear(source)
        ear.wait(lambda ear: ear.sound().size == 3200)
        ear.end()
        source._link.leave()
