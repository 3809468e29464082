"""``vivavoce update status``: which bundle is used, what waits, and what failed."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "show which bundle is used, what waits, and what failed"

_EPILOG = """\
The bundle in use is verified, but for its signature, of which the daemon takes care. Where the one that should be used
is damaged, the one that is used in its place is shown.

With --json the object that 'vivavoce update install --help' describes.

examples:
  vivavoce update status
  vivavoce run --bundle "$(vivavoce update status --json | jq -r .bundle)" scene.wav

exit code: 0; 2 if the bundle that should be used is damaged, or nothing can be told
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.update_options import add_slots_argument
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    add_slots_argument(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Show it."""
    from edge.cli import EXIT_FAULT
    from edge.commands.update_options import shown_slots, status_record
    from edge.output import out
    from edge.slots import Slots

    slots = Slots(args.slots)
    state, bundle = slots.state(), slots.open_active()
    record = status_record(slots, state, bundle)
    out(args).event(record, shown_slots(slots, state, bundle))
    return 0 if record["whole"] else EXIT_FAULT
