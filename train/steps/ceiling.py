"""``vivavoce train ceiling``: how much a second of sound tells of a loudspeaker at all."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from train.liveness_training import LivenessSettings

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "tell how well a judge does who knows what was said: what rooms and microphones hide from every network"

_EPILOG = """\
Judges, on the frozen set of dev, of which no talker, loudspeaker or room is in training:
  summaries              long-term spectra alone: trees and a small network, fitted on train
  network                the liveness network of --bundle, and of each --checkpoint
  informed               the same as summaries, and how the spectrum was changed on the way from the recording, which no
                         device knows
  informed_and_network   both, weighed on other renderings of dev
What the last one gets wrong is hidden by rooms, recorders and microphones of the recipe: a better network may come near
it, and hardly pass it. A recipe of your own may be easier or harder.

Fits on the renderings that 'vivavoce train liveness' learns from with the same seed and settings, and renders them if
they are not in --cache. Writes liveness_ceiling_dev.json. The test split is not opened.

example:
  vivavoce train ceiling --data ../shared/data --seed 2 -o build/results
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of the training, in JSON or TOML")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle whose network is told [the one that ships]")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="more networks to tell: folders that 'vivavoce quantize convert' has seen",
    )
    parser.add_argument("--clips", type=int, metavar="N", help="clips to fit on, half of them live")
    parser.add_argument("--dev-clips", type=int, metavar="N", help="clips of dev to weigh judges on")
    parser.add_argument("--set-clips", type=int, metavar="N", help="only the first N clips of the frozen set [all]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where to write the results")


def run(args: argparse.Namespace) -> int:
    """Fit, judge, and write."""
    from train.options import check_clips, check_folders

    check_clips(args, "clips", "dev_clips", "set_clips")
    check_folders(args, "out", "cache")

    import importlib.util

    from edge.bundle import open_bundle
    from edge.errors import DataError, MissingExtraError
    from edge.interpreter import load_model
    from train.corpus import data_hash
    from train.engines.choice import engine_from
    from train.frozen_set import N_CLIPS, SEED, heard_of, render_set, told
    from train.liveness_training import LivenessSettings, liveness_clips
    from train.recorded_settings import recorded_liveness
    from train.results import write_result
    from train.training_options import given_settings

    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "train")
    given = given_settings(args, "clips", "dev_clips", recorded=recorded_liveness)
    settings = LivenessSettings.from_dict(given, str(args.settings or "options"))
    bundle = open_bundle(args.bundle)
    networks = {"network": load_model(bundle.content(bundle.liveness.file), name=bundle.liveness.file)}
    for checkpoint in args.checkpoint:
        file = checkpoint / "model_float.tflite"
        if not file.is_file():
            raise DataError(f"{file}: no such model; run 'vivavoce quantize convert {checkpoint}' first")
        networks[f"network_{checkpoint.name}"] = load_model(file.read_bytes(), name=str(file))
    engine = engine_from(args)
    hashed = data_hash(args.data)
    clips = liveness_clips(settings, data=args.data, cache=args.cache, engine=engine, seed=args.seed)
    frozen = render_set(args.data, "dev", args.cache, n=args.set_clips or N_CLIPS, engine=engine)
    sets = {**clips, "measured": _with_cues(heard_of(frozen))}
    scores = _scores(sets, settings, args.data, networks, seed=args.seed, measured_seed=SEED)
    body = {
        "what": "dev, simulated: talkers, loudspeakers and rooms unseen in training; an informed judge knows the "
        "recording that was rendered, which no device does",
        "set": told(frozen, args.data, "dev"),
        "fitted_clips": len(clips["train"]["live"]),
        "weighed_clips": len(clips["dev"]["live"]),
        "settings": settings.to_dict(),
        "judges": {name: _figures(of, sets["measured"]) for name, of in scores.items()},
    }
    write_result(args.out / "liveness_ceiling_dev.json", body, data_hash=hashed, seed=args.seed, bundle=bundle.path)
    for name, figures in body["judges"].items():
        kinds = ", ".join(f"{kind} {100 * one:.1f}" for kind, one in figures["eer_by_kind"].items())
        print(
            f"{name:<22} EER {100 * figures['all']['eer']:.1f} %, near and quiet "
            f"{100 * figures['near_and_quiet']['eer']:.1f} %; {kinds}"
        )
    return 0


def _with_cues(clips: "dict[str, np.ndarray]") -> "dict[str, np.ndarray]":
    """Add the cues of looked-back audio, as rendered clips of training have them."""
    import numpy as np

    from edge.cues import CueSettings, liveness_cues
    from train.baseline_models import judged_audio

    settings = CueSettings()
    cues = [np.round(liveness_cues(window, settings) * 255) for window in judged_audio(clips, settings)]
    return {**clips, "cues": np.stack(cues).astype(np.uint8)}


def _scores(
    sets: "dict[str, dict[str, np.ndarray]]",
    settings: "LivenessSettings",
    data: Path,
    networks: dict[str, Any],
    *,
    seed: int,
    measured_seed: str,
) -> "dict[str, np.ndarray]":
    """Return what each judge says of the clips that are measured on."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from tqdm import tqdm

    from edge.cues import CueSettings
    from train.compression_scores import LivenessJudge
    from train.corpus import load_manifest
    from train.informed_judge import SpectrumJudge, changes, said_summaries
    from train.simulator.recipe import shipped_recipe
    from train.speeds import Speeds

    cues = CueSettings()
    recordings = load_manifest(data)
    seeds: dict[str, int | str] = {"train": seed, "dev": seed, "measured": measured_seed}
    heard, changed = {}, {}
    for name, clips in sets.items():
        speeds = Speeds(*settings.speeds) if name == "train" else Speeds()
        summaries = clips["cues"][:, : cues.summary_rows].astype(np.float32) / 255
        of_said = said_summaries(clips, recordings, cues, shipped_recipe(), speeds=speeds, seed=seeds[name])
        heard[name], changed[name] = summaries.reshape(len(summaries), -1), changes(summaries, of_said)
    live = {name: clips["live"].astype(bool) for name, clips in sets.items()}
    out = {}
    tqdm.write("fitting")
    blind = SpectrumJudge.fit(heard["train"], live["train"], seed=seed)
    out["summaries"] = blind.score(heard["measured"])
    said_by = {
        name: {
            which: LivenessJudge(sets[which]).logits(model)[:, 0, 0].astype(np.float64) for which in ("dev", "measured")
        }
        for name, model in networks.items()
    }
    out |= {name: found["measured"] for name, found in said_by.items()}
    features = {name: np.concatenate((heard[name], changed[name]), axis=1) for name in sets}
    informed = SpectrumJudge.fit(features["train"], live["train"], seed=seed)
    told = {name: informed.score(features[name]) for name in ("dev", "measured")}
    out["informed"] = told["measured"]

    def together(name: str) -> "np.ndarray":
        return np.stack((told[name], *(found[name] for found in said_by.values())), axis=1)

    weighed = LogisticRegression().fit(together("dev"), live["dev"])
    out["informed_and_network"] = weighed.decision_function(together("measured"))
    return out


def _figures(scores: "np.ndarray", clips: "dict[str, np.ndarray]") -> dict[str, Any]:
    from train.liveness_slices import figures_of, slices
    from train.metrics import equal_error_rate

    live = clips["live"].astype(bool)
    chosen = {name: of for name, of in slices(clips).items() if (of & live).any() and (of & ~live).any()}
    return {
        **{name: figures_of(of, clips, scores=scores) for name, of in chosen.items()},
        "eer_by_kind": {
            str(kind): equal_error_rate(scores[live], scores[~live & (clips["kind"] == kind)])
            for kind in sorted(set(clips["kind"][~live]))
        },
    }
