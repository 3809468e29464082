"""Figures of the benchmark of peers: percentiles, ratios and shares with bootstrap intervals, and their table.

Without NumPy: the process that measures must stay small.
"""

import random
import statistics
from typing import Any

__all__ = ["hits", "percentiles", "ratio", "table"]

RESAMPLES = 2000
WORD = "alexa"
"""The word that all engines know."""


def _interval(drawn: list[float]) -> list[float]:
    """Return the 2.5th and 97.5th percentile."""
    cuts = statistics.quantiles(drawn, n=40, method="inclusive")
    return [round(cuts[0], 4), round(cuts[-1], 4)]


def percentiles(ns: list[int]) -> dict[str, float]:
    """Return percentiles of times, ms of ns."""
    cuts = statistics.quantiles(ns, n=100, method="inclusive")
    return {f"p{p}": cuts[p - 1] / 1e6 for p in (50, 95, 99)}


def ratio(ours: list[float], theirs: list[float], seed: int) -> dict[str, Any]:
    """Return the ratio of the medians and its interval; rounds are resampled, each with what both did in it."""
    rng, rounds = random.Random(seed), range(len(ours))
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.choices(rounds, k=len(ours))
        drawn.append(statistics.median(ours[i] for i in chosen) / statistics.median(theirs[i] for i in chosen))
    return {
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 3),
        "interval_95": _interval(drawn),
    }


def hits(found: list[tuple[str, float]], said: list[dict[str, Any]], look_s: float, seed: int) -> dict[str, Any]:
    """Compare detections with what was said.

    Parameters
    ----------
    found : list of (str, float)
        What was detected, ``"accept alexa"`` being the gate's answer, and when, s.
    said : list of dict
        ``word``, ``speaker``, ``start_s``, ``end_s`` of each recording.
    look_s : float
        How long after the end of a recording a detection still is one of it, s.
    seed : int
        Of the bootstrap, which resamples talkers.
    """

    def within(name: str, clip: dict[str, Any]) -> bool:
        return any(word == name and clip["start_s"] <= at <= clip["end_s"] + look_s for word, at in found)

    clips = [clip for clip in said if clip["word"] == WORD]
    others = [clip for clip in said if clip["word"] != WORD]
    by_talker: dict[str, list[bool]] = {}
    for clip in clips:
        by_talker.setdefault(clip["speaker"], []).append(within(WORD, clip))
    talkers, rng = sorted(by_talker), random.Random(seed)
    drawn = []
    for _ in range(RESAMPLES):
        flat = [hit for talker in rng.choices(talkers, k=len(talkers)) for hit in by_talker[talker]]
        drawn.append(sum(flat) / len(flat))
    detected = sum(map(sum, by_talker.values()))
    result = {
        "word": WORD,
        "clips": len(clips),
        "talkers": len(talkers),
        "detected": detected,
        "rate": round(detected / len(clips), 4),
        "interval_95": _interval(drawn),
        "other_words": len(others),
        "false_in_other_words": sum(within(WORD, clip) for clip in others),
    }
    if any(" " in word for word, _ in found):
        result["accepted_as_live"] = sum(within(f"accept {WORD}", clip) for clip in clips)
    return result


def table(results: dict[str, Any], beside: dict[str, Any], heard: dict[str, Any]) -> str:
    """Lay the figures out for reading."""
    names = [what for what, one in next(iter(results.values())).items() if isinstance(one, dict)]
    rows = [("", *results)]
    rows += [
        (what, *(f"{one[what]['median']:g} ({one[what]['min']:g}-{one[what]['max']:g})" for one in results.values()))
        for what in names
    ]
    if heard:
        rows.append((f"{WORD} detected", *(f"{heard[name]['detected']} of {heard[name]['clips']}" for name in results)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for pair, ratios in beside.items():
        parts = (
            f"{what} {one['ratio']:.2f} ({one['interval_95'][0]:.2f}-{one['interval_95'][1]:.2f})"
            for what, one in ratios.items()
        )
        lines.append(f"{pair}: {', '.join(parts)}")
    return "\n".join(lines)
