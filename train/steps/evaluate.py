"""``vivavoce train evaluate``: the figures of a bundle, with intervals, beside the baseline."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure a bundle on a split, and write the results with their provenance"

_SEEN_CLIPS = 1_000

_EPILOG = """\
Writes wake_SPLIT.json, liveness_SPLIT.json and liveness_SPLIT_scores.csv; the baselines (f70, and Void, fitted on
renderings of train) are in the latter two. Every opening of the test split is entered into one ledger, wherever the
results go: look at it to report, not to choose. At the end, a line for each limit of the task that is measured here:
met, or missed.

examples:
  vivavoce train evaluate --data ../shared/data -o build/results
  vivavoce train evaluate --data ../shared/data --split test -o results
next:
  vivavoce train frame -o build/limits.json
  vivavoce quantize limits edge/data/bundle --verdicts build/limits.json
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
        help="checkpoints (wake, liveness) whose float models are measured beside, in the same conditions and slices",
    )
    parser.add_argument(
        "--clips",
        type=int,
        metavar="N",
        help="only the first N clips of the frozen set of simulated ones, half of them live [all]",
    )
    parser.add_argument(
        "--void-clips",
        type=int,
        default=3_000,
        metavar="N",
        help="simulated clips of train on which Void is fitted, to be compared with [%(default)s]",
    )
    parser.add_argument("--task", type=Path, metavar="FILE", help="task whose limits are compared [that of what ships]")


def run(args: argparse.Namespace) -> int:
    """Measure the bundle."""
    import tempfile

    from tqdm import tqdm

    from edge.bundle import open_bundle, without_verifier
    from edge.bundle_identity import bundle_hash
    from edge.cues import CueSettings
    from edge.errors import UsageError
    from train.baseline_models import Examples, fit_baseline, judged_audio
    from train.corpus import data_hash, load_manifest
    from train.engines.choice import engine_from
    from train.frozen_set import N_CLIPS, heard_of, render_set, told
    from train.judging import judge
    from train.liveness_evaluation import evaluate_raw, evaluate_simulated
    from train.liveness_scenes import build_liveness_clips, sources
    from train.options import check_folders
    from train.paired_difference import recall_differences
    from train.report.scores import SCORES_FILE
    from train.results import float_twin, open_test_split, write_result
    from train.simulator.recipe import shipped_recipe
    from train.task import load_task
    from train.verdicts import count_verdicts, verdict_lines
    from train.wake_evaluation import evaluate_wake

    # Before the split is opened: a fault in these must not cost an opening.
    if args.clips is not None and (args.clips < 2 or args.clips % 2):
        raise UsageError(
            f"--clips is {args.clips}, expected an even number from 2, half of them live; give another one"
        )
    if args.void_clips < 2 or args.void_clips % 2:
        raise UsageError(
            f"--void-clips is {args.void_clips}, expected an even number from 2, half of them live; give another one"
        )
    check_folders(args, "out", "cache")
    task = load_task(args.task)
    engine = engine_from(args)
    bundle = open_bundle(args.bundle)
    hashed = data_hash(args.data)
    with tempfile.TemporaryDirectory() as folder:
        floats = float_twin(bundle, args.floats, Path(folder) / "float") if args.floats else None
        if args.split == "test":
            open_test_split(
                args.ledger,
                purpose="vivavoce train evaluate",
                bundle=bundle.path,
                data_hash=hashed,
            )
        clips = [clip for clip in load_manifest(args.data) if clip.split == args.split]
        wake = {
            "split": args.split,
            "model_bytes": len(bundle.content(bundle.wake.file)),
            **({} if bundle.verifier is None else {"verifier_bytes": len(bundle.content(bundle.verifier.file))}),
            "int8": evaluate_wake(bundle, clips),
        }
        if bundle.verifier is not None:
            wake["wake_network_alone"] = evaluate_wake(without_verifier(bundle), clips)
        if floats is not None:
            wake["float"] = evaluate_wake(floats, clips)
            ids = {word.id for word in bundle.words}
            said = [clip for clip in clips if clip.role == "wake" and clip.word in ids]
            wake["int8_minus_float"] = recall_differences(wake["int8"], wake["float"], said)
        write_result(args.out / f"wake_{args.split}.json", wake, data_hash=hashed, seed=args.seed, bundle=bundle.path)

        def rendered(seed: str, n: int) -> Any:
            # Talkers, loudspeakers and rooms of train, but renderings that nothing was trained on.
            return build_liveness_clips(
                args.data, "train", args.cache, n=n, seed=seed, cues=CueSettings(), keep="heard", engine=engine
            )

        void_record: dict[str, Any] = {}

        def void_of(clips: Any) -> Any:
            examples = Examples(judged_audio(clips, CueSettings()), clips["live"].astype(bool), clips["talker"])
            tqdm.write(f"fitting Void on {len(examples.audio)} clips")
            baseline = fit_baseline("void", examples, seed=args.seed)
            void_record.update(clips=len(examples.audio), recipe=shipped_recipe().hash, **baseline.record)
            return baseline.score

        # Neither set was used for training or cut-offs.
        n = N_CLIPS if args.clips is None else args.clips
        measured = render_set(args.data, args.split, args.cache, n=n, engine=engine)
        dev = render_set(args.data, "dev", args.cache, n=n, engine=engine)
        liveness = {
            "split": args.split,
            "set": told(measured, args.data, args.split),
            "model_bytes": len(bundle.content(bundle.liveness.file)),
            "simulated": evaluate_simulated(
                bundle,
                heard_of(measured),
                heard_of(dev),
                floats=floats,
                seen=rendered("seen", min(n, _SEEN_CLIPS)),
                void=void_of(rendered("void", args.void_clips)),
                table=args.out / SCORES_FILE.format(split=args.split),
            ),
            "void_fit": void_record,
            "raw": evaluate_raw(bundle, sources(clips), seed=args.seed),
            # What is said of the one is said of the other: the same recordings, in the same noise.
            **({} if floats is None else {"raw_float": evaluate_raw(floats, sources(clips), seed=args.seed)}),
        }
        write_result(
            args.out / f"liveness_{args.split}.json",
            liveness,
            data_hash=hashed,
            seed=args.seed,
            bundle=bundle.path,
        )
    written = {f"{part}_{args.split}.json" for part in ("wake", "liveness")}
    verdicts = [
        verdict
        for verdict in judge(task, args.out, bundle_sha256=bundle_hash(bundle.path), split=args.split)
        if verdict.source in written
    ]
    for line in (*verdict_lines(verdicts), count_verdicts(verdicts)):
        tqdm.write(line)
    return 0
