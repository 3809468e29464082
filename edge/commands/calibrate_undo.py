"""``vivavoce calibrate undo``: the calibration before holds again."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "exchange a calibration and the one before it; once more, and they are exchanged back"

_EPILOG = """\
The calibration before stands beside the file, as FILE.former; before the first one it is the bundle as it shipped. A
daemon reads it with SIGHUP, or when it starts.

example:
  vivavoce calibrate undo home.json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.paths import named_path
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("file", type=named_path, metavar="FILE", help="a calibration")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Exchange the two."""
    from edge.calibration import undo
    from edge.calibration_making import lines_of
    from edge.output import out

    now = undo(args.file)
    lines = [f"{args.file}: the calibration before holds again", *lines_of(now)]
    out(args).event(
        {
            "event": "undone",
            "file": str(args.file),
            "slope": now.slope,
            "offset": now.offset,
            "words": {name: word.cutoff for name, word in now.words.items()},
        },
        "\n  ".join(lines),
    )
    return 0
