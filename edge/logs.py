"""Logs of a process that runs for months: one line an entry, on stderr, with what journald wants to know of it."""

import json
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


class _Json(logging.Formatter):
    """An object a line: time, level, logger, message, and what an entry has beside (``extra={"record": {...}}``)."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        beside = getattr(record, "record", None)
        return json.dumps({**entry, **({} if beside is None else {"record": beside})}, default=str)


def begin_logging(level: str = "info", *, as_json: bool = False) -> None:
    """Send log entries of all modules to stderr.

    Parameters
    ----------
    level : str
        Least level that is told: ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    as_json : bool
        One JSON object a line, for programs, in place of text.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Lines(journal="JOURNAL_STREAM" in os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
