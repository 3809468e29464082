"""Lines that a device sends for the log, as lines of ours."""

import logging
from collections.abc import Mapping
from typing import Any

from firmware_bridge.link.table import kind_named

__all__ = ["DeviceLog"]

_log = logging.getLogger(__name__)

_LEVELS = tuple(logging.getLevelNamesMapping()[name.upper()] for name in kind_named("log").field("level").names)
_LINES_PER_MINUTE = 60
"""A firmware that repeats itself must not fill the disk of the host."""
_MINUTE_S = 60.0


class DeviceLog:
    """Tell lines of one device.

    Parameters
    ----------
    name : str
        What they begin with.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._since_s = float("-inf")
        self._lines = 0

    def push(self, values: Mapping[str, Any], now_s: float) -> None:
        """Tell of a line.

        Parameters
        ----------
        values : mapping
            Fields of the message ``log``.
        now_s : float
            Monotonic clock, s.
        """
        if now_s - self._since_s >= _MINUTE_S:
            self._since_s, self._lines = now_s, 0
        self._lines += 1
        if self._lines > _LINES_PER_MINUTE:
            return
        text = "".join(one if one.isprintable() else " " for one in values["text"])
        _log.log(_LEVELS[values["level"]], "device %s at sample %d: %s", self._name, values["index"], text)
        if self._lines == _LINES_PER_MINUTE:
            _log.warning("device %s: more than %d lines in a minute are not shown", self._name, _LINES_PER_MINUTE)
