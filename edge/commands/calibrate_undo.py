"""``vivavoce calibrate undo``: the calibration before stands in its place again."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "exchange a calibration and the one before it; once more, and they are exchanged back"

_EPILOG = """\
The calibration before stands beside the file, as FILE.former; before the first one it is the bundle as it shipped. A
daemon reads it with SIGHUP, or when it starts. One that is for another bundle than the one that is used is exchanged
all the same, and it is said that it does not hold.

example:
  vivavoce calibrate undo home.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.bundle_options import add_bundle_arguments
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("file", type=named_path, metavar="FILE", help="a calibration")
    add_bundle_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Exchange the two."""
    from edge.calibration import is_for, undo
    from edge.calibration_making import lines_of
    from edge.commands.bundle_options import open_chosen
    from edge.output import out

    bundle = open_chosen(args, args.bundle)
    now = undo(args.file)
    holds = is_for(now, bundle)
    first = "holds again" if holds else "stands here again, and is for another bundle"
    lines = [f"{args.file}: the calibration before {first}", *lines_of(now, bundle)]
    out(args).event(
        {
            "event": "undone",
            "file": str(args.file),
            "holds": holds,
            "slope": now.slope,
            "offset": now.offset,
            "words": {name: word.cutoff for name, word in now.words.items()},
        },
        "\n  ".join(lines),
    )
    return 0
