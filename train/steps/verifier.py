"""``vivavoce train verifier``: the network that listens again to what the wake network took for a word."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train the network that verifies what was taken for a word"

_EPILOG = """\
A cascade: the wake network runs all the time and is small. At a low cut-off it misses few words, and takes many other
things for one; those the verifier hears again, 1.7 s at once. It is Google's speech embedding, which was made from very
many talkers, and a classifier of the words behind it. The embedding stays as it is; the classifier is fitted on the
scenes that 'vivavoce train wake' learns from (same --seed, --settings and --scenes; kept in --cache).

The embedding is not part of this package (Apache-2.0; 2.4 MB). The wheel of openWakeWord holds it:
  pip download --no-deps openwakeword==0.5.1 && python -m zipfile -e openwakeword-0.5.1-*.whl build/openwakeword

Writes to --out a checkpoint:
  model/               the network as a device runs it, embedding and classifier
  representative.npz   spectrograms that calibrate the quantisation
  spec.json            words, and when it is asked
  record.json          seed, commit, hash of the data, settings, wall time, licences
With all scenes it takes about half an hour on two cores, nearly all of it for the embedding; interrupted, the same
command goes on with the scenes that are missing. One that is done is left alone; another seed, setting or data set
needs another --out.

example:
  vivavoce train verifier --data ../shared/data \\
      --embedding build/openwakeword/openwakeword/resources/models -o build/models/verifier
next:
  vivavoce quantize convert build/models/verifier
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="scenes")
    parser.add_argument("--embedding", type=Path, required=True, metavar="DIR", help="folder of the speech embedding")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="settings of the wake network, in JSON or TOML, or record.json of its checkpoint; they say what is "
        "rendered",
    )
    parser.add_argument("--scenes", type=float, metavar="SHARE", help="share of the full set of scenes")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the moments of all scenes")
    parser.add_argument("--hidden", type=int, metavar="N", help="units of the first layer of the classifier")


def run(args: argparse.Namespace) -> int:
    """Train the verifier."""
    from train.embedding_words import EmbeddingWordsSettings
    from train.engines.choice import engine_from
    from train.options import check_folders
    from train.recorded_settings import recorded_wake
    from train.run_clock import RunClock
    from train.training_options import given_settings
    from train.verifier_training import VERIFIER_CLASSIFIER, train_verifier
    from train.wake_settings import WakeSettings

    check_folders(args, "out", "cache")
    chosen = {name: getattr(args, name) for name in ("epochs", "hidden") if getattr(args, name) is not None}
    classifier = EmbeddingWordsSettings.from_dict({**VERIFIER_CLASSIFIER.to_dict(), **chosen}, "options")
    args.epochs = args.rate = args.batch = args.sparsity = args.ema = None
    with RunClock(args.out / "resume") as clock:
        train_verifier(
            classifier,
            WakeSettings.from_dict(
                given_settings(args, "scenes", recorded=recorded_wake), str(args.settings or "options")
            ),
            embedding=args.embedding,
            data=args.data,
            cache=args.cache,
            out=args.out,
            engine=engine_from(args),
            seed=args.seed,
            clock=clock,
        )
    return 0
