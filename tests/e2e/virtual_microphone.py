"""A microphone without hardware: a null sink of PulseAudio, whose monitor PortAudio records."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import soundfile

__all__ = ["RATE_HZ", "Room", "missing", "noise"]

RATE_HZ = 16_000


def missing() -> str:
    """Return what keeps this machine from having a virtual microphone."""
    tools = [tool for tool in ("pulseaudio", "paplay") if shutil.which(tool) is None]
    if tools:
        return f"{', '.join(tools)} not installed (Debian: pulseaudio pulseaudio-utils)"
    try:
        import sounddevice  # noqa: F401
    except ImportError:
        return "sounddevice not installed (extra mic)"
    except OSError as error:
        return f"{error} (Debian: libportaudio2)"
    return ""


def noise(path: Path, seconds: int, rms: float = 6.0) -> Path:
    """Write noise that a room is never without; the monitor gives no samples while nothing is played."""
    samples = np.random.default_rng(1).normal(0, rms, seconds * RATE_HZ)
    soundfile.write(path, samples.round().astype(np.int16), RATE_HZ)
    return path


class Room:
    """A null sink whose monitor is the microphone; what is played into it is heard.

    Parameters
    ----------
    folder : Path
        Of its own, for the server; its path has to be short, as that of a socket has at most 107 characters.

    Attributes
    ----------
    environment : dict
        Where processes find the microphone, as the device ``pulse``.

    Raises
    ------
    RuntimeError
        If PulseAudio does not start here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._socket = folder / "native"
        (folder / "default.pa").write_text(
            f"load-module module-native-protocol-unix auth-anonymous=1 socket={self._socket}\n"
            f"load-module module-null-sink sink_name=room rate={RATE_HZ} channels=1 format=s16le\n"
        )
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_SOURCE": "room.monitor",
            "PULSE_SINK": "room",
        }
        self.log = open(folder / "log", "ab")  # noqa: SIM115
        self.players: list[subprocess.Popen[bytes]] = []
        self.plug_in()

    def plug_in(self) -> None:
        """Let the microphone be there: at the beginning it is."""
        arguments = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=true"]
        self.server = subprocess.Popen(
            ["pulseaudio", *arguments, "-F", str(self.folder / "default.pa")],
            env=self.environment, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while not self._socket.exists():
            if self.server.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"PulseAudio does not start here: {(self.folder / 'log').read_text()[-200:]}")
            time.sleep(0.05)

    def unplug(self) -> None:
        """Take the microphone away, without a word to those who listen; what is played ends, too."""
        self.server.kill()
        self.server.wait()
        self._socket.unlink(missing_ok=True)
        for player in self.players:
            player.wait()

    def play(self, path: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file."""
        player = subprocess.Popen(["paplay", str(path)], env=self.environment, stdout=self.log, stderr=self.log)
        self.players.append(player)
        return player

    def close(self) -> None:
        """End everything."""
        for process in [*self.players, self.server]:
            process.kill()
            process.wait()
        self.log.close()
