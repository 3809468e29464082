"""``vivavoce train overfit``: whether a network can learn a few clips by heart."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "check that a network can learn a few clips by heart, before it is given many"

_EPILOG = """\
Trains without any regularisation on a few clips (of the wake network: scenes of 3 s, half of them with a word), and
writes loss and error on these same clips after every epoch; FILE with .html in place of .json has the curves. A network
that cannot learn 200 clips by heart, to next to no loss, has a fault, or is too small; then the exit code is 2.

examples:
  vivavoce train overfit wake     --data ../shared/data -o build/overfit_wake.json
  vivavoce train overfit liveness --data ../shared/data -o build/overfit_liveness.json
next:
  vivavoce train wake --data ../shared/data -o build/models/wake
"""

_EPOCHS = 200
"""Of 200 clips some 1400 steps: with fewer, the running statistics of batch normalisation have not forgotten their
beginning, and a network that knows all clips by heart still gets them wrong."""
_SCENES = 0.02
"""Share of the scenes that the wake network is shown some of; all of them would be rendered first."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options
    from train.training_options import add_settings_options

    parser.epilog = _EPILOG
    parser.add_argument("role", choices=("wake", "liveness"), help="which network")
    add_shared_options(parser, rendered="clips")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="result to write")
    add_settings_options(parser)
    parser.add_argument("--clips", type=int, default=200, metavar="N", help="clips or scenes to learn [%(default)s]")


def run(args: argparse.Namespace) -> int:
    """Train, and write the curve."""
    from edge.errors import DataError, UsageError
    from train.atomic_file import put_bytes
    from train.corpus import data_hash
    from train.overfitting import LARGEST_ERROR, SMALL_LOSS
    from train.results import write_result
    from train.study_page import curve_page

    if args.clips < 2:
        raise UsageError(f"--clips is {args.clips}, expected 2 or more: one of each class")
    page = args.out.with_suffix(".html")
    if page == args.out:
        raise UsageError(
            f"--out {args.out}: got a name ending in .html, expected one for JSON; the page is put beside it"
        )
    found = (_wake if args.role == "wake" else _liveness)(args)
    bounds = {"largest_error": LARGEST_ERROR, "small_loss": SMALL_LOSS}
    body = {"overfit": {"role": args.role, **bounds, **found}}
    write_result(args.out, body, data_hash=data_hash(args.data), seed=args.seed)
    put_bytes(page, curve_page(found, f"The {args.role} network learns a few clips by heart").encode())
    if not found["learned"]:
        raise DataError(
            f"{args.role}: got {found['error']:.1%} of {found['examples']} clips wrong and a loss of "
            f"{found['loss']:.4f} after {len(found['curve'])} epochs, expected less than {LARGEST_ERROR:.0%} and "
            f"{SMALL_LOSS:g}; give more --epochs or another --rate, or look for a fault in the network ({args.out} "
            "has the curve)"
        )
    print(
        f"{args.role}: {found['examples']} clips learned by heart in {len(found['curve'])} epochs, loss "
        f"{found['loss']:.4f}: {args.out}, {page}"
    )
    return 0


def _liveness(args: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import replace

    from train.engines.choice import engine_from
    from train.liveness_training import LivenessSettings, liveness_clips
    from train.overfitting import overfit_liveness
    from train.recorded_settings import recorded_liveness
    from train.training_options import given_settings

    settings = LivenessSettings.from_dict(
        given_settings(args, recorded=recorded_liveness), str(args.settings or "options")
    )
    settings = replace(settings, clips=args.clips, dev_clips=args.clips)
    clips = liveness_clips(
        settings, data=args.data, cache=args.cache, engine=engine_from(args), seed=args.seed, splits=("train",)
    )["train"]
    return overfit_liveness(settings, clips, epochs=_epochs(args), seed=args.seed)


def _wake(args: argparse.Namespace) -> dict[str, Any]:
    from dataclasses import replace

    from train.engines.choice import engine_from
    from train.overfitting import few_scenes, overfit_wake
    from train.recorded_settings import recorded_wake
    from train.training_options import given_settings
    from train.wake_material import phrases, wake_scenes
    from train.wake_settings import WakeSettings

    given = given_settings(args, recorded=recorded_wake)
    settings = WakeSettings.from_dict(given, str(args.settings or "options"))
    # Recordings alone: what is learned by heart needs no variety.
    settings = replace(settings, synth=(), scenes=min(settings.scenes, _SCENES))
    words = tuple(sorted(set(phrases(args.data)) - set(settings.without)))
    scenes = wake_scenes(
        settings, words, data=args.data, cache=args.cache, engine=engine_from(args), seed=args.seed, splits=("train",)
    )["train"]
    few = few_scenes(scenes, args.clips, args.seed)
    return overfit_wake(settings, few, len(words), epochs=_epochs(args), seed=args.seed)


def _epochs(args: argparse.Namespace) -> int:
    return _EPOCHS if args.epochs is None else int(args.epochs)
