"""The simulated device as a process: how it is started, told what to do, and what it tells."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import AudioError
from edge.json_reading import parse_json
from edge.sample_time import SAMPLE_RATE_HZ
from firmware_bridge.link.table import kind_named
from firmware_bridge.simulated.sound import Sound

__all__ = ["SimulatedDevice", "readable"]

_END_S = 5.0
_NAMED = {
    ("decision", "verdict"),
    ("decision", "action"),
    ("led", "state"),
    ("mute", "origin"),
    ("bundle_state", "state"),
}
"""Numbers of the program that have names on the wire."""


class SimulatedDevice:
    """A device that runs; it ends with the block.

    Parameters
    ----------
    program : Path
        As :func:`firmware_bridge.simulated.build.build_device` returns it.
    sound : Sound
    speed : float
        1 for real time; 0 for as fast as the host takes it.
    once : bool
        Whether it ends behind the recordings, and does not begin anew.
    wakes : sequence of (int, str)
        Words that it tells of, in order, each with the sample at which it ends.
    rate : float
        Of the line, bytes/s; 0 for no limit.
    flash : Path, optional
        File that keeps its flash, made if there is none; without it the device takes no models.
    cut : int, optional
        Bytes that are written to the flash until its power is cut, and the process dies.
    """

    def __init__(
        self,
        program: Path,
        sound: Sound,
        *,
        speed: float = 1.0,
        once: bool = False,
        wakes: Sequence[tuple[int, str]] = (),
        rate: float = 0.0,
        flash: Path | None = None,
        cut: int | None = None,
    ) -> None:
        command = [str(program), "--audio", str(sound.pcm), "--speed", str(speed), "--rate", str(rate)]
        command += ["--once"] if once else []
        command += ["--logits", str(sound.logits)] if sound.logits is not None else []
        command += ["--flash", str(flash)] if flash is not None else []
        command += ["--cut", str(cut)] if cut is not None else []
        for index, word in wakes:
            command += ["--wake", f"{index}:{word}"]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise AudioError(
                f"{program}: the simulated device cannot be started ({error.strerror}); remove the file, and it is "
                "compiled again"
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = self._process.stdin, self._process.stdout, self._process.stderr
        self.pid = self._process.pid
        """Of the process: SIGUSR1 turns its mute switch."""
        self._events = self._read()
        try:
            ready = next(self._events, None)
            if ready is None:
                raise self._ended()
        except AudioError:
            self.close()
            raise
        self.pty: str = ready["pty"]
        """What the host opens, e.g. ``/dev/pts/3``."""

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def events(self) -> Iterator[dict[str, Any]]:
        """Return what it tells, as it tells it, until it ends; what was taken once does not come again.

        Raises
        ------
        AudioError
            If it ended otherwise than by itself or by being told to.
        """
        return self._events

    def _read(self) -> Iterator[dict[str, Any]]:
        kept = b""
        while piece := self._stdout.read(1 << 16):
            *lines, kept = (kept + piece).split(b"\n")
            for line in lines:
                yield _named(parse_json(line))
        if self._process.wait():
            raise self._ended()

    def tell(self, command: str) -> None:
        """Send a command: switch, mute, unmute or quit; nothing happens if it has ended."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(f"{command}\n".encode())

    def close(self) -> None:
        """End it; may be called twice."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()
        self._stderr.close()

    def _ended(self) -> AudioError:
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        why = said[-1] if said else f"exit code {self._process.returncode}"
        return AudioError(f"the simulated device has ended: {why}; start it again")


def _named(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: kind_named(event["event"]).field(name).names[value] if (event["event"], name) in _NAMED else value
        for name, value in event.items()
    }


def readable(event: dict[str, Any]) -> str:
    """Return an event as people read it."""
    what = event["event"]
    at = f"{event['index'] / SAMPLE_RATE_HZ:9.2f} s" if "index" in event else f"{'':11}"
    texts = {
        "connected": "the host {host} is there, version {version} of the link",
        "disconnected": "the host is gone",
        "foreign": "the host speaks versions {lowest} to {highest} of the link, which this device does not; update one",
        "led": "lights     {state}, brightness {brightness}",
        "decision": "decision   {word}: {verdict}, {action}, score {score}",
        "played": "the recordings are over",
        "bundle_state": "model      {state}, {offset} bytes are stored",
        "end": "end: {lost} samples lost, {damaged} frames damaged, {resent} sent again, {sessions} sessions",
    }
    if what == "mute":
        return f"{at}  {'muted by' if event['muted'] else 'not muted, says'} {event['origin']}"
    if what == "wake":
        told = "told" if event["sent"] else "kept to itself (muted, or no host)"
        return f"{at}  heard      {event['word']}, {told}"
    if what == "model":
        whose = "no model in the flash" if not event["bytes"] else f"{event['bytes']} bytes, {event['sha256']}"
        return f"{at}  model      {event['what']}: {whose}"
    if what == "bundle_state" and event["reason"]:
        return f"{at}  model      refused: {event['reason']}"
    return f"{at}  {texts[what].format(**event)}"
