"""The sink that watches for drift: there while ``[monitor]`` is enabled. It keeps figures and no sound."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

from edge.answers import Answer, Message
from edge.bundle import Bundle
from edge.clock import clock_is_set
from edge.drift_reference import STATISTICS, figures_of, reference_for
from edge.drift_watch import Alarm, Rules, Watch
from edge.errors import BundleError, StoreError
from edge.files import read_file, write_whole
from edge.health import Health
from edge.lone_writer import lone_writer
from edge.state_folder import state_folder
from edge.strict_json import load_object
from edge.strict_toml import Within

__all__ = ["FILE_NAME", "SUMMARY", "MonitorSettings", "MonitorSink", "read_state", "told", "write_state"]

SUMMARY = "watches whether what is heard changes, and raises an alarm"

_log = logging.getLogger(__name__)

FILE_NAME = "monitor.json"
"""Name of the file in the folder of the daemon's state."""
_KEEP_S = 60.0
"""How often the state is written at most, s: flash memory wears, and an answer more or less makes no difference."""


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """Table ``[monitor]``: whether what is heard changes over weeks."""

    enabled: bool = True
    """Whether it is watched."""
    path: str = ""
    """File of its state; empty for ``monitor.json`` in the folder of the daemon's state."""
    reference: Literal["home", "bundle"] = "home"
    """What answers are compared with: what the first ones here were like, or what the bundle says of itself. A home
    differs from any data: with ``bundle`` expect an alarm at once, and know what it means."""
    reference_file: str = ""
    """File of the bundle's reference; empty for the one inside the bundle, or beside its folder."""
    window: Annotated[int, Within(50, 5000)] = 200
    """Answers over which the stability index and the mean rank are taken."""
    false_alarms_per_year: Annotated[float, Within(0.01, 100.0)] = 1.0
    """False alarms in a year, at most, on average, of all statistics together."""
    tolerance: Annotated[float, Within(0.0, 0.3)] = 0.05
    """Change that is none: how far the probability that a figure is above one of the reference may be from 1/2. What
    the size of the reference leaves open is added to it."""
    learn_answers: Annotated[int, Within(50, 10_000)] = 300
    """Answers of which the home's reference is made, at least."""
    learn_days: Annotated[float, Within(0.0, 365.0)] = 7.0
    """Days that it covers, at least."""
    origins: tuple[str, ...] = ()
    """Whose answers are watched, e.g. ``source`` for the daemon's own microphone; those of all if empty."""

    @property
    def file(self) -> Path:
        """Path of the state."""
        return Path(self.path) if self.path else state_folder() / FILE_NAME

    @property
    def rules(self) -> Rules:
        """How it is watched."""
        return Rules(self.window, self.false_alarms_per_year, self.tolerance, self.learn_answers, self.learn_days)


def read_state(path: Path, watch: Watch, *, as_it_is: bool = False) -> None:
    """Let a watch go on where a file of state ends; see :meth:`edge.drift_watch.Watch.restore`.

    Raises
    ------
    OSError
        If it cannot be read.
    StoreError
        If it is none.
    """
    content = read_file(path)
    try:
        state = load_object(path, content, remedy="a new one is begun")
    except BundleError as error:
        raise StoreError(str(error)) from error
    watch.restore(path, state, as_it_is=as_it_is)


def write_state(path: Path, watch: Watch) -> None:
    """Write the state of a watch.

    Raises
    ------
    OSError
        If it cannot be written; what was there before still is.
    """
    content = json.dumps(watch.to_dict(), allow_nan=False, separators=(",", ":")).encode()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, lambda file: file.write(content), durable=True, one_writer=True)


class MonitorSink:
    """Watch every answer.

    Parameters
    ----------
    settings : MonitorSettings
    health : Health
        Gets the gauges ``drift_…``.
    bundle : Bundle
        What answers when the daemon starts.
    clock : callable
        Monotonic, s.

    Raises
    ------
    UsageError, BundleError
        If the reference of the bundle is to be used and there is none that can be.
    """

    name = "monitor"
    wants: tuple[type[Message], ...] = (Answer,)

    def __init__(
        self,
        settings: MonitorSettings,
        health: Health,
        bundle: Bundle,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._gauges = health.gauges
        self._clock = clock
        self._lock: IO[bytes] | None = None
        self._bundle = bundle.bundle_version
        given = settings.reference == "bundle"
        self._references = reference_for(bundle, settings.reference_file) if given else None
        self._watch = Watch(settings.rules, self._references)
        self._read = self._changed = self._other_told = False
        # What the file was like when it was read or written last: somebody else may have begun a new one.
        self._seen: tuple[int, ...] = ()
        self._kept_s = -_KEEP_S
        # All of them at once: whoever reads goes through the mapping meanwhile.
        self._gauges.update(self._watch.gauges())

    def open(self) -> None:
        """Read the state, once, and see that it can be written.

        Raises
        ------
        StoreError
            If it cannot.
        """
        if self._lock is None:
            try:
                self._settings.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = lone_writer(self._settings.file)
            except OSError as error:
                raise StoreError(
                    f"{self._settings.file}: cannot be written ({error.strerror}), expected a file for the state; "
                    "check its folder, or name another with monitor.path"
                ) from error
        if not self._read:
            self._go_on()
            self._read = True
        self._keep()
        self._gauges.update(self._watch.gauges())

    def push(self, message: Message) -> None:
        """Watch an answer.

        Raises
        ------
        StoreError
            If the state cannot be written; it is still in memory.
        """
        if not isinstance(message, Answer) or not self._watched(message):
            return
        self._follow_others()
        for alarm in self._watch.push(figures_of(message.to_dict()), message.at_s, message.bundle):
            _log.warning("%s", told(alarm))
            self._kept_s = -_KEEP_S
        self._changed = True
        self._gauges.update(self._watch.gauges())
        if self._clock() - self._kept_s >= _KEEP_S:
            self._keep()

    def close(self) -> None:
        """Write the state."""
        if self._read and self._changed:
            try:
                self._follow_others()
                self._keep()
            except StoreError as error:
                _log.error("what was watched since the last time is not kept: %s", error)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _watched(self, answer: Answer) -> bool:
        if self._settings.origins and answer.origin.partition(" ")[0] not in self._settings.origins:
            return False
        if self._references is not None and answer.bundle != self._bundle:
            if not self._other_told:
                _log.warning("drift is not watched: the bundle is another than the one of the reference; restart")
            self._other_told = True
            return False
        return clock_is_set(answer.at_s)

    def _go_on(self) -> None:
        """Read the state; where there is none that can be used, begin anew."""
        path = self._settings.file
        self._seen = _signature(path)
        try:
            read_state(path, self._watch)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
        except StoreError as error:
            self._set_aside(path, error)

    def _follow_others(self) -> None:
        """Begin anew where the owner said so: then the file is another one, or gone."""
        if _signature(self._settings.file) != self._seen:
            _log.info("%s: was changed, what is normal is learned anew", self._settings.file)
            self._watch = Watch(self._settings.rules, self._references)
            self._go_on()

    def _keep(self) -> None:
        path = self._settings.file
        try:
            write_state(path, self._watch)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be written ({error.strerror}), expected a file for what is watched; check its folder, "
                "or name another with monitor.path"
            ) from error
        self._seen = _signature(path)
        self._changed = False
        self._kept_s = self._clock()

    def _set_aside(self, path: Path, error: StoreError) -> None:
        """Keep what cannot be used under another name, and begin anew."""
        kept = path.with_name(f"{path.name}.damaged")
        with contextlib.suppress(OSError):
            os.replace(path, kept)
        self._watch = Watch(self._settings.rules, self._references)
        self._seen = _signature(path)
        _log.error("%s (the old one is kept as %s)", error, kept.name)


def _signature(path: Path) -> tuple[int, ...]:
    """Return what tells a file from another one of the same name; nothing if there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def told(alarm: Alarm) -> str:
    """Return an alarm as one line."""
    return (
        f"drift: {STATISTICS[alarm.statistic]} is {alarm.change} than it was; "
        "'vivavoce monitor report' tells more, 'vivavoce monitor reset' takes it for normal"
    )
