"""Whether the clock of this device says anything."""

__all__ = ["clock_is_set"]

_LEAST_S = 1_767_225_600.0
"""2026-01-01: this program is younger. Boards without a battery begin at 1970, or where they were switched off."""


def clock_is_set(now_s: float) -> bool:
    """Tell whether a time can be right; where it cannot, nothing may be deleted for its age.

    Parameters
    ----------
    now_s : float
        Seconds since 1970, UTC.
    """
    return now_s >= _LEAST_S
