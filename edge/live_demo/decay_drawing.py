"""The picture of how power decays over frequency: the curve of what was judged, before those of people and replays."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.text import Text

from edge.decay import DecayReference, Envelope, Placement
from edge.live_demo.glyphs import Glyphs, painted

__all__ = ["SPAN_HZ", "decay_in_words", "decay_picture"]

SPAN_HZ = 3000.0
"""Frequencies that are drawn, from 0 Hz: above, nearly all of the power has been counted, whoever spoke."""
_COLOURS = {"people": "green", "replays": "red", "both": "grey50", "none": "", "curve": "bold white"}


def decay_picture(
    curve: npt.NDArray[np.float64] | None, reference: DecayReference, width: int, rows: int, glyphs: Glyphs
) -> list[Text]:
    """Draw the curve before the envelopes.

    Parameters
    ----------
    curve : (segments + 1,) float64 or None
        Of :func:`edge.decay.decay_curve`; None draws the envelopes alone.
    reference : DecayReference
    width, rows : int
        The last row is the axis.
    glyphs : Glyphs

    Returns
    -------
    list of rich.text.Text
        `rows` lines of `width` columns: the share of the power below each frequency, 1 above.
    """
    places = (np.arange(width) + 0.5) / width * SPAN_HZ
    frequencies = reference.frequencies_hz
    height = max(rows - 1, 1)

    def at(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.interp(places, frequencies, values)

    # A cell belongs to what reaches into it.
    upper = 1.0 - np.arange(height) / height

    def within(one: Envelope) -> npt.NDArray[np.bool_]:
        inside: npt.NDArray[np.bool_] = (at(one.low) < upper[:, None]) & (at(one.high) >= upper[:, None] - 1 / height)
        return inside

    live, replay = within(reference.live), within(reference.replay)
    kinds = np.select([live & replay, live, replay], ["both", "people", "replays"], "none")
    if curve is not None and curve[-1] > 0:
        at_row = np.clip(np.ceil((1.0 - at(curve)) * height - 1e-9) - 1, 0, height - 1).astype(int)
        # Up to where the next one stands: a steep curve has no gaps.
        for column, (bottom, top) in enumerate(zip(at_row, [*at_row[1:] + 1, at_row[-1]], strict=True)):
            kinds[min(top, bottom) : bottom + 1, column] = "curve"
    drawn = {
        "people": glyphs.people,
        "replays": glyphs.replays,
        "both": glyphs.both,
        "none": " ",
        "curve": glyphs.curve,
    }
    marks = {kind: (mark, _COLOURS[kind]) for kind, mark in drawn.items()}
    return [*(painted(cells.tolist(), marks) for cells in kinds), _axis(width)][:rows]


def _axis(width: int) -> Text:
    """Return the axis: whole kHz at their places."""
    cells = [" "] * width
    whole_khz = round(SPAN_HZ / 1000)
    for khz in range(whole_khz + 1):
        label = f"{khz} kHz" if khz == whole_khz else str(khz)
        first = min(round(khz / whole_khz * width), width - len(label))
        cells[first : first + len(label)] = label
    return Text("".join(cells)[:width], style="dim")


def decay_in_words(placement: Placement | None, width: int, glyphs: Glyphs) -> Text:
    """Say where the curve lies, in the characters of the picture, which this is the legend of.

    Parameters
    ----------
    placement : Placement or None
        None where nothing was judged.
    width : int
        Columns that there are; the more, the more words.
    glyphs : Glyphs
    """
    if placement is None:
        forms = [_legend(glyphs, words) for words in (3, 2, 1)]
    else:
        forms = [_told(placement, form, glyphs) for form in _FORMS]
    return next((line for line in forms if line.cell_len <= width), forms[-1])


class _Form(NamedTuple):
    """How many words."""

    curve: str
    people: str
    replays: str
    end: str


_FORMS = (
    _Form(" half below {:.2f} kHz", "  {} people {:.2f}, {:.0f} % in", "  {} loudspeakers {:.2f}, {:.0f} % in",
          "  (an illustration: the network decides)"),
    _Form(" half below {:.2f} kHz", "  {} people {:.2f}, {:.0f} % in", "  {} loudspeakers {:.2f}, {:.0f} % in", ""),
    _Form(" half below {:.2f} kHz", "  {} you {:.2f} {:.0f} %", "  {} TV {:.2f} {:.0f} %", ""),
    _Form("{:.2f} kHz", " {}you {:.2f} {:.0f}%", " {}TV {:.2f} {:.0f}%", ""),
    _Form("{:.2f}", " {}{:.2f} {:.0f}%", " {}{:.2f} {:.0f}%", " kHz"),
)  # fmt: skip


def _told(placement: Placement, form: _Form, glyphs: Glyphs) -> Text:
    line = Text(glyphs.curve + form.curve.format(placement.half_hz / 1000), style="bold")
    people = glyphs.people, placement.live_half_hz / 1000, 100 * placement.live_share
    replays = glyphs.replays, placement.replay_half_hz / 1000, 100 * placement.replay_share
    line.append(form.people.format(*people), style=f"not bold {_COLOURS['people']}")
    line.append(form.replays.format(*replays), style=f"not bold {_COLOURS['replays']}")
    return line.append(form.end, style="not bold dim")


def _legend(glyphs: Glyphs, words: int) -> Text:
    line = Text(f"{glyphs.people} people", style=_COLOURS["people"])
    line.append(f"  {glyphs.replays} loudspeakers", style=_COLOURS["replays"])
    if words > 1:
        line.append(f"  {glyphs.both} both", style=_COLOURS["both"])
    if words > 2:
        line.append("  share of the power below each frequency", style="dim")
    return line
