"""The file of the envelopes before which the decay of power is drawn; one ships with the program.

It is made by ``vivavoce train decay``, and says which recordings it is of. What is needed to draw is checked strictly;
what it says of its own making is for people, and not read here.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.decay import DecayReference, Envelope, edges_hz
from edge.drift_reference import numbers
from edge.errors import FrontendError
from edge.regular_file import read_regular
from edge.strict_json import Table, load_object
from edge.void import VoidSettings

__all__ = ["DEFAULT_DECAY", "decay_table", "read_decay_reference"]

DEFAULT_DECAY = Path(__file__).resolve().parent / "data" / "decay_reference.json"
"""The reference that ships with the program."""

_FORMAT, _FORMAT_VERSION = "vivavoce-decay", 1
_MOST_BYTES = 1 << 20
_MOST_CLIPS = 1 << 31
_DIGITS = 4
_REMEDY = "install vivavoce again, or make it again with 'vivavoce train decay'"


def decay_table(reference: DecayReference) -> dict[str, Any]:
    """Return what the file holds of a reference, as plain data; shares are rounded to four digits."""

    def rounded(values: npt.NDArray[np.float64]) -> list[float]:
        return [round(float(value), _DIGITS) for value in values]

    return {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "source": reference.source,
        "settings": reference.settings.to_dict(),
        "right": {"live": round(reference.live_right, _DIGITS), "replay": round(reference.replay_right, _DIGITS)},
        "frequencies_hz": [round(float(edge), 1) for edge in reference.frequencies_hz],
        "envelopes": {
            name: {
                "clips": one.clips,
                "low": rounded(one.low),
                "middle": rounded(one.middle),
                "high": rounded(one.high),
            }
            for name, one in (("live", reference.live), ("replay", reference.replay))
        },
    }


def read_decay_reference(path: Path = DEFAULT_DECAY) -> DecayReference:
    """Read a file.

    Parameters
    ----------
    path : Path, optional
        The one that ships by default.

    Raises
    ------
    BundleError
        If it cannot be read, or is no such file.
    """
    content = read_regular(path, _MOST_BYTES, what="envelopes of the decay of power", remedy=_REMEDY)
    top = Table(path, load_object(path, content, remedy=_REMEDY), remedy=_REMEDY)
    if (found := top.take("format")) != _FORMAT:
        raise top.fault("format", repr(found), repr(_FORMAT))
    top.integer("format_version", _FORMAT_VERSION, _FORMAT_VERSION)
    try:
        settings = VoidSettings.from_dict(top.mapping("settings"))
    except FrontendError as error:
        raise top.fault("settings", str(error), "settings of the features of Void") from error
    points = settings.segments + 1
    stated = numbers(top, "frequencies_hz", points, points)
    if not np.allclose(stated, edges_hz(settings), atol=0.1):
        raise top.fault("frequencies_hz", "others", "the edges of the segments that the settings give")
    right, envelopes = top.table("right"), top.table("envelopes")
    reference = DecayReference(
        settings,
        _envelope(envelopes.table("live"), points),
        _envelope(envelopes.table("replay"), points),
        right.number("live", 0.0, 1.0),
        right.number("replay", 0.0, 1.0),
        top.line("source"),
    )
    right.end()
    envelopes.end()
    return reference


def _envelope(table: Table, points: int) -> Envelope:
    """Take one envelope: three curves, each never falling from 0 to 1, and none below the one before."""
    clips = table.integer("clips", 1, _MOST_CLIPS)
    curves: list[npt.NDArray[np.float64]] = []
    for name in ("low", "middle", "high"):
        curve = np.array(numbers(table, name, points, points))
        least = curves[-1] if curves else np.zeros(points)
        if curve[0] != 0.0 or curve[-1] != 1.0 or (np.diff(curve) < 0).any() or (curve < least).any():
            raise table.fault(name, "other numbers", "a curve from 0 to 1 that never falls, above that before it")
        curves.append(curve)
    table.end()
    low, middle, high = curves
    return Envelope(low, middle, high, clips)
