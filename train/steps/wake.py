"""``vivavoce train wake``: the streaming network that hears the words."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train the streaming wake-word network from recordings, pruned"

_EPILOG = """\
Renders scenes from the train and dev splits (once; kept in --cache), trains, prunes, and writes a checkpoint:
  model/               the network as a device runs it
  representative.npz   inputs that calibrate the quantisation
  record.json          seed, commit, hash of the data, settings, wall time, metrics on dev, licences
  spec.json            what the bundle must know
  resume/              state of the last whole epoch
Besides the recordings, synthesisers say the words, and phrases that sound like them, with many voices. While it is
trained the network also tells other words that the recordings hold often enough: what they share with the wake words
is learned to be no wake word.
On two cores it takes about half an hour, and the first time some more to render. Interrupted, the same command goes
on from the last whole epoch; another seed, setting or data set needs another --out.

examples:
  vivavoce train wake --data ../shared/data -o build/models/wake
  vivavoce train wake --data ../shared/data --seed 2 --teacher build/models/wake --teacher build/wider -o build/taught
  vivavoce train wake --data ../shared/data --speech-teacher build/teacher -o build/models/wake
next:
  vivavoce quantize convert build/models/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options
    from train.training_options import add_settings_options
    from train.wake_options import add_scene_options, add_teacher_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="scenes")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    add_settings_options(parser)
    add_scene_options(parser)
    parser.add_argument("--width", type=int, metavar="N", help="channels of the hidden layers")
    add_teacher_options(parser)
    parser.add_argument(
        "--embedding-weight", type=float, metavar="X", help="what the error of the speech embedding counts [0.1]"
    )
    parser.add_argument("--teacher-share", type=float, metavar="SHARE", help="share of the loss that teachers have")


def run(args: argparse.Namespace) -> int:
    """Train, prune and save the network."""
    from train.wake_options import check_teachers, given_wake

    check_teachers(args)

    from train.engines.choice import engine_from
    from train.run_clock import RunClock
    from train.wake_training import train_wake

    with RunClock(args.out / "resume") as clock:
        train_wake(
            given_wake(args, "width", "teacher_share", "embedding_weight"),
            data=args.data,
            cache=args.cache,
            out=args.out,
            engine=engine_from(args),
            seed=args.seed,
            clock=clock,
            teachers=args.teacher,
            speech_teacher=args.speech_teacher,
        )
    return 0
