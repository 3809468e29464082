"""``vivavoce train baseline``: what is reached without the network, measured as the network is."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "fit baselines of liveness, and measure them on a split"

# As BASELINES of train.baseline_models, which imports what is heavy; a test compares them.
_NAMES = ("majority", "f70", "void", "lfcc-gmm")

_EPILOG = """\
  majority   what was more frequent in training, always: chance
  f70        the frequency below which 70 % of the power lies
  void       the 97 features of Void and an RBF support vector machine
  lfcc-gmm   linear-frequency cepstra and a Gaussian mixture for each class

Fits on renderings of the train split, fixes cut-off and calibration on renderings of dev, and measures on other
renderings of dev, or on test. Writes baselines_SPLIT.json with the baselines that were asked for; with --scores, for
each of them the scores (trial, loudspeaker, bonafide or spoof, score: as t-DCF tools read them) and the steps of the
DET curve. Renderings are kept in --cache; interrupted, the same command goes on. Every opening of the test split is
entered into the ledger.

example:
  vivavoce train baseline majority f70 void lfcc-gmm --data ../shared/data -o build/results
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.baseline_options import add_baseline_options
    from train.options import add_shared_options, add_split_options

    parser.epilog = _EPILOG
    parser.add_argument("baselines", nargs="+", choices=_NAMES, metavar="BASELINE", help=f"one of {', '.join(_NAMES)}")
    add_shared_options(parser, rendered="clips")
    add_split_options(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where to write the results")
    parser.add_argument("--scores", type=Path, metavar="DIR", help="write scores and DET points there, too")
    parser.add_argument(
        "--clips", type=int, default=6_000, metavar="N", help="clips to fit on, half of them live [%(default)s]"
    )
    parser.add_argument(
        "--dev-clips", type=int, default=2_000, metavar="N", help="clips for cut-off and calibration [%(default)s]"
    )
    add_baseline_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fit and measure the baselines."""
    import importlib.metadata
    import importlib.util
    import time

    from tqdm import tqdm

    from edge.cues import CueSettings
    from edge.errors import MissingExtraError
    from train.baseline_models import Examples, fit_baseline, judged_audio
    from train.baseline_options import check_baseline_options
    from train.corpus import data_hash
    from train.detection_cost import CostModel
    from train.engines.choice import engine_from
    from train.frozen_set import N_CLIPS, heard_of, render_set, told
    from train.liveness_scenes import build_liveness_clips
    from train.results import open_test_split, write_result
    from train.simulator.recipe import shipped_recipe

    check_baseline_options(args, counts=("clips", "dev_clips"), folders=("out", "scores", "cache"))
    engine = engine_from(args)
    names = list(dict.fromkeys(args.baselines))
    if {"void", "lfcc-gmm"} & set(names) and importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "train")
    hashed = data_hash(args.data)
    if args.split == "test":
        open_test_split(args.ledger, purpose=f"vivavoce train baseline {' '.join(names)}", data_hash=hashed)

    cues = CueSettings()
    # Seeds beside those of the network's training, cut-offs and evaluation: no rendering is common to two of them.
    seeds = {"fitted": args.seed + 300, "calibrated": args.seed + 400}

    def rendered(split: str, n: int, seed: int) -> "tuple[dict[str, np.ndarray], Examples]":
        clips = build_liveness_clips(
            args.data, split, args.cache, n=n, seed=seed, cues=cues, keep="heard", engine=engine
        )
        return clips, Examples(judged_audio(clips, cues), clips["live"].astype(bool), clips["talker"])

    fitting, examples = rendered("train", args.clips, seeds["fitted"])
    _, dev = rendered("dev", args.dev_clips, seeds["calibrated"])
    frozen = render_set(args.data, args.split, args.cache, n=args.set_clips or N_CLIPS, engine=engine)
    measured = heard_of(frozen)
    heard = Examples(judged_audio(measured, cues), measured["live"].astype(bool), measured["talker"])
    out: dict[str, Any] = {}
    for name in names:
        began = time.monotonic()
        tqdm.write(f"{name}: fitting on {len(examples.audio)} clips")
        baseline = fit_baseline(name, examples, seed=args.seed, components=args.components)
        fitted_s = time.monotonic() - began
        entry, scores = _measure(baseline.score, dev, heard, measured, args.live_refused, CostModel())
        out[name] = {"model": baseline.record, "fit_s": round(fitted_s, 1), **entry}
        if args.scores is not None:
            _write_scores(args.scores, f"{name}_{args.split}", scores, measured)
        tqdm.write(_told(name, out[name]["all"]))
    write_result(
        args.out / f"baselines_{args.split}.json",
        {
            "split": args.split,
            "what": _what(args.split),
            "set": told(frozen, args.data, args.split),
            "settings": {
                "fitted_clips": len(fitting["live"]), "fitted_talkers": len(set(fitting["talker"])),
                "dev_clips": args.dev_clips, "live_refused_on_dev": args.live_refused, "seeds": seeds,
                "cues": cues.to_dict(), "simulator_recipe": shipped_recipe().hash,
                "packages": {p: importlib.metadata.version(p) for p in ("numpy", "scipy", "scikit-learn")
                             if p != "scikit-learn" or {"void", "lfcc-gmm"} & set(names)},
            },
            "simulated": out,
        },
        data_hash=hashed,
        seed=args.seed,
    )  # fmt: skip
    return 0


def _what(split: str) -> str:
    told = "simulated replays; talkers, loudspeakers and rooms unseen in training"
    return told + (
        "; cut-off and calibration come from other renderings of the same talkers, loudspeakers and rooms"
        if split == "dev"
        else ""
    )


def _measure(
    score: Any, dev: Any, heard: Any, measured: "dict[str, np.ndarray]", refused: float, costs: Any
) -> "tuple[dict[str, Any], np.ndarray]":
    """Fix cut-off and calibration on dev, and report on what is measured."""
    from train.calibration import fit_calibration, quantile_cutoff
    from train.liveness_report import liveness_report

    on_dev = score(dev.audio)
    calibration = fit_calibration(on_dev[dev.live], on_dev[~dev.live])
    scores = score(heard.audio)
    report = liveness_report(
        scores,
        measured,
        cutoff=quantile_cutoff(on_dev[dev.live], refused),
        calibration=calibration,
        costs=costs,
    )
    return {"calibration": {"slope": calibration.slope, "offset": calibration.offset}, **report}, scores


def _write_scores(folder: Path, name: str, scores: "np.ndarray", measured: "dict[str, np.ndarray]") -> None:
    from train.atomic_file import put_bytes
    from train.frozen_set import SEED
    from train.metrics import det_points
    from train.score_files import write_scores

    live = measured["live"].astype(bool)
    trials = [f"{SEED}_{number:06d}" for number in range(live.size)]
    write_scores(folder / f"{name}_scores.txt", trials, [str(kind) for kind in measured["kind"]], live, scores)
    rows = zip(*(column.tolist() for column in det_points(scores[live], scores[~live])), strict=True)
    table = "cutoff,bpcer,apcer\n" + "".join(f"{cutoff!r},{bpcer!r},{apcer!r}\n" for cutoff, bpcer, apcer in rows)
    put_bytes(folder / f"{name}_det.csv", table.encode())


def _told(name: str, figures: dict[str, Any]) -> str:
    low, high = figures["eer_interval_95"]
    return (
        f"{name:<9} EER {100 * figures['eer']:.1f} % ({100 * low:.1f}-{100 * high:.1f})  "
        f"BPCER {100 * figures['bpcer']:.1f} %  APCER {100 * figures['apcer']:.1f} % "
        f"(worst: {figures['apcer_worst_kind']['kind']} {100 * figures['apcer_worst_kind']['apcer']:.1f} %)  "
        f"Cllr {figures['cllr']:.3f} (min {figures['min_cllr']:.3f})  "
        f"actDCF {figures['act_dcf']:.3f} (min {figures['min_dcf']:.3f})"
    )
