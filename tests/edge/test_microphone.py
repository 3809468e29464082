"""A microphone without one: a PortAudio that the tests script. tests/e2e has the real one."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_portaudio import FakeAudio, PortAudioError

from edge import microphone, portaudio
from edge.errors import AudioError, UsageError
from edge.live_sources.microphone import Settings, make
from edge.microphone import Device, MicSource, choose_device, list_devices
from edge.strict_toml import from_tables

DEVICES = [
    Device(0, "Intel: ALC257 Analog (hw:0,0)", 2, 44100, False),
    Device(2, "USB PnP Audio Device: Audio (hw:1,0)", 1, 48000, False),
    Device(3, "USB PnP Audio Device: Audio (hw:2,0)", 1, 48000, False),
    Device(5, "pulse", 32, 44100, False),
    Device(6, "default", 32, 44100, True),
]


class TestChoice:
    @pytest.mark.parametrize(
        ("wanted", "number"), [(None, 6), ("alc257", 0), ("hw:2,0", 3), ("PULSE", 5), (3, 3), ("3", 3), (0, 0)]
    )
    def test_by_a_part_of_the_name(self, wanted, number):
        assert choose_device(DEVICES, wanted).number == number

    def test_a_full_name_goes_before_names_that_contain_it(self):
        devices = [Device(0, "pulse monitor", 1, 16000, False), Device(1, "pulse", 1, 16000, False)]
        assert choose_device(devices, "pulse").number == 1

    def test_digits_that_are_a_whole_name_are_a_name(self):
        devices = [*DEVICES, Device(7, "3", 1, 16000, False)]
        assert choose_device(devices, "3").number == 7
        assert choose_device(devices, 3).number == 3

    def test_without_a_default_the_first_is_taken(self):
        assert choose_device(DEVICES[:3], None).number == 0

    @pytest.mark.parametrize(
        ("devices", "wanted", "problem"),
        [
            (DEVICES, "usb", "in the names of several inputs: 'USB PnP Audio Device: Audio (hw:1,0)', 'USB"),
            (DEVICES, "nothing", "no input has 'nothing' in its name, there are: 'Intel"),
            (DEVICES, 4, "no input has the number 4, there are: 0 'Intel: ALC257 Analog (hw:0,0)', 2 'USB"),
            (DEVICES, "44", "no input has the number 44"),
            ([], None, "no input is there"),
        ],
    )
    def test_what_cannot_be_chosen_is_one_line_with_what_there_is(self, devices, wanted, problem):
        with pytest.raises(AudioError, match="microphone: ") as caught:
            choose_device(devices, wanted)
        assert problem in str(caught.value)


@pytest.fixture
def fake(monkeypatch):
    def install(samples, **settings):
        audio = FakeAudio(samples, **settings)
        monkeypatch.setattr(portaudio, "load", lambda: audio)
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

    def test_a_device_that_cannot_be_started_is_let_go(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        audio.broken_start = True
        with pytest.raises(AudioError, match=r"fake: cannot be opened \(Invalid device\)"):
            next(MicSource().blocks())
        assert audio.closed == 1

    def test_one_channel_of_several_is_taken(self, fake):
        samples = np.arange(10_000, dtype=np.int16)
        audio = fake(np.stack((0 * samples, samples, 0 * samples), axis=1), rate_hz=16_000, channels=3)
        heard, _ = hear(MicSource(channel=1, channels=3))
        assert np.array_equal(heard, samples[: heard.size])
        assert heard.size > 9000
        assert audio.opened["channels"] == 3

    def test_channels_that_the_device_does_not_have_are_told(self, fake):
        fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        with pytest.raises(AudioError, match="it has 1 channels, not 2"):
            MicSource(channels=2)
        with pytest.raises(UsageError, match="got channel 1, expected only channel 0"):
            MicSource(channel=1)

    def test_a_rate_that_is_asked_for_is_the_only_one_tried(self, fake):
        fake(np.ones(10, np.int16), rate_hz=48_000, channels=1)
        assert MicSource(rate_hz=48_000).native_rate_hz == 48_000
        with pytest.raises(AudioError, match="takes none of 44100 Hz"):
            MicSource(rate_hz=44_100)

    def test_a_rate_that_is_not_the_devices_own_is_found(self, fake, monkeypatch):
        audio = fake(np.ones(10, np.int16), rate_hz=44_100, channels=1)
        entry = {"max_input_channels": 1, "default_samplerate": 96_000.0, "name": "fake"}
        monkeypatch.setattr(audio, "query_devices", lambda: [entry])
        assert MicSource().native_rate_hz == 44_100

    def test_a_device_that_takes_no_rate(self, fake, monkeypatch):
        audio = fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        audio.channels = 2
        monkeypatch.setattr(audio, "check_input_settings", lambda **_: (_ for _ in ()).throw(PortAudioError("busy")))
        with pytest.raises(AudioError, match=r"fake: takes none of 16000, 48000, 44100 Hz \(busy\)"):
            MicSource()

    def test_a_block_that_cannot_be_is_told_before_anybody_speaks(self, fake):
        fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        with pytest.raises(UsageError, match="blocks of 0 samples"):
            MicSource(block=0)

    def test_inputs_are_listed_and_outputs_are_not(self, fake):
        fake(np.ones(10, np.int16), rate_hz=48_000, channels=2)
        assert list_devices() == [Device(0, "fake", 2, 48_000, True)]


class TestLive:
    """The microphone as the daemon's source."""

    @pytest.fixture(autouse=True)
    def nobody_else(self, monkeypatch):
        monkeypatch.setattr(portaudio, "_fresh", False)
        monkeypatch.setattr(portaudio, "require", lambda: None)

    def test_portaudio_looks_for_devices_every_time_it_is_opened(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        source = make(Settings())
        for _ in range(2):
            heard, _ = hear(source)
            assert heard.size == 5000
        assert audio.calls == ["terminate", "initialise"] * 2
        assert (source.name, source.live, source.endless) == ("fake", True, True)

    def test_it_does_not_look_while_another_stream_is_open(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        first, second = make(Settings()).blocks(), make(Settings()).blocks()
        next(first), next(second)
        assert audio.calls == ["terminate", "initialise"]
        first.close(), second.close()
        blocks = make(Settings()).blocks()
        next(blocks)
        blocks.close()
        assert audio.calls == ["terminate", "initialise"] * 2

    def test_just_loaded_it_has_looked(self, fake, monkeypatch):
        monkeypatch.setattr(portaudio, "_fresh", True)
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        source = make(Settings())
        hear(source), hear(source)
        assert audio.calls == ["terminate", "initialise"]

    def test_a_device_that_is_not_there_is_no_fault_before_it_is_opened(self, fake):
        fake(np.ones(10, np.int16), rate_hz=16_000, channels=1)
        source = make(Settings(device="nothing"))
        assert source.name == "nothing"
        with pytest.raises(AudioError, match="no input has 'nothing' in its name"):
            next(source.blocks())
        assert portaudio._users == 0

    def test_overflows_are_those_of_all_openings(self, fake):
        audio = fake(np.ones(5000, np.int16), rate_hz=16_000, channels=1)
        audio.overflow_at = 3
        source = make(Settings())
        hear(source), hear(source)
        assert source.overflows == 2

    def test_settings_reach_the_device(self, fake):
        audio = fake(np.ones((5000, 2), np.int16), rate_hz=48_000, channels=2)
        hear(make(from_tables(Settings, {"device": 0, "channels": 2, "rate_hz": 48_000, "latency": 0.1}, "f")))
        assert [audio.opened[name] for name in ("device", "channels", "samplerate", "latency")] == [0, 2, 48_000, 0.1]

    @pytest.mark.parametrize(
        ("entries", "told"),
        [
            ({"channels": 2, "channel": 2}, "channel: got 2, expected less than channels (2)"),
            ({"rate_hz": 8}, "rate_hz: got 8, expected 0, or at least 1000"),
            ({"device": 1.5}, "source.device: got 1.5, expected text, or a whole number"),
            ({"latency": "lowest"}, "source.latency: got 'lowest', expected one of 'low', 'high', or a number"),
        ],
    )
    def test_settings_that_cannot_be_are_one_line(self, entries, told):
        with pytest.raises(UsageError) as caught:
            from_tables(Settings, entries, "f", name="source")
        assert told in str(caught.value)


def test_nothing_of_a_c_library_reaches_stderr_while_it_is_hushed(capfd):
    with portaudio.hushed():
        os.write(2, b"ALSA lib complains")
    os.write(2, b"we are heard")
    assert capfd.readouterr().err == "we are heard"


def test_in_a_service_the_library_of_alsa_is_silenced(python):
    # A device that is not configured: ALSA's library complains, by itself.
    code = """
import ctypes, os
from edge import portaudio
def fail():
    handle = ctypes.c_void_p()
    alsa.snd_pcm_open(ctypes.byref(handle), b"no such device", 1, 0)
alsa = ctypes.CDLL("libasound.so.2")
with portaudio.hushed(False):
    fail()
print("done")
"""
    try:
        ctypes.CDLL("libasound.so.2")
    except OSError:
        pytest.skip("libasound2 is not installed")
    assert python(code) == "done\n"
    with pytest.raises(AssertionError, match="Unknown PCM"):
        python(code.replace("with portaudio.hushed(False):", "if True:"))


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


MAKE = "from edge.live_sources.microphone import Settings, make\nfrom edge.errors import VivavoceError\n"
MAKE += SAY.replace("list_devices()", "make(Settings())")


def test_portaudio_is_not_loaded_before_anybody_listens(python):
    out = python(MAKE + "import sys\nprint('sounddevice' in sys.modules)")
    assert out.splitlines()[-1] == "False"


def test_what_is_not_installed_is_told_when_the_daemon_is_started(python):
    out = python("import sys\nsys.modules['sounddevice'] = None\n" + MAKE)
    assert out.startswith("MissingExtraError listening to a microphone is not installed here")
    code = "import ctypes.util, importlib.util\nimportlib.util.find_spec = ctypes.util.find_library = {}\n"
    code = code.replace("= {}", "= lambda name: 'there' if name == 'sounddevice' else None")
    assert python(code + MAKE).startswith("UsageError microphone: the library PortAudio is not installed here")


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
