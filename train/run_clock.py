"""How long a run takes, the time of its interrupted sessions included."""

import json
import threading
import time
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
_NAME = "clock.json"


class RunClock:
    """Wall time of a run that may be interrupted; what passes between its sessions is not counted.

    As a context it keeps the time in a file, from which the next session goes on; else it only counts from now.

    Parameters
    ----------
    folder : Path, optional
        That of the state of the run. It is made if the folder around it is there by then; whoever removes it, to train
        anew, begins at 0.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._began = time.monotonic()
        self._path = None if folder is None else folder / _NAME
        self._earlier_s, self._sessions = (0.0, 0) if self._path is None else _read(self._path)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="run clock", daemon=True)

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
        if self._path is not None and self._path.parent.parent.is_dir():
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
