"""``vivavoce monitor report``: one page for an owner about what the daemon heard."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "write one HTML page: answers a day, how many are accepted, what has changed, and what to do"

_EPILOG = """\
The page needs nothing but itself, and holds no sound. Answers come from the store of events; what is normal, and
alarms, from the state of the monitor. Where there is no such state, both are worked out from the store, whose first
answers are taken for normal. The daemon may be running meanwhile.

With --json one object:
  {"event":"report","out","answers","learned","up":[STATISTIC,...],
   "alarms":[{"statistic","at_s","change":"lower|higher"},...]}

examples:
  vivavoce monitor report --out report.html
  vivavoce monitor report --config /etc/vivavoce.toml --since "30 d" --out month.html

exit code: 0, or 2 for a fault, told in one line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.event_options import add_store_arguments
    from edge.commands.monitor_options import add_state_argument
    from edge.commands.paths import named_path
    from edge.moments import moment
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("-o", "--out", type=named_path, required=True, metavar="FILE", help="the page to write")
    parser.add_argument("--since", type=moment, metavar="WHEN", help="a span before now ('30 d'), or a date")
    add_state_argument(parser)
    add_store_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    import time
    from dataclasses import asdict

    from edge.commands.event_options import chosen_store
    from edge.commands.monitor_options import chosen_state, monitor_settings
    from edge.errors import UsageError
    from edge.event_reading import EventReader, Selection
    from edge.files import write_whole
    from edge.monitor_figures import figures
    from edge.monitor_report import page
    from edge.output import out

    with EventReader(chosen_store(args)) as reader:
        answers = reader.events(Selection(kind="answer"))
        found = figures(
            ((event.at_s, event.record) for event in answers),
            monitor_settings(args),
            state=chosen_state(args),
            since_s=args.since,
        )
    text = page(found, made_at_s=time.time())
    try:
        write_whole(args.out, lambda file: file.write(text.encode()))
    except OSError as error:
        raise UsageError(f"{args.out}: cannot be written ({error.strerror}); choose another file") from error
    record = {
        "event": "report",
        "out": str(args.out),
        "answers": len(found.answers),
        "learned": round(found.learned, 3),
        "up": [alarm.statistic for alarm in found.up],
        "alarms": [asdict(alarm) for alarm in found.alarms],
    }
    said = f"{args.out}: {len(found.answers)} answers, {len(found.up) or 'no'} alarm{'s' * (len(found.up) != 1)} up"
    out(args).event(record, said)
    return 0
