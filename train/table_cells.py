"""How a figure stands in a cell of a Markdown table: with one decimal, and its interval where it has one."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["percent", "points", "rate"]


def percent(value: float, interval: Sequence[float] | None = None) -> str:
    """Return a share in percent, and its interval."""
    text = f"{100 * value:.1f} %"
    if interval is not None:
        text += f" ({100 * interval[0]:.1f}-{100 * interval[1]:.1f})"
    return text


def rate(found: Mapping[str, Any]) -> str:
    """Return ``rate`` in percent, and its ``interval_95``."""
    return percent(found["rate"], found["interval_95"])


def points(difference: float, interval: Sequence[float]) -> str:
    """Return a difference of shares in points, signed, and its interval."""
    low, high = interval
    return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
