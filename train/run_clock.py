"""How long a run takes, the time of its interrupted sessions included."""

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import DataError
from edge.json_reading import parse_json
from train.atomic_file import put_bytes

__all__ = ["RunClock"]

_TICK_S = 10.0
"""So much of a session that is killed is not counted."""


class RunClock:
    """Wall time of a run that may be interrupted; what passes between its sessions is not counted.

    As a context, and once it was told :meth:`of` which run, it keeps the time in a file, from which the next session
    goes on. Else it only counts from now.

    Parameters
    ----------
    folder : Path, optional
        That of the state of the run, ``resume/`` in the folder of a checkpoint. Whoever removes it, to train anew,
        begins at 0.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._began = time.monotonic()
        self._folder = folder
        self._path: Path | None = None
        self._earlier_s, self._sessions = 0.0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="run clock", daemon=True)

    def of(self, run: Mapping[str, Any]) -> None:
        """Go on from where the sessions of this very run ended; what this one has done before belongs to it, too.

        Parameters
        ----------
        run : mapping
            All that decides what comes of it, as JSON can hold it: each run has a file of its own, so that one that is
            refused takes nothing from the one that is there.
        """
        if self._folder is None or self._path is not None:
            return
        sha256 = hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()
        path = self._folder / f"clock-{sha256[:16]}.json"
        self._earlier_s, self._sessions = _read(path)
        self._path = path

    def told(self) -> dict[str, Any]:
        """Return ``wall_s``, seconds of all sessions, and ``sessions``, how many there were."""
        return {
            "wall_s": round(self._earlier_s + time.monotonic() - self._began, 1),
            "sessions": self._sessions + 1,
        }

    def __enter__(self) -> "RunClock":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._keep()

    def _tick(self) -> None:
        while not self._over.wait(_TICK_S):
            self._keep()

    def _keep(self) -> None:
        if self._path is not None:
            # A disk that is full stops the run where it keeps its state, with a line that says so.
            with suppress(DataError):
                put_bytes(self._path, (json.dumps(self.told()) + "\n").encode())


def _read(path: Path) -> tuple[float, int]:
    try:
        found = parse_json(path.read_text())
        return float(found["wall_s"]), int(found["sessions"])
    except (OSError, ValueError, TypeError, KeyError):
        # No run depends on it.
        return 0.0, 0
