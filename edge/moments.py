"""Moments as people give and read them: ``2 h`` ago, a day, or a day and a time, in the time zone of this device."""

import argparse
import datetime
import math
import re
import time

__all__ = ["moment", "shown_moment"]

_SPAN = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*([a-z]+)")
_UNITS_S = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
}
_DAYS = {"today": 0, "yesterday": 1}


def moment(text: str) -> float:
    """Return the moment that an argument names, as argparse's ``type``: seconds since 1970, UTC.

    Parameters
    ----------
    text : str
        A span before now (``"90 s"``, ``"30 min"``, ``"2 h"``, ``"3 d"``, ``"1 w"``), ``"today"``, ``"yesterday"``, or
        a day, or day and time, of ISO 8601 (``"2026-11-26"``, ``"2026-11-26 14:05"``).
    """
    told = text.strip().lower()
    span = _SPAN.fullmatch(told)
    try:
        if told in _DAYS:
            day = datetime.date.today() - datetime.timedelta(days=_DAYS[told])
            return datetime.datetime.combine(day, datetime.time()).timestamp()
        if span is not None and span[2] in _UNITS_S:
            return max(0.0, time.time() - float(span[1]) * _UNITS_S[span[2]])
        found = datetime.datetime.fromisoformat(text.strip()).timestamp()
        if not math.isfinite(found) or found < 0:
            raise ValueError
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"got {text[:60]!r}, expected a span such as '2 h' or '3 d', today, yesterday, or a date such as "
            "'2026-11-26' or '2026-11-26 14:05'"
        ) from error
    return found


def shown_moment(at_s: float) -> str:
    """Return a moment for people, to the second, in the time zone of this device."""
    return datetime.datetime.fromtimestamp(at_s).strftime("%Y-%m-%d %H:%M:%S")
