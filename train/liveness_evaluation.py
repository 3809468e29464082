"""How well a mouth is told from a loudspeaker, at the cut-offs that a bundle ships.

Simulated and real recordings are judged apart and never share a figure.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.bundle import Bundle
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.gate import Gate
from edge.liveness import LivenessScore
from edge.stages import judging
from train.atomic_file import put_bytes
from train.baselines import f70_hz
from train.corpus import Clip
from train.liveness_report import clusters_of, near_and_quiet
from train.liveness_scenes import look_back, render_raw
from train.metrics import cluster_interval, equal_error_rate, error_rates, rate_interval
from train.paired_difference import error_differences

__all__ = ["evaluate_raw", "evaluate_simulated", "judge_audio"]


def judge_audio(bundle: Bundle, clips: dict[str, np.ndarray]) -> list[LivenessScore]:
    """Judge rendered clips with the device's own stage."""
    stage = judging(bundle, None)
    return [
        stage.judge(audio[LOOK_BACK_SAMPLES - size :])
        for audio, size in tqdm(
            zip(clips["audio"], clips["audio_size"], strict=True),
            total=len(clips["audio"]),
            desc="liveness",
            unit="clip",
        )
    ]


def _only(figures: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: figures[name] for name in names if name in figures}


def _eer(
    scores: npt.NDArray[np.floating], live: npt.NDArray[np.bool_], clusters: Sequence[Sequence[str]]
) -> dict[str, Any]:
    def statistic(chosen: npt.NDArray[np.intp]) -> float:
        s, one = scores[chosen], live[chosen]
        return equal_error_rate(s[one], s[~one]) if one.any() and not one.all() else float("nan")

    low, high = cluster_interval(statistic, clusters, rounds=300)
    return {"eer": equal_error_rate(scores[live], scores[~live]), "interval_95": [low, high]}


def evaluate_simulated(
    bundle: Bundle,
    clips: dict[str, np.ndarray],
    dev: dict[str, np.ndarray],
    *,
    floats: Bundle | None = None,
    seen: dict[str, np.ndarray] | None = None,
    void: Callable[[Sequence[npt.NDArray[np.int16]]], npt.NDArray[np.float64]] | None = None,
    table: Path | None = None,
) -> dict[str, Any]:
    """Evaluate the liveness stage on simulated clips.

    An unsure answer counts as refused for live users, and, its default action, as rejected for replays.

    Parameters
    ----------
    bundle : Bundle
    clips : dict
        Clips of the split to report on, with audio.
    dev : dict
        Clips of the dev split, with audio: there the cut-off of the baseline is fixed.
    floats : Bundle, optional
        The same networks before quantisation, judged beside.
    seen : dict, optional
        Clips with the talkers, loudspeakers and rooms of train, with audio: what is unseen costs more.
    void : callable, optional
        Void's classifier, fitted on train: takes what is judged of each clip, returns scores, higher for live.
    table : Path, optional
        Where the scores of every clip are written, as CSV.
    """
    from edge.cues import CueSettings
    from train.baseline_models import judged_audio
    from train.detection_cost import CostModel
    from train.liveness_slices import figures_of, slices

    gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    live = clips["live"].astype(bool)
    evidence = judge_audio(bundle, clips)
    rulings = [gate.rule(one) for one in evidence]
    accepted = np.array([ruling.decision == "accept" for ruling in rulings])
    unsure = np.array([ruling.decision == "unsure" for ruling in rulings])
    scores = np.array([one.score for one in evidence])
    clusters = clusters_of(clips)
    settings = CueSettings.from_dict(bundle.liveness.cues)

    def f70(of: dict[str, np.ndarray]) -> npt.NDArray[np.float64]:
        return -np.array(
            [f70_hz(a[LOOK_BACK_SAMPLES - n :], settings) for a, n in zip(of["audio"], of["audio_size"], strict=True)]
        )

    baseline, baseline_dev = f70(clips), f70(dev)
    dev_live = dev["live"].astype(bool)
    # The baseline gets the same share of refused live users on dev as the network was given.
    dev_gate = np.array([gate.rule(one).decision == "accept" for one in judge_audio(bundle, dev)])
    dev_refused = float(np.mean(~dev_gate[dev_live]))
    baseline_cutoff = float(np.quantile(baseline_dev[dev_live], dev_refused))
    baseline_bpcer, baseline_apcer = error_rates(baseline[live], baseline[~live], baseline_cutoff)
    costs = CostModel()
    ratios = bundle.liveness.slope * scores + bundle.liveness.offset
    chosen_by_name = slices(clips)
    of_slices = {
        name: figures_of(chosen, clips, scores=scores, accepted=accepted, ratios=ratios, costs=costs)
        for name, chosen in chosen_by_name.items()
    }

    def rates_of(name: str) -> dict[str, Any]:
        chosen = chosen_by_name[name]
        rates = ("eer", "eer_interval_95", "bpcer", "bpcer_interval_95", "apcer", "apcer_interval_95")
        return {
            **{key: of_slices[name][key] for key in rates if key in of_slices[name]},
            "unsure_live": float(np.mean(unsure[chosen & live])),
            "unsure_replay": float(np.mean(unsure[chosen & ~live])),
        }

    def judged(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return figures_of(chosen, clips, scores=scores, accepted=accepted)

    def live_of(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        # Where nobody is, the share of nobody is none.
        return {"bpcer": float("nan"), **_only(judged(chosen & live), "live", "bpcer", "bpcer_interval_95")}

    def by_kind(kind: str) -> dict[str, Any]:
        kept = ("replay", "apcer", "apcer_interval_95", "eer", "eer_interval_95")
        return _only(judged(live | (clips["kind"] == kind)), *kept)

    near_quiet = chosen_by_name["near_and_quiet"]
    kinds = sorted(set(clips["kind"][~live]))
    report = {
        "what": "simulated replays; talkers, loudspeakers and rooms unseen in training",
        "clips": {"live": int(live.sum()), "replay": int((~live).sum()), "talkers": len(set(clips["talker"])),
                  "loudspeakers": len(set(clips["loudspeaker"][~live]))},
        "cutoffs": {"accept": bundle.liveness.accept_cutoff, "reject": bundle.liveness.reject_cutoff},
        "all": {
            **rates_of("all"),
            "interval_95": of_slices["all"]["eer_interval_95"],
        },
        "near_and_quiet": {
            **{key: of_slices["near_and_quiet"][key] for key in ("live", "replay")},
            **rates_of("near_and_quiet"),
            "f70_eer": equal_error_rate(baseline[near_quiet & live], baseline[near_quiet & ~live]),
        },
        "live_over_television": live_of(clips["television"] == 1),
        "one_room": live_of(clips["variant"] == "plain"),
        "two_rooms_no_loudspeaker": live_of(clips["variant"] == "two_rooms"),
        "by_kind": {kind: by_kind(kind) for kind in kinds},
        "baseline_f70": {
            **_eer(baseline, live, clusters), "cutoff_hz": -baseline_cutoff,
            "bpcer": baseline_bpcer, "apcer": baseline_apcer,
        },
    }  # fmt: skip
    report["slices"] = of_slices
    report["costs"] = {**costs.to_dict(), "bayes_cutoff": costs.bayes_cutoff}
    void_scores = None
    if void is not None:
        void_scores = void(judged_audio(clips, settings))
        report["void"] = {
            name: figures_of(chosen, clips, scores=void_scores)
            for name, chosen in chosen_by_name.items()
            if (chosen & ~live).any()
        }
        report["eer_over_void"] = {
            # Left out where the clips are too few: one class, or nothing that Void got wrong.
            name: report["slices"][name]["eer"] / entry["eer"]
            for name, entry in report["void"].items()
            if entry.get("eer")
        }
    if seen is not None:
        of_seen = np.array([one.score for one in judge_audio(bundle, seen)])
        every = np.ones(of_seen.size, bool)
        report["seen"] = figures_of(every, seen, scores=of_seen)
        if report["seen"]["eer"]:
            report["eer_unseen_over_seen"] = report["all"]["eer"] / report["seen"]["eer"]
    if table is not None:
        _write_table(table, clips, evidence, [ruling.decision for ruling in rulings], void_scores, baseline)
    if floats is not None:
        of_floats = judge_audio(floats, clips)
        float_scores = np.array([one.score for one in of_floats])
        float_accepted = np.array([gate.rule(one).decision == "accept" for one in of_floats])
        float_ratios = bundle.liveness.slope * float_scores + bundle.liveness.offset
        report["float"] = {
            "eer": equal_error_rate(float_scores[live], float_scores[~live]),
            "slices": {
                name: figures_of(
                    chosen, clips, scores=float_scores, accepted=float_accepted, ratios=float_ratios, costs=costs
                )
                for name, chosen in chosen_by_name.items()
            },
        }
        report["int8_minus_float_eer"] = report["all"]["eer"] - report["float"]["eer"]  # type: ignore[index,call-overload]
        report["int8_minus_float"] = error_differences(scores, float_scores, live, clusters, chosen_by_name)
    return report


def _write_table(
    path: Path,
    clips: dict[str, np.ndarray],
    evidence: Sequence[LivenessScore],
    decisions: Sequence[str],
    void: npt.NDArray[np.float64] | None,
    f70: npt.NDArray[np.float64],
) -> None:
    """Write one row a clip: what it is, and what was said of it; scores are higher for live, f70 is in -Hz."""
    near = near_and_quiet(clips)
    lines = ["clip,live,kind,talker,loudspeaker,variant,near_quiet,score,probability,decision,void,f70"]
    for i, (one, decision) in enumerate(zip(evidence, decisions, strict=True)):
        named = [str(clips[name][i]) for name in ("kind", "talker", "loudspeaker", "variant")]
        numbers = [f"{one.score:.5f}", f"{one.probability:.5f}", decision]
        beside = ["" if void is None else f"{void[i]:.5f}", f"{f70[i]:.1f}"]
        lines.append(",".join([str(i), str(int(clips["live"][i])), *named, str(int(near[i])), *numbers, *beside]))
    put_bytes(path, ("\n".join(lines) + "\n").encode())


def evaluate_raw(bundle: Bundle, clips: Sequence[Clip], *, seed: int) -> dict[str, Any]:
    """Judge recordings of people as they are, unsimulated, to see who would be refused.

    The only real evidence in the data, and only of one kind: there are no real replays among them. Each clip stands
    between stretches of noise floor, and is judged where a detection would look back from.
    """
    stage = judging(bundle, None)
    gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    decisions, reasons = [], []
    for number, clip in enumerate(tqdm(clips, desc="raw clips", unit="clip")):
        samples, stop = render_raw(clip, np.random.default_rng([seed, 8, number]))
        ruling = gate.rule(stage.judge(look_back(samples, stop)))
        decisions.append(ruling.decision)
        reasons.append(",".join(ruling.reasons))
    refused = np.array([decision != "accept" for decision in decisions])
    talkers = [clip.talker for clip in clips]

    def figures(chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        some = refused[chosen]
        low, high = (
            cluster_interval(
                lambda c: float(some[c].mean()), [[t for t, use in zip(talkers, chosen, strict=True) if use]]
            )
            if some.any() and not some.all()
            else rate_interval(int(some.sum()), some.size)
        )
        return {
            "refused": float(some.mean()), "interval_95": [low, high], "clips": int(some.size),
            "rejected": float(np.mean([d == "reject" for d, use in zip(decisions, chosen, strict=True) if use])),
            "unsure": float(np.mean([d == "unsure" for d, use in zip(decisions, chosen, strict=True) if use])),
        }  # fmt: skip

    groups = np.array([clip.word if clip.role == "wake" else clip.corpus for clip in clips])
    wake = np.array([clip.role == "wake" for clip in clips])
    counted: dict[str, int] = {}
    for why, no in zip(reasons, refused, strict=True):
        if no:
            counted[why] = counted.get(why, 0) + 1
    return {
        "what": "real recordings of people, no simulation; refused = rejected or unsure",
        "wake_words": figures(wake) if wake.any() else None,
        "other_speech": figures(~wake) if (~wake).any() else None,
        "by_group": {str(group): figures(groups == group) for group in sorted(set(groups))},
        "reasons_of_refusals": counted,
    }
