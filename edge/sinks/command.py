"""A program that is run for an answer: no shell, one at a time, ended with all that it started when its time is over.

The answer is in its environment: whole, as JSON, in ``VIVAVOCE_ANSWER``, and field by field beside it.
"""

import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from edge.answers import Action, Answer, Message
from edge.errors import UsageError
from edge.house import House
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_toml import Within

__all__ = ["SUMMARY", "CommandSink", "Settings", "environment", "make"]

SUMMARY = "a program that is run for an answer"

_log = logging.getLogger(__name__)

_PREFIX = "VIVAVOCE_"
_OURS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What systemd tells the daemon, and nobody else."""
_LONGEST_VALUE = 1000
"""Characters of a field: a word may come from a client of the network."""
_TERM_S = 1.0
"""Time from the request to end to the end without asking, s."""
_OUT = 2
"""Descriptor of the standard error of the daemon: its log, where the program may write, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the sink ``command``."""

    run: tuple[str, ...]
    """The program and its arguments, e.g. ``["/usr/local/bin/lights", "on"]``; there is no shell."""
    on: tuple[Action, ...] = ("pass",)
    """Answers for which it is run: ``pass``, ``block``, ``ask``."""
    timeout_s: Annotated[float, Within(0.1, 600.0)] = 10.0
    """Time that it has, s; then it is ended, with all that it started."""
    audio: Literal["none", "stdin"] = "none"
    """Whether it gets the sound up to the answer, as WAV on its standard input."""
    stale_s: Annotated[float, Within(0.1, 3600.0)] = 10.0
    """It is not run for an answer that is older, s, because it had to wait for its turn: a light that goes on a minute
    late is a fright."""


def make(settings: Settings, name: str, house: House) -> "CommandSink":
    """Make the sink; see :class:`edge.plugins.SinkPlugin`."""
    return CommandSink(settings, name)


def environment(answer: Answer) -> dict[str, str]:
    """Return an answer as variables of an environment: the whole as JSON, and its fields as plain text.

    Lists are joined by commas, and what could not be judged is empty. Control characters are left out of the fields.
    """
    record = answer.to_dict()
    fields = {
        f"{_PREFIX}{key.upper()}": re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "", _text(value))[:_LONGEST_VALUE]
        for key, value in record.items()
        if key != "event" and not isinstance(value, Mapping)
    }
    return {f"{_PREFIX}ANSWER": json.dumps(record), **fields}


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    return "" if value is None else str(value)


class CommandSink:
    """A program that is run; see the module.

    Parameters
    ----------
    settings : Settings
    name : str

    Raises
    ------
    UsageError
        If no program is named, it is not there, or there is no answer to run it for.
    """

    wants: tuple[type[Message], ...] = (Answer,)

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._settings = settings
        if not settings.run or any("\0" in part for part in settings.run):
            raise UsageError(
                f"sinks.{name}.run: got {list(settings.run)!r}, expected a program and its arguments, without NUL"
            )
        if not settings.on:
            raise UsageError(f"sinks.{name}.on: got no answer, expected some of pass, block and ask; name one")
        if shutil.which(settings.run[0]) is None:
            raise UsageError(
                f"sinks.{name}.run: got {settings.run[0]!r}, expected a program that is there and can be run; check "
                "the name, and its permissions"
            )
        self._changing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Do nothing: the program is run when there is an answer."""

    def push(self, message: Message) -> None:
        """Run the program, and wait for its end."""
        if not isinstance(message, Answer) or message.action not in self._settings.on:
            return
        age_s = time.time() - message.at_s
        if age_s > self._settings.stale_s:
            _log.warning("sink %s: not run for the answer %s: it is %.0f s old", self.name, message.id, age_s)
            return
        inherited = {key: value for key, value in os.environ.items() if key not in _OURS}
        sound = _wav(message) if self._settings.audio == "stdin" else None
        process = subprocess.Popen(
            self._settings.run,
            stdin=subprocess.DEVNULL if sound is None else subprocess.PIPE,
            stdout=_OUT,
            env={**inherited, **environment(message)},
            start_new_session=True,
        )
        with self._changing:
            self._process = process
        try:
            process.communicate(sound, timeout=self._settings.timeout_s)
        except subprocess.TimeoutExpired:
            _log.warning("sink %s: still ran after %g s, ended", self.name, self._settings.timeout_s)
            self._end(process)
        finally:
            with self._changing:
                self._process = None
        code = process.returncode
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        _log.log(logging.WARNING if code else logging.INFO, "sink %s: %s, answer %s", self.name, how, message.id)

    def close(self) -> None:
        """End the program, if it runs."""
        with self._changing:
            if self._process is not None:
                _signal(self._process, signal.SIGKILL)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ask the whole group to end, then end it."""
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_TERM_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # The program may have gone, and what it started may not.
            _signal(process, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the group of a process; it may have gone."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:  # a program that changed its user
        _log.warning("process %d: cannot be ended (%s)", process.pid, error.strerror)


def _wav(answer: Answer) -> bytes:
    """Return the sound of an answer as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(answer.pre_roll.astype("<i2").tobytes())
    return buffer.getvalue()
