"""What the report of the monitor tells, as numbers: from the answers of the store and the state of the monitor."""

import datetime
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

from edge.drift import Reference
from edge.drift_monitor import MonitorSettings, read_state
from edge.drift_reference import OF_ANSWERS, figures_of
from edge.drift_watch import Alarm, Watch
from edge.errors import StoreError

__all__ = ["Day", "Figures", "Kept", "figures", "interval"]

_SCORE = NormalDist().inv_cdf(0.975)


class Kept(NamedTuple):
    """As much of an answer as the report tells."""

    at_s: float
    action: str
    figures: Mapping[str, float]


class Day(NamedTuple):
    """One day, by this device's time zone."""

    date: datetime.date
    passed: int
    asked: int
    blocked: int
    accepted: int
    """Words that the gate took for those of a person."""

    @property
    def answers(self) -> int:
        """All of them."""
        return self.passed + self.asked + self.blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything that is told."""

    answers: tuple[Kept, ...]
    days: tuple[Day, ...]
    """From the first to the last, those without an answer, too."""
    references: Mapping[str, Reference]
    """What is normal, as far as it is known."""
    recent: Mapping[str, tuple[float, ...]]
    """The last figures of each statistic of answers."""
    tolerance: float
    """Of the settings."""
    alarms: tuple[Alarm, ...]
    """All that there were."""
    up: tuple[Alarm, ...]
    """Those of what is still different."""
    learned: float
    """How much of what is normal is known, 0 to 1."""
    damaged: int
    """Answers of the store that could not be read."""


def interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927); of nothing it is all there is."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, _SCORE**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def figures(
    events: Iterable[tuple[float, Mapping[str, Any]]],
    settings: MonitorSettings,
    *,
    state: Path,
    since_s: float | None = None,
) -> Figures:
    """Work out what is told.

    Parameters
    ----------
    events : iterable
        Time (seconds since 1970, UTC) and public form of each answer, in their order.
    settings : MonitorSettings
    state : Path
        State of the monitor; where there is none, the answers are watched here.
    since_s : float, optional
        Only answers from then on are told of.

    Raises
    ------
    StoreError
        If the state is there and cannot be read.
    """
    watch = Watch(settings.rules)
    known = True
    try:
        read_state(state, watch, as_it_is=True)
    except FileNotFoundError:
        known = False
    except OSError as error:
        raise StoreError(f"{state}: cannot be read ({error.strerror}); check its permissions") from error
    kept, damaged = [], 0
    for at_s, record in events:
        try:
            one = Kept(at_s, str(record["action"]), figures_of(record))
            origin, bundle = str(record["origin"]).partition(" ")[0], str(record["bundle"])
        except (KeyError, TypeError, ValueError, AttributeError):
            damaged += 1
            continue
        watched = not settings.origins or origin in settings.origins
        if not known and watched:
            watch.push(one.figures, at_s, bundle)
        if watched and (since_s is None or at_s >= since_s):
            kept.append(one)
    return Figures(
        answers=tuple(kept),
        days=_days(kept),
        references=watch.references,
        recent={
            name: tuple(one.figures[name] for one in kept if name in one.figures)[-settings.window :]
            for name in OF_ANSWERS
        },
        tolerance=settings.tolerance,
        alarms=tuple(watch.alarms),
        up=tuple(watch.up),
        learned=watch.learned,
        damaged=damaged,
    )


def _days(answers: Iterable[Kept]) -> tuple[Day, ...]:
    counts: dict[datetime.date, list[int]] = {}
    for one in answers:
        try:
            date = datetime.date.fromtimestamp(one.at_s)
        except (OverflowError, OSError, ValueError):
            continue  # no calendar has it
        day = counts.setdefault(date, [0, 0, 0, 0])
        day[{"pass": 0, "ask": 1}.get(one.action, 2)] += 1
        day[3] += one.figures.get("accepted", 0.0) > 0
    if not counts:
        return ()
    first, last = min(counts), max(counts)
    # Not years of nothing because a clock was wrong once.
    if (last - first).days > 3660:
        return tuple(Day(date, *counts[date]) for date in sorted(counts))
    dates = (first + datetime.timedelta(days=at) for at in range((last - first).days + 1))
    return tuple(Day(date, *counts.get(date, [0, 0, 0, 0])) for date in dates)
