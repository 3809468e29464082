"""How well scores tell live from replayed, as plain data: pooled, by kind of loudspeaker, by condition, with intervals.

The cut-off and the calibration come from elsewhere (dev); nothing is chosen here. Simulated and real recordings are
reported apart, and never share a figure.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.calibration import Calibration
from train.detection_cost import CostModel, act_dcf, min_dcf
from train.likelihood_ratios import cllr, min_cllr
from train.metrics import (
    Floats,
    Scores,
    checked_scores,
    cluster_interval,
    equal_error_rate,
    error_rates,
    rate_interval,
    rocch_equal_error_rate,
)

__all__ = ["clusters_of", "counted", "liveness_report", "near_and_quiet", "pooled_report"]

_NEAR_M = 1.5
_QUIET_DB = 20.0
_DISTANCES_M = (0.0, 0.5, 1.5, np.inf)
_SNRS_DB = (-np.inf, 15.0, 25.0, np.inf)
_ROUNDS = 1000

Mask = npt.NDArray[np.bool_]
Clips = dict[str, np.ndarray]


def clusters_of(clips: Clips) -> list[list[str]]:
    """Return the two ways in which clips belong together, for :func:`train.metrics.cluster_interval`.

    Talkers; and loudspeakers. A live clip has no loudspeaker; what it shares with other live clips, beside the talker,
    is the room.
    """
    live = clips["live"].astype(bool)
    return [list(clips["talker"]), list(np.where(live, clips["room"], clips["loudspeaker"]))]


def near_and_quiet(clips: Clips) -> Mask:
    """Tell which clips are near (at most 1.5 m), quiet (at least 20 dB) and without television."""
    distance, snr = clips["distance_m"], clips["snr_db"]
    chosen: Mask = (distance <= _NEAR_M) & (snr >= _QUIET_DB) & (clips["television"] == 0)
    return chosen


class _Judged:
    """Scores of clips, and which of them a cut-off accepts; a choice among them is a mask."""

    def __init__(self, scores: Scores, clips: Clips, cutoff: float, rounds: int) -> None:
        self.live: Mask = clips["live"].astype(bool)
        if np.shape(scores) != self.live.shape:
            raise DataError(f"got scores of shape {np.shape(scores)} for {self.live.size} clips, expected one a clip")
        checked_scores(scores[self.live], scores[~self.live])
        self.scores: Floats = np.asarray(scores, np.float64)
        self.accepted: Mask = self.scores >= cutoff
        self.clusters = [np.asarray(way) for way in clusters_of(clips)]
        self.rounds = rounds

    def interval(self, figure: Callable[[Scores, Scores], float], of: Floats, chosen: Mask) -> list[float]:
        """Bootstrap a figure that needs both classes; a resample without one of them does not count."""
        some, one = of[chosen], self.live[chosen]

        def statistic(index: npt.NDArray[np.intp]) -> float:
            drawn, mouths = some[index], one[index]
            return figure(drawn[mouths], drawn[~mouths]) if mouths.any() and not mouths.all() else float("nan")

        return list(cluster_interval(statistic, [list(way[chosen]) for way in self.clusters], rounds=self.rounds))

    def eer(self, chosen: Mask) -> dict[str, Any]:
        """Return the equal error rate, and its interval."""
        return {
            "eer": equal_error_rate(self.scores[chosen & self.live], self.scores[chosen & ~self.live]),
            "eer_interval_95": self.interval(equal_error_rate, self.scores, chosen),
        }

    def rates(self, chosen: Mask) -> dict[str, Any]:
        """Return how many live and replayed clips there are, and their error rates as far as there are any."""
        one, other = chosen & self.live, chosen & ~self.live
        out: dict[str, Any] = {"live": int(one.sum()), "replay": int(other.sum())}
        if out["live"]:
            out |= _rate("bpcer", ~self.accepted[one], self.clusters, one, self.rounds)
        if out["replay"]:
            out |= _rate("apcer", self.accepted[other], self.clusters, other, self.rounds)
        return out

    def both(self, chosen: Mask) -> dict[str, Any]:
        """Return error rates, and the equal error rate where there are both classes."""
        out = self.rates(chosen)
        return {**self.eer(chosen), **out} if out["live"] and out["replay"] else out


def counted(clips: Clips) -> dict[str, int]:
    """Return how many clips of each class there are, and of how many talkers, loudspeakers and rooms."""
    live = clips["live"].astype(bool)
    return {
        "live": int(live.sum()),
        "replay": int((~live).sum()),
        "talkers": len(set(clips["talker"])),
        "loudspeakers": len(set(clips["loudspeaker"][~live])),
        "rooms": len(set(clips["room"])),
    }


def pooled_report(scores: Scores, clips: Clips, *, cutoff: float, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Report on all clips together, and on nothing else: for tables of many sets.

    Parameters
    ----------
    scores, clips, cutoff, rounds
        As of :func:`liveness_report`.

    Returns
    -------
    dict
        The figures that :func:`liveness_report` has under ``all``, without those that need a calibration or kinds.

    Raises
    ------
    DataError
        If there are not as many scores as clips, a class is empty, or a score is not finite.
    """
    judged = _Judged(scores, clips, cutoff, rounds)
    return judged.both(np.ones(judged.live.size, bool))


def liveness_report(
    scores: Scores,
    clips: Clips,
    *,
    cutoff: float,
    calibration: Calibration,
    costs: CostModel,
    rounds: int = _ROUNDS,
) -> dict[str, Any]:
    """Report on the scores of clips.

    Parameters
    ----------
    scores : (n,) float
        Higher for live.
    clips : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them with audio, which is not looked at.
    cutoff : float
        Scores from here on are accepted; fixed on other clips than these.
    calibration : Calibration
        Makes log-likelihood ratios of the scores; fitted on other clips than these.
    costs : CostModel
    rounds : int
        Resamples of each interval.

    Returns
    -------
    dict
        Rates from 0 to 1. ``eer`` is the plain crossing, ``eer_rocch`` that on the convex hull; intervals are of the
        95 % level and resample talkers and loudspeakers (for live clips: rooms); of a rate on which all clips agree,
        Wilson's is given, which takes clips as independent. ``apcer_mean_over_kinds`` weighs each
        kind of loudspeaker equally. Cllr is in bits, the costs are normalised.

    Raises
    ------
    DataError
        If there are not as many scores as clips, a class is empty, or a score is not finite.
    """
    judged = _Judged(scores, clips, cutoff, rounds)
    scores, live = judged.scores, judged.live
    ratios = calibration.ratios(scores)

    everything = np.ones(live.size, bool)
    pooled = judged.both(everything)
    by_kind: dict[str, Any] = {}
    for kind in sorted(set(clips["kind"][~live])):
        replays = ~live & (clips["kind"] == kind)
        by_kind[str(kind)] = {
            "loudspeakers": len(set(clips["loudspeaker"][replays])),
            **judged.eer(live | replays),
            **{key: value for key, value in judged.rates(replays).items() if key != "live"},
        }
    worst = max(by_kind, key=lambda kind: by_kind[kind]["apcer"])

    def cost(one: Scores, other: Scores) -> float:
        return act_dcf(one, other, costs)

    return {
        "clips": counted(clips),
        "cutoff": float(cutoff),
        "all": {
            **pooled,
            "eer_rocch": rocch_equal_error_rate(scores[live], scores[~live]),
            "apcer_mean_over_kinds": float(np.mean([entry["apcer"] for entry in by_kind.values()])),
            "apcer_worst_kind": {"kind": worst, "apcer": by_kind[worst]["apcer"]},
            "cllr": cllr(ratios[live], ratios[~live]),
            "cllr_interval_95": judged.interval(cllr, ratios, everything),
            "min_cllr": min_cllr(scores[live], scores[~live]),
            "act_dcf": act_dcf(ratios[live], ratios[~live], costs),
            "act_dcf_interval_95": judged.interval(cost, ratios, everything),
            "min_dcf": min_dcf(scores[live], scores[~live], costs),
            "at_bayes_cutoff": dict(
                zip(("bpcer", "apcer"), error_rates(ratios[live], ratios[~live], costs.bayes_cutoff), strict=True)
            ),
        },
        "costs": {**costs.to_dict(), "bayes_cutoff": costs.bayes_cutoff},
        "by_kind": by_kind,
        "by_condition": {name: judged.both(chosen) for name, chosen in _conditions(clips).items() if chosen.any()},
    }  # fmt: skip


def _rate(name: str, hits: Mask, clusters: Sequence[npt.NDArray[np.str_]], chosen: Mask, rounds: int) -> dict[str, Any]:
    """Return a rate and its interval: Wilson's where all clips agree, because resampling would claim certainty."""
    low, high = (
        cluster_interval(
            lambda index: float(hits[index].mean()), [list(way[chosen]) for way in clusters], rounds=rounds
        )
        if hits.any() and not hits.all()
        else rate_interval(int(hits.sum()), hits.size)
    )
    return {name: float(hits.mean()), f"{name}_interval_95": [low, high]}


def _conditions(clips: Clips) -> dict[str, Mask]:
    """Return which clips are of each condition, by its name."""
    distance, snr = clips["distance_m"], clips["snr_db"]
    chosen: dict[str, Mask] = {"near_and_quiet": near_and_quiet(clips)}
    for name, values, edges, unit in (("distance", distance, _DISTANCES_M, "m"), ("snr", snr, _SNRS_DB, "db")):
        for low, high in pairwise(edges):
            bounds = [f"from_{low:g}"] if low > edges[0] else []
            bounds += [f"below_{high:g}"] if high < np.inf else []
            chosen["_".join((name, *bounds, unit))] = (values >= low) & (values < high)
    chosen["television"] = clips["television"] == 1
    chosen["no_television"] = clips["television"] == 0
    for variant in sorted(set(clips["variant"])):
        chosen[f"variant_{variant}"] = clips["variant"] == variant
    return chosen
