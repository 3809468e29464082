"""Small drawings as SVG text; colours are classes of the page, so that they follow light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

__all__ = ["SERIES_COLOURS", "Series", "histogram", "lines"]

SERIES_COLOURS = 8
"""Classes ``c0`` to ``c7`` that the page has."""

_WIDTH, _HEIGHT = 116, 34


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a drawing.

    Attributes
    ----------
    name : str
    y : (n,) array
    low, high : (n,) arrays, optional
        A band around it.
    """

    name: str
    y: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64] | None = None
    high: npt.NDArray[np.float64] | None = None


def histogram(found: npt.NDArray[np.float64], bottom: float, top: float, title: str, *, bins: int = 24) -> str:
    """Draw a histogram with a mark at the median.

    Parameters
    ----------
    found : (n,) array
        Values; those outside are counted in the first or last bar.
    bottom, top : float
        Range of the axis, `top` above `bottom`.
    title : str
        What a pointer that rests on it reads.
    bins : int
    """
    counts, _ = np.histogram(np.clip(found, bottom, top), bins, (bottom, top))
    step = _WIDTH / bins
    bars = "".join(
        f'<rect x="{at * step:.1f}" y="{_HEIGHT - height:.1f}" width="{step - 0.8:.1f}" height="{height:.1f}"/>'
        for at, height in enumerate(counts / max(1, counts.max()) * (_HEIGHT - 4))
        if height
    )
    place = (float(np.clip(np.median(found), bottom, top)) - bottom) / (top - bottom) * _WIDTH
    return (
        f'<svg class="hist" viewBox="0 0 {_WIDTH} {_HEIGHT + 1}" role="img"><title>{escape(title)}</title>'
        f'<g class="bar">{bars}</g><path class="axis" d="M0 {_HEIGHT + 0.5}H{_WIDTH}"/>'
        f'<path class="median" d="M{place:.1f} 0V{_HEIGHT}"/></svg>'
    )


def lines(
    x: npt.NDArray[np.float64],
    series: Sequence[Series],
    y_range: tuple[float, float],
    *,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_title: str,
    y_title: str,
) -> str:
    """Draw lines over a common axis, with a legend.

    Parameters
    ----------
    x : (n,) array
        Ascending.
    series : sequence of Series
        At most :data:`SERIES_COLOURS`.
    y_range : (float, float)
        Bottom and top; lines are cut there.
    x_ticks, y_ticks : sequence of float
    x_title, y_title : str
        With units.
    """
    width, height, left, bottom = 640.0, 300.0, 46.0, 38.0
    x0, x1 = float(x[0]), float(x[-1])

    def across(value: float) -> float:
        return left + (value - x0) / (x1 - x0) * (width - left - 8)

    def up(value: float) -> float:
        low, high = y_range
        return 8 + (high - min(max(value, low), high)) / (high - low) * (height - bottom - 8)

    def points(y: npt.NDArray[np.float64]) -> list[str]:
        return [f"{across(float(a)):.1f} {up(float(b)):.1f}" for a, b in zip(x, y, strict=True)]

    parts = [
        f'<path class="grid" d="M{left} {up(tick):.1f}H{width - 8}"/>'
        f'<text x="{left - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in y_ticks
    ]
    parts += [
        f'<text x="{across(tick):.1f}" y="{height - bottom + 16}" text-anchor="middle">{_number(tick)}</text>'
        for tick in x_ticks
    ]
    parts.append(
        f'<text x="{(width + left) / 2}" y="{height - 4}" text-anchor="middle">{escape(x_title)}</text>'
        f'<text transform="translate(11 {(height - bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    for number, one in enumerate(series):
        if one.low is not None and one.high is not None:
            outline = "L".join(points(one.high) + points(one.low)[::-1])
            parts.append(f'<path class="band c{number}" d="M{outline}Z"/>')
    for number, one in enumerate(series):
        parts.append(
            f'<path class="line c{number}" d="M{"L".join(points(one.y))}"><title>{escape(one.name)}</title></path>'
        )
    legend = "".join(
        f'<li><svg viewBox="0 0 18 4"><path class="line c{number}" d="M0 2H18"/></svg>{escape(one.name)}</li>'
        for number, one in enumerate(series)
    )
    return (
        f'<figure><ul class="legend">{legend}</ul>'
        f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img">{"".join(parts)}</svg></figure>'
    )


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
