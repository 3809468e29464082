"""The DET curves as SVG, in the colours of the page."""

from collections.abc import Mapping
from html import escape

import numpy as np

from train.det_curve import TICKS, DetCurve, probit
from train.exploration.svg import SERIES_COLOURS

__all__ = ["det_chart"]

_SIZE, _LEFT, _RIGHT, _BOTTOM, _TOP = 520.0, 62.0, 22.0, 46.0, 10.0
_FROM, _TO = 0.005, 0.95
"""Of both axes."""
_BETWEEN = 36.0
"""Least distance of what is written below the axis."""
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
"""Curves differ by these as well as by colour."""


def det_chart(curves: Mapping[str, DetCurve], *, works_at: tuple[float, float] | None) -> str:
    """Draw curves, and the place at which the device works.

    Parameters
    ----------
    curves : mapping of str to DetCurve
        By name; at most :data:`train.exploration.svg.SERIES_COLOURS`.
    works_at : (float, float), optional
        BPCER and APCER of the cut-off that ships.

    Returns
    -------
    str
        HTML: a figure with its legend.
    """
    if len(curves) > SERIES_COLOURS:
        raise ValueError(f"got {len(curves)} curves, expected at most {SERIES_COLOURS}")
    low, high = probit((_FROM, _TO))
    side = _SIZE - _LEFT - _RIGHT

    def across(rate: float) -> float:
        return _LEFT + float(np.clip((probit(rate) - low) / (high - low), 0, 1)) * side

    def up(rate: float) -> float:
        return _TOP + (1 - float(np.clip((probit(rate) - low) / (high - low), 0, 1))) * side

    height = _TOP + side + _BOTTOM
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{_TOP + side}H{_LEFT + side}"/>']
    written = -_BETWEEN
    for tick in (tick for tick in TICKS if _FROM <= tick <= _TO):
        text = f"{100 * tick:g}\N{NO-BREAK SPACE}%"
        parts.append(
            f'<path class="grid" d="M{across(tick):.1f} {_TOP}V{_TOP + side}M{_LEFT} {up(tick):.1f}H{_LEFT + side}"/>'
            f'<text x="{_LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{text}</text>'
        )
        if across(tick) - written >= _BETWEEN:
            written = across(tick)
            parts.append(f'<text x="{written:.1f}" y="{_TOP + side + 17}" text-anchor="middle">{text}</text>')
    middle = _LEFT + side / 2
    parts.append(
        f'<text x="{middle}" y="{height - 8}" text-anchor="middle">replays accepted</text>'
        f'<text transform="translate(13 {_TOP + side / 2}) rotate(-90)" text-anchor="middle">people refused</text>'
    )
    legend = ""
    for number, (name, curve) in enumerate(curves.items()):
        # Beyond the axes there is no line, not one along the edge.
        points = [
            f"{across(x):.1f} {up(y):.1f}"
            for x, y in zip(curve.apcer.tolist(), curve.bpcer.tolist(), strict=True)
            if _FROM <= x <= _TO and _FROM <= y <= _TO
        ]
        # Steps that are finer than what can be seen are one.
        drawn = [point for at, point in enumerate(points) if at == 0 or point != points[at - 1]]
        dash = f' stroke-dasharray="{_DASHES[number % len(_DASHES)]}"' if _DASHES[number % len(_DASHES)] else ""
        line = f'<path class="line c{number}"{dash} d="M{"L".join(drawn)}"><title>{escape(name)}</title></path>'
        parts.append(line if drawn else "")
        legend += (
            f'<li><svg viewBox="0 0 36 4" aria-hidden="true"><path class="line c{number}"{dash} d="M0 2H36"/></svg>'
            f"{escape(name)}, equal error rate {100 * curve.eer:.1f}\N{NO-BREAK SPACE}%</li>"
        )
    told = "; ".join(f"{name}: equal error rate {100 * curve.eer:.1f} %" for name, curve in curves.items())
    if works_at is not None:
        bpcer, apcer = works_at
        parts.append(f'<circle class="works" cx="{across(apcer):.1f}" cy="{up(bpcer):.1f}" r="6"/>')
        place = f"{100 * bpcer:.1f} % of people refused, {100 * apcer:.1f} % of replays accepted"
        legend += (
            '<li><svg viewBox="0 0 36 14" class="dot" aria-hidden="true"><circle class="works" cx="18" cy="7" r="6"/>'
            f"</svg>where the device works: {place}</li>"
        )
        told += f"; the device works at: {place}"
    return (
        f'<figure class="det"><ul class="legend">{legend}</ul><svg class="chart" '
        f'viewBox="0 0 {_SIZE:.0f} {height:.0f}" role="img" aria-label="DET curves. {escape(told)}">'
        f"{''.join(parts)}</svg></figure>"
    )
