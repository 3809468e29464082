"""``vivavoce events show``: all that is known of one event, and why it went as it did."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "tell everything about one event in sentences: why a command was blocked"

_EPILOG = """\
ID is in the lists of 'vivavoce events'; 'last' is the last answer.

examples:
  vivavoce events show last
  vivavoce events show 1kcv8h3q0m2x7b9d --json

exit code: 0, or 2 if there is no such event
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.event_options import add_json_argument, add_store_arguments

    parser.epilog = _EPILOG
    parser.add_argument("id", metavar="ID", help="of the event, or 'last'")
    add_store_arguments(parser, below=True)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Tell it."""
    from edge.commands.event_options import chosen_store, named_event
    from edge.event_reading import EventReader
    from edge.event_story import story_of
    from edge.output import out

    path = chosen_store(args)
    with EventReader(path) as reader:
        found = named_event(reader, args.id)
    output = out(args)
    output.event(found.to_dict(), None if output.as_json else "\n".join(story_of(found)))
    return 0
