"""How often the drift monitor is wrong, and how soon it is right: months of homes that never were.

    python tests/bench/drift.py

A home has some people (clips of dev in its own draw) and a few replays. Words come as a Poisson process by day. The
monitor is the device's own (``edge.drift_watch``), with the settings that ship: it learns its reference in the home,
and then nothing changes for a month, or something does after ten days. What words are like before and after comes from
running the whole pipeline over the clips (``drift_scores.py``).
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from drift_scores import CONDITIONS, FIELDS, GROUPS, score
from processes import ROOT, data_folder, write_result

SEED = 20261127
"""Not that of the draws on which the default tolerance was chosen."""
_DAY_S = 86_400.0
_START_S = 1_790_000_000.0 // _DAY_S * _DAY_S
_LIVE, _REPLAYS = 10.0, 1.0
"""Words of people, and of loudspeakers, a day."""
_HOME = {"live": 60, "tv": 10, "other": 10}
"""Clips of which a home is made."""
_AWAKE_H = (7.0, 23.0)
_MOST_DAYS = 90
_CHANGE_AFTER = 10
_AGEING_DAYS = 90
CHANGES = {
    "gain": "the microphone gives 12 dB less",
    "noise": "noise: speech stands out by 10 dB less",
    "tv": "a new television: replays five times as often",
    "ageing": "the microphone loses 6 dB, and 12 dB at 8 kHz, within 90 days",
}

Scores = dict[str, dict[int, npt.NDArray[np.float64]]]


def by_clip(scores: dict[str, npt.NDArray[Any]]) -> Scores:
    """Return rows by condition and group, and then by clip."""
    return {
        f"{condition}/{group}": dict(
            zip(scores[f"{condition}/{group}/clip"].tolist(), scores[f"{condition}/{group}"], strict=True)
        )
        for condition in CONDITIONS
        for group in GROUPS
    }


class Home:
    """One home: which clips its people and loudspeakers are."""

    def __init__(self, scores: Scores, rng: np.random.Generator, *, clustered: bool = False) -> None:
        self._scores = scores
        self._rng = rng
        self._clustered = clustered
        self._clips = {
            group: rng.choice(sorted(scores[f"before/{group}"]), size, replace=False).tolist()
            for group, size in _HOME.items()
        }

    def day(self, number: int, change: str = "", since: int = 0) -> list[tuple[float, dict[str, float]]]:
        """Return time and figures of the words of a day."""
        rng = self._rng
        replays = {"tv": _REPLAYS / 2, "other": _REPLAYS / 2}
        if change == "tv":
            replays["tv"] += 4 * _REPLAYS
        found = []
        for group, rate in {"live": _LIVE, **replays}.items():
            clips = self._clips[group]
            if self._clustered:
                # Who is at home, and where they stand, is not drawn anew for every word.
                clips = rng.choice(clips, 4, replace=False).tolist()
            for _ in range(rng.poisson(rate)):
                clip = clips[rng.integers(len(clips))]
                row = self._scores[f"{self._condition(change, since)}/{group}"].get(clip)
                if row is None:
                    continue  # not heard any more
                at_s = _START_S + number * _DAY_S + 3600 * rng.uniform(*_AWAKE_H)
                found.append((at_s, dict(zip(FIELDS, row.tolist(), strict=True))))
        return sorted(found, key=lambda one: one[0])

    def _condition(self, change: str, since: int) -> str:
        if change in ("gain", "noise"):
            return change
        if change == "ageing":
            # Between two steps by lot, in proportion.
            step = 3 * min(1.0, since / _AGEING_DAYS)
            stage = int(step) + int(self._rng.random() < step % 1)
            return f"aged_{stage}" if stage else "before"
        return "before"


def learned(home: Home, rules: Any) -> tuple[Any, int]:
    """Let a monitor learn a home; return it with the number of the next day."""
    from edge.drift_reference import STATISTICS
    from edge.drift_watch import Watch

    watch, number = Watch(rules), 0
    while len(watch.references) < len(STATISTICS):
        for at_s, figures in home.day(number):
            watch.push(figures, at_s, "1")
        number += 1
    return watch, number


def quiet_months(scores: Scores, rules: Any, months: int, *, clustered: bool) -> dict[str, Any]:
    """Count alarms, and windows whose stability index is above its limit, where nothing changes."""
    from edge.drift import psi, psi_limit
    from edge.drift_reference import OF_ANSWERS, STATISTICS

    alarms: Counter[str] = Counter()
    above: Counter[str] = Counter()
    windows: Counter[str] = Counter()
    highest = dict.fromkeys(STATISTICS, 0.0)
    for month in progress(range(months), f"months without a change{', clustered' * clustered}"):
        home = Home(scores, np.random.default_rng([SEED, 1 + clustered, month]), clustered=clustered)
        watch, first = learned(home, rules)
        seen: dict[str, list[float]] = {name: [] for name in OF_ANSWERS}
        for number in range(first, first + 30):
            for at_s, figures in home.day(number):
                for alarm in watch.push(figures, at_s, "1"):
                    alarms[alarm.statistic] += 1
                for name, value in figures.items():
                    seen[name].append(value)
            gauges = watch.gauges()
            for name in STATISTICS:
                highest[name] = max(highest[name], gauges[f"drift_evidence_{name}"])
        for name, values in seen.items():
            windows[name] += 1
            window = values[: rules.window]
            above[name] += psi(watch.references[name], window) > psi_limit(watch.references[name], len(window))
    years = months * 30 / 365.25
    return {
        "months": months,
        "years": round(years, 2),
        "alarms": {name: alarms[name] for name in STATISTICS},
        "alarms_per_year": round(sum(alarms.values()) / years, 3),
        "highest_evidence": {name: round(value, 4) for name, value in highest.items()},
        "psi_above_limit": {name: round(above[name] / windows[name], 4) for name in OF_ANSWERS},
    }


def delays(scores: Scores, rules: Any, change: str, homes: int) -> dict[str, Any]:
    """Measure the time from a change to the first alarm."""
    days, answers, first_by = [], [], Counter[str]()
    early = 0
    for number in progress(range(homes), change):
        home = Home(scores, np.random.default_rng([SEED, 10, number]))
        watch, day = learned(home, rules)
        for _ in range(_CHANGE_AFTER):
            for at_s, figures in home.day(day):
                early += len(watch.push(figures, at_s, "1"))
            day += 1
        changed_s, count = _START_S + day * _DAY_S, 0
        found = None
        for since in range(_MOST_DAYS):
            for at_s, figures in home.day(day + since, change, since):
                count += 1
                alarms = watch.push(figures, at_s, "1")
                if alarms and found is None:
                    found = ((at_s - changed_s) / _DAY_S, count, alarms[0].statistic)
            if found:
                break
        if found:
            days.append(found[0])
            answers.append(found[1])
            first_by[found[2]] += 1
    said: dict[str, Any] = {
        "what": CHANGES[change],
        "homes": homes,
        "found_within_90_days": len(days),
        "false_alarms_before": early,
        "first_told_by": dict(first_by.most_common()),
    }
    if days:
        for name, values in (("days", days), ("answers", answers)):
            # Of all homes: those in which it was not found count as later than any.
            padded = np.sort([*values, *[np.inf] * (homes - len(values))])
            for q in (50, 90):
                at = padded[min(homes - 1, int(np.ceil(q / 100 * homes)) - 1)]
                said[f"{name}_p{q}"] = round(float(at), 1) if np.isfinite(at) else None
    return said


def bound(rate: float, homes: int) -> dict[str, Any]:
    """Measure the detector where its promise is tightest: no tolerance, and a reference that is known exactly."""
    from edge.drift import Detector

    rng = np.random.default_rng([SEED, 99])
    threshold = 365.25 / rate
    total, alarms = 0.0, 0
    for _ in progress(range(homes), f"{rate:g} false alarms a year"):
        detector = Detector(0.0, threshold)
        gaps = rng.exponential(1 / (_LIVE + _REPLAYS), 4000)
        for rank, gap in zip(rng.random(gaps.size), gaps, strict=True):
            if detector.push(rank, gap):
                alarms += 1
                detector.restart()
        total += gaps.sum()
    years = total / 365.25
    return {"stated_per_year": rate, "years": round(years, 1), "alarms": alarms, "per_year": round(alarms / years, 3)}


def progress(items: Any, what: str) -> Any:
    """Show how far it is."""
    from tqdm import tqdm

    return tqdm(items, desc=what)


def main() -> int:
    """Simulate, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rendered clips [%(default)s]")
    parser.add_argument(
        "--scores", type=Path, default=ROOT / "build" / "drift_scores.npz", help="kept scores [%(default)s]"
    )
    parser.add_argument("--months", type=int, default=240)
    parser.add_argument("--homes", type=int, default=100)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "drift.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from edge.bundle import DEFAULT_BUNDLE
    from edge.bundle_identity import bundle_hash
    from edge.drift_monitor import MonitorSettings
    from train.corpus import data_hash

    raw = score(args.data, args.cache, args.scores)
    scores, rules = by_clip(raw), MonitorSettings().rules
    heard = {
        condition: {
            group: round(raw[f"{condition}/{group}"].shape[0] / int(raw[f"{group}/clips"]), 4) for group in GROUPS
        }
        for condition in CONDITIONS
    }
    body = {
        "split": "dev",
        "seed": SEED,
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(DEFAULT_BUNDLE),
        "method": (
            f"homes of {_HOME['live']} clips of people and {_HOME['tv'] + _HOME['other']} of replays, drawn from the "
            f"frozen set of dev and scored by the whole pipeline; {_LIVE:g} words of people and {_REPLAYS:g} of "
            f"loudspeakers a day (Poisson); the reference is learned in the home; a month without any change, or a "
            f"change {_CHANGE_AFTER} days after learning; clustered: of each day only 4 clips of each kind, drawn anew "
            "every day"
        ),
        "settings": {
            "window": rules.window,
            "false_alarms_per_year": rules.false_alarms_per_year,
            "tolerance": rules.tolerance,
            "learn_answers": rules.learn_answers,
            "learn_days": rules.learn_days,
        },
        "clips": {group: int(raw[f"{group}/clips"]) for group in GROUPS},
        "heard": heard,
        "false_alarms": {
            "independent": quiet_months(scores, rules, args.months, clustered=False),
            "clustered": quiet_months(scores, rules, args.months, clustered=True),
            "clustered_without_tolerance": quiet_months(
                scores, replace(rules, tolerance=0.0), args.months, clustered=True
            ),
            "bound": [bound(rate, 60) for rate in (1.0, 12.0)],
        },
        "delays": {change: delays(scores, rules, change, args.homes) for change in CHANGES},
    }
    write_result(args.out, "python tests/bench/drift.py", body)
    print({name: body["false_alarms"][name] for name in ("independent", "clustered")})
    for name, found in body["delays"].items():
        print(name, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
