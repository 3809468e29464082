"""Answers and statuses as the daemon sends them, and stores of them, for tests of what is done with them."""

import itertools
import math
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from edge.answers import Answer, Status, new_id
from edge.event_reading import EventReader, Selection
from edge.event_store import EventStore
from edge.quality import Quality

AT_S = 1_795_000_000.0
"""A time in November 2026."""
QUALITY = Quality(
    snr_db=24.0,
    level_dbfs=-23.25,
    clipped_fraction=0.0,
    speech_s=0.74,
    bandwidth_hz=7750.0,
    high_band_db=-14.5,
    flags=("quiet",),
)
_SERIAL = itertools.count()


def answer(at_s: float = AT_S, **different: Any) -> Answer:
    """Return an answer: a replay that was blocked."""
    facts: dict[str, Any] = {
        "id": new_id(at_s),
        "at_s": at_s,
        "origin": "source",
        "word": "smart_mirror",
        "phrase": "smart mirror",
        "action": "block",
        "decision": "reject",
        "reasons": ("loudspeaker",),
        "wake_score": 0.984,
        "live_probability": 0.021,
        "live_score": -4.25,
        "quality": QUALITY,
        "start_sample": 16_000,
        "end_sample": 27_200,
        "decided_sample": 28_800,
        "stage_s": {"liveness": 0.0121, "policy": 0.0002},
        "bundle": "3.0.0",
    }
    return Answer(**facts | different)


def passed(at_s: float = AT_S, **different: Any) -> Answer:
    """Return an answer: a person's command that passed."""
    facts = {"action": "pass", "decision": "accept", "reasons": ("live",), "live_probability": 0.97, "live_score": 3.5}
    return answer(at_s, **facts | different)


def unjudged(at_s: float = AT_S, **different: Any) -> Answer:
    """Return an answer that rests on no judgement."""
    facts = {"decision": "unsure", "reasons": ("failed",), "live_probability": math.nan, "live_score": math.nan}
    return answer(at_s, **facts | {"quality": None} | different)


def status(at_s: float = AT_S, **different: Any) -> Status:
    """Return the status of a daemon that listens."""
    facts: dict[str, Any] = {
        "at_s": at_s,
        "source": "listening",
        "source_name": "USB microphone",
        "muted": False,
        "playing": False,
        "words": ("smart_mirror",),
        "bundle": "3.0.0",
    }
    return Status(**facts | different)


def sound(seconds: float = 0.5) -> np.ndarray:
    """Return noise ``(n,) int16`` that nobody else gets."""
    rng = np.random.default_rng(next(_SERIAL))
    return rng.integers(-3000, 3000, round(16_000 * seconds)).astype(np.int16)


def ids(path: Path, selection: Selection | None = None) -> list[str]:
    """Return the ids of the events of a store, in their order."""
    with EventReader(path) as reader:
        return [event.id for event in reader.events(selection or Selection())]


def integrity(path: Path) -> str:
    """Return what SQLite's own check says: ``"ok"``."""
    connection = sqlite3.connect(path)
    try:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    return str(found)


def without_waiting(store: EventStore) -> None:
    """Let a store that a test only fills not wait for the disk."""
    assert store._connection is not None
    store._connection.execute("PRAGMA synchronous=OFF").fetchall()


def filled(path: Path, events: int = 40) -> list[str]:
    """Make a store, and return the ids of its answers."""
    told = [answer(AT_S + at) for at in range(events)]
    with EventStore(path) as store:
        without_waiting(store)
        for one in told:
            store.add(one)
    return [one.id for one in told]
