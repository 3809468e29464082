"""``vivavoce update roll-back``: give up the new bundle."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "give up the candidate, or go back to the bundle before"

_EPILOG = """\
A bundle that waits for its trial, or is in it, is given up. Without one, the bundle in use is, and the one before is
used again; where it was confirmed already, and the one before is older, that needs --allow-downgrade. What was given up
is remembered, and installed again only with 'vivavoce update install --retry'. A running daemon sees it within a
second.

With --json the object that 'vivavoce update install --help' describes.

examples:
  vivavoce update roll-back
  vivavoce update roll-back --reason "refuses my brother" --allow-downgrade

exit code: 0, or 2 with the reason; then nothing has changed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.cli import plain_text
    from edge.commands.update_options import add_slots_argument
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_slots_argument(parser)
    parser.add_argument("--reason", type=plain_text, default="the owner said so", metavar="TEXT", help="why")
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="go back to a bundle that is older than one that was confirmed"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Go back."""
    from edge.commands.update_options import shown_slots, status_record
    from edge.output import out
    from edge.slots import Slots

    slots = Slots(args.slots)
    state = slots.roll_back(args.reason, allow_downgrade=args.allow_downgrade)
    bundle = slots.open_active()
    out(args).event(status_record(slots, state, bundle), shown_slots(slots, state, bundle))
    return 0
