"""A microphone without hardware: the monitor of a null sink of PulseAudio; PortAudio reaches it through ALSA."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE_HZ = 16_000


def missing(*more: str) -> str:
    """Return what keeps this machine from having a virtual microphone."""
    tools = [tool for tool in ("pulseaudio", "paplay", *more) if shutil.which(tool) is None]
    if tools:
        return f"{', '.join(tools)} not installed (Debian: pulseaudio pulseaudio-utils espeak-ng)"
    try:
        import sounddevice  # noqa: F401
    except ImportError:
        return "sounddevice not installed (extra mic)"
    except OSError as error:
        return f"{error} (Debian: libportaudio2)"
    return ""


class Room:
    """A null sink whose monitor is the microphone; what is played into it is heard."""

    def __init__(self, folder: Path, *, channels: int = 1, rate_hz: int = RATE_HZ) -> None:
        self.folder = folder
        self.socket = folder / "native"
        (folder / "default.pa").write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self.socket}\n"
            f"load-module module-null-sink sink_name=room rate={rate_hz} channels={channels} format=s16le\n"
        )
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_SOURCE": "room.monitor",
            "PULSE_SINK": "room",
        }
        self.log = open(folder / "log", "wb")  # noqa: SIM115
        self.players: list[subprocess.Popen[bytes]] = []
        self.plug_in()

    def plug_in(self) -> None:
        """Start the server: the microphone is there."""
        arguments = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=true"]
        self.server = subprocess.Popen(
            ["pulseaudio", *arguments, "-F", str(self.folder / "default.pa")],
            env=self.environment, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self.socket.exists():
            if self.server.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.skip(f"PulseAudio does not start here: {(self.folder / 'log').read_text()[-200:]}")
            time.sleep(0.05)

    def unplug(self) -> None:
        """Kill the server and all that plays: the microphone is gone."""
        for process in [*self.players, self.server]:
            process.kill()
            process.wait()
        self.players.clear()
        self.socket.unlink(missing_ok=True)

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Play a file; it goes on while the test does something else."""
        player = subprocess.Popen(["paplay", str(path)], env=self.environment, stdout=self.log, stderr=self.log)
        self.players.append(player)
        return player

    def make_noise(self, seconds: float = 180.0) -> None:
        """Let the room not be silent: the monitor gives no samples while nothing is played."""
        path = self.folder / "noise.wav"
        noise = np.random.default_rng(1).normal(0, 6, round(seconds * RATE_HZ))
        soundfile.write(path, noise.round().astype(np.int16), RATE_HZ)
        self.play(path)

    def close(self) -> None:
        """End everything."""
        self.unplug()
        self.log.close()


def room_for(tmp_path_factory: pytest.TempPathFactory, reason: str) -> Iterator[Room]:
    """Yield a room with a little noise in it; skip the test where there is a reason."""
    if reason:
        pytest.skip(reason)
    # A path of a socket has at most 107 characters.
    folder = tmp_path_factory.mktemp("pa")
    folder.chmod(0o700)
    room = Room(folder)
    try:
        room.make_noise()
        yield room
    finally:
        room.close()
