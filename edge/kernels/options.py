"""How the kernels are compiled, and where numba keeps what it compiled."""

from typing import Any

from numba import njit

from edge.kernel_form import wanted_form

__all__ = ["OPTIONS"]


def _can_cache() -> bool:
    """Tell whether numba finds a folder that it can keep compiled code in.

    An installation that nobody may write to, used by a service without a home, has none: there the kernels
    are compiled at every start, which takes seconds but loses nothing. ``NUMBA_CACHE_DIR`` names a folder.
    """
    try:
        njit(cache=True)(_can_cache)  # looks for the folder now; would compile at the first call
    except RuntimeError:
        return False
    return True


OPTIONS: dict[str, Any] = {
    # An image is a cache of its own; what numba keeps is kept where numba's functions are what runs.
    "cache": wanted_form() == "numba" and _can_cache(),
    "nogil": True,
    "error_model": "numpy",
}
"""Of every kernel: no lock of the interpreter is held, and no division is checked."""
