"""The cut-off of a word, fitted to how a home says it: lower where takes are missed, at a price that was measured.

A person who was asked to say a word, and said it, is either heard or missed. How far the best score of a take (the wake
network's smoothed one, or where there is a verifier the verifier's) lies above the word's cut-off, in log-odds, is its
*margin*. The home's mean margin is shrunk toward that of the word over other homes, by its reliability ``between² /
(between² + within² / n)`` (the best linear prediction; the spreads are those of talkers that the network never heard,
see :mod:`edge.calibration_prior`). The cut-off is wanted so low that of further takes, by a normal distribution, one in
ten is missed; where fewer are missed already it stays. Margins count up to a limit in both directions, so that a cough
is one miss and no more.

Of that, no more is done than is paid for: the cut-off moves to a shift whose false accepts were counted, as many of
them as somebody allows, and only as far as takes are heard by it that were missed.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.bundle_parts import Word
from edge.calibration_entries import Expectation, WordCutoff
from edge.calibration_fit import LEAST_TAKES, Floats, share_expected
from edge.calibration_prior import WordsPrior
from edge.errors import DataError
from edge.noise_floor import between_noise
from edge.sample_time import SAMPLE_RATE_HZ, seconds
from edge.sensitivity import FARTHEST_SHIFT, SENSITIVITIES, log_odds, moved_by
from edge.stages import HEARS_NOTHING, verified_hearing

__all__ = [
    "MOST_ADDED_AN_HOUR",
    "MOST_MARGIN",
    "MOST_MISSED",
    "SPEECH_HOURS_A_DAY",
    "Offer",
    "Wishes",
    "WordListener",
    "fit_shift",
    "lines_of_word",
    "margins",
    "offer",
    "wishes_of",
]

MOST_ADDED_AN_HOUR = 1.0
"""So many false accepts of the word may be added in an hour of others' speech, unless somebody says another number."""
SPEECH_HOURS_A_DAY = 4.0
"""Hours of speech that a device hears in a day, to say a price as people count: television and talk."""
MOST_MARGIN = 2.0
"""Margins beyond it, either way, count as this."""

MOST_MISSED = 0.1
"""Share of takes that may be missed: from there on a home is met as far as somebody pays for it."""

_LOW_END = NormalDist().inv_cdf(MOST_MISSED)
_LONGEST_S = 30.0
_SURE = 1e-6
_MOST_FOLDS = 20


class WordListener:
    """Hears takes, each from a clean start between stretches of its own noise floor, and says how sure it was.

    Parameters
    ----------
    bundle : Bundle
        As it shipped.
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If the model does not fit its role.
    """

    def __init__(self, bundle: Bundle, runtime: str | None = None) -> None:
        self._hearing = verified_hearing(bundle, [HEARS_NOTHING] * len(bundle.words), runtime)

    def hear(self, blocks: Iterable[npt.NDArray[np.int16]], where: str = "a take") -> Floats:
        """Return the best score of every word, ``(words,) float64``: of all that is compared with its cut-off.

        That is the smoothed score of the wake network or, where there is a verifier, its score: 0 for a word that it
        did not look for.

        Parameters
        ----------
        blocks : iterable of (n,) int16
            One take, 16 kHz.
        where : str
            What it is, for the message.

        Raises
        ------
        DataError
            If it is too long to be one take.
        AudioError
            If the blocks come from a source that cannot be read to its end.
        """
        kept, size = [np.zeros(0, np.int16)], 0
        for block in blocks:
            size += block.size
            if seconds(size) > _LONGEST_S:
                raise DataError(
                    f"{where}: got more than {_LONGEST_S:.0f} s, expected one take of a word; cut it, or give no --word"
                )
            kept.append(block)
        padded = between_noise(np.concatenate(kept).astype(np.float32) / np.float32(32768.0), 0)
        samples = np.clip(np.rint(padded * 32768.0), -32768, 32767).astype(np.int16)
        self._hearing.reset()
        for at in range(0, samples.size, SAMPLE_RATE_HZ):
            self._hearing.push(samples[at : at + SAMPLE_RATE_HZ])
        self._hearing.finish()
        return np.array(list(self._hearing.max_scores.values()))


class Wishes(NamedTuple):
    """What somebody allows."""

    most_added: float = MOST_ADDED_AN_HOUR
    """False accepts that a lower cut-off may add in an hour of others' speech."""
    may_raise: bool = False
    """Whether the cut-off may become higher than the bundle's, as far as no take is missed by it that was heard."""


def wishes_of(args: argparse.Namespace) -> Wishes:
    """Return what the options of ``vivavoce calibrate`` allow."""
    most = args.most_false_accepts
    return Wishes(MOST_ADDED_AN_HOUR if most is None else most, args.may_raise)


class Offer(NamedTuple):
    """What the takes of a word come to."""

    word: Word
    """The bundle's."""
    cutoff: WordCutoff | None
    """What would hold instead; None to leave the bundle's."""
    why: str
    """Why it is left, for people; empty where it is not."""
    further: str = ""
    """What would hear more takes, at which price; empty where nothing would."""
    judged: bool = True
    """Whether the takes were enough to say so."""


def margins(scores: npt.ArrayLike, cutoff: float) -> Floats:
    """Return the log-odds of scores over those of a cut-off, as far as they count."""
    sure = np.clip(np.asarray(scores, np.float64), _SURE, 1.0 - _SURE)
    return np.clip(np.log(sure / (1.0 - sure)) - log_odds(cutoff), -MOST_MARGIN, MOST_MARGIN)


def fit_shift(found: Floats, prior: WordsPrior, word: str, wishes: Wishes) -> float:
    """Return how far to move the log-odds of a word's cut-off.

    Parameters
    ----------
    found : (n,) float64
        Margins of the takes, at least one.
    prior : WordsPrior
    word : str
        Its id, which the prior must have.
    wishes : Wishes
    """
    about = prior.of[word]
    reliability = prior.between**2 / (prior.between**2 + prior.within**2 / found.size)
    usual = about.mean + reliability * (float(found.mean()) - about.mean)
    # A new take lies about the home's mean as takes do, and a little more for what is not known of the mean.
    wished = usual + _LOW_END * math.sqrt(prior.within**2 + (1.0 - reliability) * prior.between**2)
    price = dict(zip(prior.shifts, about.false_accepts, strict=True))

    def heard(shift: float) -> int:
        return int(np.sum(found > shift))

    if wished >= 0:
        highest = min(wished, SENSITIVITIES["low"]) if wishes.may_raise else 0.0
        return max(one for one in prior.shifts if 0 <= one <= highest and heard(one) == heard(0.0))
    allowed = [
        one
        for one in prior.shifts
        if max(wished, FARTHEST_SHIFT) <= one <= 0 and (price[one] - price[0.0]) / prior.hours <= wishes.most_added
    ]
    most = max(heard(one) for one in allowed)
    return max(one for one in allowed if heard(one) == most)


def offer(
    bundle: Bundle,
    word: Word,
    scores: Sequence[Floats],
    prior: WordsPrior | None,
    wishes: Wishes,
) -> Offer:
    """Return what becomes of a word's cut-off.

    Takes in which another word of the bundle was heard instead are left out: the person said that one.

    Parameters
    ----------
    bundle : Bundle
        As it shipped.
    word : Word
        Of the bundle.
    scores : sequence of (words,) float64
        Of every take, by :class:`WordListener`.
    prior : WordsPrior, optional
        That of the bundle.
    wishes : Wishes
    """
    if prior is None or word.id not in prior.of or not 0 < word.cutoff < 1:
        why = "nobody measured for this bundle how homes say it, and what a lower cut-off costs"
        return Offer(word, None, why, judged=False)
    index = [one.id for one in bundle.words].index(word.id)
    cutoffs = np.array([one.cutoff for one in bundle.words])
    own = np.array([row[index] for row in scores if row[index] > word.cutoff or not np.any(row > cutoffs)])
    others = len(scores) - own.size
    if own.size < LEAST_TAKES:
        said = f" (another word was heard in {others})" if others else ""
        return Offer(word, None, f"got {own.size} takes of it{said}, expected at least {LEAST_TAKES}", judged=False)
    found = margins(own, word.cutoff)

    def shift_of(some: Floats) -> float:
        return fit_shift(some, prior, word.id, wishes)

    shift, missed = shift_of(found), int(np.sum(found <= 0))
    price = dict(zip(prior.shifts, prior.of[word.id].false_accepts, strict=True))
    freely = fit_shift(found, prior, word.id, wishes._replace(most_added=math.inf))
    further = _further(found, shift, freely, price, prior)
    if shift == 0:
        if not missed:
            reason = "none to mend"
        elif further:
            reason = "what would hear them costs more than is allowed"
        elif np.sum(found > FARTHEST_SHIFT) == found.size - missed:
            reason = "by so much that no cut-off whose price is known hears them; come nearer, or mend what drowns them"
        else:
            reason = "too few to move it"
        why = f"{missed} of {found.size} takes were missed: {reason}"
        return Offer(word, None, why, further)
    folds = min(_MOST_FOLDS, found.size)
    held_out = 0
    for fold in range(folds):
        left = np.arange(found.size) % folds == fold
        held_out += int(np.sum(found[left] <= shift_of(found[~left])))
    home = WordCutoff(
        cutoff=round(moved_by(word.cutoff, shift), 6),
        takes=found.size,
        heard=(found.size - missed, int(np.sum(found > shift))),
        missed=Expectation(
            share_expected(missed, found.size, prior.missed),
            share_expected(held_out, found.size, prior.missed),
        ),
        false_accepts=(round(price[0.0] / prior.hours, 4), round(price[shift] / prior.hours, 4)),
    )
    return Offer(word, home, "", further)


def _further(found: Floats, shift: float, freely: float, price: Mapping[float, int], prior: WordsPrior) -> str:
    heard, most = int(np.sum(found > shift)), int(np.sum(found > freely))
    if most <= heard:
        return ""
    added = (price[freely] - price[0.0]) / prior.hours
    return (
        f"{most} of {found.size} takes would be heard for {added:.1f} false accepts more in an hour of speech: "
        f"--most-false-accepts {math.ceil(100.0 * added) / 100.0:g}"
    )


def lines_of_word(name: str, home: WordCutoff, before: float | None = None) -> list[str]:
    """Return what became of the cut-off of a word, for people.

    Parameters
    ----------
    name : str
        Of the word.
    home : WordCutoff
    before : float, optional
        The bundle's cut-off.
    """
    lines = [f"{name}: heard from a score of {home.cutoff:.4f} on" + (f", before {before:.4f}" if before else "")]
    if home.takes:
        lines.append(f"{name}: of {home.takes} takes heard: before {home.heard[0]}, after {home.heard[1]}")
    if home.missed is not None:
        share, after = (
            f"{middle:.0%} ({low:.0%} to {high:.0%})" for low, middle, high in (home.missed.before, home.missed.after)
        )
        lines.append(f"{name}: of such takes missed: before {share}, after {after}")
    if home.false_accepts is not None:
        one, other = home.false_accepts
        day, later = (SPEECH_HOURS_A_DAY * rate for rate in home.false_accepts)
        lines += [
            f"{name}: heard though nobody said it, in an hour of speech: before {one:.1f}, after {other:.1f}",
            f"{name}: in a day with {SPEECH_HOURS_A_DAY:.0f} hours of speech: before {day:.0f}, after {later:.0f}",
        ]
    return lines
