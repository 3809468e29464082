"""``vivavoce train informed``: how well a judge does who is given the recording, beside the network that is not."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from edge.interpreter import Model
    from train.corpus import Clip
    from train.informed_judge import Evidence

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "tell how well liveness is judged by one who knows the recording, which no device does"

_EPILOG = """\
Judges, on the frozen set of dev, of which no talker, loudspeaker or room is in training:
  summaries        the three long-term spectra that the liveness network hears: boosted trees and a small network
  network          the liveness network of --bundle
  network_NAME     that of a --checkpoint
  informed         the same as summaries, and gain and coherence from the recording to what is heard
  informed_half    the same, fitted on half of the clips: how much more clips might still help
What the informed judge finds and the network does not is hidden by talkers and words. What it does not find either
may be hidden by rooms, recorders and microphones of the recipe, or need another judge, or more --clips: its error is
no proof that less cannot be had.

Fits on renderings of train of its own, drawn as 'vivavoce train liveness' draws them, and kept in --cache; 12,000 clips
take some ten minutes on two cores, and 2 GB of memory. Writes liveness_informed_dev.json. The test split is not opened.

example:
  vivavoce train informed --data ../shared/data -o build/results
"""

_CLIPS = 12_000
_SEED_STEP = 500
"""Beside the seeds of the network's training, cut-offs, baselines and evaluation."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle whose network is told [the one that ships]")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="more liveness networks to tell: folders that 'vivavoce quantize convert' has seen",
    )
    parser.add_argument(
        "--clips", type=int, default=_CLIPS, metavar="N", help="clips to fit on, half of them live [%(default)s]"
    )
    parser.add_argument("--set-clips", type=int, metavar="N", help="only the first N clips of the frozen set [all]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where to write the results")


def run(args: argparse.Namespace) -> int:
    """Fit, judge, and write."""
    from train.options import check_clips, check_folders

    check_clips(args, "clips", "set_clips")
    check_folders(args, "out", "cache")

    import importlib.util

    from edge.cues import CueSettings
    from edge.errors import MissingExtraError, UsageError
    from train.corpus import data_hash, load_manifest
    from train.engines.choice import engine_from
    from train.frozen_set import N_CLIPS, SEED, render_set, told
    from train.informed_judge import evidence_of
    from train.liveness_scenes import build_liveness_clips
    from train.liveness_training import LivenessSettings, clip_options
    from train.results import write_result
    from train.simulator.recipe import shipped_recipe
    from train.speeds import Speeds

    if args.clips < 4:
        raise UsageError(f"--clips is {args.clips}, expected at least 4: half of them are fitted on, too; give more")
    if args.set_clips is not None and args.set_clips > N_CLIPS:
        raise UsageError(f"--set-clips is {args.set_clips}, expected at most {N_CLIPS}, all of the set; give fewer")
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "train")
    bundle, networks = _networks(args.bundle, args.checkpoint)
    engine, hashed, seed = engine_from(args), data_hash(args.data), args.seed + _SEED_STEP
    cues, recordings = CueSettings(), load_manifest(args.data)
    drawn = {**clip_options(LivenessSettings(), "train"), "n": args.clips, "raw_share": 0.0}
    fitting = build_liveness_clips(args.data, "train", args.cache, seed=seed, keep="whole", engine=engine, **drawn)
    frozen = render_set(args.data, "dev", args.cache, n=args.set_clips or N_CLIPS, engine=engine)
    learned = evidence_of(fitting, recordings, cues, drawn["recipe"], speeds=drawn["speeds"], seed=seed)
    measured = evidence_of(frozen, recordings, cues, shipped_recipe(), speeds=Speeds(), seed=SEED)
    scores = _scores(learned, fitting["live"].astype(bool), measured, frozen["live"], networks, seed=args.seed)
    judges = _figures(scores, frozen, recordings)
    body = {
        "what": "dev, simulated; talkers, loudspeakers and rooms unseen in training; an informed judge is given the "
        "recording that was rendered, which no device has",
        "set": told(frozen, args.data, "dev"),
        "fitted_clips": args.clips,
        "rendering_seed": seed,
        "judges": judges,
    }
    write_result(args.out / "liveness_informed_dev.json", body, data_hash=hashed, seed=args.seed, bundle=bundle)
    for name, figures in judges.items():
        kinds = ", ".join(f"{kind} {100 * one:.1f}" for kind, one in figures["eer_by_kind"].items())
        near = figures.get("near_and_quiet", {}).get("eer")
        told_near = "" if near is None else f", near and quiet {100 * near:.1f} %"
        print(f"{name:<15} EER {100 * figures['all']['eer']:.1f} %{told_near}; {kinds}")
    return 0


def _networks(given: Path | None, checkpoints: list[Path]) -> "tuple[Path, dict[str, Model]]":
    """Open all networks, before hours of work.

    Raises
    ------
    DataError, BundleError, ModelError
        If one of them cannot be had.
    UsageError
        If two checkpoints have one name.
    """
    import numpy as np

    from edge.bundle import open_bundle
    from edge.cues import CueSettings
    from edge.errors import DataError, UsageError
    from edge.interpreter import check_abi, load_model

    bundle, cues = open_bundle(given), CueSettings()
    if CueSettings.from_dict(bundle.liveness.cues) != cues:
        raise DataError(f"{bundle.path}: its network hears other cues than those that are rendered; give another")
    part = bundle.liveness
    networks = {"network": load_model(bundle.content(part.file), name=part.file)}
    for folder in checkpoints:
        file, name = folder / "model_float.tflite", f"network_{folder.resolve().name}"
        if not file.is_file():
            raise DataError(f"{file}: no such model; run 'vivavoce quantize convert {folder}' first")
        if name in networks:
            raise UsageError(f"--checkpoint {folder}: got a second {folder.resolve().name}, expected other names")
        networks[name] = load_model(file.read_bytes(), name=str(file))
    kinds = (np.int8, np.float32)
    for model in networks.values():
        check_abi(model, inputs={"cues": ((1, *cues.shape), kinds)}, outputs=(((1, 1), kinds),))
    return bundle.path, networks


def _scores(
    learned: "Evidence",
    live: "np.ndarray",
    measured: "Evidence",
    measured_live: "np.ndarray",
    networks: "dict[str, Model]",
    *,
    seed: int,
) -> "dict[str, np.ndarray]":
    """Return what each judge says of the clips that are measured on."""
    import sys

    import numpy as np
    from tqdm import tqdm

    from edge.cues import CueSettings
    from train.compression_scores import LivenessJudge
    from train.informed_judge import SpectrumJudge

    rows = CueSettings().summary_rows

    def heard(of: "Evidence") -> "np.ndarray":
        return of.cues[:, :rows].reshape(len(of.cues), -1).astype(np.float32) / 255

    def informed(of: "Evidence") -> "np.ndarray":
        return np.concatenate((heard(of), of.way), axis=1)

    judge = LivenessJudge({"cues": measured.cues, "live": measured_live, "talker": np.zeros(len(measured.cues), str)})
    out = {}
    half = live.size // 4 * 2
    for name, features, n in (
        ("summaries", heard, live.size), ("informed", informed, live.size), ("informed_half", informed, half),
    ):  # fmt: skip
        tqdm.write(f"{name}: fitting on {n} clips", file=sys.stderr)
        out[name] = SpectrumJudge.fit(features(learned)[:n], live[:n], seed=seed).score(features(measured))
    of_networks = {name: judge.logits(model)[:, 0, 0].astype(np.float64) for name, model in networks.items()}
    return {
        "summaries": out["summaries"],
        **of_networks,
        "informed": out["informed"],
        "informed_half": out["informed_half"],
    }


def _figures(
    scores: "dict[str, np.ndarray]", clips: "dict[str, np.ndarray]", recordings: "list[Clip]"
) -> dict[str, Any]:
    """Return the equal error rates of each judge: in slices, by kind of loudspeaker, and how far from the network's."""
    import numpy as np

    from train.liveness_report import clusters_of, near_and_quiet
    from train.liveness_slices import figures_of, slices
    from train.metrics import equal_error_rate
    from train.paired_difference import error_differences

    live = clips["live"].astype(bool)
    words = {clip.path for clip in recordings if clip.role == "wake"}
    of_words = np.array([str(path) in words for path in clips["source"]])
    chosen = {
        **slices(clips), "wake_words": of_words, "wake_words_near_and_quiet": of_words & near_and_quiet(clips),
    }  # fmt: skip
    chosen = {name: of for name, of in chosen.items() if (of & live).any() and (of & ~live).any()}
    out = {}
    for name, of in scores.items():
        out[name] = {
            **{where: figures_of(those, clips, scores=of) for where, those in chosen.items()},
            "eer_by_kind": {
                str(kind): equal_error_rate(of[live], of[~live & (clips["kind"] == kind)])
                for kind in sorted(set(clips["kind"][~live]))
            },
        }
        if name != "network":
            out[name]["eer_less_the_network's"] = error_differences(
                of, scores["network"], live, clusters_of(clips), chosen
            )
    return out
