"""How the demo's state looks in so many columns and rows: lines of text, none of them longer than the terminal."""

import math
from textwrap import wrap

import numpy as np
from rich.text import Text

from edge.live_demo.decay_drawing import decay_in_words, decay_picture
from edge.live_demo.glyphs import Glyphs, painted
from edge.live_demo.state import FLOOR_DBFS, Ruled, State
from edge.policy import REASONS
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["LEAST_COLUMNS", "LEAST_ROWS", "NARROW", "draw"]

NARROW = 64
"""Columns below which the smaller layout is drawn."""
LEAST_COLUMNS, LEAST_ROWS = 32, 10
"""Below these it is said that there is too little room, and nothing is drawn."""
_LEAST_PICTURE = 3
_MOST_PICTURE = 12
"""Rows of the spectrogram: fewer say nothing, more do not say more."""
_LEAST_DECAY = 5
"""Rows of the decay, with its axis: fewer say nothing."""
_DECAY_SHARE = 0.4
_MOST_DECAY = 60
"""What the decay has of the columns beside the spectrogram, and at most."""
_NOTE_ROWS = (4, 6)
"""For what is wrong and what to do, and in the smaller layout, if there are :data:`_ROOMY` rows."""
_ROOMY = 24
_LABEL = (20, 9)
"""Longest name of a word, and in the smaller layout, characters; longer ones are cut."""
_COLOURS = {"accept": "bold green", "reject": "bold red", "unsure": "bold yellow", "heard": "bold cyan"}
_VERDICTS = {"accept": "OPEN", "reject": "SHUT", "unsure": "UNSURE", "heard": "HEARD"}
_HEAT = ("grey23", "blue", "magenta", "red", "yellow")


def draw(state: State, *, width: int, height: int, encoding: str = "utf-8") -> Text:
    """Draw it.

    Parameters
    ----------
    state : State
    width, height : int
        Columns and rows that there are.
    encoding : str
        Of the terminal; one that is not Unicode gets ASCII.

    Returns
    -------
    rich.text.Text
        At most `height` lines of at most `width` columns. Where there is too little room, the spectrogram and the
        picture of the decay go first, then older decisions, then what the marks of a verifier mean; where there is
        none, it says so.
    """
    glyphs = Glyphs.of(encoding)
    if width < LEAST_COLUMNS or height < LEAST_ROWS:
        return _too_small(width, height)
    narrow = width < NARROW
    label = min(max(len("level"), *map(len, state.words), 0), _LABEL[narrow]) + 1
    head = [_title(state, narrow), _level(state, width, label, glyphs)]
    head += _words(state, width, label, glyphs)
    middle = _needle(state, width, narrow, glyphs) if state.mode != "wake" else []
    foot = [_foot(state, width, narrow)]
    if state.note:
        rows = _NOTE_ROWS[narrow and height >= _ROOMY]
        foot[:0] = [Text(line, style="yellow") for line in wrap(_plain(state.note), max(width, 1))[:rows]]
    room = height - len(head) - len(middle) - len(foot) - 1
    if state.candidates is not None and room > 1:
        told = "listens again from here" if narrow else "from here on it listens again, and that decides"
        head.append(Text(f"{'':<{label}}{glyphs.mark} {told}", style="dim"))
        room -= 1
    kept = min(max(room // 3, 1), 8)
    listed = [_decision(ruled, width, narrow) for ruled in list(state.decisions)[:kept]]
    if not listed:
        listed = [Text(_invitation(state, width, narrow), style="dim")]
    # The list has as many rows empty as full: what is below it stays where it is.
    listed += [Text()] * (kept - len(listed))
    picture = _pictures(state, width, room - kept, glyphs)
    lines = [*head, *picture, *middle, Text("last" if narrow else "last decisions", style="bold"), *listed, *foot]
    for line in lines:
        # One character for each that the terminal does not have, so that colours stay where they are.
        line.plain = line.plain.encode(encoding, "replace").decode(encoding)
        line.truncate(width)
    return Text("\n").join(lines[:height])


def _too_small(width: int, height: int) -> Text:
    told = (
        f"too small: {width} x {height}, needs {LEAST_COLUMNS} x {LEAST_ROWS}; enlarge the terminal, or q and run: "
        "vivavoce run FILE"
    )
    lines = wrap(told, max(width, 1))[: max(height, 1)]
    return Text("\n").join(Text(line[:width]) for line in lines)


def _pictures(state: State, width: int, rows: int, glyphs: Glyphs) -> list[Text]:
    """Return the spectrogram, and the decay beside it, or below it where it is narrow; what there is room for."""
    if rows < _LEAST_PICTURE:
        return []
    if state.reference is None:
        return _spectrogram(state, width, min(rows, _MOST_PICTURE), glyphs)
    curve = state.needle.curve if state.needle is not None else None
    if width < NARROW:
        above = min(rows // 2, _MOST_PICTURE)
        if above < _LEAST_DECAY:
            return _spectrogram(state, width, min(rows, _MOST_PICTURE), glyphs)
        return [
            *_spectrogram(state, width, above, glyphs),
            *decay_picture(curve, state.reference, width, min(rows - above, _MOST_PICTURE), glyphs),
        ]
    rows = min(rows, _MOST_PICTURE)
    if rows < _LEAST_DECAY:
        return _spectrogram(state, width, rows, glyphs)
    right = min(round(_DECAY_SHARE * width), _MOST_DECAY)
    left = _spectrogram(state, width - right - 2, rows, glyphs)
    beside = decay_picture(curve, state.reference, right, rows, glyphs)
    return [Text.assemble(one, "  ", other) for one, other in zip(left, beside, strict=True)]


def _foot(state: State, width: int, narrow: bool) -> Text:
    """Return how to leave, and whether anything is kept: of the folder's name its end, if there is no room for all."""
    quits = "q quits" if narrow else "q quits   "
    if not state.keeps:
        return Text(quits if narrow else f"{quits}nothing is recorded", style="dim")
    told = f"  keeps sound: {state.kept} in " if narrow else f"sound of decisions is kept: {state.kept} in "
    line = Text(quits, style="dim")
    line.append(told, style="not dim bold yellow")
    folder = Text(_plain(state.keeps))
    room = width - line.cell_len
    if folder.cell_len > room:
        folder = Text("...") + folder[-max(room - 3, 1) :]
    return line.append_text(folder)


def _title(state: State, narrow: bool) -> Text:
    title = Text("vivavoce live  " if not narrow else "live  ", style="bold")
    title.append(f"{state.heard_s:.1f} s  ", style="not bold")
    title.append(_plain(state.source), style="not bold")
    if state.queue_s >= 0.1:
        title.append(f"  {state.queue_s:.1f} s behind", style="not bold yellow")
    return title


def _level(state: State, width: int, label: int, glyphs: Glyphs) -> Text:
    size = max(width - label - 12, 4)
    fill = _share(state.level_dbfs, FLOOR_DBFS, 0.0)
    bar = _bar(fill, size, glyphs, mark=_share(state.peak_dbfs, FLOOR_DBFS, 0.0))
    style = "red" if state.level_dbfs > -3 else "green"
    return Text.assemble(f"{'level':<{label}}", (bar, style), f" {state.level_dbfs:4.0f} dB   ")


def _words(state: State, width: int, label: int, glyphs: Glyphs) -> list[Text]:
    lines = []
    size = max(width - label - 12, 4)
    for word, above, score, best in zip(state.words, state.marks, state.scores, state.best_scores, strict=True):
        listened = above <= 1.0
        bar = _bar(score, size, glyphs, mark=above if listened else None)
        style = "dim" if not listened else "bold cyan" if best > above else "cyan"
        name = _plain(word)
        name = name if len(name) < label else name[: label - 2] + "."
        lines.append(Text.assemble(f"{name:<{label}}", (bar, style), f" {score:.2f} {best:.2f}"))
    return lines


def _needle(state: State, width: int, narrow: bool, glyphs: Glyphs) -> list[Text]:
    """Return the scale, the needle below it, and what it stands there by."""
    left, right = ("TV ", " you") if narrow else ("loudspeaker ", " person")
    size = max(width - len(left) - len(right), 8)
    scale = [glyphs.scale] * size
    for cutoff in (state.reject_cutoff, state.accept_cutoff):
        scale[_place(cutoff, size)] = glyphs.mark
    ruled = state.needle
    pointer, told, more = Text(), Text("judging" if state.waiting else "no judgement yet", style="dim"), Text()
    if ruled is not None:
        colour = _COLOURS[ruled.verdict]
        if not math.isnan(ruled.probability):
            pointer = Text(" " * (len(left) + _place(ruled.probability, size)) + glyphs.needle, style=colour)
        told = Text(_VERDICTS[ruled.verdict], style=colour)
        told.append("  " + _reasons(ruled, width - told.cell_len - 2), style="not bold default")
        more = Text(_evidence(ruled, width, narrow))
    lines = [Text.assemble((left, "red"), "".join(scale), (right, "green")), pointer, told, more]
    if state.reference is not None:
        lines.append(decay_in_words(ruled.placement if ruled is not None else None, width, glyphs))
    return lines


def _reasons(ruled: Ruled, room: int) -> str:
    """Return why, in words where there is room for them."""
    told = "; ".join(REASONS.get(reason, reason) for reason in ruled.reasons)
    return told if len(told) <= room else ", ".join(ruled.reasons)


def _evidence(ruled: Ruled, width: int, narrow: bool) -> str:
    """Return figures of a judgement, as many as there is room for."""
    parts = ["not judged" if math.isnan(ruled.probability) else f"live {ruled.probability:.2f}"]
    quality = ruled.quality
    if quality is not None:
        parts.append(f"SNR {quality.snr_db:.0f} dB")
        if not narrow:
            parts.append(f"level {quality.level_dbfs:.0f} dB")
            parts.append(f"speech {quality.speech_s:.1f} s")
            parts.append(f"{quality.bandwidth_hz / 1000:.1f} kHz")
    if not math.isnan(ruled.judging_s):
        parts.append(f"{1e3 * ruled.judging_s:.0f} ms" if narrow else f"took {1e3 * ruled.judging_s:.0f} ms")
    while len(parts) > 1 and len("  ".join(parts)) > width:
        parts.pop()
    return "  ".join(parts)


def _decision(ruled: Ruled, width: int, narrow: bool) -> Text:
    line = Text(f"{ruled.at_sample / SAMPLE_RATE_HZ:7.1f} s  ")
    line.append(f"{_VERDICTS[ruled.verdict]:<6}", style=_COLOURS[ruled.verdict])
    line.append(f"  {_plain(ruled.word)}" if ruled.word else "")
    if narrow:
        line.append(f"  {', '.join(ruled.reasons)}" if ruled.reasons else "")
        return line
    if not math.isnan(ruled.wake_score):
        line.append(f" {ruled.wake_score:.2f}")
    if not math.isnan(ruled.probability):
        line.append(f"  live {ruled.probability:.2f}")
    if not math.isnan(ruled.delay_s):
        line.append(f"  after {ruled.delay_s:.2f} s")
    if ruled.reasons:
        line.append("  " + _reasons(ruled, width - line.cell_len - 2))
    return line


def _invitation(state: State, width: int, narrow: bool) -> str:
    if state.mode == "liveness":
        return "  say something" + ("" if narrow else ", or play it from a phone")
    then = "" if narrow or state.mode == "wake" else "; then play it from a phone"
    words = ", ".join(word for word, cutoff in zip(state.words, state.cutoffs, strict=True) if cutoff <= 1.0)
    told = Text(f"  say: {_plain(words)}{then}")
    return told.plain if told.cell_len <= width else f"  say one of these words{then}"


def _spectrogram(state: State, width: int, rows: int, glyphs: Glyphs) -> list[Text]:
    """Return rows, high frequencies first; the newest column is at the right."""
    columns = list(state.columns)[-width:]
    picture = np.zeros((rows, width), np.float32)
    # Every row shows the strongest of its channels.
    edges = np.linspace(0, state.channels, rows + 1).round().astype(int)
    if columns:
        values = np.asarray(columns).T
        for row in range(rows):
            picture[row, width - len(columns) :] = values[edges[row] : max(edges[row + 1], edges[row] + 1)].max(axis=0)
    shades = np.minimum((picture * len(glyphs.shades)).astype(int), len(glyphs.shades) - 1)
    marks = dict(enumerate(zip(glyphs.shades, _HEAT, strict=True)))
    return [painted(row.tolist(), marks) for row in shades[::-1]]


def _bar(value: float, size: int, glyphs: Glyphs, *, mark: float | None) -> str:
    filled = round(min(max(value, 0.0), 1.0) * size)
    cells = [glyphs.full] * filled + [glyphs.empty] * (size - filled)
    if mark is not None:
        cells[_place(mark, size)] = glyphs.mark
    return "".join(cells)


def _place(value: float, size: int) -> int:
    return min(max(round(value * (size - 1)), 0), size - 1)


def _share(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _plain(text: str) -> str:
    """Return text that moves no cursor: names of files and devices are anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
