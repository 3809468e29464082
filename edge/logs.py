"""Logs of a process that runs for months: one line an entry, on stderr, with what journald wants to know of it."""

import logging
import os
import sys
import time

__all__ = ["begin_logging", "journal_priority"]

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def journal_priority(level: int) -> int:
    """Return the priority of syslog (0 to 7) for a level of :mod:`logging`."""
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


class _Lines(logging.Formatter):
    """``<6>edge.daemon: text`` where journald reads, which keeps the time itself; else with time and level."""

    def __init__(self, *, journal: bool) -> None:
        pattern = "%(name)s: %(message)s" if journal else "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
        super().__init__(pattern, "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        # A traceback stays one entry: its lines are joined, as the journal would cut them into many.
        line = " | ".join(part.rstrip() for part in super().format(record).splitlines() if part.strip())
        return f"<{journal_priority(record.levelno)}>{line}" if self._journal else line


def begin_logging(level: str = "info") -> None:
    """Send log entries of all modules to stderr.

    Parameters
    ----------
    level : str
        Least level that is told: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
