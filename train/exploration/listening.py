"""Short excerpts of recordings, in a form that a page can hold and every browser plays."""

import base64
import io

import numpy as np
import numpy.typing as npt

from edge.endpoint import loudest_window
from edge.errors import DataError
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import read_clip
from train.exploration.measure import LONGEST_S
from train.simulator.levels import to_int16

__all__ = ["EXCERPT_S", "excerpt", "flac_address"]

EXCERPT_S = 3.0
"""Length of an excerpt, s: at most 96 kB before it is packed."""


def excerpt(clip: Clip) -> str:
    """Return the loudest seconds of a clip as a ``data:`` address of a FLAC file; ``""`` if it cannot be read."""
    try:
        samples = to_int16(read_clip(clip)[: round(LONGEST_S * SAMPLE_RATE_HZ)])
    except (DataError, OSError):
        return ""
    span = loudest_window(samples, round(EXCERPT_S * SAMPLE_RATE_HZ))
    return flac_address(samples[span.start : span.stop])


def flac_address(samples: npt.NDArray[np.int16]) -> str:
    """Return samples, ``(n,) int16`` at 16 kHz, as a ``data:`` address of a FLAC file."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(file.getvalue()).decode()
