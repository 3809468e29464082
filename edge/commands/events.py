"""``vivavoce events``: what the daemon heard, and what it made of it."""

import argparse
from typing import TYPE_CHECKING

from edge.cli import add_commands, run_chosen

if TYPE_CHECKING:
    from pathlib import Path

    from edge.event_reading import EventReader, Selection
    from edge.output import Output

__all__ = ["STEPS", "SUMMARY", "configure", "run"]

SUMMARY = "list, explain and delete what the daemon heard and answered"

STEPS = {
    "show": "edge.commands.events_show",
    "delete": "edge.commands.events_delete",
}
"""Steps by name."""

_POLL_S = 0.5
_PATIENCE = 10
"""How often in a row the store may not be readable while it is followed."""

_EPILOG = """\
Without a command, the events are listed, the newest last: answers, and changes of the daemon's state. It may be running
meanwhile. Times are those of this device's time zone.

With --json one object a line, as the daemon sends it, and:
  {...,"audio":PATH|null,"label":"live|replay"|null,"note"}

examples:
  vivavoce events
  vivavoce events --since "2 h" --action block
  vivavoce events --since 2026-11-20 --before 2026-11-27 --word "smart mirror" --limit 0 --json
  vivavoce events --follow
  vivavoce events show 1kcv8h3q0m2x7b9d
  vivavoce events delete --before "30 d"

exit code: 0; 2 for a fault, told in one line; 130 if it was stopped with Ctrl-C
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options and the steps."""
    from edge.commands.event_options import add_store_arguments
    from edge.moments import moment
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("--since", type=moment, metavar="WHEN", help="a span before now ('2 h', '3 d'), or a date")
    parser.add_argument("--before", type=moment, metavar="WHEN", help="the same; only what was before it")
    parser.add_argument("--word", default="", metavar="WORD", help="only this word, by its id or phrase")
    parser.add_argument("--action", default="", metavar="ACTION", help="only answers with this one: pass, block or ask")
    parser.add_argument("--reason", default="", metavar="KEY", help="only answers with this reason, e.g. loudspeaker")
    parser.add_argument("--kind", default="", metavar="KIND", help="only this: answer, or status (a change of state)")
    parser.add_argument(
        "--limit", type=int, default=50, metavar="N", help="the newest N at most; 0 for all [%(default)s]"
    )
    parser.add_argument("--follow", action="store_true", help="go on, and print events as they come")
    add_store_arguments(parser)
    add_output_arguments(parser)
    add_commands(parser, STEPS)


def run(args: argparse.Namespace) -> int:
    """List events, or run the chosen step."""
    if args._chosen:
        return run_chosen(args)

    from typing import get_args

    from edge.answers import Action
    from edge.commands.event_options import chosen_store
    from edge.errors import UsageError
    from edge.event_reading import EventReader, Selection
    from edge.event_rows import KINDS
    from edge.output import out, warn
    from edge.policy import REASONS

    if args.limit < 0:
        raise UsageError(f"--limit is {args.limit}, expected 0 or more; 0 lists all events")
    for option, known in (("action", get_args(Action)), ("kind", KINDS), ("reason", REASONS)):
        given = getattr(args, option)
        if given and given not in known:
            raise UsageError(f"--{option}: got {given!r}, expected one of {', '.join(known)}; correct it")
    path = chosen_store(args)
    selection = Selection(
        since_s=args.since,
        before_s=args.before,
        word=args.word,
        action=args.action,
        reason=args.reason,
        kind=args.kind,
    )
    output = out(args)
    with EventReader(path) as reader:
        last = reader.last_seq()
        shown = _print(reader, selection, args.limit, output)
        damaged = reader.damaged
    if damaged:
        those = "1 event is" if damaged == 1 else f"{damaged} events are"
        warn(f"{path}: {those} damaged, and left out: the disk gives back what was not written to it")
    if not shown and not args.follow:
        # Not on stdout: with --json every line there is an event.
        warn(f"{path}: there are no events{' like these' if last else ' yet'}")
    if args.follow:
        _follow(path, selection, max(last, shown), output)
    return 0


def _print(reader: "EventReader", selection: "Selection", newest: int, output: "Output") -> int:
    """Print events, and return the place of the last one; 0 if there is none."""
    from edge.event_story import line_of

    last = 0
    for event in reader.events(selection, newest=newest):
        output.event(event.to_dict(), None if output.as_json else line_of(event))
        last = event.seq
    return last


def _follow(path: "Path", selection: "Selection", last: int, output: "Output") -> None:
    """Print what comes, until the person or the reader of the output has enough."""
    import time
    from dataclasses import replace

    from edge.errors import StoreError
    from edge.event_reading import EventReader

    faults = 0
    while True:
        time.sleep(_POLL_S)
        # Opened anew each time: the daemon may have set the file aside, or not made it again yet.
        if not path.exists():
            continue
        try:
            with EventReader(path) as reader:
                newest = reader.last_seq()
                if newest < last:
                    last = 0  # deleted meanwhile, or a new file
                if newest > last:
                    last = max(newest, _print(reader, replace(selection, after_seq=last), 0, output))
            faults = 0
        except StoreError:
            # The daemon, which looks at the same file, may be about to set it aside.
            faults += 1
            if faults >= _PATIENCE:
                raise
