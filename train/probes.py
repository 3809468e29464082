"""Shortcut probes: what could tell live from replayed without hearing the loudspeaker, and must not.

Each probe looks at one thing of a whole rendered clip: its silences, level, peak, duration, digital zeros, bandwidth,
or the corpus that it comes from. A classifier that can use any shape of difference is fitted on clips of train, and its
equal error rate on other clips must be that of chance; :mod:`train.leaks` shows that each would find something if there
were something.

What a probe looks at is drawn narrowly, because a loudspeaker *may* change much of a clip:

* **Silence** is what lies before the word, up to 0.1 s before it (a recording's own floor is heard for 80 ms before
  its word, and what plays the word plays that, too), and the last 0.1 s of the clip. Between the word and there the
  rooms decay: evidence of how many rooms there were and how the sound was radiated, and no silence.
* **Level** is the active level of the word and that of the whole clip; **peak** is the peak. Only together they hold
  the crest factor, which roll-off and limiter of a loudspeaker change: that is physics, and :data:`CREST` reports what
  it tells without being bound to chance.
* **Duration** is that of the clip, of the word as it is labelled, and of the word as the device's endpointer hears it,
  which rooms prolong.
* **Zeros** are counted in the silences, as shares and runs of zeros and of samples that repeat the one before; while
  a word sounds, how often a sample repeats tells how much bass there is.
* **Bandwidth** is where content ends, as the device itself finds it (:mod:`edge.quality`), in the clip and in the
  word. The lower edge, and all shape below the upper one, are what a loudspeaker is known by, and belong to no probe.
* **Silence and level** are looked at together, and with the level of the silences below the word, within the *strata*
  of clips that have a first room (a live talker who was recorded, or a replay of a recording) and of those that have
  none. What differs in one stratum only can hide among all clips: noise of a recorder in live clips that no recorder
  has heard, which all live clips together have as often as replays, left such a probe at an EER of 49 % over all clips,
  and brought it to 40 to 45 % there.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.stats

from edge.endpoint import speech_span
from edge.quality import assess
from edge.sample_time import SAMPLE_RATE_HZ
from train.metrics import Floats, checked_scores
from train.simulator.levels import gain_to_decibels, rms, speech_rms

__all__ = [
    "COMPARED",
    "CREST",
    "HEARD",
    "PROBES",
    "Probe",
    "WholeClip",
    "chance_band",
    "distances",
    "fit_probe",
    "measure_all",
    "whole_clips",
]

_GUARD = SAMPLE_RATE_HZ // 10
"""Between the silence before a word and the word: the 80 ms of its recording that are heard before it, and a fade."""
_LAST = SAMPLE_RATE_HZ // 10
_BANDS_HZ = (50, 500, 1500, 4000, 8000)
_BAND_NAMES = tuple(f"{low}-{high} Hz" for low, high in pairwise(_BANDS_HZ))


@dataclass(frozen=True, slots=True, eq=False)
class WholeClip:
    """A clip as it was rendered, without its label.

    Attributes
    ----------
    samples : (n,) int16
    start, stop : int
        Where the word lies, samples.
    corpus : str
        Where its recording comes from.
    compressed : bool
        Whether a limiter compressed what a loudspeaker played.
    first_room : str
        The room in which it was recorded before, or ``none``.
    """

    samples: npt.NDArray[np.int16]
    start: int
    stop: int
    corpus: str
    first_room: str = "none"
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe.

    Attributes
    ----------
    name : str
    measures : tuple of str
        What it measures of a clip, with units.
    measure : callable
        Takes a :class:`WholeClip`, returns as many numbers.
    stratum : callable, optional
        Takes a :class:`WholeClip`, tells whether it is looked at; all are by default.
    """

    name: str
    measures: tuple[str, ...]
    measure: Callable[[WholeClip], Sequence[float]]
    stratum: Callable[[WholeClip], bool] | None = None


def whole_clips(clips: dict[str, np.ndarray]) -> list[WholeClip]:
    """Return the clips that :func:`train.liveness_scenes.build_liveness_clips` made with ``keep="whole"``."""
    stops = np.cumsum(clips["size"])
    return [
        WholeClip(
            clips["samples"][stop - size : stop],
            int(start),
            int(end),
            str(corpus),
            str(first_room),
            str(limiter) == "True",
        )
        for stop, size, start, end, corpus, first_room, limiter in zip(
            stops,
            clips["size"],
            clips["speech_start"],
            clips["speech_stop"],
            clips["corpus"],
            clips["first_room"],
            clips["limiter"],
            strict=True,
        )
    ]


def _before(clip: WholeClip) -> npt.NDArray[np.int16]:
    return clip.samples[: max(_GUARD, clip.start - _GUARD)]


def _silences(clip: WholeClip) -> Iterator[npt.NDArray[np.int16]]:
    yield _before(clip)
    yield clip.samples[-_LAST:]


def _dbfs(samples: npt.NDArray[np.int16]) -> float:
    return gain_to_decibels(rms(samples / 32768.0))


def _band_levels(samples: npt.NDArray[np.int16]) -> Floats:
    """Return the level of each band, dB re full scale."""
    size = scipy.fft.next_fast_len(samples.size, real=True)
    spectrum = np.abs(scipy.fft.rfft(samples / 32768.0, size)) ** 2 * 2.0 / (size * max(1, samples.size))
    edges = np.searchsorted(scipy.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), _BANDS_HZ)
    powers = [spectrum[low:high].sum() for low, high in pairwise(edges)]
    levels: Floats = 10.0 * np.log10(np.maximum(powers, 1e-14))
    return levels


def _silence(clip: WholeClip) -> list[float]:
    before, last = _silences(clip)
    half = before.size // 2
    colour, end = _band_levels(before), _band_levels(last)
    return [
        _dbfs(before),
        *(colour - _dbfs(before)),
        *(_band_levels(before[half:]) - _band_levels(before[:half])),
        _dbfs(last),
        *(end - _dbfs(last)),
        *(end - colour),
    ]


def _active_dbfs(clip: WholeClip) -> float:
    return gain_to_decibels(speech_rms(clip.samples[clip.start : clip.stop] / 32768.0))


def _peak_dbfs(clip: WholeClip) -> float:
    return gain_to_decibels(float(np.abs(clip.samples.astype(np.int32)).max()) / 32768.0)


def _level(clip: WholeClip) -> list[float]:
    return [_active_dbfs(clip), _dbfs(clip.samples)]


def _duration(clip: WholeClip) -> list[float]:
    heard = speech_span(clip.samples)
    spans = (clip.samples.size, clip.stop - clip.start, heard.stop - heard.start, heard.stop - clip.stop)
    return [samples / SAMPLE_RATE_HZ for samples in spans]


def _longest_run(hits: npt.NDArray[np.bool_]) -> float:
    ends = np.flatnonzero(np.diff(np.concatenate(([False], hits, [False])).astype(np.int8)))
    return float((ends[1::2] - ends[::2]).max(initial=0))


def _zeros(clip: WholeClip) -> list[float]:
    zero = [part == 0 for part in _silences(clip)]
    same = [np.diff(part) == 0 for part in _silences(clip)]
    return [
        float(np.concatenate(zero).mean()),
        max(_longest_run(hits) for hits in zero),
        float(np.concatenate(same).mean()),
        max(_longest_run(hits) for hits in same),
    ]


def _bandwidth(clip: WholeClip) -> list[float]:
    return [assess(clip.samples).bandwidth_hz, assess(clip.samples[clip.start : clip.stop]).bandwidth_hz]


def _corpus(clip: WholeClip) -> list[float]:
    # A number for each name, the same in every set; in what order does not matter to a tree.
    return [float(int.from_bytes(hashlib.sha256(clip.corpus.encode()).digest()[:4]))]


def _silence_and_level(clip: WholeClip) -> list[float]:
    before, last = (_dbfs(part) for part in _silences(clip))
    active = _active_dbfs(clip)
    return [*_silence(clip), *_level(clip), before - active, last - active]


_SILENCE = (
    "level before the word, dBFS",
    *(f"{band} before, dB re the level" for band in _BAND_NAMES),
    *(f"{band}, second half before less first half, dB" for band in _BAND_NAMES),
    "level of the last 0.1 s, dBFS",
    *(f"{band} of the last 0.1 s, dB re its level" for band in _BAND_NAMES),
    *(f"{band}, last 0.1 s less before, dB" for band in _BAND_NAMES),
)
_LEVEL = ("active level of the word, dBFS", "level of the clip, dBFS")
_SILENCE_AND_LEVEL = (
    *_SILENCE,
    *_LEVEL,
    "level before the word, dB re the word",
    "level of the last 0.1 s, dB re the word",
)

PROBES = (
    Probe(
        "silence",
        _SILENCE,
        _silence,
    ),
    Probe("level", _LEVEL, _level),
    Probe("peak", ("peak, dBFS",), lambda clip: [_peak_dbfs(clip)]),
    Probe(
        "duration",
        (
            "clip, s",
            "word as labelled, s",
            "word as the device's endpointer hears it, s",
            "end of the word as heard less as labelled, s",
        ),
        _duration,
    ),
    Probe(
        "zeros",
        ("share of zeros", "longest run of zeros, samples", "share of repeated samples", "longest such run, samples"),
        _zeros,
    ),
    Probe("bandwidth", ("upper edge of the clip, Hz", "upper edge of the word, Hz"), _bandwidth),
    Probe("corpus", ("corpus",), _corpus),
    Probe(
        "silence and level, first room",
        _SILENCE_AND_LEVEL,
        _silence_and_level,
        lambda clip: clip.first_room != "none",
    ),
    Probe(
        "silence and level, no first room",
        _SILENCE_AND_LEVEL,
        _silence_and_level,
        lambda clip: clip.first_room == "none",
    ),
)
"""What must sit at chance."""

CREST = Probe(
    "crest",
    (*_LEVEL, "peak, dBFS"),
    lambda clip: [*_level(clip), _peak_dbfs(clip)],
)
"""Level and peak together: reported, and not bound to chance."""

COMPARED = {
    "level": _LEVEL,
    "duration": (
        "clip, s",
        "word as the device's endpointer hears it, s",
        "end of the word as heard less as labelled, s",
    ),
    "silence": ("level before the word, dBFS", "level of the last 0.1 s, dBFS"),
}
"""Measures of probes whose distributions must be alike in both classes."""

HEARD = COMPARED["duration"][1:]
"""Of these, what an energy endpointer hears. A limiter raises the soft end of a word, and so prolongs it: that is what
a loudspeaker does, so replays that one compressed are left out of the comparison."""


def measure_all(probe: Probe, clips: Sequence[WholeClip]) -> Floats:
    """Return what a probe measures of clips, ``(clips, measures) float64``."""
    return np.array([probe.measure(clip) for clip in clips], np.float64).reshape(len(clips), len(probe.measures))


def fit_probe(
    measured: Floats, live: npt.NDArray[np.bool_], *, seed: int
) -> Callable[[Floats], npt.NDArray[np.float64]]:
    """Fit a classifier on what a probe measured; it returns scores that are higher for live.

    Gradient-boosted trees, because a shortcut need not be a threshold: "between 1.9 and 2.0 s" is one as well. They
    stop growing when a tenth of the clips that is held back gains nothing, so that what is not there is not learnt by
    heart.

    Parameters
    ----------
    measured : (n, k) float64
    live : (n,) bool
    seed : int

    Raises
    ------
    DataError
        If a class is empty, or a measure is not a finite number.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    for column in measured.T:
        checked_scores(column[live], column[~live])
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=200, max_leaf_nodes=15, early_stopping=True, random_state=seed
    )
    trees.fit(measured, live)

    def score(of: Floats) -> npt.NDArray[np.float64]:
        return np.asarray(trees.decision_function(of), np.float64)

    return score


def distances(
    probe: Probe,
    measured: Floats,
    live: npt.NDArray[np.bool_],
    compressed: npt.NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Return how far both classes are apart in each measure: the two-sample statistic of Kolmogorov and Smirnov.

    Parameters
    ----------
    probe : Probe
    measured : (clips, measures) float64
    live : (clips,) bool
    compressed : (clips,) bool, optional
        Clips that are left out where a measure is one of :data:`HEARD`.
    """
    replay = ~live
    plain = replay if compressed is None or (replay & ~compressed).sum() == 0 else replay & ~compressed
    return {
        name: float(
            scipy.stats.ks_2samp(column[live], column[plain if name in HEARD else replay], method="asymp").statistic
        )
        for name, column in zip(probe.measures, measured.T, strict=True)
    }


def chance_band(n_live: int, n_replay: int, level: float = 0.95) -> tuple[float, float]:
    """Return between which equal error rates scores lie that know nothing of the class.

    At the crossing both rates are near 1/2, and their mean varies as the mean of two shares of independent clips.
    """
    spread = 0.25 * np.sqrt(1.0 / n_live + 1.0 / n_replay)
    reach = float(scipy.stats.norm.ppf((1 + level) / 2) * spread)
    return 0.5 - reach, 0.5 + reach
