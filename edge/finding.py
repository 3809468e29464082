"""What a check of the installation or of the device found."""

from typing import Literal, NamedTuple

__all__ = ["Finding", "State"]

State = Literal["ok", "note", "fault"]


class Finding(NamedTuple):
    """What one check found."""

    check: str
    """What was looked at."""
    state: State
    """``ok``; ``note``, it works, but not as well as it could; ``fault``, it does not."""
    found: str
    """What there is."""
    remedy: str = ""
    """What to do; empty if all is well."""
