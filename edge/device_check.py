"""What is around the program: microphone, sound devices, clock, and the folders that it writes to."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge import native
from edge.capture import Block, Capture, Ended, Lost
from edge.daemon_settings import DaemonSettings
from edge.errors import MissingExtraError, UsageError
from edge.finding import Finding, State
from edge.health import Health
from edge.input_check import InputCheck
from edge.live import LiveSource
from edge.moments import shown_moment
from edge.state_folder import state_folder

__all__ = ["device_checks"]

_LISTEN_S = 1.0
_PATIENCE_S = 10.0
"""How long a microphone may take to give its first second, s."""
_MICROPHONE = "microphone"
_BUSY = "-9985"
"""PortAudio's code for a device that somebody else has."""
_SOUND_DEVICES = Path("/dev/snd")
_TIMEX_BYTES = 512
"""More than ``struct timex`` has anywhere."""
_TIME_ERROR = 5


def device_checks(settings: DaemonSettings | None) -> Iterator[tuple[str, Callable[[], Finding]]]:
    """Yield every check, by name.

    Parameters
    ----------
    settings : DaemonSettings, optional
        Of the daemon: a microphone that they do not name is missed by nobody, and one that they name must be there.
    """
    yield "devices", lambda: _devices(needed=settings is not None and settings.source.kind == _MICROPHONE)
    if settings is None or settings.source.kind == _MICROPHONE:
        yield _MICROPHONE, lambda: _microphone(settings)
    yield "clock", _clock
    yield "cache", _cache
    yield "state", lambda: _state(settings)


def _devices(*, needed: bool) -> Finding:
    """Say whether this user may use the sound devices."""
    there = sorted(_SOUND_DEVICES.glob("pcm*c"))
    if not there:
        return Finding("devices", "ok", f"no sound input in {_SOUND_DEVICES}; a sound server may have others")
    barred = [path for path in there if not os.access(path, os.R_OK | os.W_OK)]
    if not barred:
        return Finding("devices", "ok", f"{len(there)} sound inputs, this user may use them")
    return Finding(
        "devices",
        "fault" if needed else "note",
        f"this user may not use {', '.join(map(str, barred))}",
        "usermod -a -G audio USER, and log in again; the service of 'vivavoce install-service' has that group",
    )


def _microphone(settings: DaemonSettings | None) -> Finding:
    """Listen for a second."""
    from edge.live_sources import microphone

    bad: State = "note" if settings is None else "fault"
    try:
        chosen = microphone.Settings() if settings is None else settings.source.settings
        source = microphone.make(chosen)
    except (MissingExtraError, UsageError) as error:
        return Finding(_MICROPHONE, bad, str(error))
    health = Health()
    capture = Capture(source, health=health)
    try:
        return _heard(capture, source, health, bad=bad)
    finally:
        capture.close()


def _heard(capture: Capture, source: LiveSource, health: Health, *, bad: State) -> Finding:
    check = InputCheck(_LISTEN_S)
    until = time.monotonic() + _PATIENCE_S
    while (left := until - time.monotonic()) > 0:
        match capture.take(left):
            case Block(samples=samples):
                report = check.push(samples)
                if report is None:
                    continue
                problems = report.problems()
                lost = f", samples lost {health.overflows} times" if health.overflows else ""
                found = f"{source.name}, {source.native_rate_hz} Hz: {report.told()}{lost}"
                if problems:
                    told = "; ".join(problem.found for problem in problems)
                    return Finding(_MICROPHONE, "note", f"{found}; {told}", problems[0].remedy)
                remedy = "close what else is busy, or set source.latency to high" if lost else ""
                return Finding(_MICROPHONE, "note" if lost else "ok", found, remedy)
            case Lost(reason=reason):
                if _BUSY in reason:
                    return Finding(
                        _MICROPHONE,
                        "note",
                        reason,
                        "if it is the daemon that listens, all is well; stop it to look here",
                    )
                return Finding(_MICROPHONE, bad, reason)
            case Ended():
                break
    return Finding(
        _MICROPHONE,
        bad,
        f"{source.name}: no second of sound came in {_PATIENCE_S:g} s",
        "see whether it is switched on, and whether the sound server hangs; plug it in again",
    )


def _clock() -> Finding:
    """Say whether the clock can be believed: events are kept by it."""
    now_s = time.time()
    installed_s = Path(__file__).stat().st_mtime
    if now_s < installed_s:
        return Finding(
            "clock", "fault", f"it is {shown_moment(now_s)} by the clock, before the program was installed",
            "set it: timedatectl set-ntp true",
        )  # fmt: skip
    synchronised = _synchronised()
    if synchronised is False:
        return Finding(
            "clock", "note", f"{shown_moment(now_s)}, set by nobody: it may jump, and with it the times of events",
            "timedatectl set-ntp true",
        )  # fmt: skip
    kept = "synchronised" if synchronised else "whether it is synchronised cannot be seen from here"
    return Finding("clock", "ok", f"{shown_moment(now_s)}, {kept}")


def _synchronised() -> bool | None:
    """Ask the kernel whether somebody keeps the clock; None if it does not say."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else bool(state != _TIME_ERROR)


def _cache() -> Finding:
    folders = native.image_folders()
    for folder in folders:
        if _can_be_written(folder):
            return Finding("cache", "ok", str(folder))
    return Finding(
        "cache", "note", f"none can be written to: {', '.join(map(str, folders))}",
        f"let {native.CACHE_VARIABLE} name a folder that can be",
    )  # fmt: skip


def _state(settings: DaemonSettings | None) -> Finding:
    folder = state_folder()
    if settings is not None and settings.store.path:
        folder = settings.store.file.absolute().parent
    if _can_be_written(folder):
        return Finding("state", "ok", str(folder))
    kept = settings is not None and settings.store.enabled
    return Finding(
        "state", "fault" if kept else "note", f"{folder} cannot be written to by this user: no event can be kept",
        "run this as the user of the daemon, or let store.path name another place",
    )  # fmt: skip


def _can_be_written(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or the folder itself where there is none."""
    there = next((one for one in (folder, *folder.parents) if one.exists()), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)
