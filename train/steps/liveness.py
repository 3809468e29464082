"""``vivavoce train liveness``: the network that tells a mouth from a loudspeaker."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train the liveness network on live and simulated-replay renderings, pruned"

_EPILOG = """\
Renders recordings of the train and dev splits, live and as simulated replays (once; kept in --cache), trains,
prunes, and writes a checkpoint:
  model/               the network as a device runs it
  representative.npz   inputs that calibrate the quantisation
  record.json          seed, commit, hash of the data, settings, wall time, metrics on dev, licences
  spec.json            what the bundle must know
  resume/              state of the last whole epoch
On two cores it takes half an hour to an hour, half of it rendering. Interrupted, the same command goes on from the
last whole epoch, and one that is done is left alone; another seed, setting or data set needs another --out.

example:
  vivavoce train liveness --data ../shared/data -o build/models/liveness
next:
  vivavoce quantize convert build/models/liveness
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options
    from train.training_options import add_settings_options, kind_weight

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    add_settings_options(parser)
    parser.add_argument("--clips", type=int, metavar="N", help="clips to train on, half of them live")
    parser.add_argument("--dev-clips", type=int, metavar="N", help="clips to watch progress on")
    parser.add_argument(
        "--kind-weights",
        type=kind_weight,
        nargs="+",
        metavar="KIND=X",
        help="what replays of a kind of loudspeaker count, e.g. tv=1.5 standalone=1.5",
    )
    parser.add_argument(
        "--group-dro", type=float, metavar="STEP", help="weigh the kinds by how much is got wrong, e.g. 0.01; 0: not"
    )


def run(args: argparse.Namespace) -> int:
    """Train, prune and save the network."""
    from train.engines.choice import engine_from
    from train.liveness_training import LivenessSettings, train_liveness
    from train.recorded_settings import recorded_liveness
    from train.run_clock import RunClock
    from train.training_options import given_settings

    given = given_settings(args, "clips", "dev_clips", "group_dro", recorded=recorded_liveness)
    if args.kind_weights is not None:
        given["kind_weights"] = dict(args.kind_weights)
    with RunClock(args.out / "resume") as clock:
        train_liveness(
            LivenessSettings.from_dict(given, str(args.settings or "options")),
            data=args.data,
            cache=args.cache,
            out=args.out,
            engine=engine_from(args),
            seed=args.seed,
            clock=clock,
        )
    return 0
