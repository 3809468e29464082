"""Watching the figures of answers, one after the other: learning what is normal here, and telling when it no longer is.

The watch knows no clock and no file; :mod:`edge.drift_monitor` gives it answers and keeps its state.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from edge.drift import Detector, Reference, psi, psi_limit
from edge.drift_reference import DAILY, STATISTICS, numbers
from edge.errors import StoreError
from edge.strict_json import Table

__all__ = ["OF_THE_BUNDLE", "Alarm", "Rules", "Watch"]

_DAY_S = 86_400.0
_BURST_S = 60.0
"""Answers within it are one event of the home (a word said again, a film); only the first is looked at, s."""
_LONGEST_GAP_DAYS = 7.0
"""Of the time that passes between two answers more is not counted: a clock may have been wrong."""
_MOST_TOLERANCE = 0.4
_DAYS = 28
"""Days of which the reference of a daily figure is made, and its window: four weeks, as weekends differ."""
_MOST_ALARMS = 100
_LATEST_S = 64_000_000_000.0
_MOST_LEARNED = 10_000
_FORMAT, _FORMAT_VERSION = "vivavoce-monitor", 1
_REMEDY = "a new one is begun"
_DAYS_OF_A_YEAR = 365.25

OF_THE_BUNDLE = ("wake_score", "live_score", "accepted", DAILY)
"""Statistics that mean something else with another bundle; the others are the room's and the microphone's."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How it is watched; see :class:`edge.drift_monitor.MonitorSettings`."""

    window: int
    false_alarms_per_year: float
    tolerance: float
    learn_answers: int
    learn_days: float

    @property
    def days(self) -> float:
        """Mean time between false alarms of one statistic that keeps all of them together to what was said, days."""
        return len(STATISTICS) * _DAYS_OF_A_YEAR / self.false_alarms_per_year


@dataclass(frozen=True, slots=True)
class Alarm:
    """A figure is no longer what it was."""

    statistic: str
    """One of :data:`STATISTICS`."""
    at_s: float
    """When that became certain enough, seconds since 1970, UTC."""
    change: Literal["lower", "higher"]
    """How the figure is now."""


class _Tracker:
    """One statistic."""

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self._rules = rules
        self.reference: Reference | None = None
        self.learning: list[float] = []
        self.learning_since_s = 0.0
        self.enough = _DAYS if name == DAILY else rules.learn_answers
        """Figures of which the reference is made."""
        self.window: deque[float] = deque(maxlen=_DAYS if name == DAILY else rules.window)
        self.tolerance = _MOST_TOLERANCE
        """How far the mean rank may be from 1/2."""
        self.detector = Detector(self.tolerance, rules.days)
        self.alarm: Alarm | None = None
        self.since_alarm = 0
        self.last_s: float | None = None

    def begin(self, reference: Reference, capitals: list[float] | None = None) -> None:
        """Compare with a reference from now on."""
        self.reference = reference
        self.learning = []
        # A reference of a few answers may be wrong by much; beyond there is nothing left to bet on.
        self.tolerance = min(_MOST_TOLERANCE, self._rules.tolerance + reference.error)
        self.detector = Detector(self.tolerance, self._rules.days, capitals)

    @property
    def mean_rank(self) -> float:
        """Of the window."""
        assert self.reference is not None
        return float(self.reference.ranks(list(self.window)).mean())

    def push(self, value: float, at_s: float) -> Alarm | None:
        """Take a figure; return the alarm that it raises, if it does."""
        days = 0.0 if self.last_s is None else (at_s - self.last_s) / _DAY_S
        self.last_s = at_s
        if self.reference is None:
            self._learn(value, at_s)
            return None
        self.window.append(value)
        raised = self.detector.push(float(self.reference.ranks([value])[0]), min(max(days, 0.0), _LONGEST_GAP_DAYS))
        self.since_alarm += 1
        if raised:
            change: Literal["lower", "higher"] = "higher" if self.detector.rising else "lower"
            self.detector.restart()
            self.since_alarm = 0
            if self.alarm is not None and self.alarm.change == change:
                return None  # one change is one alarm, however long it lasts
            self.alarm = Alarm(self.name, at_s, change)
            return self.alarm
        full = len(self.window) == self.window.maxlen and self.since_alarm >= len(self.window)
        if self.alarm is not None and full and abs(self.mean_rank - 0.5) <= self.tolerance:
            self.alarm = None
        return None

    def _learn(self, value: float, at_s: float) -> None:
        if not self.learning:
            self.learning_since_s = at_s
        self.learning.append(value)
        del self.learning[:-_MOST_LEARNED]
        if len(self.learning) >= self.enough and at_s - self.learning_since_s >= self._rules.learn_days * _DAY_S:
            self.begin(Reference.of(self.learning))

    def to_dict(self) -> dict[str, Any]:
        return {
            "learning": self.learning,
            "learning_since_s": self.learning_since_s,
            "reference": None if self.reference is None else asdict(self.reference),
            "capitals": self.detector.capitals,
            "window": list(self.window),
            "alarm": None if self.alarm is None else asdict(self.alarm),
            "since_alarm": self.since_alarm,
            "last_s": self.last_s,
        }

    def restore(self, table: Table) -> None:
        self.learning = numbers(table, "learning", 0, _MOST_LEARNED)
        self.learning_since_s = _time(table, "learning_since_s")
        capitals = numbers(table, "capitals", Detector.SIZE, Detector.SIZE)
        if min(capitals) < 0:
            raise table.fault("capitals", f"{min(capitals):g}", "no debts")
        if not table.null("reference"):
            entry = table.table("reference")
            points = tuple(sorted(numbers(entry, "points", 2, _MOST_LEARNED)))
            self.begin(Reference(points, entry.integer("answers", 2, 1 << 31)), capitals)
            entry.end()
        self.window.extend(numbers(table, "window", 0, _MOST_LEARNED))
        self.alarm = None if table.null("alarm") else _alarm(table.table("alarm"))
        self.since_alarm = table.integer("since_alarm", 0, 1 << 31)
        self.last_s = None if table.null("last_s") else _time(table, "last_s")
        table.end()


def _time(table: Table, key: str) -> float:
    """Take seconds since 1970, before the year 4000."""
    value = table.take(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST_S:
        raise table.fault(key, repr(value)[:60], "seconds since 1970")
    return float(value)


def _alarm(table: Table) -> Alarm:
    found = Alarm(
        table.choice("statistic", STATISTICS),
        _time(table, "at_s"),
        "higher" if table.choice("change", ("lower", "higher")) == "higher" else "lower",
    )
    table.end()
    return found


class Watch:
    """All statistics of a device.

    Parameters
    ----------
    rules : Rules
    references : mapping, optional
        What statistics are compared with; what is not in it is learned from the first answers.
    """

    def __init__(self, rules: Rules, references: Mapping[str, Reference] | None = None) -> None:
        self._rules = rules
        self._given = references
        self.bundle = ""
        """Version of the bundle whose answers are watched."""
        self.alarms: list[Alarm] = []
        """All that there were, the newest last."""
        self._last_s: float | None = None
        # Of the day that is not over yet: its number, and words that were not accepted.
        self._day, self._rejected = 0, 0
        self._trackers = {name: _Tracker(name, rules) for name in STATISTICS}
        for name, reference in (references or {}).items():
            self._trackers[name].begin(reference)

    def push(self, figures: Mapping[str, float], at_s: float, bundle: str) -> list[Alarm]:
        """Take the figures of an answer, and return the alarms that it raises.

        Parameters
        ----------
        figures : mapping
            By names of :data:`STATISTICS`; some may be missing.
        at_s : float
            When it was given, seconds since 1970, UTC.
        bundle : str
            Version of the bundle that gave it.
        """
        if bundle != self.bundle:
            self._follow(bundle)
        # A clock that was set back is no burst.
        if self._last_s is not None and 0 <= at_s - self._last_s < _BURST_S:
            return []
        self._last_s = at_s
        raised = [self._end_of_day(at_s)]
        raised += [self._trackers[name].push(value, at_s) for name, value in figures.items()]
        self._rejected += figures.get("accepted", 1.0) < 1.0
        found = [alarm for alarm in raised if alarm is not None]
        self.alarms = [*self.alarms, *found][-_MOST_ALARMS:]
        return found

    def _end_of_day(self, at_s: float) -> Alarm | None:
        """Count words by days of 24 hours; those on which nobody said anything may be those without power."""
        day = int(at_s // _DAY_S)
        if day == self._day:
            return None
        # Before the first answer there was no day, and one to which a clock was set back is counted from then on.
        over = 0 < self._day < day
        rejected, self._rejected, self._day = self._rejected, 0, day
        return self._trackers[DAILY].push(float(rejected), day * _DAY_S) if over else None

    def _follow(self, bundle: str) -> None:
        """Learn anew what another bundle changes; a reference that was given is the caller's to change."""
        known, self.bundle = self.bundle, bundle
        if known and self._given is None:
            for name in OF_THE_BUNDLE:
                self._trackers[name] = _Tracker(name, self._rules)

    @property
    def up(self) -> list[Alarm]:
        """Alarms of what is still different."""
        return [one.alarm for one in self._trackers.values() if one.alarm is not None]

    @property
    def references(self) -> dict[str, Reference]:
        """What is compared with, as far as it is known."""
        return {name: one.reference for name, one in self._trackers.items() if one.reference is not None}

    @property
    def learned(self) -> float:
        """How much of what is normal is known, 0 to 1: of the statistic of which least is."""
        return min(
            1.0 if one.reference is not None else min(0.99, len(one.learning) / one.enough)
            for one in self._trackers.values()
        )

    def gauges(self) -> dict[str, float]:
        """Return everything as gauges of :class:`edge.health.Health`."""
        found = {"drift_alarm": float(bool(self.up)), "drift_learned": self.learned}
        for name, one in self._trackers.items():
            found[f"drift_alarm_{name}"] = float(one.alarm is not None)
            found[f"drift_evidence_{name}"] = one.detector.evidence
            n = len(one.window)
            if one.reference is not None and n:
                found[f"drift_mean_rank_{name}"] = one.mean_rank
                found[f"drift_psi_{name}"] = psi(one.reference, list(one.window))
                found[f"drift_psi_limit_{name}"] = min(psi_limit(one.reference, n), 1e9)
            else:
                found |= {f"drift_mean_rank_{name}": 0.5, f"drift_psi_{name}": 0.0, f"drift_psi_limit_{name}": 0.0}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "reference": "home" if self._given is None else "bundle",
            "bundle": self.bundle,
            "last_s": self._last_s,
            "day": self._day,
            "rejected": self._rejected,
            "alarms": [asdict(alarm) for alarm in self.alarms],
            "statistics": {name: one.to_dict() for name, one in self._trackers.items()},
        }

    def restore(self, path: Path, state: dict[str, Any], *, as_it_is: bool = False) -> None:
        """Go on where a state ends; one that was compared with another kind of reference gives its alarms only.

        Parameters
        ----------
        path : Path
            For messages.
        state : dict
            As :meth:`to_dict` returned it.
        as_it_is : bool
            Take all of it, whatever it was compared with: to tell of it.

        Raises
        ------
        StoreError
            If it is none. What was there before is lost: begin anew.
        """
        top = Table(path, state, remedy=_REMEDY, error=StoreError)
        if (found := top.take("format")) != _FORMAT:
            raise top.fault("format", repr(found)[:60], repr(_FORMAT))
        top.integer("format_version", _FORMAT_VERSION, _FORMAT_VERSION)
        kind = top.choice("reference", ("home", "bundle"))
        bundle = top.take("bundle")
        if not isinstance(bundle, str):
            raise top.fault("bundle", repr(bundle)[:60], "a version, as text")
        last_s = None if top.null("last_s") else _time(top, "last_s")
        day, rejected = top.integer("day", 0, 1 << 31), top.integer("rejected", 0, 1 << 31)
        listed = top.take("alarms")
        if not isinstance(listed, list) or len(listed) > _MOST_ALARMS or not all(isinstance(x, dict) for x in listed):
            raise top.fault("alarms", "something else", f"a list of at most {_MOST_ALARMS} objects")
        self.alarms = [_alarm(Table(path, one, "alarms", remedy=_REMEDY, error=StoreError)) for one in listed]
        table = top.table("statistics")
        top.end()
        if not as_it_is and kind != ("home" if self._given is None else "bundle"):
            return
        self.bundle, self._last_s, self._day, self._rejected = bundle, last_s, day, rejected
        for name, tracker in self._trackers.items():
            entry = table.table(name)
            tracker.restore(entry)
            given = (self._given or {}).get(name)
            if given is not None and tracker.reference != given:
                self._trackers[name] = _Tracker(name, self._rules)
                self._trackers[name].begin(given)
        table.end()
