"""Where a service keeps what must outlive it: the folder that systemd gives it, or the one of its user."""

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SERVICE_FOLDER", "kept_by_service", "state_folder"]

SERVICE_FOLDER = Path("/var/lib/vivavoce")
"""``StateDirectory=vivavoce`` of the system's service, as seen by who is not that service."""


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder; it need not be there.

    Parameters
    ----------
    environment : mapping
        ``STATE_DIRECTORY``, which systemd sets (of several folders the first is ours), goes before the user's
        ``XDG_STATE_HOME``, and that before ``~/.local/state``. Relative folders are ignored, as the XDG Base Directory
        Specification asks.
    """
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if os.path.isabs(given):
        return Path(given)
    home = environment.get("XDG_STATE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path("~/.local/state").expanduser()) / "vivavoce"


def kept_by_service(own: Path, *, named: bool) -> Path:
    """Return the file that a daemon keeps, as seen by a person who did not say where.

    The system's service has another folder than the person; where both have one, that which was written last is meant.

    Parameters
    ----------
    own : Path
        Where a daemon of this person would keep it.
    named : bool
        Whether the settings name just this file: then it is.
    """
    service = SERVICE_FOLDER / own.name
    try:
        there = service.stat().st_mtime
    except OSError:
        return own
    if named:
        return own
    return service if not own.exists() or own.stat().st_mtime < there else own
