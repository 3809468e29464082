"""What ``vivavoce doctor`` finds out about a microphone: it listens for a second."""

import time
from collections.abc import Iterator

from edge.capture import Block, Capture, Lost, Opened
from edge.doctor import Finding, State
from edge.errors import VivavoceError
from edge.events import SAMPLE_RATE_HZ
from edge.health import Health
from edge.input_check import InputCheck, InputLevels, complaints
from edge.live_sources.microphone import LiveMicrophone, Settings, make

__all__ = ["CHECK", "look_at_microphone"]

CHECK = "microphone"
"""Name of the check."""

_LOOK_S = 1.0
_PATIENCE_S = 10.0
"""Time that opening and listening may take, s: more than a device that falls silent is given by itself."""


def look_at_microphone(settings: Settings | None = None) -> Iterator[Finding]:
    """Open a microphone, listen for a second, and say what there is.

    Whoever calls it has to leave the process with :func:`edge.capture.leave`: a device may hang.

    Parameters
    ----------
    settings : Settings, optional
        Those of a daemon that needs it: then it is a fault if it does not work. Without, it is the system's default,
        and none is needed.

    Yields
    ------
    Finding
        One of all that is well, and one for everything that is not.
    """
    lacking: State = "fault" if settings is not None else "note"
    try:
        source = make(Settings() if settings is None else settings)
    except VivavoceError as error:
        yield Finding(CHECK, lacking, str(error))
        return
    health = Health()
    capture = Capture(source, health=health)
    try:
        levels, latency_s, reason = _listen(capture, source)
    finally:
        capture.close()
    if levels is None:
        yield Finding(
            CHECK, lacking, reason, "" if settings is not None else "leave it so where no daemon is to listen"
        )
        return
    rate_hz = source.native_rate_hz
    found = f"{source.name}: {rate_hz} Hz, latency {1e3 * latency_s:.0f} ms, {levels.told()}"
    yield Finding(CHECK, "ok", found)
    if rate_hz < SAMPLE_RATE_HZ:
        yield Finding(
            CHECK, "note", f"{source.name}: nothing above {rate_hz / 2000:g} kHz, where playback shows best",
            f"record at {SAMPLE_RATE_HZ} Hz or more (source.rate_hz), or take another microphone",
        )  # fmt: skip
    if health.overflows:
        yield Finding(
            CHECK, "note", f"{source.name}: samples were lost {health.overflows} times in a second",
            'give it more time with source.latency = "high"',
        )  # fmt: skip
    for complaint in complaints(levels):
        state = lacking if levels.constant else "note"
        yield Finding(CHECK, state, f"{source.name}: {complaint.text}", complaint.remedy)


def _listen(capture: Capture, source: LiveMicrophone) -> tuple[InputLevels | None, float, str]:
    """Return the levels and the latency (s), or why there are none."""
    check = InputCheck(_LOOK_S)
    latency_s = 0.0
    until_s = time.monotonic() + _PATIENCE_S
    while (left_s := until_s - time.monotonic()) > 0:
        match capture.take(left_s):
            case Opened():
                latency_s = source.latency_s
            case Lost(reason=reason):
                return None, latency_s, reason
            case Block(samples=samples) if (levels := check.push(samples)) is not None:
                return levels, latency_s, ""
    return None, latency_s, f"{source.name}: hangs: no second of sound in {_PATIENCE_S:g} s; connect it again"
