"""Drawings of what happens when: around one decision, and push by push over the whole scene."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from edge.bench.log_scale import LogScale, duration
from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH, frame

__all__ = ["decision_drawing", "pushes_drawing"]

_BEFORE_MS, _AFTER_MS = 900.0, 150.0
"""How much is drawn before the end of a word, and after its decision."""
_LANE = 26.0
"""Height of a lane."""
_TOP, _SOUND = 22.0, 70.0
_QUIETEST_DBFS = -80.0


class _Lane(NamedTuple):
    begin_ms: float
    end_ms: float
    kind: str
    """Class of its bar."""
    told: str


class _Axis(NamedTuple):
    """Where a time is drawn."""

    low_ms: float
    high_ms: float

    def at(self, ms: float) -> float:
        share = (min(max(ms, self.low_ms), self.high_ms) - self.low_ms) / (self.high_ms - self.low_ms)
        return LEFT + share * (WIDTH - LEFT - 8)


def decision_drawing(run: Mapping[str, Any], decision: Mapping[str, Any], sound: Mapping[str, Any]) -> str:
    """Draw one decision: the sound with what comes of it on one axis, and on another what is computed at its end.

    Parameters
    ----------
    run, decision, sound : mapping
        Of :func:`edge.bench.measuring.measure`.
    """
    end_s, decided, answered = decision["end_s"], decision["sound_ms"], decision["delay_ms"]
    begin, heard = (1e3 * (decision[key] - end_s) for key in ("start_s", "heard_s"))
    axis = _Axis(max(min(-_BEFORE_MS, begin), -1e3 * end_s), answered + _AFTER_MS)
    side = "before" if heard < 0 else "after"
    lanes = (
        _Lane(begin, 0.0, "pass", "the word"),
        _Lane(min(heard, 0.0), max(heard, 0.0), "ask", f"heard {abs(heard):.0f} ms {side} its end"),
        _Lane(heard, decided, "quiet", f"{decided - heard:.0f} ms of sound waited for"),
        _Lane(decided, answered, "block", f"judged in {decision['compute_ms']:.1f} ms: {decision['decision']}"),
    )
    height = _TOP + _SOUND + _LANE * len(lanes) + BOTTOM
    parts = "".join(
        f'<path class="axis" d="M{axis.at(ms):.1f} {_TOP:.0f}V{height - BOTTOM:.0f}"/>' for ms in (0.0, heard, decided)
    )
    parts += _level(sound, end_s, axis) + _drawn(lanes, axis, _TOP + _SOUND)
    for tick in range(math.ceil(axis.low_ms / 100), math.floor(axis.high_ms / 100) + 1):
        parts += _tick(axis.at(100 * tick), height, f"{100 * tick:+d}" if tick else "0, it ends")
    title = f"{decision['word']}: {decision['decision']}"
    label = "milliseconds from the end of the word"
    return (
        f"<h3>{escape(title)}</h3>{_svg(parts, height, f'{title}, {label}')}"
        f"<p class='soft'>Above: {label}. Below: milliseconds from the last sample that was waited for, medians.</p>"
        + _computing(run, decision)
    )


def _computing(run: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    """Draw what follows the last sample that was waited for."""
    stages = run["stages"]
    judged = float(decision["judging_ms"])
    steps = [("liveness", judged, "block"), ("rest of the push", max(decision["compute_ms"] - judged, 0.0), "pass")]
    steps += [(name, stages[name]["p50_us"] / 1e3, "ask") for name in ("gate", "sink") if name in stages]
    lanes, now = [], 0.0
    for name, took, kind in steps:
        lanes.append(_Lane(now, now + took, kind, f"{name}: {duration(1e3 * took)}"))
        now += took
    axis = _Axis(0.0, 1.4 * now)  # with room for what is written behind the last bar
    height = _LANE * len(lanes) + BOTTOM + 4
    parts = _drawn(lanes, axis, 0.0)
    step = 10.0 ** math.floor(math.log10(axis.high_ms))
    step /= 1 if axis.high_ms / step > 4 else 4
    for tick in range(math.floor(axis.high_ms / step) + 1):
        parts += _tick(axis.at(step * tick), height, f"{step * tick:g}")
    return _svg(parts, height, "what is computed for the decision, milliseconds")


def _drawn(lanes: Sequence[_Lane], axis: _Axis, top: float) -> str:
    parts = ""
    for number, lane in enumerate(lanes):
        y = top + _LANE * number
        x, width = axis.at(lane.begin_ms), max(axis.at(lane.end_ms) - axis.at(lane.begin_ms), 2.0)
        # On that side of the bar where there is room.
        place, anchor = (x - 6, "end") if x + width > 0.7 * WIDTH else (x + width + 6, "start")
        parts += (
            f"<g><title>{escape(lane.told)}: {lane.begin_ms:.2f} to {lane.end_ms:.2f} ms</title>"
            f'<rect class="{lane.kind}" x="{x:.1f}" y="{y + 5:.0f}" width="{width:.1f}" height="16" rx="2"/>'
            f'<text x="{place:.1f}" y="{y + 17:.0f}" text-anchor="{anchor}">{escape(lane.told)}</text></g>'
        )
    return parts


def _tick(x: float, height: float, label: str) -> str:
    base = height - BOTTOM
    return (
        f'<path class="axis" d="M{x:.1f} {base:.0f}v4"/>'
        f'<text x="{x:.1f}" y="{height - 6:.0f}" text-anchor="middle">{escape(label)}</text>'
    )


def _svg(parts: str, height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(label)}">{parts}'
        f'<path class="axis" d="M{LEFT} {height - BOTTOM:.0f}H{WIDTH}"/></svg>'
    )


def pushes_drawing(run: Mapping[str, Any], sound: Mapping[str, Any]) -> str:
    """Draw what every push of the scene took, the median of the repetitions, on a logarithmic scale."""
    pushes: Sequence[float] = run["pushes_us"]
    scale, base = LogScale.around(pushes), HEIGHT - BOTTOM
    step = (WIDTH - LEFT) / len(pushes)
    bars = "".join(f"M{LEFT + (at + 0.5) * step:.1f} {base:.0f}V{scale.up(us):.1f}" for at, us in enumerate(pushes))
    parts = scale.grid() + f'<path class="bars" stroke-width="{max(step, 0.8):.2f}" d="{bars}"/>'
    for decision in run["decisions"]:
        x = LEFT + decision["decided_s"] / sound["seconds"] * (WIDTH - LEFT)
        parts += (
            f'<path class="was" d="M{x:.1f} {base:.0f}V12"/><text x="{x + 5:.1f}" y="18">'
            f"{escape(decision['word'])}: {escape(decision['decision'])}</text>"
        )
    label = "What every 10 ms of the scene took (logarithmic)"
    ends = duration(scale.high_us), duration(scale.low_us)
    return (
        frame(parts, label, "0 s", f"{sound['seconds']:.1f} s", *ends)
        + f"<p class='soft'>{label}; the wake network runs in every third push, and a word is judged in one.</p>"
    )


def _level(sound: Mapping[str, Any], end_s: float, axis: _Axis) -> str:
    """Draw the level of the sound as an area."""
    base, step = _TOP + _SOUND - 4, sound["step_ms"]
    points = []
    for number, level in enumerate(sound["levels_dbfs"]):
        ms = (number + 0.5) * step - 1e3 * end_s
        if axis.low_ms <= ms <= axis.high_ms:
            share = min(max(1 - level / _QUIETEST_DBFS, 0.0), 1.0)
            points.append(f"{axis.at(ms):.1f} {base - share * (_SOUND - 8):.1f}")
    if not points:
        return ""
    first, last = (point.partition(" ")[0] for point in (points[0], points[-1]))
    return (
        f'<path class="quiet" d="M{first} {base}L{"L".join(points)}L{last} {base}Z"/>'
        f'<text x="{LEFT}" y="14">level of the sound, {_QUIETEST_DBFS:.0f} to 0 dB</text>'
    )
