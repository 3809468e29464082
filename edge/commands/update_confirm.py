"""``vivavoce update confirm``: say that the new bundle does what it should."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "say that the bundle on probation does what it should"

_EPILOG = """\
A daemon confirms a bundle by itself after some healthy minutes. From then on no bundle with a lower version is
installed.

With --json the object that 'vivavoce update install --help' describes.

example:
  vivavoce update confirm

exit code: 0, or 2 if no bundle is on probation
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.update_options import add_slots_argument
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_slots_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Confirm it."""
    from edge.commands.update_options import shown_slots, status_record
    from edge.output import out
    from edge.slots import Slots

    slots = Slots(args.slots)
    state, bundle = slots.confirm(), slots.open_active()
    out(args).event(status_record(slots, state, bundle), shown_slots(slots, state, bundle))
    return 0
