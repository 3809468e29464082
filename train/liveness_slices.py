"""Figures of some of the clips of a set: near and quiet ones, one kind of loudspeaker, live users over a television.

The answers are those of the gate: who is unsure is refused. An unsure answer to a replay is its default action, a
rejection; nothing is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from train.detection_cost import CostModel, act_dcf, min_dcf
from train.likelihood_ratios import cllr, min_cllr
from train.liveness_report import clusters_of, near_and_quiet
from train.metrics import cluster_interval, equal_error_rate, rate_interval

__all__ = ["HIFI_KIND", "figures_of", "slices"]

HIFI_KIND = "standalone"
"""Kind of loudspeaker that comes nearest to a mouth: stand-alone and smart loudspeakers, measured ones."""

_TELEVISION_DB = 5.0
_ROUNDS = 300

Clips = dict[str, np.ndarray]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def slices(clips: Clips) -> dict[str, Mask]:
    """Return which clips are of each slice, by its name.

    Live clips are of every slice that is about a kind of loudspeaker: they are what its replays are told from.
    """
    live, near = clips["live"].astype(bool), near_and_quiet(clips)
    hifi = clips["kind"] == HIFI_KIND
    return {
        "all": np.ones(live.size, bool),
        "near_and_quiet": near,
        "near_and_quiet_without_standalone": near & (live | ~hifi),
        "near_and_quiet_standalone": near & (live | hifi),
        "live_over_television_at_5_db": live & (clips["tv_ratio_db"] == _TELEVISION_DB),
    }


def figures_of(
    chosen: Mask,
    clips: Clips,
    *,
    scores: Floats,
    accepted: Mask | None = None,
    ratios: Floats | None = None,
    costs: CostModel | None = None,
) -> dict[str, Any]:
    """Return the figures of a slice, with 95 % intervals over talkers and loudspeakers.

    Parameters
    ----------
    chosen : (n,) bool
    clips : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them.
    scores : (n,) float64
        Higher for live.
    accepted : (n,) bool, optional
        What the gate lets through: error rates are told if it is given.
    ratios : (n,) float64, optional
        Log-likelihood ratios, natural logarithm: Cllr (bits) and normalised costs are told if they are given.
    costs : CostModel, optional
        Of the costs.
    """
    live = clips["live"].astype(bool)
    one, other = chosen & live, chosen & ~live
    out: dict[str, Any] = {"live": int(one.sum()), "replay": int(other.sum())}
    ways = clusters_of(clips)

    def clusters(of: Mask) -> list[list[str]]:
        return [[name for name, use in zip(way, of, strict=True) if use] for way in ways]

    def of_both(name: str, figure: Callable[[Floats, Floats], float], of: Floats) -> None:
        part, mouths = of[chosen], live[chosen]

        def statistic(index: npt.NDArray[np.intp]) -> float:
            drawn, is_live = part[index], mouths[index]
            return figure(drawn[is_live], drawn[~is_live]) if is_live.any() and not is_live.all() else float("nan")

        out[name] = figure(of[one], of[other])
        out[f"{name}_interval_95"] = list(cluster_interval(statistic, clusters(chosen), rounds=_ROUNDS))

    if one.any() and other.any():
        of_both("eer", equal_error_rate, scores)
        if ratios is not None and costs is not None:
            of_both("cllr", cllr, ratios)
            best = min_dcf(scores[one], scores[other], costs)
            out |= {
                "min_cllr": min_cllr(scores[one], scores[other]),
                "act_dcf": act_dcf(ratios[one], ratios[other], costs),
                "min_dcf": best,
                "act_over_min_dcf": act_dcf(ratios[one], ratios[other], costs) / max(best, 1e-9),
            }
    if accepted is not None:
        for name, of, wrong in (("bpcer", one, ~accepted), ("apcer", other, accepted)):
            if of.any():
                hits = wrong[of]
                mixed = hits.any() and not hits.all()
                out[name] = float(hits.mean())
                out[f"{name}_interval_95"] = list(
                    cluster_interval(lambda c, hits=hits: float(hits[c].mean()), clusters(of), rounds=_ROUNDS)
                    if mixed
                    else rate_interval(int(hits.sum()), hits.size)
                )
    return out
