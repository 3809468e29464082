"""What stands out in the measurements: groups, medians, unusual clips, and the lines at the top of the report."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.manifest_file import NOT_ONE_TALKER, ROLES, SPLITS
from edge.quality import FLAGS
from edge.void import VoidSettings
from train.clip import Clip
from train.exploration.measure import SPOKEN_ROLES, Measured
from train.folder_check import Checked
from train.manifest import KIND_PREFIX

__all__ = [
    "MEASURES",
    "ZEROS_S",
    "Fact",
    "Measure",
    "Outlier",
    "Recording",
    "Tally",
    "by_loudspeaker",
    "duration",
    "groups_of",
    "headlines",
    "outliers",
    "tally",
    "typical",
    "values",
]

ZEROS_S = 0.05
"""This much digital silence in a clip is no rounding of a quiet room, s."""
_ENOUGH = 8
"""Fewer clips than this have no usual value that another could be far from."""
_UNUSUAL = 4.0
"""Robust standard deviations from the median from which on a clip is called unusual."""
_A_REASON = 4
"""Unusual clips that are listed for one measure, so that one cause does not fill the list."""
_OF_SOUND = ("level", "SNR", "bandwidth", "f70", "above 6 kHz")
"""Measures by which corpora are compared: lengths say how recordings were cut."""
_LEAST_SHARE = 1e-8

Recording = tuple[Clip, Measured]
Group = tuple[str, str]
"""Corpus and role."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is measured of every clip.

    Attributes
    ----------
    title, unit : str
        For people.
    of : callable
        Returns the value, in `unit`.
    least : float
        Smallest spread that counts, in `unit`, or as a share where the scale is logarithmic: where all clips of a
        corpus are alike, a small difference is not unusual yet.
    logarithmic : bool
        Whether ratios count, and not differences.
    spoken : bool
        Whether it says something of utterances only.
    """

    title: str
    unit: str
    of: Callable[[Measured], float]
    least: float
    logarithmic: bool = False
    spoken: bool = False

    def scaled(self, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return values on the scale on which differences count."""
        plain = np.asarray(value, np.float64)
        return np.log(np.maximum(plain, 1e-3)) if self.logarithmic else plain

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        digits = 0 if self.unit.startswith("dB") else 2
        return f"{value:.{digits}f} {self.unit}".replace("-", "\N{MINUS SIGN}")

    def span(self, bottom: float, top: float) -> str:
        """Return a range with its unit, as short as it can be read."""
        digits = 0 if self.unit.startswith("dB") else 1
        low, high = (f"{round(value, digits):g}".replace("-", "\N{MINUS SIGN}") for value in (bottom, top))
        return f"{low} to {high} {self.unit}"


def _above_db(shares: Sequence[float], hz: float) -> float:
    """Return the power from a frequency on, dB re all of it; digital silence has the least that is told."""
    return 10.0 * float(np.log10(max(sum(shares[round(hz / VoidSettings().segment_hz) :]), _LEAST_SHARE)))


MEASURES = (
    Measure("duration", "s", lambda m: m.content.seconds, 0.15, logarithmic=True),
    Measure("level", "dBFS", lambda m: m.level_dbfs, 3.0),
    Measure("SNR", "dB", lambda m: m.snr_db, 4.0, spoken=True),
    Measure("bandwidth", "kHz", lambda m: m.bandwidth_hz / 1000, 0.5),
    Measure("f70", "kHz", lambda m: m.f70_hz / 1000, 0.3, logarithmic=True),
    Measure("above 6 kHz", "dB", lambda m: _above_db(m.shares, 6_000.0), 4.0, spoken=True),
    Measure("before speech", "s", lambda m: m.before_s, 0.1, spoken=True),
    Measure("after speech", "s", lambda m: m.after_s, 0.1, spoken=True),
    Measure("digital silence", "s", lambda m: m.zeros_s, 0.1),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """How much there is."""

    clips: int
    seconds: float
    talkers: int
    """Speakers with an id."""


@dataclass(frozen=True, slots=True)
class Outlier:
    """A clip that is unlike the others of its corpus and role."""

    recording: Recording
    reason: str
    distance: float
    """Robust standard deviations from the median."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A line at the top of the report: what it is about, and what was found."""

    about: str
    text: str


def tally(clips: Iterable[Clip]) -> Tally:
    """Count clips, seconds as the manifest has them, and talkers."""
    some = list(clips)
    talkers = {clip.talker for clip in some if clip.speaker not in NOT_ONE_TALKER}
    return Tally(len(some), sum(clip.seconds for clip in some), len(talkers))


def duration(seconds: float) -> str:
    """Return a length as people read it."""
    if seconds >= 360:
        return f"{seconds / 3600:.2f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"


def groups_of(recordings: Iterable[Recording]) -> dict[Group, list[Recording]]:
    """Sort recordings by corpus and role; roles in the order of the manifest's list of them."""
    groups: dict[Group, list[Recording]] = {}
    for recording in recordings:
        groups.setdefault((recording[0].corpus, recording[0].role), []).append(recording)
    return dict(sorted(groups.items(), key=lambda item: (ROLES.index(item[0][1]), item[0][0])))


def by_loudspeaker(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Sort replays by the kind of loudspeaker, the largest group first.

    What stands before a slash in the manifest's column is the kind; without a slash, all of it.
    """
    groups: dict[str, list[Recording]] = {}
    for recording in recordings:
        loudspeaker = recording[0].loudspeaker
        if loudspeaker:
            groups.setdefault(loudspeaker.split("/")[0].removeprefix(KIND_PREFIX), []).append(recording)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def values(recordings: Iterable[Recording], measure: Measure) -> npt.NDArray[np.float64]:
    """Return a measure of all recordings that have a sound file, ``(n,)``."""
    return np.array([measure.of(measured) for _, measured in recordings if not measured.content.error], np.float64)


def _usual(found: npt.NDArray[np.float64], measure: Measure) -> tuple[float, float]:
    """Return median and robust standard deviation, on the measure's scale."""
    scaled = measure.scaled(found)
    median = float(np.median(scaled))
    return median, max(1.4826 * float(np.median(np.abs(scaled - median))), measure.least)


def _applies(measure: Measure, role: str) -> bool:
    return role in SPOKEN_ROLES or not measure.spoken


def outliers(recordings: Sequence[Recording], limit: int) -> list[Outlier]:
    """Find the clips that are least like the others of their corpus and role, the most unusual first.

    Parameters
    ----------
    recordings : sequence of Recording
    limit : int
        How many at most.
    """
    best: dict[str, tuple[Outlier, str]] = {}
    for group, some in groups_of(recordings).items():
        sound = [recording for recording in some if not recording[1].content.error]
        if len(sound) < _ENOUGH:
            continue
        for measure in MEASURES:
            if not _applies(measure, group[1]):
                continue
            found = values(sound, measure)
            median, spread = _usual(found, measure)
            distances = np.abs(measure.scaled(found) - median) / spread
            usual = measure.text(float(np.median(found)))
            for recording, value, distance in zip(sound, found, distances, strict=True):
                path = recording[0].path
                if distance >= _UNUSUAL and (path not in best or distance > best[path][0].distance):
                    reason = f"{measure.title} {measure.text(float(value))}, usual here {usual}"
                    best[path] = Outlier(recording, reason, float(distance)), measure.title
    told: Counter[str] = Counter()
    chosen: list[Outlier] = []
    for outlier, cause in sorted(best.values(), key=lambda item: (-item[0].distance, item[0].recording[0].path)):
        if told[cause] < _A_REASON and len(chosen) < limit:
            told[cause] += 1
            chosen.append(outlier)
    return chosen


def typical(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the recording of each corpus and role that is nearest to all of its medians."""
    found = []
    for group, some in groups_of(recordings).items():
        sound = [recording for recording in some if not recording[1].content.error]
        if not sound:
            continue
        distance = np.zeros(len(sound))
        for measure in MEASURES:
            if _applies(measure, group[1]):
                of_all = values(sound, measure)
                median, spread = _usual(of_all, measure)
                distance += np.abs(measure.scaled(of_all) - median) / spread
        found.append(sound[int(np.argmin(distance))])
    return found


def headlines(recordings: Sequence[Recording], checked: Checked) -> list[Fact]:
    """Return what stands out, in five lines."""
    return [
        _size(recordings),
        _words(recordings),
        _liveness(recordings),
        _faults(recordings, checked),
        _contrast(recordings),
    ]


def _size(recordings: Sequence[Recording]) -> Fact:
    clips = [clip for clip, _ in recordings]
    all_of_it = tally(clips)
    by_role = [(role, tally(clip for clip in clips if clip.role == role)) for role in ROLES]
    parts = ", ".join(f"{role} {duration(of.seconds)}" for role, of in by_role if of.clips)
    return Fact(
        "Size",
        f"{duration(all_of_it.seconds)} in {_count(all_of_it.clips, 'clip')} of "
        f"{_count(len({clip.corpus for clip in clips}), 'corpus', 'corpora')}, with "
        f"{_count(all_of_it.talkers, 'named talker')} and {_count(len({clip.licence for clip in clips}), 'licence')}: "
        f"{parts}.",
    )


def _words(recordings: Sequence[Recording]) -> Fact:
    wake = [clip for clip, _ in recordings if clip.role == "wake"]
    if not wake:
        return Fact("Words", "No clip has the role wake, so there is no word to learn.")
    words = sorted({clip.label for clip in wake})
    parts, fewest = [], []
    for split in SPLITS:
        of_split = [(tally(clip for clip in wake if (clip.label, clip.split) == (word, split)), word) for word in words]
        talkers = sorted((of.talkers, word) for of, word in of_split)
        low, high = talkers[0][0], talkers[-1][0]
        parts.append(f"{_count(low, 'talker') if low == high else f'{low} to {high} talkers'} in {split}")
        absent = [word for of, word in of_split if not of.clips]
        if absent:
            fewest.append(f"{split} lacks {', '.join(absent)}")
    unnamed = sum(clip.speaker in NOT_ONE_TALKER for clip in wake)
    told = f"{_count(len(words), 'word')}, each said by {', '.join(parts)}"
    if fewest:
        told += "; " + "; ".join(fewest)
    if unnamed:
        told += f"; {_count(unnamed, 'clip')} without a talker"
    return Fact("Words", told + ".")


def _liveness(recordings: Sequence[Recording]) -> Fact:
    spoken = [recording for recording in recordings if recording[0].role in SPOKEN_ROLES]
    by_source = {source: [r for r in spoken if r[0].source == source] for source in ("live", "replay", "")}
    live, replay, unsaid = (by_source[source] for source in ("live", "replay", ""))
    if live and replay:
        f70 = next(measure for measure in MEASURES if measure.title == "f70")
        middle = [values(some, f70) for some in (live, replay)]
        if all(found.size for found in middle):
            text = ", ".join(
                f"{name} {np.median(found):.2f} kHz" for name, found in zip(("live", "replay"), middle, strict=True)
            )
            loudspeakers = {(clip.corpus, clip.loudspeaker) for clip, _ in replay if clip.loudspeaker}
            return Fact(
                "Live or replay",
                f"{_count(len(live), 'live utterance')} and {_count(len(replay), 'replay')} of "
                f"{_count(len(loudspeakers), 'loudspeaker')}, {len(unsaid)} not stated. 70 % of the power lies below "
                f"(median): {text}.",
            )
    told = [f"{_count(len(some), 'utterance')} {name}" for name, some in (("live", live), ("replay", replay)) if some]
    told += [f"{_count(len(unsaid), 'utterance')} without a source"] if unsaid else []
    return Fact(
        "Live or replay",
        f"{', '.join(told) or 'No utterances'}: nothing here can be compared with "
        f"{'replays' if not replay else 'live speech'}.",
    )


def _faults(recordings: Sequence[Recording], checked: Checked) -> Fact:
    counts = Counter(fault.kind for fault in checked.faults)
    told = "Faults: " + ", ".join(f"{number} {kind}" for kind, number in counts.most_common()) if counts else "No fault"
    if checked.accepted:
        told += " (accepted: " + ", ".join(f"{number} {kind}" for kind, number in checked.accepted.items()) + ")"
    spoken = [measured for clip, measured in recordings if clip.role in SPOKEN_ROLES and not measured.content.error]
    if spoken:
        flags = Counter(flag for measured in spoken for flag in measured.flags)
        named = ", ".join(f"{flag} {_percent(flags[flag], len(spoken))}" for flag in FLAGS if flags[flag])
        told += f". Of {_count(len(spoken), 'utterance')} are flagged: {named or 'none'}"
        silent = [clip for clip, measured in recordings if measured.zeros_s >= ZEROS_S]
        if silent:
            corpus, number = Counter(clip.corpus for clip in silent).most_common(1)[0]
            told += f". {_count(len(silent), 'clip')} hold digital silence, {number} of them of {corpus}"
    return Fact("Faults and flags", told + ".")


def _contrast(recordings: Sequence[Recording]) -> Fact:
    """Tell which corpora sound least alike, best a wake word's and another's: a network may take that for the word."""
    spoken = {
        group: some
        for group, some in groups_of(r for r in recordings if not r[1].content.error).items()
        if group[1] in SPOKEN_ROLES and len(some) >= _ENOUGH
    }
    shared = {corpus for corpus, role in spoken if role == "wake"} & {c for c, role in spoken if role == "speech"}
    pairs = [
        (_distance(spoken[one], spoken[other], measure), one, other, measure)
        for one in spoken
        for other in spoken
        for measure in MEASURES
        if one < other and measure.title in _OF_SOUND
    ]
    # Two corpora of one role matter less than one that is wake words and one that is none.
    pairs = [pair for pair in pairs if pair[1][1] != pair[2][1]] or pairs
    if not pairs:
        return Fact("Corpora", "Too few utterances in more than one corpus to compare corpora.")
    _, one, other, measure = max(pairs, key=lambda pair: pair[0])
    medians = [measure.text(float(np.median(values(spoken[group], measure)))) for group in (one, other)]
    told = (
        f"Least alike: {measure.title}, median {medians[0]} in {one[0]} ({one[1]}) and {medians[1]} in {other[0]} "
        f"({other[1]})"
    )
    if {role for _, role in spoken} == set(SPOKEN_ROLES) and not shared:
        told += ". No corpus has both wake words and other speech, so a network may learn the corpus and not the word"
    return Fact("Corpora", told + ".")


def _distance(one: Sequence[Recording], other: Sequence[Recording], measure: Measure) -> float:
    (a, spread_a), (b, spread_b) = (_usual(values(some, measure), measure) for some in (one, other))
    return abs(a - b) / float(np.hypot(spread_a, spread_b))


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"
