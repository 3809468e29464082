"""The microphone as a source, in its rates and channels: PortAudio on the monitor of a null sink."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e.virtual_microphone import Room, missing

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

HEAR = """
import json, sys
import numpy as np
from edge.live_sources.microphone import Settings, make
from edge.strict_toml import from_tables
source = make(from_tables(Settings, json.loads(sys.argv[1]), "test"))
print("ready", flush=True)
blocks, n = [], 0
for block in source.blocks():
    blocks.append(block)
    n += block.size
    if n >= 16_000 * float(sys.argv[2]):
        break
np.save(sys.argv[3], np.concatenate(blocks))
print(json.dumps([source.name, source.native_rate_hz, source.overflows]))
"""

LOADED = """
import sounddevice
from edge import portaudio
loaded = lambda: sum("libasound_module_" in line for line in open("/proc/self/maps"))
for _ in range(2):
    with portaudio.in_use(portaudio.load(), hush=False):
        before = loaded()
sounddevice._lib.Pa_Terminate()
print(before, loaded())
sounddevice._lib.Pa_Initialize()
"""


@pytest.fixture
def make_room(tmp_path_factory) -> Iterator:
    if reason := missing():
        pytest.skip(reason)
    rooms = []

    def start(**format_) -> Room:
        folder = tmp_path_factory.mktemp("pa")
        folder.chmod(0o700)
        rooms.append(Room(folder, **format_))
        return rooms[-1]

    yield start
    for room in rooms:
        room.close()


def python(room: Room, code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def tones(rate_hz: int) -> np.ndarray:
    """Return 30 s of two channels: 1 kHz in the left one, 3 kHz in the right one."""
    t = np.arange(30 * rate_hz) / rate_hz
    both = np.stack((np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 3000 * t)), axis=1)
    return np.round(6000 * both).astype(np.int16)


def amplitude(samples: np.ndarray, frequency_hz: float) -> float:
    """Return the amplitude of a tone in the last second at 16 kHz."""
    x = samples[-16_000:].astype(float)
    return 2 / x.size * float(np.abs(x @ np.exp(-2j * np.pi * frequency_hz / 16_000 * np.arange(x.size))))


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
@pytest.mark.parametrize(("channel", "low", "high"), [(0, 6000, 0), (1, 0, 6000), (-1, 3000, 3000)])
def test_rates_and_channels_become_16_khz_mono(make_room, tmp_path, rate_hz, channel, low, high):
    room = make_room(rate_hz=rate_hz, channels=2)
    soundfile.write(room.folder / "tones.wav", tones(rate_hz), rate_hz)
    room.play(room.folder / "tones.wav")
    settings = {"device": "pulse", "rate_hz": rate_hz, "channels": 2, "channel": channel}
    process = python(room, HEAR, json.dumps(settings), "3", str(tmp_path / "heard.npy"))
    out, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    assert json.loads(out.splitlines()[-1]) == ["pulse", rate_hz, 0]
    heard = np.load(tmp_path / "heard.npy")
    assert heard.dtype == np.int16
    assert amplitude(heard, 1000) == pytest.approx(low, abs=60)
    assert amplitude(heard, 3000) == pytest.approx(high, abs=60)


def test_a_number_names_a_device_as_its_name_does(make_room, tmp_path):
    room = make_room()
    room.make_noise()
    listed = python(room, "from edge.microphone import list_devices as l; print([d.name for d in l()].index('pulse'))")
    number = int(listed.communicate(timeout=60)[0])
    process = python(room, HEAR, json.dumps({"device": number}), "0.2", str(tmp_path / "heard.npy"))
    out, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    assert json.loads(out.splitlines()[-1])[:2] == ["pulse", 16_000]


def look(room: Room, *options: str) -> tuple[int, dict[str, str]]:
    """Return the exit code of the doctor, and what it says of the microphone."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", "doctor", "--json", *options], cwd=ROOT,
        env={**room.environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, next(one for one in found if one["check"] == "microphone")


@pytest.fixture
def config(tmp_path) -> tuple[str, str]:
    """Make settings that name the microphone."""
    (tmp_path / "daemon.toml").write_text('[store]\nenabled = false\n[source]\ndevice = "pulse"\n')
    return "--config", str(tmp_path / "daemon.toml")


def test_the_doctor_tells_what_a_microphone_gives(make_room, config):
    room = make_room()
    room.make_noise()
    _, microphone = look(room, *config)
    assert microphone["state"] == "ok"
    assert microphone["found"].startswith("pulse, 16000 Hz: level -75 dB")


def test_the_doctor_tells_of_one_that_is_muted_or_gone(make_room, config):
    room = make_room()
    soundfile.write(room.folder / "nothing.wav", np.zeros(30 * 16_000, np.int16), 16_000)
    room.play(room.folder / "nothing.wav")
    _, microphone = look(room, *config)
    assert microphone["state"] == "note"
    assert "every sample is the same" in microphone["found"]
    assert "mute" in microphone["remedy"]
    room.unplug()
    code, microphone = look(room, *config)
    assert (code, microphone["state"]) == (2, "fault")
    # PulseAudio's device is only listed while the server is there.
    assert "no input" in microphone["found"]
    _, microphone = look(room)
    assert microphone["state"] == "note"


def test_the_doctor_ends_though_the_sound_server_hangs(make_room, config):
    room = make_room()
    room.make_noise()
    room.server.send_signal(signal.SIGSTOP)
    try:
        code, microphone = look(room, *config)
    finally:
        room.server.send_signal(signal.SIGCONT)
    assert (code, microphone["state"]) == (2, "fault")


def test_plugins_of_alsa_stay_loaded_when_devices_are_looked_for(make_room):
    process = python(make_room(), LOADED)
    out, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    before, after = map(int, out.split())
    assert before == after > 0


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux not installed (Debian: tmux)")
def test_the_demo_in_a_terminal_hears_what_is_played_into_the_microphone(make_room, tmp_path):
    room = make_room()
    scene = ROOT / "edge" / "data" / "scene.flac"
    sound, rate_hz = soundfile.read(scene, dtype="int16")
    # Noise around it: a player's first samples may be lost, and the monitor is silent while nothing is played.
    room.make_noise()
    soundfile.write(room.folder / "scene.wav", sound, rate_hz)
    environment = {**room.environment, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    socket = str(tmp_path / "tmux")

    def tmux(*arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-u", "-S", socket, "-f", "/dev/null", *arguments],
            env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def until(wanted: str, timeout_s: float = 60.0) -> str:
        end = time.monotonic() + timeout_s
        while wanted not in (shown := tmux("capture-pane", "-p", "-t", "demo")):
            assert time.monotonic() < end, shown
            time.sleep(0.2)
        return shown

    keep = tmp_path / "kept"
    call = [sys.executable, "-m", "edge", "live", "--microphone", "pulse", "--keep", str(keep)]
    tmux("new-session", "-d", "-s", "demo", "-x", "100", "-y", "36", "-c", str(ROOT), shlex.join(call))
    try:
        until("vivavoce live")
        until("pulse")
        room.play(room.folder / "scene.wav")
        shown = until("SHUT")
        assert "OPEN" in shown
        assert "half below" in shown
        assert "snowboy" in shown
        assert "sound of decisions is kept: 2 in" in until("kept: 2")
        assert len(list(keep.glob("*.flac"))) == 2
        tmux("send-keys", "-t", "demo", "q")
    finally:
        tmux("kill-server")
