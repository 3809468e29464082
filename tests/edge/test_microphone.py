"""A microphone without one: a PortAudio that the tests script. tests/e2e has the real one."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge import microphone
from edge.errors import AudioError, UsageError
from edge.microphone import Device, MicSource, choose_device, list_devices

DEVICES = [
    Device(0, "Intel: ALC257 Analog (hw:0,0)", 2, 44100, False),
    Device(2, "USB PnP Audio Device: Audio (hw:1,0)", 1, 48000, False),
    Device(3, "USB PnP Audio Device: Audio (hw:2,0)", 1, 48000, False),
    Device(5, "pulse", 32, 44100, False),
    Device(6, "default", 32, 44100, True),
]


class TestChoice:
    @pytest.mark.parametrize(("wanted", "number"), [(None, 6), ("alc257", 0), ("hw:2,0", 3), ("PULSE", 5)])
    def test_by_a_part_of_the_name(self, wanted, number):
        assert choose_device(DEVICES, wanted).number == number

    def test_a_full_name_goes_before_names_that_contain_it(self):
        devices = [Device(0, "pulse monitor", 1, 16000, False), Device(1, "pulse", 1, 16000, False)]
        assert choose_device(devices, "pulse").number == 1

    def test_without_a_default_the_first_is_taken(self):
        assert choose_device(DEVICES[:3], None).number == 0

    @pytest.mark.parametrize(
        ("devices", "wanted", "problem"),
        [
            (DEVICES, "usb", "in the names of several inputs: 'USB PnP Audio Device: Audio (hw:1,0)', 'USB"),
            (DEVICES, "nothing", "no input has 'nothing' in its name, there are: 'Intel"),
            ([], None, "no input is there"),
        ],
    )
    def test_what_cannot_be_chosen_is_one_line_with_what_there_is(self, devices, wanted, problem):
        with pytest.raises(AudioError, match="microphone: ") as caught:
            choose_device(devices, wanted)
        assert problem in str(caught.value)


class PortAudioError(Exception):
    """What sounddevice raises."""


class FakeAudio:
    """As much of sounddevice as there is need for; its callback is called from a thread, in pieces of odd sizes."""

    PortAudioError = PortAudioError

    def __init__(self, samples: np.ndarray, *, rate_hz: int, channels: int, ends: bool = True) -> None:
        self.samples, self.rate_hz, self.channels, self.ends = samples, rate_hz, channels, ends
        self.default = SimpleNamespace(device=[0, 0])
        self.overflow_at = -1
        self.busy = False
        self.closed = 0
        self.opened: dict[str, object] = {}
        self.starts: list[str] = []

    def _terminate(self):
        self.starts.append("ends")

    def _initialize(self):
        self.starts.append("begins")

    def query_devices(self):
        entry = {"max_input_channels": self.channels, "default_samplerate": float(self.rate_hz)}
        return [{**entry, "name": "fake"}, {**entry, "name": "an output", "max_input_channels": 0}]

    def check_input_settings(self, *, device, channels, dtype, samplerate):
        assert (device, dtype) == (0, "int16")
        if (samplerate, channels) != (self.rate_hz, self.channels):
            raise PortAudioError("Invalid sample rate or number of channels")

    def RawInputStream(self, **settings):  # noqa: N802
        if self.busy:
            raise PortAudioError("Device unavailable")
        self.opened = settings
        stream = SimpleNamespace(active=True, latency=0.012)

        def deliver() -> None:
            at = 0
            for number in range(1_000_000):
                piece = self.samples[at : at + 100 + number % 7 * 50]
                if not piece.size:
                    break
                overflow = number == self.overflow_at
                settings["callback"](piece.tobytes(), len(piece), None, SimpleNamespace(input_overflow=overflow))
                at += len(piece)
            stream.active = not self.ends

        thread = threading.Thread(target=deliver)
        stream.start = thread.start

        def close(ignore_errors: bool) -> None:
            assert ignore_errors
            thread.join()
            self.closed += 1

        stream.abort = lambda ignore_errors: None
        stream.close = close
        return stream


@pytest.fixture
def fake(monkeypatch):
    def install(samples, **settings):
        audio = FakeAudio(samples, **settings)
        monkeypatch.setattr(microphone, "_sounddevice", lambda: audio)
        return audio

    return install


def hear(source: MicSource) -> tuple[np.ndarray, AudioError]:
    blocks: list[np.ndarray] = []
    with pytest.raises(AudioError) as caught:
        blocks.extend(source.blocks())  # a list that is extended keeps what came before a fault
    return np.concatenate(blocks), caught.value


class TestSource:
    def test_16_khz_is_bit_exact_and_asked_for_without_buffers(self, fake):
        samples = np.random.default_rng(0).integers(-32768, 32768, 20_000).astype(np.int16)
        audio = fake(samples, rate_hz=16_000, channels=1)
        source = MicSource(block=320)
        assert (source.name, source.native_rate_hz) == ("fake", 16_000)
        blocks: list[np.ndarray] = []
        with pytest.raises(AudioError):
            blocks.extend(source.blocks())
        assert {block.size for block in blocks[:-1]} == {320}
        heard, _ = hear(source)
        assert np.array_equal(heard, samples)
        assert (audio.opened["blocksize"], audio.opened["latency"], audio.opened["samplerate"]) == (0, "low", 16_000)
        assert source.latency_s == 0.012
        assert source.overflows == 0

    def test_another_rate_and_channels_are_mixed_and_resampled(self, fake):
        t = np.arange(48_000) / 48_000
        tone = 8000 * np.sin(2 * np.pi * 1000 * t)
        fake(np.stack((tone, 0 * tone), axis=1).astype(np.int16), rate_hz=48_000, channels=2)
        source = MicSource()
        assert source.native_rate_hz == 48_000
        heard, _ = hear(source)
        expected = 4000 * np.sin(2 * np.pi * 1000 * np.arange(heard.size) / 16_000)
        assert heard.size > 14_000
        assert np.abs(heard - expected)[500:-500].max() < 20

    def test_a_device_that_stops_is_told_after_everything_it_gave(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        heard, fault = hear(MicSource())
        assert heard.size == 5000
        assert "fake: the microphone stopped" in str(fault)
        assert audio.closed == 1

    def test_a_device_that_falls_silent_is_gone(self, fake, monkeypatch):
        monkeypatch.setattr(microphone, "_PATIENCE_S", 0.5)
        fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1, ends=False)
        heard, fault = hear(MicSource())
        assert heard.size == 5000
        assert "no sample for 0.5 s" in str(fault)

    def test_closing_the_blocks_closes_the_input(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        blocks = MicSource().blocks()
        next(blocks)
        assert audio.closed == 0
        blocks.close()
        assert audio.closed == 1

    def test_overflows_of_the_driver_are_counted(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        audio.overflow_at = 3
        source = MicSource()
        hear(source)
        assert source.overflows == 1

    def test_what_nobody_takes_is_dropped_and_counted(self, fake, monkeypatch):
        monkeypatch.setattr(microphone, "_HELD_S", 0.5)
        fake(np.arange(16_000, dtype=np.int16), rate_hz=16_000, channels=1)
        source = MicSource()
        blocks = source.blocks()
        taken = [next(blocks)]
        deadline = time.monotonic() + 10
        while not source.overflows and time.monotonic() < deadline:
            time.sleep(0.01)
        assert source.overflows > 0
        with pytest.raises(AudioError):
            taken.extend(blocks)
        first = np.concatenate(taken)
        # What is there is the beginning, without a hole, and little more than may be held.
        assert np.array_equal(first, np.arange(first.size))
        assert 8000 <= first.size < 12_000

    def test_a_device_that_is_in_use(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        audio.busy = True
        with pytest.raises(AudioError, match=r"fake: cannot be opened \(Device unavailable\), expected"):
            next(MicSource().blocks())

    def test_a_device_that_takes_no_rate(self, fake, monkeypatch):
        audio = fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        audio.channels = 2
        monkeypatch.setattr(audio, "check_input_settings", lambda **_: (_ for _ in ()).throw(PortAudioError("busy")))
        with pytest.raises(AudioError, match=r"fake: does not take 16000 or 48000 or 44100 Hz \(busy\)"):
            MicSource()

    def test_a_block_that_cannot_be_is_told_before_anybody_speaks(self, fake):
        fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        with pytest.raises(UsageError, match="blocks of 0 samples"):
            MicSource(block=0)

    def test_devices_are_looked_for_anew_but_not_while_one_is_open(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        MicSource()
        assert audio.starts == []
        blocks = MicSource(again=True).blocks()
        assert audio.starts == ["ends", "begins"]
        next(blocks)
        # No open input outlives the end of PortAudio.
        MicSource(again=True)
        assert audio.starts == ["ends", "begins"]
        blocks.close()
        MicSource(again=True)
        assert audio.starts == ["ends", "begins"] * 2

    def test_a_device_that_cannot_be_opened_is_not_taken_for_open(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        audio.busy = True
        with pytest.raises(AudioError):
            next(MicSource().blocks())
        MicSource(again=True)
        assert audio.starts == ["ends", "begins"]

    def test_a_channel_is_taken_from_as_many_as_it_needs(self, fake):
        both = np.stack((np.zeros(5000), np.arange(5000)), axis=1).astype(np.int16)
        audio = fake(both, rate_hz=16_000, channels=2)
        heard, _ = hear(MicSource(channel=1))
        assert np.array_equal(heard, both[:, 1])
        assert audio.opened["channels"] == 2

    def test_a_channel_that_is_not_there(self, fake):
        fake(np.ones(10, np.int16), rate_hz=16_000, channels=2)
        with pytest.raises(AudioError, match="fake: has 2 channels, expected at least 3"):
            MicSource(channel=2)
        with pytest.raises(AudioError, match="fake: has 2 channels, expected at least 4"):
            MicSource(channels=4)

    def test_a_rate_that_was_asked_for_is_the_only_one(self, fake):
        fake(np.ones(10, np.int16), rate_hz=44_100, channels=1)
        assert MicSource().native_rate_hz == 44_100
        assert MicSource(rate_hz=44_100).native_rate_hz == 44_100
        with pytest.raises(AudioError, match="does not take 16000 Hz"):
            MicSource(rate_hz=16_000)

    def test_one_that_hangs_while_it_is_closed_is_not_waited_for(self, fake, monkeypatch):
        monkeypatch.setattr(microphone, "_CLOSE_S", 0.1)
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        hold, entered = threading.Event(), threading.Event()
        opening = audio.RawInputStream

        def hangs(**settings):
            stream = opening(**settings)
            close = stream.close
            stream.close = lambda ignore_errors: (entered.set(), hold.wait(20), close(ignore_errors))
            return stream

        audio.RawInputStream = hangs
        blocks = MicSource().blocks()
        next(blocks)
        blocks.close()
        assert entered.is_set()
        assert audio.closed == 0
        hold.set()
        # Whoever looks for devices next waits for it.
        MicSource(again=True)
        assert (audio.closed, audio.starts) == (1, ["ends", "begins"])

    def test_inputs_are_listed_and_outputs_are_not(self, fake):
        fake(np.ones(10, np.int16), rate_hz=48_000, channels=2)
        assert list_devices() == [Device(0, "fake", 2, 48_000, True)]


LIST = "from edge.errors import VivavoceError\nfrom edge.microphone import list_devices\n"
SAY = "try:\n    list_devices()\nexcept VivavoceError as error:\n    print(type(error).__name__, error)\n"


@pytest.fixture
def python():
    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout

    return run


def test_without_the_extra_the_message_names_it(python):
    out = python("import sys\nsys.modules['sounddevice'] = None\n" + LIST + SAY)
    assert out.startswith("MissingExtraError listening to a microphone is not installed here")
    assert "pip install 'vivavoce[mic]'" in out
    assert out.count("\n") == 1


def test_without_portaudio_the_message_names_the_package(python):
    code = """
import sys, types
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
sys.meta_path.insert(0, Broken())
"""
    out = python(code + LIST + SAY)
    assert out.startswith("UsageError microphone: the library PortAudio is not installed here")
    assert "apt-get install libportaudio2" in out


QUIET = """
import os, sys, threading
from edge import microphone
inside, leave = threading.Event(), threading.Event()
def other():
    with microphone._quiet():
        inside.set()
        leave.wait(20)
thread = threading.Thread(target=other)
with microphone._quiet():
    thread.start()
    inside.wait(20)
    os.write(2, b"noise of a library")
os.write(2, b"more of it")
leave.set()
thread.join()
os.write(2, b"an entry")
"""


def test_standard_error_comes_back_whoever_leaves_last():
    done = subprocess.run([sys.executable, "-c", QUIET], cwd=Path(__file__).parents[2], capture_output=True, check=True)
    assert done.stderr == b"an entry"


def test_standard_error_that_is_a_log_is_left_alone():
    code = QUIET.replace("inside, leave", "microphone.keep_stderr()\ninside, leave")
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, check=True)
    assert done.stderr == b"noise of a librarymore of itan entry"
