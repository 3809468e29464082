"""``vivavoce label``: the owner says what an answer was about; labels with kept sound are recordings to train with."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "say that an answer was about a live voice or a replay, and export what was said"

_EPILOG = """\
  vivavoce label ID live|replay [--note TEXT]   a person spoke, or a loudspeaker did; 'none' takes the label away
  vivavoce label --list                         what was labelled, the newest last
  vivavoce label export --out DIR               labelled answers whose sound was kept, as a folder for training

ID is in the lists of 'vivavoce events'; 'last' is the last answer. Only what you said counts: what the daemon decided
is never taken for a label.
Sound is kept only where [audio] of the daemon's settings asks for it, and for a limited time: export before it is over.
DIR gets manifest.csv, live/ and replay/; the same command adds to it later, and what was exported stays when the answer
has left the store. Nothing here says who spoke: --speaker ID, if it was one person throughout.

examples:
  vivavoce label 1kcv8h3q0m2x7b9d replay --note "the television"
  vivavoce label export --out recordings
  vivavoce train check recordings

exit code: 0; 2 for a fault, each told in one line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.cli import plain_text
    from edge.commands.event_options import add_store_arguments
    from edge.commands.paths import named_path
    from edge.manifest_file import SPLITS
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("what", nargs="*", metavar="WORD", help="ID and its label, or export; see below")
    parser.add_argument("--note", type=plain_text, default="", metavar="TEXT", help="what else you know of it")
    parser.add_argument("--list", action="store_true", help="list the labels")
    group = parser.add_argument_group("export")
    group.add_argument("--out", type=named_path, metavar="DIR", help="folder of recordings; made, or added to")
    group.add_argument("--speaker", type=plain_text, metavar="ID", help="who spoke in all of them [unknown]")
    group.add_argument("--split", choices=SPLITS, help="what they are for [train]")
    group.add_argument(
        "--licence", type=plain_text, metavar="TEXT", help="under which they may train a network [for this home only]"
    )
    add_store_arguments(parser)
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Label, list or export."""
    from edge.commands.event_options import chosen_store
    from edge.errors import UsageError

    path = chosen_store(args)
    wants_export = args.what == ["export"]
    if wants_export != (args.out is not None):
        raise UsageError("label export: expected both 'export' and --out DIR; see: vivavoce label --help")
    if wants_export and not args.list:
        return _export(args, path)
    if args.list and not args.what:
        return _list(args, path)
    if args.list or len(args.what) != 2:
        got = " ".join(args.what) or "nothing"
        raise UsageError(f"label: got {got[:100]!r}, expected ID and live or replay, export, or --list")
    return _label(args, path)


def _label(args: argparse.Namespace, path: "Path") -> int:
    from edge.commands.event_options import named_event
    from edge.event_labels import set_label
    from edge.event_reading import EventReader
    from edge.event_story import line_of
    from edge.output import out

    with EventReader(path) as reader:
        named = named_event(reader, args.what[0]).id
    event = set_label(path, named, args.what[1], args.note)
    out(args).event(event.to_dict(), line_of(event))
    return 0


def _list(args: argparse.Namespace, path: "Path") -> int:
    from edge.event_reading import EventReader, Selection
    from edge.event_story import line_of, safe
    from edge.output import out, warn

    output = out(args)
    shown = 0
    with EventReader(path) as reader:
        for event in reader.events(Selection(label=True)):
            output.event(event.to_dict(), line_of(event) + (f"  {safe(event.note)}" if event.note else ""))
            shown += 1
    if not shown:
        warn(f"{path}: there are no labels yet; give one with: vivavoce label ID live")
    return 0


def _export(args: argparse.Namespace, path: "Path") -> int:
    from edge.cli import EXIT_FAULT
    from edge.event_reading import EventReader, Selection
    from edge.label_export import Facts, export_labelled
    from edge.output import out, report_error, warn

    given = {name: getattr(args, name) for name in ("speaker", "split", "licence") if getattr(args, name) is not None}
    with EventReader(path) as reader:
        labelled = list(reader.events(Selection(label=True)))
        known = reader.ids()
    done = export_labelled(labelled, known, args.out, Facts(**given))
    for line in done.faults:
        report_error(line)
    if done.silent:
        those = "1 label is left out: its" if done.silent == 1 else f"{done.silent} labels are left out: their"
        warn(f"{those} sound was not kept, or is deleted by now")
    record = {"event": "exported", "out": str(args.out), "recordings": done.written, "without_sound": done.silent}
    told = f"{done.written} {'recording is' if done.written == 1 else 'recordings are'} in {args.out}"
    out(args).event(record, told + (f"; check them: vivavoce train check {args.out}" if done.written else ""))
    return EXIT_FAULT if done.faults else 0
