"""What every stage expects of samples, and what it says when it gets something else."""

import numpy as np
import numpy.typing as npt

from edge.errors import FrontendError

__all__ = ["INT16", "wrong_samples"]

INT16: np.dtype[np.int16] = np.dtype(np.int16)
"""16 bits in the machine's byte order."""


def wrong_samples(what: str, samples: object, expected: npt.DTypeLike = INT16) -> FrontendError:
    """Return the error to raise for samples that are not one-dimensional, or of another type.

    Parameters
    ----------
    what : str
        Who got them, and what they are, e.g. ``"frontend"``.
    samples : object
        What came.
    expected : dtype
        What should have come.
    """
    got = f"{samples.dtype} of shape {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
    return FrontendError(f"{what}: got {got}, expected {np.dtype(expected)} samples of shape (n,); convert them first")
