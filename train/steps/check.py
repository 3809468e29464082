"""``vivavoce train check``: whether a data folder is what its manifest says."""

import argparse
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "verify a data folder: every row and every file, all faults at once"

_EPILOG = """\
Reads each file to its end. Tells of columns that are mistyped, rows that are malformed, files that are missing,
unreadable, or not those whose sha256 the manifest has, audio that is listed twice, and of talkers, loudspeakers and
rooms that are in splits where they must not be. Exit code 2 if there is any fault.

examples:
  vivavoce train check DATA
  vivavoce train check DATA --allow shared-room --allow shared-loudspeaker --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments
    from train.manifest_checks import DISPUTABLE

    parser.epilog = _EPILOG
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with a manifest.csv")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=DISPUTABLE,
        help="count faults of this kind, and do not fail for them; may be given several times",
    )
    parser.add_argument(
        "--show", type=int, default=5, metavar="N", help="faults of a kind to list, 0 for all [%(default)s]"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Verify the folder."""
    from collections import Counter

    from edge.cli import EXIT_FAULT
    from edge.errors import UsageError
    from edge.output import out, report_error
    from train.fault import first_of_each_kind
    from train.folder_check import check_folder

    if args.show < 0:
        raise UsageError(f"--show is {args.show}, expected 0 or more; 0 lists all faults")
    checked = check_folder(args.data, accept=args.allow)
    output = out(args)
    for fault in first_of_each_kind(checked.faults, args.show, more="--show 0 lists them all"):
        if args.json:
            output.event({"event": "fault", "kind": fault.kind, "message": fault.message})
        else:
            report_error(fault.message)
    counts = dict(Counter(fault.kind for fault in checked.faults))
    accepted = dict(checked.accepted)
    told = [f"{number} {kind}" for kind, number in counts.items()] or ["no fault"]
    told += [f"{number} {kind} accepted" for kind, number in accepted.items()]
    output.event(
        {
            "event": "check",
            "folder": str(args.data),
            "clips": checked.clips,
            "seconds": round(checked.seconds, 3),
            "faults": counts,
            "accepted": accepted,
        },
        f"{args.data}: {checked.clips} clips, {checked.seconds / 3600:.2f} h; {', '.join(told)}",
    )
    return EXIT_FAULT if checked.faults else 0
