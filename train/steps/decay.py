"""``vivavoce train decay``: between what values the power decay of people and of loudspeakers lies."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write the envelopes of people and loudspeakers before which the demo draws the decay of power"

_EPILOG = """\
Computes which share of the power lies below each frequency (the picture on which Void rests) for the clips of the
frozen set of dev, as much of each as the liveness network judges, and writes the 10, 50 and 90 % points of live clips
and of simulated replays. Also counted is how often a curve is nearer to the median of its own class, of talkers who
are left out of it. The frozen set is rendered where the cache does not hold it, which takes long.

The program finds the file where the package keeps it, edge/data/decay_reference.json.

examples:
  vivavoce train decay --data DATA
  vivavoce train decay --data DATA --set-clips 400 -o build/decay_reference.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.paths import named_path

    parser.epilog = _EPILOG
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with a manifest.csv")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/cache"), metavar="DIR", help="rendered clips [%(default)s]"
    )
    parser.add_argument("--set-clips", type=int, metavar="N", help="only the first N clips of the frozen set [all]")
    parser.add_argument(
        "-o",
        "--out",
        type=named_path,
        metavar="FILE",
        help="file to write [the package's]",
    )


def run(args: argparse.Namespace) -> int:
    """Compute the envelopes, and write the file."""
    import numpy as np
    from tqdm import tqdm

    from edge.cues import CueSettings
    from edge.decay import decay_curve
    from edge.decay_reference import DEFAULT_DECAY, decay_table
    from edge.errors import UsageError
    from edge.void import VoidSettings
    from train.baseline_models import judged_audio
    from train.corpus import data_hash
    from train.decay_envelopes import decay_reference
    from train.frozen_set import N_CLIPS, heard_of, render_set, told
    from train.results import write_result
    from train.simulator.recipe import shipped_recipe

    if args.set_clips is not None and not 1 <= args.set_clips <= N_CLIPS:
        raise UsageError(f"--set-clips: got {args.set_clips}, expected 1 to {N_CLIPS}")
    hashed = data_hash(args.data)
    rendered = render_set(args.data, "dev", args.cache, n=args.set_clips or N_CLIPS)
    settings = VoidSettings()
    audio = judged_audio(heard_of(rendered), CueSettings())
    curves = np.array([decay_curve(samples, settings) for samples in tqdm(audio, desc="curves", unit="clip")])
    live = rendered["live"].astype(bool)
    reference = decay_reference(
        curves,
        live,
        [str(talker) for talker in rendered["talker"]],
        settings,
        source=f"{live.sum()} live clips and {(~live).sum()} simulated replays, talkers and loudspeakers of dev",
    )
    kinds, counts = np.unique(rendered["kind"][~live], return_counts=True)
    body = decay_table(reference) | {
        "set": told(rendered, args.data, "dev"),
        "recipe_sha256": shipped_recipe().hash,
        "talkers": len(set(rendered["talker"])),
        "replays_of_kind": {str(kind): int(count) for kind, count in zip(kinds, counts, strict=True)},
    }
    out = args.out or DEFAULT_DECAY
    write_result(out, body, data_hash=hashed, seed=0)
    print(
        f"{out}: {reference.source}; nearer to their own median: {100 * reference.live_right:.0f} % of live, "
        f"{100 * reference.replay_right:.0f} % of replays"
    )
    return 0
