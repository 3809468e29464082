"""``vivavoce calibrate show``: what a calibration says."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "say what a calibration is for, what it rests on, and what is expected of it"

_EPILOG = """\
With --json the file itself, as one object, and in "holds" whether it is for the bundle.

examples:
  vivavoce calibrate show home.json
  vivavoce calibrate show home.json --bundle mine
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
    """Show it."""
    import json

    from edge.calibration import calibration_text, is_for, read_calibration
    from edge.calibration_making import lines_of
    from edge.commands.bundle_options import open_chosen
    from edge.output import out

    calibration = read_calibration(args.file)
    bundle = open_chosen(args, args.bundle)
    record = {"event": "calibration", "file": str(args.file), "holds": is_for(calibration, bundle)}
    lines = [f"{args.file}:", *lines_of(calibration, bundle)]
    out(args).event(record | json.loads(calibration_text(calibration)), "\n  ".join(lines))
    return 0
