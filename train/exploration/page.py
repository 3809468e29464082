"""The report: one HTML page that needs nothing but itself.

Whatever comes from a manifest or a message goes through :func:`html.escape`; the frame of the page is
:mod:`train.exploration.parts`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from edge.manifest_file import NOT_ONE_TALKER, ROLES, SPLITS
from edge.quality import FLAGS
from edge.void import VoidSettings
from train.clip import Clip
from train.exploration.listening import EXCERPT_S, excerpt
from train.exploration.measure import LONGEST_S, SPOKEN_ROLES
from train.exploration.parts import document, section, table
from train.exploration.summary import (
    MEASURES,
    ZEROS_S,
    Fact,
    Recording,
    by_loudspeaker,
    groups_of,
    headlines,
    outliers,
    tally,
    typical,
    values,
)
from train.exploration.summary import duration as as_duration
from train.exploration.svg import SERIES_COLOURS, Series, histogram, lines
from train.fault import first_of_each_kind
from train.folder_check import Checked

__all__ = ["page"]

_OUTLIERS = 20
_TYPICAL = 10
"""With the unusual clips, at most 30 excerpts."""
_FAULTS = 20
"""Of a kind."""
_THINGS = 12
"""Devices, rooms or loudspeakers of a corpus that are named."""


def page(recordings: Sequence[Recording], checked: Checked, *, folder: str, audio: bool) -> str:
    """Write the report.

    Parameters
    ----------
    recordings : sequence of Recording
        At least one.
    checked : Checked
        What is wrong with the folder.
    folder : str
        As it was named.
    audio : bool
        Whether the page holds excerpts of recordings.

    Returns
    -------
    str
        The same for the same input: there is no date in it.
    """
    clips = [clip for clip, _ in recordings]
    title = f"Recordings in {escape(folder)}"
    # No excerpts for the page that may be passed on: only what is measured.
    notice = (
        '<p class="warn"><strong>This page holds recordings of people.</strong> Do not commit or pass it on; '
        "<code>--no-audio</code> makes one without.</p>"
        if audio
        else '<p class="soft">Without recordings (<code>--no-audio</code>). File names and ids of talkers are as in '
        "the manifest.</p>"
    )
    sections = [
        f"<section><h2>In short</h2>{_facts(headlines(recordings, checked))}</section>",
        _faults(checked),
        _sizes(clips),
        _words(clips),
        _things(clips),
        _distributions(recordings),
        _flags(recordings),
        _spectra(recordings),
        _loudspeakers(recordings),
        _unusual(recordings, audio=audio),
        _usual(recordings) if audio else "",
    ]
    return document(title, f"<h1>{title}</h1>{notice}{''.join(sections)}")


def _facts(facts: Iterable[Fact]) -> str:
    lines_ = "".join(f"<dt>{escape(fact.about)}</dt><dd>{escape(fact.text)}</dd>" for fact in facts)
    return f'<dl class="facts">{lines_}</dl>'


def _faults(checked: Checked) -> str:
    if not checked.faults:
        return section("faults", "Faults", "None, as <code>vivavoce train check</code> looks for them.", "")
    counts = ", ".join(
        f"{number} {escape(kind)}" for kind, number in Counter(fault.kind for fault in checked.faults).items()
    )
    told = first_of_each_kind(checked.faults, _FAULTS, more="vivavoce train check --show 0 lists them all")
    items = "".join(f"<li><strong>{escape(fault.kind)}</strong>: {escape(fault.message)}</li>" for fault in told)
    return section("faults", "Faults", f'<span class="bad">{counts}</span>', f'<ul class="faults">{items}</ul>')


def _sizes(clips: Sequence[Clip]) -> str:
    groups: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((clip.role, clip.corpus), []).append(clip)
    columns = (*SPLITS, "all")
    head = (
        '<tr><th rowspan="2">role</th><th rowspan="2">corpus</th>'
        + "".join(f'<th colspan="3" class="split">{name}</th>' for name in columns)
        + '<th rowspan="2">licence</th></tr><tr>'
        + '<th class="n split">clips</th><th class="n">time</th><th class="n">talkers</th>' * len(columns)
        + "</tr>"
    )

    def cells(some: Sequence[Clip]) -> str:
        text = ""
        for column in columns:
            of = tally(clip for clip in some if column in ("all", clip.split))
            for entry in (f"{of.clips:,}" if of.clips else "", as_duration(of.seconds) if of.clips else "",
                          str(of.talkers) if of.talkers else ""):  # fmt: skip
                text += f'<td class="n">{entry}</td>'
        return text

    rows = [
        f"<tr><th>{escape(role)}</th><th>{escape(corpus)}</th>{cells(some)}<td>{escape(_licences(some))}</td></tr>"
        for (role, corpus), some in sorted(groups.items(), key=lambda item: (ROLES.index(item[0][0]), item[0][1]))
    ]
    rows.append(f'<tr class="total"><th>all</th><th></th>{cells(clips)}<td></td></tr>')
    low = sum(clip.native_hz < 16_000 for clip in clips)
    note = (
        "As the manifest has it. Talkers are ids within a corpus; clips without one "
        f"({', '.join(sorted(repr(name) for name in NOT_ONE_TALKER))}) count as clips only. "
        f"{low:,} of {len(clips):,} clips were recorded below 16 kHz (<code>native_hz</code>)."
    )
    return section("sizes", "How much there is", note, table(head, rows))


def _licences(clips: Iterable[Clip]) -> str:
    """Name each licence once: a clip that is mixed from several recordings has several, joined by AND."""
    return ", ".join(sorted({licence for clip in clips for licence in clip.licence.split(" AND ")}))


def _words(clips: Sequence[Clip]) -> str:
    wake = [clip for clip in clips if clip.role == "wake"]
    if not wake:
        return ""
    head = (
        "<tr><th>word</th>"
        + "".join(f'<th class="n">{split}, clips</th><th class="n">talkers</th>' for split in SPLITS)
        + "</tr>"
    )
    rows = []
    for word in sorted({clip.label for clip in wake}):
        cells = ""
        for split in SPLITS:
            of = tally(clip for clip in wake if (clip.label, clip.split) == (word, split))
            cells += f'<td class="n">{of.clips:,}</td><td class="n">{of.talkers}</td>'
        rows.append(f"<tr><th>{escape(word)}</th>{cells}</tr>")
    others = len({clip.label for clip in clips if clip.role == "speech" and clip.label})
    note = f"Labels of the role wake. Clips of the role speech have {others} labels."
    return section("words", "Words", note, table(head, rows))


def _things(clips: Sequence[Clip]) -> str:
    rows = []
    for column in ("source", "device", "room", "loudspeaker"):
        by_corpus: dict[str, Counter[str]] = {}
        for clip in clips:
            if getattr(clip, column):
                by_corpus.setdefault(clip.corpus, Counter())[getattr(clip, column)] += 1
        for corpus, counts in sorted(by_corpus.items()):
            named = ", ".join(f"{escape(name)} ({number:,})" for name, number in counts.most_common(_THINGS))
            more = f", and {len(counts) - _THINGS} more" if len(counts) > _THINGS else ""
            rows.append(
                f'<tr><th>{column}</th><td>{escape(corpus)}</td><td class="n">{len(counts)}</td>'
                f"<td>{named}{more}</td></tr>"
            )
    if not rows:
        note = "The manifest names no source (live or replay), device, room or loudspeaker of any clip."
        return section("things", "Source, devices, rooms, loudspeakers", note, "")
    head = '<tr><th>column</th><th>corpus</th><th class="n">different</th><th>with clips</th></tr>'
    note = "Where the manifest names them; the most frequent ones."
    return section("things", "Source, devices, rooms, loudspeakers", note, table(head, rows))


def _distributions(recordings: Sequence[Recording]) -> str:
    ranges = []
    for measure in MEASURES:
        found = values((r for r in recordings if not measure.spoken or r[0].role in SPOKEN_ROLES), measure)
        # The largest few would leave no room for the others; they go into the last bar.
        bottom, top = (float(edge) for edge in np.percentile(found, (0.5, 99))) if found.size else (0.0, 1.0)
        if measure.unit in ("s", "kHz"):
            bottom = 0.0
        if measure.title == "duration":
            spoken = values((r for r in recordings if r[0].role in SPOKEN_ROLES), measure)
            top = float(np.percentile(spoken, 99)) if spoken.size else top
        ranges.append((bottom, max(top, bottom + measure.least)))
    head = "<tr><th>role, corpus</th>" + "".join(
        f"<th>{measure.title}<br>{measure.span(bottom, top)}</th>"
        for measure, (bottom, top) in zip(MEASURES, ranges, strict=True)
    )
    rows = []
    for (corpus, role), some in groups_of(recordings).items():
        cells = ""
        for measure, (bottom, top) in zip(MEASURES, ranges, strict=True):
            found = values(some, measure)
            if not found.size or (measure.spoken and role not in SPOKEN_ROLES):
                cells += "<td></td>"
                continue
            low, middle, high = np.percentile(found, (10, 50, 90))
            title = (
                f"{corpus} ({role}), {measure.title}: 10 % below {measure.text(low)}, 90 % below {measure.text(high)}"
            )
            text = measure.text(middle)
            if measure.title == "digital silence":  # few clips have any: the median would say nothing
                text = f"in {int((found >= ZEROS_S).sum())} clips"
            cells += f"<td>{histogram(found, bottom, top, title)}{text}</td>"
        rows.append(f"<tr><th>{escape(role)}<br>{escape(corpus)}</th>{cells}</tr>")
    note = (
        f"Of the first {LONGEST_S:.0f} s of each clip, hence of long streams, noise and music only of their beginning; "
        "duration is that of the file. A column has one axis, the ends of which collect what lies beyond; the mark and "
        "the number are the median. Level: loudest 50 ms. SNR: 95th less 10th percentile of the levels. "
        "f70: 70 % of the power of the loudest second lies below it. "
        "Above 6 kHz: power of the speech, re all of it. Digital silence: frames of zeros, at any "
        f"place; the number is how many clips hold {1000 * ZEROS_S:.0f} ms of them or more."
    )
    return section("distributions", "Distributions", note, table(head + "</tr>", rows))


def _flags(recordings: Sequence[Recording]) -> str:
    head = (
        '<tr><th>role</th><th>corpus</th><th class="n">clips</th>'
        + "".join(f'<th class="n" title="{escape(text)}">{flag}</th>' for flag, text in FLAGS.items())
        + '<th class="n">zeros before</th><th class="n">zeros after</th></tr>'
    )
    rows = []
    for (corpus, role), some in groups_of(recordings).items():
        sound = [measured for _, measured in some if not measured.content.error]
        if role not in SPOKEN_ROLES or not sound:
            continue
        counts = [sum(flag in measured.flags for measured in sound) for flag in FLAGS]
        counts.append(sum(measured.zeros_before_s >= 0.01 for measured in sound))
        counts.append(sum(measured.zeros_after_s >= 0.01 for measured in sound))
        cells = "".join(
            f'<td class="n">{f"{number} ({100 * number / len(sound):.1f} %)" if number else "0"}</td>'
            for number in counts
        )
        rows.append(
            f'<tr><th>{escape(role)}</th><th>{escape(corpus)}</th><td class="n">{len(sound):,}</td>{cells}</tr>'
        )
    if not rows:
        return ""
    note = (
        "What the program itself says of such audio (<code>edge.quality</code>), and clips that begin or end with at "
        "least 10 ms of zeros."
    )
    return section("flags", "Quality of the utterances", note, table(head, rows))


def _shares(some: Iterable[Recording]) -> npt.NDArray[np.float64]:
    return np.array([measured.shares for _, measured in some if measured.shares], np.float64)


def _spectra(recordings: Sequence[Recording]) -> str:
    spoken = [recording for recording in recordings if recording[0].role in SPOKEN_ROLES and recording[1].shares]
    if not spoken:
        return ""
    largest = sorted(groups_of(spoken).items(), key=lambda item: -len(item[1]))[:SERIES_COLOURS]
    width_khz = VoidSettings().segment_hz / 1000
    edges = np.arange(_shares(spoken).shape[1] + 1) * width_khz
    khz = range(9)
    mean = lines(
        edges[:-1] + width_khz / 2,
        [
            Series(f"{corpus} ({role})", 10 * np.log10(_shares(some).mean(axis=0) + 1e-9))
            for (corpus, role), some in largest
        ],
        (-60.0, -5.0),
        x_ticks=khz[:-1], y_ticks=(-60, -50, -40, -30, -20, -10), x_title="frequency, kHz",
        y_title="share of the power, dB",
    )  # fmt: skip
    names = {"live": "live", "replay": "replay", "": "source not stated"}
    by_source = {
        name: [recording for recording in spoken if recording[0].source == source] for source, name in names.items()
    }
    present = {name: some for name, some in by_source.items() if some}
    curves = []
    for name, some in present.items():
        left = 100 * (1 - np.cumsum(_shares(some), axis=1))
        left = np.concatenate((np.full((len(left), 1), 100.0), left), axis=1)
        low, middle, high = np.percentile(left, (10, 50, 90), axis=0)
        curves.append(Series(f"{name} ({len(some):,})", middle, low, high))
    decay = lines(
        edges, curves, (0.0, 100.0), x_ticks=khz[:-1], y_ticks=(0, 25, 50, 75, 100), x_title="frequency, kHz",
        y_title="power above it, %",
    )  # fmt: skip
    both = "live" in present and "replay" in present
    caption = (
        "Live and replayed utterances: a loudspeaker without bass loses its power later."
        if both
        else f"Utterances: {' and '.join(present)}. Without both live ones and replays there is nothing to compare."
    )
    body = (
        f'<div class="two"><div><h3>Mean spectrum</h3>{mean}</div><div><h3>Cumulative power decay</h3>{decay}'
        f'<p class="soft">{caption}</p></div></div>'
    )
    note = (
        f"Of the speech in each utterance, in bands of {1000 * width_khz:.0f} Hz, each clip with the same weight; "
        f"the {len(largest)} largest groups. Decay: the power above a frequency, median and the middle 80 %."
    )
    return section("spectra", "Spectra", note, body)


def _loudspeakers(recordings: Sequence[Recording]) -> str:
    spoken = [recording for recording in recordings if recording[0].role in SPOKEN_ROLES and recording[1].shares]
    groups = by_loudspeaker(spoken)
    if not groups:
        return ""
    live = [recording for recording in spoken if recording[0].source == "live"]
    shown = {**({"live": live} if live else {}), **groups}
    width_khz = VoidSettings().segment_hz / 1000
    centres = (np.arange(_shares(spoken).shape[1]) + 0.5) * width_khz
    spectra = lines(
        centres,
        [
            Series(f"{name} ({len(some):,})", 10 * np.log10(_shares(some).mean(axis=0) + 1e-9))
            for name, some in list(shown.items())[:SERIES_COLOURS]
        ],
        (-60.0, -5.0),
        x_ticks=range(8), y_ticks=(-60, -50, -40, -30, -20, -10), x_title="frequency, kHz",
        y_title="share of the power, dB",
    )  # fmt: skip
    f70 = next(measure for measure in MEASURES if measure.title == "f70")
    top = max(float(np.percentile(values(spoken, f70), 99)), f70.least)
    rows = []
    for name, some in shown.items():
        found = values(some, f70)
        low, middle, high = np.percentile(found, (10, 50, 90))
        rows.append(
            f'<tr><th>{escape(name)}</th><td class="n">{len(some):,}</td><td>{histogram(found, 0.0, top, name)}</td>'
            f'<td class="n">{f70.text(middle)}</td><td class="n">{f70.text(low)} to {f70.text(high)}</td></tr>'
        )
    head = (
        f'<tr><th>loudspeaker</th><th class="n">clips</th><th>f70, {f70.span(0.0, top)}</th><th class="n">median</th>'
        '<th class="n">middle 80 %</th></tr>'
    )
    note = (
        "Replays by the kind of loudspeaker: what stands before a slash in the manifest's column, as in "
        "<code>phone/mine</code>, or else all of it. f70: 70 % of the power of the loudest second lies below it."
    )
    body = (
        f'<div class="two"><div><h3>Mean spectrum</h3>{spectra}</div><div><h3>f70</h3>{table(head, rows)}</div></div>'
    )
    return section("loudspeakers", "Loudspeakers", note, body)


def _player(clip: Clip) -> str:
    source = excerpt(clip)
    return f'<audio controls preload="none" src="{source}"></audio>' if source else ""


def _clip_rows(entries: Iterable[tuple[Recording, str]], *, audio: bool) -> Iterable[str]:
    for (clip, _), text in entries:
        heard = f"<td>{_player(clip)}</td>" if audio else ""
        yield (
            f'<tr><td class="path">{escape(clip.path)}</td><td>{escape(clip.corpus)}, {escape(clip.role)}, '
            f'{escape(clip.split)}</td><td>{escape(clip.label)}</td><td class="why">{escape(text)}</td>{heard}</tr>'
        )


def _unusual(recordings: Sequence[Recording], *, audio: bool) -> str:
    found = outliers(recordings, _OUTLIERS)
    if not found:
        return section("unusual", "Unusual clips", "None is far from the others of its corpus and role.", "")
    head = "<tr><th>clip</th><th>where</th><th>label</th><th>why</th>"
    head += f"<th>loudest {EXCERPT_S:.0f} s</th></tr>" if audio else "</tr>"
    note = (
        f"The {len(found)} that are farthest from the median of their corpus and role, in robust standard deviations; "
        "at most four for one reason. Unusual is not wrong."
    )
    entries = [(one.recording, f"{one.reason} ({one.distance:.0f}\N{NO-BREAK SPACE}sd)") for one in found]
    rows = _clip_rows(entries, audio=audio)
    return section("unusual", "Unusual clips", note, table(head, rows))


def _usual(recordings: Sequence[Recording]) -> str:
    head = f"<tr><th>clip</th><th>where</th><th>label</th><th>why</th><th>loudest {EXCERPT_S:.0f} s</th></tr>"
    rows = _clip_rows(((one, "nearest to the medians") for one in typical(recordings)[:_TYPICAL]), audio=True)
    note = "Of each corpus and role the clip that is nearest to all medians, to hear what the data sound like."
    return section("usual", "Usual clips", note, table(head, rows))
