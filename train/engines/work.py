"""What happens around one shard in a worker, whichever engine the worker belongs to."""

import os
import pickle
import resource
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.errors import VivavoceError

__all__ = ["Lost", "Make", "Report", "Watch", "attempt", "peak_mb"]

Make = Callable[[int], int]
"""Makes the shard of a number and puts it in place; returns how many items it holds."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker tells when it is done with a shard.

    Parameters
    ----------
    index : int
        The shard.
    items : int
        How many items it holds; 0 if it failed.
    peak_mb : float
        Largest resident set of the worker so far, MB.
    error : Exception, optional
        Why the shard was not made.
    """

    index: int
    items: int
    peak_mb: float
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """A shard that a round has not made.

    Parameters
    ----------
    index : int
        The shard.
    cause : str
        What became of the worker, as a clause: ``"its worker (pid 7) was ended by SIGKILL"``.
    died : bool
        A worker died while it made this very shard; false if something else kept it from being made.
    """

    index: int
    cause: str
    died: bool


class Watch(Protocol):
    """Is told of what goes on, in the process that asked for the shards."""

    def begun(self, worker: str) -> None:
        """Take note of a worker: ``"pid 1234"``, with the name of its machine where that is another one."""

    def finished(self, report: Report) -> None:
        """Take note of a shard."""

    def lost(self, shard: Lost) -> None:
        """Take note of a shard that was not made this time."""


def attempt(make: Make, index: int) -> Report:
    """Make a shard; an error becomes part of the report.

    Errors are told as values because Beam wraps what a worker raises in text of its own.
    """
    try:
        return Report(index, make(index), peak_mb())
    except Exception as error:
        return Report(index, 0, peak_mb(), _portable(error))


def _portable(error: Exception) -> Exception:
    if not isinstance(error, VivavoceError):
        # A bug is looked for where it happened. A fault of the user has its line, and needs no more.
        error.add_note(f"in a worker:\n{''.join(traceback.format_exception(error))}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # it may do anything when it is pickled; its text gets through
        return (VivavoceError if isinstance(error, VivavoceError) else RuntimeError)(str(error))
    return error


def peak_mb() -> float:
    """Return the largest resident set that this process had, MB.

    Linux counts the parent's memory into ``ru_maxrss`` of a child, which shares it until it executes its program; the
    high-water mark in ``/proc`` begins with the program.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        per_mb = 1024**2 if os.uname().sysname == "Darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mb
