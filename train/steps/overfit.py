"""``vivavoce train overfit``: whether the network can learn a few clips by heart."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "check that the liveness network can learn a few clips by heart, before it is given many"

_EPILOG = """\
Trains without any regularisation on a few clips, and writes the error on these same clips after every epoch. A network
that cannot learn 200 clips by heart has a fault, or is too small; then the exit code is 2.

example:
  vivavoce train overfit liveness --data ../shared/data -o build/overfit_liveness.json
next:
  vivavoce train liveness --data ../shared/data -o build/models/liveness
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options
    from train.training_options import add_settings_options

    parser.epilog = _EPILOG
    parser.add_argument("role", choices=("liveness",), help="which network")
    add_shared_options(parser, rendered="clips")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="result to write")
    add_settings_options(parser)
    parser.add_argument("--clips", type=int, default=200, metavar="N", help="clips to learn [%(default)s]")


def run(args: argparse.Namespace) -> int:
    """Train, and write the curve."""
    from edge.cues import CueSettings
    from edge.errors import DataError, UsageError
    from train.corpus import data_hash
    from train.engines.choice import engine_from
    from train.liveness_scenes import build_liveness_clips
    from train.liveness_training import LivenessSettings
    from train.overfitting import LARGEST_ERROR, overfit_liveness
    from train.results import write_result
    from train.training_options import given_settings

    if args.clips < 2:
        raise UsageError(f"--clips is {args.clips}, expected 2 or more: one of each class")
    settings = LivenessSettings.from_dict(given_settings(args), str(args.settings or "options"))
    clips = build_liveness_clips(
        args.data,
        "train",
        args.cache,
        n=args.clips,
        seed=args.seed,
        cues=CueSettings(),
        engine=engine_from(args),
    )
    epochs = 60 if args.epochs is None else args.epochs
    found = overfit_liveness(settings, clips, epochs=epochs, seed=args.seed)
    body = {"overfit": {"role": args.role, "settings": settings.to_dict(), "largest_error": LARGEST_ERROR, **found}}
    write_result(args.out, body, data_hash=data_hash(args.data), seed=args.seed)
    if not found["learned"]:
        raise DataError(
            f"{args.role}: got {found['error']:.1%} of {found['clips']} clips wrong after {len(found['curve'])} "
            f"epochs, expected less than {LARGEST_ERROR:.0%}; give more --epochs or another --rate, or look "
            f"for a fault in the network ({args.out} has the curve)"
        )
    print(f"{args.role}: {found['clips']} clips learned by heart in {len(found['curve'])} epochs: {args.out}")
    return 0
