"""``vivavoce events delete``: events and kept sound, gone for good."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "delete events, or only their sound, for good"

_EPILOG = """\
Says what would be deleted, and asks; without a terminal, --yes confirms. The daemon may be running meanwhile.

  --all               all events, their sound and labels, and damaged stores that were set aside
  --before WHEN       the same of everything before a moment
  ID ...              the same of these events
  --audio             only sound: all of it, or with --before or ID that of these; the events stay

What is deleted is overwritten in the database, and the database is written anew. What lay in the blocks of a flash
memory before may still be read by who opens the device; folders that 'vivavoce label export' made are not changed.

examples:
  vivavoce events delete --audio
  vivavoce events delete --before "30 d" --yes
  vivavoce events delete --all --store /var/lib/vivavoce/events.sqlite3

exit code: 0; 2 for a fault, or if it was not confirmed
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.commands.event_options import add_json_argument, add_store_arguments
    from edge.moments import moment

    parser.epilog = _EPILOG
    parser.add_argument("ids", nargs="*", metavar="ID", help="of an event")
    parser.add_argument("--all", action="store_true", help="everything")
    # The command above has an option of this name, too: it must not be taken for this one.
    parser.add_argument("--before", dest="delete_before", type=moment, metavar="WHEN", help="what was before a moment")
    parser.add_argument("--audio", action="store_true", help="only sound")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_store_arguments(parser, below=True)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Delete them."""
    from edge.commands.event_options import chosen_audio_folders, chosen_store
    from edge.errors import UsageError
    from edge.event_deletion import Deletion
    from edge.output import out, warn
    from edge.terminal import Terminal

    scopes = (args.all, args.delete_before is not None, bool(args.ids))
    if sum(scopes) > 1 or not (any(scopes) or args.audio):
        raise UsageError("events delete: got no one choice, expected one of --all, --before WHEN, ID, or --audio")
    deletion = Deletion(
        chosen_store(args),
        folders=chosen_audio_folders(args),
        before_s=args.delete_before,
        ids=tuple(args.ids),
        only_audio=args.audio,
    )
    output = out(args)
    there = deletion.counted()
    if not any(there):
        # A deletion that was interrupted may have left something in the files all the same.
        deletion.run()
        output.event(_record(there), "there is nothing to delete")
        return 0
    if not args.yes:
        terminal = Terminal()
        if not terminal.interactive:
            raise UsageError(
                f"events delete: {_told(there)} would be deleted, expected a confirmation; add --yes to delete them"
            )
        if terminal.ask(f"Delete {_told(there)}, for good? Type yes:").lower() != "yes":
            raise UsageError("events delete: got no confirmation, expected yes; nothing was deleted")
    gone = deletion.run()
    output.event(_record(gone), f"deleted: {_told(gone)}")
    for line in deletion.left:
        warn(line)
    return 0


def _record(numbers: tuple[int, int, int]) -> dict[str, object]:
    return {"event": "deleted", **dict(zip(("events", "audio", "damaged"), numbers, strict=True))}


def _told(numbers: tuple[int, int, int]) -> str:
    names = (("event", "events"), ("file of sound", "files of sound"), ("damaged store", "damaged stores"))
    parts = [f"{number} {name[number != 1]}" for number, name in zip(numbers, names, strict=True) if number]
    return " and ".join(parts) or "nothing"
