"""``vivavoce train cutoffs``: where to draw the lines, chosen on the dev split with the int8 models."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "choose cut-offs and calibrate the liveness probability on the dev split"

_EPILOG = """\
Runs the networks of a bundle as a device does, over the dev split only, and writes a file for
'vivavoce quantize pack --cutoffs'. The long-form speech of the train split is added to that of dev, because forty
minutes bound a false-accept rate badly; the network has seen it, so the rate there flatters.

example:
  vivavoce train cutoffs --data ../shared/data --bundle build/models/provisional -o build/models/cutoffs.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="bundle whose networks are used")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="JSON file to write")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/cache"),
        metavar="DIR",
        help="rendered clips and rooms [%(default)s]",
    )
    parser.add_argument(
        "--false-accepts",
        type=int,
        default=2,
        metavar="N",
        help="budget over all long-form speech of train and dev [%(default)s]",
    )
    parser.add_argument("--clips", type=int, default=3_000, help="simulated dev clips for liveness [%(default)s]")
    parser.add_argument(
        "--live-refused",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="live users below the accept cut-off on dev [%(default)s]",
    )
    parser.add_argument(
        "--live-rejected",
        type=float,
        default=0.04,
        metavar="SHARE",
        help="live users below the reject cut-off on dev [%(default)s]",
    )
    parser.add_argument("--seed", type=int, default=1, help="[%(default)s]")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that render clips [all processors]")


def run(args: argparse.Namespace) -> int:
    """Choose the cut-offs."""
    import json

    import numpy as np
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.cues import CueSettings
    from train.calibration import choose_word_cutoffs, fit_platt, quantile_cutoff
    from train.corpus import load_manifest, read_clip
    from train.liveness_evaluation import judge_audio
    from train.liveness_scenes import build_liveness_clips
    from train.metrics import equal_error_rate
    from train.simulator.levels import to_int16
    from train.wake_traces import in_noise_floor, trace

    bundle = open_bundle(args.bundle)
    clips = load_manifest(args.data)
    said = [c for c in clips if c.role == "wake" and c.split == "dev"]
    other = [c for c in clips if c.role == "longform" and c.split != "test"]
    positives = [
        [trace(bundle, in_noise_floor(c)) for c in said if c.word == word.id]
        for word in tqdm(bundle.words, desc="words on dev", unit="word")
    ]
    background = [trace(bundle, to_int16(read_clip(c))) for c in tqdm(other, desc="long-form", unit="stream")]
    chosen = choose_word_cutoffs(
        positives, background, refractory_s=bundle.wake.refractory_ms / 1000, false_accepts=args.false_accepts
    )

    simulated = build_liveness_clips(
        args.data, "dev", args.cache,
        n=args.clips, seed=args.seed + 100, cues=CueSettings.from_dict(bundle.liveness.cues),
        audio=True,
        workers=args.workers,
    )  # fmt: skip
    scores = np.array([one.score for one in judge_audio(bundle, simulated)])
    live = simulated["live"].astype(bool)
    slope, offset = fit_platt(scores[live], scores[~live])
    probability = 1 / (1 + np.exp(-(slope * scores + offset)))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(
        json.dumps(
            {
                "words": {word.id: round(c.cutoff, 4) for word, c in zip(bundle.words, chosen, strict=True)},
                "liveness": {
                    "accept": round(quantile_cutoff(probability[live], args.live_refused), 4),
                    "reject": round(quantile_cutoff(probability[live], args.live_rejected), 4),
                    "calibration": {"slope": round(slope, 5), "offset": round(offset, 5)},
                },
            },
            indent=1,
        )
        + "\n"
    )
    for word, c in zip(bundle.words, chosen, strict=True):
        tqdm.write(
            f"{word.id:<14} cut-off {c.cutoff:.3f}  dev recall {c.recall:.3f} of {c.clips}  "
            f"false accepts {c.false_accepts}"
        )
    tqdm.write(
        f"liveness: simulated dev EER {equal_error_rate(scores[live], scores[~live]):.3f}, "
        f"slope {slope:.3f}, offset {offset:.3f}"
    )
    return 0
