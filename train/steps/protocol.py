"""``vivavoce train protocol``: whether figures of liveness mean what they say, and what they are when all is unseen."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from train.baseline_models import Baseline, Examples
    from train.ladder import Rung
    from train.liveness_scenes import Kept
    from train.population import Population

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure shortcuts, the ladder from seen to all unseen, and what is shared that must not be"

_EPILOG = """\
  leak check   what is claimed to be unseen is looked up by name; anything shared ends the step before it fits
  ladder       every baseline, fitted on train, measured on: seen; talkers, loudspeakers or rooms unseen; all unseen;
               and each kind of loudspeakers, left out of the fit
  two rooms    speech through two rooms and no loudspeaker is to be called live as often as through one: baselines and
               the liveness stage of a bundle, on the same words
  probes       silence, level, peak, duration, digital zeros, bandwidth and corpus alone must not tell live from
               replayed, nor silence and level together in clips with or without a first room, and must do so on
               copies with a leak; levels and durations must be distributed alike in both classes

Writes DIR/protocol.json, and ends with exit code 2 if a probe found something or is blind, or a distribution differs;
what that means in numbers is in the table [protocol] of train/task.toml. Renderings are kept in
--cache (about 4 GB); interrupted, the same command goes on. Choose on dev; every opening of the test split is entered
into the ledger.

examples:
  vivavoce train protocol --data ../shared/data -o build/results
  vivavoce train protocol --data ../shared/data --split test -o results
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.baseline_options import add_baseline_options
    from train.options import add_shared_options, add_split_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    add_split_options(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where to write protocol.json")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle for the two rooms [the one that ships]")
    for option, default, what in (
        ("--clips", 6_000, "clips to fit a baseline on"),
        ("--dev-clips", 2_000, "clips for the cut-offs"),
        ("--measured-clips", 2_000, "clips to measure on, a rung other than all unseen"),
        ("--probe-clips", 6_000, "clips to fit the probes on"),
    ):
        parser.add_argument(
            option, type=int, default=default, metavar="N", help=f"{what}, half of them live [%(default)s]"
        )
    parser.add_argument(
        "--pairs", type=int, default=1_000, metavar="N", help="words through one and two rooms [%(default)s]"
    )
    add_baseline_options(parser)


def run(args: argparse.Namespace) -> int:
    """Measure the protocol."""
    import importlib.util

    from edge.bundle import open_bundle
    from edge.errors import DataError, MissingExtraError
    from train.baseline_options import check_baseline_options
    from train.corpus import data_hash, load_manifest
    from train.frozen_set import told
    from train.probe_report import probe_faults
    from train.results import open_test_split, write_result
    from train.simulator.recipe import shipped_recipe

    check_baseline_options(
        args, counts=("clips", "dev_clips", "measured_clips", "probe_clips", "pairs"), folders=("out",)
    )
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "train")
    bundle = open_bundle(args.bundle)
    hashed = data_hash(args.data)
    sha256 = {clip.path: clip.sha256 for clip in load_manifest(args.data)}
    if args.split == "test":
        open_test_split(args.ledger, purpose="vivavoce train protocol", data_hash=hashed, bundle=bundle.path)

    steps = _Steps(args, sha256)
    ladder, kinds, rooms = _baselines(steps, bundle)
    probes = _probes(steps)
    write_result(
        args.out / "protocol.json",
        {
            "split": args.split,
            "what": "simulated replays; every baseline has its cut-off from renderings of dev, all unseen in training"
            + ("; those measured where all is unseen are others of the same" if args.split == "dev" else ""),
            "set": told(steps.frozen, args.data, args.split),
            "settings": {
                "clips": args.clips, "dev_clips": args.dev_clips, "measured_clips": args.measured_clips,
                "probe_clips": args.probe_clips, "pairs": args.pairs, "live_refused_on_dev": args.live_refused,
                "components": args.components, "seeds": steps.seeds, "simulator_recipe": shipped_recipe().hash,
            },
            "ladder": ladder,
            "kinds_left_out": kinds,
            "two_rooms": rooms,
            "probes": probes,
        },
        data_hash=hashed,
        seed=args.seed,
        bundle=bundle.path,
    )  # fmt: skip
    faults = probe_faults(probes)
    if faults:
        raise DataError(
            f"{args.out / 'protocol.json'}: {'; '.join(faults)}; the file is written all the same: "
            "mend what makes the classes differ, or the probe"
        )
    return 0


@dataclass(frozen=True, slots=True)
class _Set:
    """A rendered set: what is judged of it, and its conditions without the audio."""

    clips: "dict[str, np.ndarray]"
    examples: "Examples"

    def chosen(self, kept: "np.ndarray") -> "_Set":
        """Return some of it: where ``kept`` ``(clips,) bool`` is true."""
        from train.baseline_models import Examples

        audio = [samples for samples, keep in zip(self.examples.audio, kept, strict=True) if keep]
        return _Set(
            {name: values[kept] for name, values in self.clips.items()},
            Examples(audio, self.examples.live[kept], self.examples.talkers[kept]),
        )


class _Steps:
    """What is asked for, and the one place where clips are rendered."""

    def __init__(self, args: argparse.Namespace, sha256: Mapping[str, str]) -> None:
        from train.engines.choice import engine_from

        self.args = args
        self.engine = engine_from(args)
        self.sha256 = sha256
        # Beside those of training, cut-offs, evaluation and baselines: no rendering is common to two of them.
        names = ("fitted", "calibrated", "measured", "probes_fitted", "room_pairs")
        self.seeds = {name: args.seed + 600 + 100 * number for number, name in enumerate(names)}

    def rendered(self, population: "Population", n: int, seed: str, keep: "Kept") -> "dict[str, np.ndarray]":
        """Render clips, or read them from the cache."""
        from edge.cues import CueSettings
        from train.liveness_scenes import build_liveness_clips

        return build_liveness_clips(
            self.args.data, population, self.args.cache, n=n, seed=self.seeds[seed], cues=CueSettings(),
            keep=keep, engine=self.engine,
        )  # fmt: skip

    @cached_property
    def frozen(self) -> "dict[str, np.ndarray]":
        """Render the set of the split, whole."""
        from train.frozen_set import N_CLIPS, render_set

        n = self.args.set_clips or N_CLIPS
        return render_set(self.args.data, self.args.split, self.args.cache, n=n, engine=self.engine)

    def heard(self, population: "Population", n: int, seed: str) -> _Set:
        """Return what is judged of rendered clips: of those on which all is unseen, the frozen set."""
        from edge.cues import CueSettings
        from train.baseline_models import Examples, judged_audio
        from train.frozen_set import heard_of
        from train.population import Population

        frozen = seed == "measured" and population == Population.of_split(self.args.split)
        clips = heard_of(self.frozen) if frozen else self.rendered(population, n, seed, "heard")
        examples = Examples(judged_audio(clips, CueSettings()), clips["live"].astype(bool), clips["talker"])
        return _Set({name: values for name, values in clips.items() if name != "audio"}, examples)


def _baselines(steps: _Steps, bundle: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the ladder, the kinds left out, and the two rooms."""
    import numpy as np

    from edge.cues import CueSettings
    from edge.gate import Gate
    from train.baseline_models import BASELINES, judged_audio
    from train.ladder import FITTED, SEEN_OR_NOT, check_enough, kind_rungs, mix_kept, rungs, seen_where_claimed
    from train.leak_check import check_unseen
    from train.liveness_evaluation import judge_audio
    from train.liveness_report import counted
    from train.population import Population
    from train.simulator.recipe import shipped_recipe
    from train.two_rooms import build_room_pairs, compare_rooms

    args = steps.args
    kinds = tuple(shipped_recipe().loudspeakers)
    dev = steps.heard(Population.of_split("dev"), args.dev_clips, "calibrated")
    fitted = steps.heard(FITTED, args.clips, "fitted")
    measured: dict[str, _Set] = {}
    out: dict[str, dict[str, Any]] = {"ladder": {}, "kinds": {}}
    # All is looked up before anything is fitted: what is shared shows at once.
    for part, some in (("ladder", rungs(args.split)), ("kinds", kind_rungs(args.split, kinds))):
        for rung in some:
            compared = fitted if rung.fitted == FITTED else steps.heard(rung.fitted, args.clips, "fitted")
            of = steps.heard(rung.measured, args.measured_clips, "measured")
            met = seen_where_claimed(compared.clips, of.clips, rung.unseen)
            of = measured[rung.name] = of.chosen(mix_kept(of.clips, met, seed=steps.seeds["measured"]))
            frozen = rung.measured == Population.of_split(args.split)
            check_enough(rung.name, of.clips, "--set-clips" if frozen else "--measured-clips")
            overlap = check_unseen(rung.name, compared.clips, of.clips, rung.unseen, sha256=steps.sha256)
            if rung.fitted != FITTED:
                _check_kinds(rung, compared.clips, of.clips)
            if args.split == "test":
                # The cut-offs, which come from dev, have seen none of it.
                check_unseen(f"{rung.name}, cut-offs", dev.clips, of.clips, SEEN_OR_NOT, sha256=steps.sha256)
            out[part][rung.name] = {
                "unseen": list(rung.unseen), "clips": counted(of.clips), "kinds": _kinds(of.clips),
                "shared_with_fit": overlap, "baselines": {},
            }  # fmt: skip

    pairs = build_room_pairs(
        args.data, Population.of_split(args.split), args.cache, pairs=args.pairs, seed=steps.seeds["room_pairs"],
        engine=steps.engine,
    )  # fmt: skip
    words = judged_audio(pairs, CueSettings())
    rooms: dict[str, Any] = {}
    kinds_of = {rung.name: rung for rung in kind_rungs(args.split, kinds)}
    for name in BASELINES:
        baseline, cutoff = _fit(steps, name, fitted, dev)
        for rung_name, entry in out["ladder"].items():
            entry["baselines"][name] = _told(name, rung_name, _report(baseline, measured[rung_name], cutoff))
        for rung_name in kinds_of:
            # The same kind, when it was fitted on with the others: what leaving it out costs.
            out["kinds"][rung_name]["baselines"][name] = {
                "fitted_on_all_kinds": _report(baseline, measured[rung_name], cutoff)
            }
        rooms[name] = compare_rooms(pairs, baseline.score(words) >= cutoff)
    for rung_name, rung in kinds_of.items():
        without = steps.heard(rung.fitted, args.clips, "fitted")
        for name in BASELINES:
            baseline, cutoff = _fit(steps, name, without, dev)
            entry = out["kinds"][rung_name]["baselines"][name]
            entry |= _told(name, rung_name, _report(baseline, measured[rung_name], cutoff))

    gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
    decisions = [gate.rule(score).decision for score in judge_audio(bundle, pairs)]
    rooms["bundle"] = compare_rooms(pairs, np.array([decision == "accept" for decision in decisions]))
    return out["ladder"], out["kinds"], rooms


def _kinds(clips: "dict[str, np.ndarray]") -> dict[str, int]:
    """Return how many replays there are of each kind of loudspeakers."""
    import numpy as np

    names, counts = np.unique(clips["kind"][clips["live"] == 0], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _check_kinds(rung: "Rung", fitted: "dict[str, np.ndarray]", measured: "dict[str, np.ndarray]") -> None:
    """Check that a kind that was left out was."""
    from edge.errors import DataError

    shared = (set(fitted["kind"]) & set(measured["kind"])) - {"none"}
    if shared:
        raise DataError(
            f"{rung.name}: loudspeakers of the kind {sorted(shared)[0]} were fitted on, expected none of that kind; "
            "mend the populations"
        )


def _fit(steps: _Steps, name: str, fitted: _Set, dev: _Set) -> "tuple[Baseline, float]":
    """Fit a baseline, and fix its cut-off: by live clips alone, so kinds of loudspeakers do not matter to it."""
    from tqdm import tqdm

    from train.baseline_models import fit_baseline
    from train.calibration import quantile_cutoff

    tqdm.write(f"{name}: fitting on {len(fitted.examples.audio)} clips")
    baseline = fit_baseline(name, fitted.examples, seed=steps.args.seed, components=steps.args.components)
    live = [audio for audio, one in zip(dev.examples.audio, dev.examples.live, strict=True) if one]
    return baseline, quantile_cutoff(baseline.score(live), steps.args.live_refused)


def _report(baseline: "Baseline", of: _Set, cutoff: float) -> dict[str, Any]:
    from train.liveness_report import pooled_report

    return {"cutoff": float(cutoff), **pooled_report(baseline.score(of.examples.audio), of.clips, cutoff=cutoff)}


def _told(name: str, rung: str, figures: dict[str, Any]) -> dict[str, Any]:
    from tqdm import tqdm

    low, high = figures["eer_interval_95"]
    tqdm.write(
        f"{rung}, {name}: EER {100 * figures['eer']:.1f} % ({100 * low:.1f}-{100 * high:.1f})  "
        f"BPCER {100 * figures['bpcer']:.1f} %  APCER {100 * figures['apcer']:.1f} %"
    )
    return figures


def _probes(steps: _Steps) -> dict[str, Any]:
    """Return what the probes find."""
    from train.ladder import SEEN_OR_NOT
    from train.leak_check import check_unseen
    from train.population import Population
    from train.probe_report import probe_report
    from train.task import load_task

    n = steps.args.probe_clips
    fitted = steps.rendered(Population.of_split("train"), n, "probes_fitted", "whole")
    measured = steps.frozen
    check_unseen("probes", fitted, measured, SEEN_OR_NOT, sha256=steps.sha256)
    return probe_report(fitted, measured, limits=load_task().protocol, seed=steps.args.seed)
