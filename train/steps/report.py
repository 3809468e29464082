"""``vivavoce train report``: a page for somebody who decides, about what a bundle does and how often it is wrong."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.clip import Clip

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write what results mean for a home, as one HTML page for those who decide"

_EPILOG = """\
The page needs nothing but itself: errors a day, for habits that can be set in it; for whom and with which loudspeaker
it is weakest; what it cannot do; which limits it meets. Real and simulated figures stand apart. It reads
wake_test.json, liveness_test.json, liveness_test_scores.csv, protocol.json, runtime.json and what the limits name; of
what is missing it says how to make it. longform_corpora_test.json is told where it is there.

With --data it holds errors to listen to, of simulated clips of dev (the test split is not opened), and names talkers.
Such a page holds recordings of people and must not be passed on.

examples:
  vivavoce train report -o build/report.html
  vivavoce train report --results build/results --bundle build/models/bundle -o build/report.html
  vivavoce train report --data ../shared/data --clips 200 -o build/report.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of results files [%(default)s]"
    )
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="bundle that they are about [the one that ships]")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="recordings, for talkers and errors to listen to [none]"
    )
    parser.add_argument(
        "--clips",
        type=int,
        metavar="N",
        help="with --data: how many clips of the frozen set of dev errors are looked for in, half of them live [200]",
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("build/cache"), metavar="DIR", help="rendered clips and rooms [%(default)s]"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes that render clips [all processors]")
    parser.add_argument("--task", type=Path, metavar="FILE", help="task whose limits are told [that of what ships]")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the page to write")
    add_output_arguments(parser)


_CLIPS = 200
"""One shard of renderings: errors of both kinds are among so many."""


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    import importlib.util

    from edge.errors import MissingExtraError, UsageError

    # Intervals and curves need it; a device has none.
    if importlib.util.find_spec("scipy") is None:
        raise MissingExtraError("the report", "train")

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.output import out
    from train.atomic_file import put_bytes
    from train.judging import judge
    from train.options import check_folders
    from train.report.page import page
    from train.report.results_folder import read_results
    from train.report.scores import SCORES_FILE, read_clip_scores
    from train.task import load_task
    from train.verdicts import count_verdicts

    if args.out.is_dir():
        raise UsageError(f"--out is {args.out}, a folder; expected the name of a file, such as report.html")
    if args.data is None and args.clips is not None:
        raise UsageError("--clips is given without --data, and there is nothing to render; add it or leave --clips out")
    n = _CLIPS if args.clips is None else args.clips
    if n < 2 or n % 2:
        raise UsageError(f"--clips is {n}, expected an even number from 2, half of them live; give another one")
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers is {args.workers}, expected 1 or more")
    if args.data is not None and importlib.util.find_spec("pyroomacoustics") is None:
        raise MissingExtraError("the replay simulator", "train")
    check_folders(args, "cache")

    bundle = open_bundle(args.bundle)
    hashed = bundle_hash(bundle.path)
    results = read_results(args.results, hashed)
    verdicts = judge(load_task(args.task), args.results, bundle_sha256=hashed)
    scores = read_clip_scores(args.results / SCORES_FILE.format(split="test"))
    clips: list[Clip] | str = ""
    examples = None
    if args.data is not None:
        from train.corpus import data_hash, load_manifest
        from train.engines.choice import Engine
        from train.report.examples import examples as rendered

        clips = [clip for clip in load_manifest(args.data) if clip.split == "test"]
        wake = results.of("wake_test.json")
        if not isinstance(wake, str) and wake.text("data_hash") != data_hash(args.data):
            clips = f"{args.data} is not what wake_test.json was measured on; give that folder."
        # Before minutes of rendering: what is wrong with results is told at once.
        page(bundle, results, verdicts, scores=scores, clips=clips)
        examples = rendered(bundle, args.data, args.cache, n=n, engine=Engine("local", args.workers))
    html = page(bundle, results, verdicts, scores=scores, clips=clips, examples=examples)
    put_bytes(args.out, html.encode("utf-8", "replace"))
    out(args).event(
        {
            "event": "report",
            "page": str(args.out),
            "limits": {
                state: sum(one.state == state for one in verdicts) for state in ("met", "missed", "not measured")
            },
            "examples": 0 if examples is None else len(examples),
            "missing": [name for name, part in results.parts.items() if isinstance(part, str)],
        },
        "\n".join(
            [
                *(part for part in results.parts.values() if isinstance(part, str)),
                f"{args.out}: {count_verdicts(verdicts)}; {len(html) / 1e6:.2f} MB",
            ]
        ),
    )
    return 0
