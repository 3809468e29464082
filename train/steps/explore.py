"""``vivavoce train explore``: a page that shows what recordings are like, and what is wrong with them."""

import argparse
import os
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "measure a data folder, and write a report of it as one HTML page"

_EPILOG = """\
The page needs nothing but itself: how much there is, words and talkers, distributions of level, noise and bandwidth,
spectra, all faults that `train check` finds, and the most unusual clips, to be listened to. Because of these a page
must not be passed on; --no-audio makes one that holds no recording. Levels, noise and spectra are those of the first
minute of a clip. Exit code 2 if there is any fault; the page is written all the same.

What was measured is remembered in a file explore-*.json beside the page. A file counts as unchanged while its size
and its time of change are what they were.

examples:
  vivavoce train explore --data DATA --out build/report.html
  vivavoce train explore --data DATA --out build/report.html --no-audio --allow shared-room
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments
    from train.manifest_checks import DISPUTABLE

    parser.epilog = _EPILOG
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="folder with a manifest.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page to write")
    parser.add_argument("--no-audio", action="store_true", help="no recordings in the page")
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="where to remember what was measured [folder of the page]"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes [as many as processors]")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=DISPUTABLE,
        help="count faults of this kind, and do not fail for them; may be given several times",
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Measure the folder and write the page."""
    from collections import Counter

    from edge.cli import EXIT_FAULT
    from edge.errors import DataError, UsageError
    from edge.manifest_file import read_manifest
    from edge.output import out, report_error
    from train.atomic_file import put_bytes
    from train.exploration.measure import cache_file, measure_all
    from train.exploration.page import page
    from train.exploration.summary import headlines
    from train.fault import first_of_each_kind
    from train.folder_check import check_folder
    from train.manifest import manifest_path, to_clips

    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers is {args.workers}, expected 1 or more")
    if os.path.isdir(args.out):
        raise UsageError(f"--out is {args.out}, a folder; expected the name of a file, such as report.html")
    manifest = manifest_path(args.data)
    clips, unread = to_clips(read_manifest(manifest))
    if not clips:
        told = unread[0].message if unread else f"{manifest}: holds a header and no rows; list at least one recording"
        raise DataError(told)
    measured, new = measure_all(clips, cache_file(args.cache or args.out.parent, args.data), workers=args.workers)
    checked = check_folder(args.data, accept=args.allow, read=lambda clip: measured[clip.path].content)
    output = out(args)
    for fault in first_of_each_kind(checked.faults, 5, more="the page lists more"):
        if args.json:
            output.event({"event": "fault", "kind": fault.kind, "message": fault.message})
        else:
            report_error(fault.message)
    recordings = [(clip, measured[clip.path]) for clip in clips]
    html = page(recordings, checked, folder=str(args.data), audio=not args.no_audio)
    put_bytes(args.out, html.encode("utf-8", "replace"))
    facts = headlines(recordings, checked)
    output.event(
        {
            "event": "explore",
            "page": str(args.out),
            "clips": len(clips),
            "measured_now": new,
            "faults": dict(Counter(fault.kind for fault in checked.faults)),
            "facts": {fact.about: fact.text for fact in facts},
        },
        "\n".join([*(f"{fact.about}: {fact.text}" for fact in facts), f"{args.out}: {len(html) / 1e6:.1f} MB"]),
    )
    return EXIT_FAULT if checked.faults else 0
