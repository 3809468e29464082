"""``vivavoce train teacher``: a teacher of the wake network that knows speech."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train a teacher of the wake network, on Google's speech embedding"

_EPILOG = """\
The recordings of a word come from a few dozen talkers; Google's speech embedding was made from very many. This computes
it for the scenes that 'vivavoce train wake' learns from (same --seed, --settings, --scenes, --variety, --synth and
--without; kept in --cache), and fits a classifier of the words behind it. That is too large for a device, but teaches a
network that is not: 'vivavoce train wake --speech-teacher'.

The embedding is not part of this package (Apache-2.0; 2.4 MB). The wheel of openWakeWord holds it:
  pip download --no-deps openwakeword==0.5.1 && python -m zipfile -e openwakeword-0.5.1-*.whl build/openwakeword

Writes to --out:
  melspectrogram.tflite, embedding_model.tflite   the embedding
  words.npz                                       the classifier
  record.json                                     seed, commit, hash of the data, settings, wall time, licences
With all scenes it takes about half an hour on two cores, nearly all of it for the embedding; interrupted, the same
command goes on with the scenes that are missing.

example:
  vivavoce train teacher --data ../shared/data \\
      --embedding build/openwakeword/openwakeword/resources/models -o build/teacher
next:
  vivavoce train wake --data ../shared/data --speech-teacher build/teacher -o build/models/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options
    from train.wake_options import add_scene_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="scenes")
    parser.add_argument("--embedding", type=Path, required=True, metavar="DIR", help="folder of the speech embedding")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="settings of the network to be taught, in JSON or TOML, or record.json of a checkpoint; they say what is "
        "rendered",
    )
    add_scene_options(parser)
    # Its own: those of the network to be taught do not matter here.
    parser.add_argument(
        "--epochs", dest="own_epochs", type=int, metavar="N", help="passes over the moments of all scenes [8]"
    )


def run(args: argparse.Namespace) -> int:
    """Train the teacher."""
    from train.embedding_words import EmbeddingWordsSettings
    from train.engines.choice import engine_from
    from train.options import check_folders
    from train.run_clock import RunClock
    from train.speech_teacher_training import train_speech_teacher
    from train.wake_options import given_wake

    check_folders(args, "out", "cache")
    own = {} if args.own_epochs is None else {"epochs": args.own_epochs}
    with RunClock(args.out / "resume") as clock:
        train_speech_teacher(
            EmbeddingWordsSettings.from_dict(own, "options"),
            given_wake(args),
            embedding=args.embedding,
            data=args.data,
            cache=args.cache,
            out=args.out,
            engine=engine_from(args),
            seed=args.seed,
            clock=clock,
        )
    return 0
