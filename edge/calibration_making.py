"""From the takes and replays of a home to its calibration: judge them, fit, say what to expect."""

import datetime
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.calibration import Calibration, is_for
from edge.calibration_fit import Floats, check_takes, expectations, fit_line, ratios
from edge.calibration_prior import Prior
from edge.calibration_words import lines_of_word
from edge.endpoint import loudest_stretch
from edge.gate import UNSURE_FLAGS
from edge.quality import flags_of_rate, merged
from edge.sample_time import SAMPLE_RATE_HZ
from edge.sensitivity import log_odds
from edge.stages import judging

__all__ = ["Judge", "Judged", "lines_of", "make_calibration"]


class Judged(NamedTuple):
    """One take or replay, as the bundle's network hears it."""

    score: float
    """The network's output."""
    flags: tuple[str, ...]
    """Why the gate would give no answer (keys of :data:`edge.quality.FLAGS`); it proves nothing then."""


class Judge:
    """Judges the loudest moment of recordings.

    Parameters
    ----------
    bundle : Bundle
        As it shipped: with no calibration.
    runtime : str, optional
        See :class:`edge.pipeline.Pipeline`.

    Raises
    ------
    BundleError, ModelAbiError
        If the model does not fit its role.
    """

    def __init__(self, bundle: Bundle, runtime: str | None = None) -> None:
        self._stage = judging(bundle, runtime)

    def judge(self, blocks: Iterable[npt.NDArray[np.int16]], native_rate_hz: int = SAMPLE_RATE_HZ) -> Judged:
        """Judge one recording, in blocks ``(n,) int16`` at 16 kHz, that was made at a rate, Hz.

        Raises
        ------
        AudioError
            If the blocks come from a source that cannot be read to its end.
        """
        heard, _ = loudest_stretch(blocks, self._stage.window_samples)
        found = self._stage.judge(heard)
        flags = merged(found.quality.flags, flags_of_rate(native_rate_hz))
        return Judged(found.score, tuple(flag for flag in flags if flag in UNSURE_FLAGS))


def make_calibration(
    bundle: Bundle,
    prior: Prior,
    live: Sequence[Judged],
    replay: Sequence[Judged],
    *,
    microphone: str = "",
    loudspeakers: Sequence[str] = (),
) -> Calibration:
    """Fit a calibration to what was judged; what the gate gives no answer to is left out.

    Parameters
    ----------
    bundle : Bundle
        The one that judged.
    prior : Prior
        Its prior.
    live, replay : sequence of Judged
    microphone : str
        Name of the one that heard them.
    loudspeakers : sequence of str
        Who played the replays.

    Raises
    ------
    DataError
        If no calibration can rest on them, see :func:`edge.calibration_fit.check_takes`.
    """
    part = bundle.liveness
    takes, replays = (_ratios_of(bundle, judged) for judged in (live, replay))
    check_takes(takes, replays, prior)
    slope, offset = fit_line(takes, replays, prior).over(part)
    refused, passed = expectations(takes, replays, prior, part.accept_cutoff)
    return Calibration(
        bundle_sha256=bundle_hash(bundle.path),
        bundle_version=bundle.bundle_version,
        microphone=microphone,
        made=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        live=takes.size,
        replay=replays.size,
        loudspeakers=tuple(loudspeakers),
        slope=slope,
        offset=offset,
        refused_live=refused,
        passed_replays=passed,
    )


def _ratios_of(bundle: Bundle, judged: Sequence[Judged]) -> Floats:
    return ratios(bundle.liveness, [one.score for one in judged if not one.flags])


def lines_of(calibration: Calibration, bundle: Bundle | None = None) -> list[str]:
    """Return what a calibration says, for people.

    Parameters
    ----------
    calibration : Calibration
    bundle : Bundle, optional
        To say what becomes of its cut-offs, too; or that the calibration is for another one.
    """
    rests = f"{calibration.live} takes of people, {calibration.replay} replays"
    if calibration.loudspeakers:
        rests += f" ({', '.join(calibration.loudspeakers)})"
    lines = [
        f"for the bundle {calibration.bundle_version} ({calibration.bundle_sha256[:16]}...)",
        *([f"for the microphone {calibration.microphone}"] if calibration.microphone else []),
        f"made {calibration.made}, from {rests}" if calibration.made else "the bundle as it is: nothing was calibrated",
    ]
    for name, share in (
        ("live words refused", calibration.refused_live),
        ("replays that pass", calibration.passed_replays),
    ):
        if share is not None:
            lines.append(f"{name}: before {_told(share.before)}, after {_told(share.after)}")
    fits = bundle is not None and is_for(calibration, bundle)
    own = {word.id: word.cutoff for word in bundle.words} if bundle is not None and fits else {}
    for name, home in calibration.words.items():
        lines += lines_of_word(name, home, own.get(name))
    if bundle is not None and not fits:
        lines.append(
            f"it does not hold for the bundle {bundle.path} ({bundle.bundle_version}), which judges as it shipped: "
            "calibrate again with that one, or name the other with --bundle"
        )
    elif bundle is not None:
        # The output of the network where the gate opens: by one number a person sees which way it moved.
        odds = log_odds(bundle.liveness.accept_cutoff)
        part = bundle.liveness
        before, after = (
            (odds - offset) / slope
            for slope, offset in ((part.slope, part.offset), (calibration.slope, calibration.offset))
        )
        verb = "stricter" if after > before else "more lenient" if after < before else "as it was"
        lines.append(f"the gate opens from an output of {after:.2f} on, before from {before:.2f}: {verb}")
    return lines


def _told(limits: tuple[float, float, float]) -> str:
    low, middle, high = limits
    return f"{middle:.0%} ({low:.0%} to {high:.0%})"
