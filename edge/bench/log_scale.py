"""A logarithmic axis of time for drawings: stages differ by factors of a thousand."""

import math
from collections.abc import Iterable
from typing import NamedTuple, Self

from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH

__all__ = ["MICROSECONDS", "LogScale", "duration"]

MICROSECONDS = "\N{MICRO SIGN}s"
_LEAST_US = 1e-3
_TOP = 14.0
"""Room above the axis, in the units of a drawing."""


class LogScale(NamedTuple):
    """An upright axis between two powers of ten."""

    low_us: float
    high_us: float

    @classmethod
    def around(cls, durations_us: Iterable[float]) -> Self:
        """Return one on which all of these lie."""
        values = [max(value, _LEAST_US) for value in durations_us]
        low = math.floor(math.log10(min(values)))
        return cls(10.0**low, 10.0 ** max(math.ceil(math.log10(max(values))), low + 1))

    def up(self, us: float) -> float:
        """Return where a duration is drawn; one below the axis, at its foot."""
        base = HEIGHT - BOTTOM
        share = math.log10(max(us, self.low_us) / self.low_us) / math.log10(self.high_us / self.low_us)
        return base - share * (base - _TOP)

    def grid(self) -> str:
        """Draw a line for every power of ten between the ends."""
        first, last = (round(math.log10(end)) for end in self)
        lines = ""
        for power in range(first + 1, last):
            y = self.up(10.0**power)
            lines += (
                f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH}"/>'
                f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{duration(10.0**power)}</text>'
            )
        return lines


def duration(us: float) -> str:
    """Return a duration in the unit in which it is read most easily."""
    if us >= 1e5:
        return f"{us / 1e6:.3g} s"
    return f"{us / 1e3:.3g} ms" if us >= 1e3 else f"{us:.3g} {MICROSECONDS}"
