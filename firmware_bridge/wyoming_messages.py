"""What the services say to their clients, as events of the Wyoming protocol."""

import functools
import importlib.metadata
from collections.abc import Sequence
from typing import Any

from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Info, WakeModel, WakeProgram
from wyoming.user_event import UserEvent
from wyoming.wake import Detection, NotDetected

from edge.answers import Answer
from edge.bundle_parts import Word
from edge.output import PROGRAM
from firmware_bridge.wyoming_sound import Clock

__all__ = [
    "REFUSED",
    "detection",
    "error",
    "info",
    "liveness",
    "mark",
    "marked",
    "not_detected",
    "program_version",
    "refusal",
]

REFUSED = "liveness-refused"
"""Name of the ``user-event`` that tells of a word by which nothing may pass."""

_TOLD = ("id", "action", "decision", "reasons", "live_probability", "wake_score", "quality", "bundle")
_DESCRIPTION = "wake words, heard only from people who are here"


@functools.cache
def program_version() -> str:
    """Return the version of this program."""
    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _attribution() -> Attribution:
    return Attribution(name=PROGRAM, url="")


def info(name: str, words: Sequence[Word], bundle: str) -> Event:
    """Say what the wake service is, and which words it hears.

    Parameters
    ----------
    name : str
        Of the service.
    words : sequence of Word
    bundle : str
        Version of the bundle that hears them.
    """
    models = [
        WakeModel(
            name=word.id,
            description=word.phrase,
            phrase=word.phrase,
            attribution=_attribution(),
            installed=True,
            languages=[],
            version=bundle,
        )
        for word in words
    ]
    program = WakeProgram(
        name=name,
        description=_DESCRIPTION,
        attribution=_attribution(),
        installed=True,
        version=program_version(),
        models=models,
    )
    return Info(wake=[program]).event()


def mark(name: str) -> str:
    """Return what goes before the names of another service's programs."""
    return f"{name}: "


def marked(data: dict[str, Any], name: str) -> Event:
    """Return the wake programs of another service's ``info`` with the mark that they are heard through this one.

    Parameters
    ----------
    data : dict
        Of the event.
    name : str
        Of this service; goes before the name of each program.
    """
    programs = data.get("wake")
    kept = [one for one in programs if isinstance(one, dict)] if isinstance(programs, list) else []
    wake = [
        one
        | {
            "name": f"{mark(name)}{one.get('name')}",
            "description": f"{one.get('description') or one.get('name')}, behind the gate of {PROGRAM} "
            f"{program_version()}",
        }
        for one in kept
    ]
    return Event(type="info", data=Info().event().data | {"wake": wake})


def liveness(answer: Answer, clock: Clock, base: int = 0) -> dict[str, Any]:
    """Return what is said of an answer in the context of an event.

    Parameters
    ----------
    answer : Answer
    clock : Clock
        The client's, in which the times of the word are given.
    base : int
        Index that the answer's first sample has for the clock.
    """
    public = answer.to_dict()
    times = {
        "start_ms": answer.start_sample,
        "end_ms": answer.end_sample,
        "decided_ms": answer.decided_sample,
    }
    return {key: public[key] for key in _TOLD} | {key: round(clock.at(base + at)) for key, at in times.items()}


def detection(name: str | None, timestamp_ms: float, context: dict[str, Any], speaker: str | None = None) -> Event:
    """Tell of a word by which the command may pass."""
    return Detection(name=name, timestamp=round(timestamp_ms), speaker=speaker, context=context).event()


def refusal(name: str | None, timestamp_ms: float, told: dict[str, Any]) -> Event:
    """Tell of a word by which nothing may pass; a client that does not know the event lets it go by."""
    return UserEvent(name=REFUSED, data={"name": name, "timestamp": round(timestamp_ms), "liveness": told}).event()


def not_detected(told: dict[str, Any] | None) -> Event:
    """Say that the sound ended, and nothing passed; and what was refused last, if anything."""
    return NotDetected(context=None if told is None else {"liveness": told}).event()


def error(text: str, code: str) -> Event:
    """Say what was wrong."""
    return Error(text=text, code=code).event()
