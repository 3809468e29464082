"""``vivavoce train evaluate``: the figures of a bundle, with intervals, beside the baseline."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure a bundle on a split, and write the results with their provenance"

_EPILOG = """\
Writes wake_SPLIT.json and liveness_SPLIT.json; the baseline (f70) is in the latter. Every opening of the test split is
entered into one ledger, wherever the results go: look at it to report, not to choose.

examples:
  vivavoce train evaluate --data ../shared/data -o build/results
  vivavoce train evaluate --data ../shared/data --split test -o results
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options, add_split_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle to measure [the one that ships]")
    add_split_options(parser)
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("results"), metavar="DIR", help="where to write [%(default)s]"
    )
    parser.add_argument(
        "--floats",
        type=Path,
        metavar="DIR",
        help="checkpoints (wake, liveness) whose float models are measured beside",
    )
    parser.add_argument(
        "--clips",
        type=int,
        default=4_000,
        metavar="N",
        help="simulated clips for liveness, half of them live [%(default)s]",
    )


def run(args: argparse.Namespace) -> int:
    """Measure the bundle."""
    import tempfile

    from edge.bundle import open_bundle
    from edge.cues import CueSettings
    from train.corpus import data_hash, load_manifest
    from train.engines.choice import engine_from
    from train.liveness_evaluation import evaluate_raw, evaluate_simulated
    from train.liveness_scenes import build_liveness_clips, sources
    from train.results import float_twin, open_test_split, write_result
    from train.wake_evaluation import evaluate_wake

    engine = engine_from(args)
    bundle = open_bundle(args.bundle)
    hashed = data_hash(args.data)
    if args.split == "test":
        open_test_split(
            args.ledger,
            purpose="vivavoce train evaluate",
            bundle=bundle.path,
            data_hash=hashed,
        )
    clips = [clip for clip in load_manifest(args.data) if clip.split == args.split]
    with tempfile.TemporaryDirectory() as folder:
        floats = float_twin(bundle, args.floats, Path(folder) / "float") if args.floats else None
        wake = {"split": args.split, "int8": evaluate_wake(bundle, clips)}
        if floats is not None:
            wake["float"] = evaluate_wake(floats, clips)
        write_result(args.out / f"wake_{args.split}.json", wake, data_hash=hashed, seed=args.seed, bundle=bundle.path)

        def simulated(split: str, n: int) -> dict:
            # Seeds beside those of training and of the cut-offs: dev clips here were used for neither.
            return build_liveness_clips(
                args.data, split, args.cache, n=n, seed=args.seed + 200,
                cues=CueSettings.from_dict(bundle.liveness.cues),
                audio=True, engine=engine,
            )  # fmt: skip

        liveness = {
            "split": args.split,
            "simulated": evaluate_simulated(
                bundle, simulated(args.split, args.clips), simulated("dev", args.clips // 4), floats=floats
            ),
            "raw": evaluate_raw(bundle, sources(clips), seed=args.seed),
        }
        write_result(
            args.out / f"liveness_{args.split}.json",
            liveness,
            data_hash=hashed,
            seed=args.seed,
            bundle=bundle.path,
        )
    return 0
