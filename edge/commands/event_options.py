"""Options that say which store of events is meant, shared by the commands that open one."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.event_reading import EventReader
    from edge.event_rows import StoredEvent

__all__ = [
    "add_json_argument",
    "add_store_arguments",
    "chosen_audio_folders",
    "chosen_store",
    "named_event",
    "settings_table",
]

T = TypeVar("T")


def add_store_arguments(parser: argparse.ArgumentParser, *, below: bool = False) -> None:
    """Add the options.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    below : bool
        Whether the command above has them, too: what was given there then holds.
    """
    from edge.commands.paths import named_path

    default: Any = argparse.SUPPRESS if below else None
    group = parser.add_argument_group("store of events")
    group.add_argument(
        "--store", type=named_path, metavar="FILE", default=default, help="the file [that of the settings]"
    )
    group.add_argument(
        "--config",
        type=named_path,
        metavar="FILE",
        default=default,
        help="settings of the daemon [without them: where a daemon keeps events by default]",
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a step of a command that has it, too: what was given there holds."""
    parser.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print one JSON object a line, not text for people",
    )


def chosen_store(args: argparse.Namespace) -> Path:
    """Return the path of the store that is meant: it may not be there.

    Raises
    ------
    UsageError
        If the settings cannot be read.
    """
    from edge.event_store import StoreSettings
    from edge.state_folder import kept_by_service

    if args.store is not None:
        path: Path = args.store
        return path
    settings = settings_table(args, StoreSettings, "store")
    return kept_by_service(settings.file, named=bool(settings.path))


def named_event(reader: "EventReader", name: str) -> "StoredEvent":
    """Return the event of an id, or the last answer for ``last``.

    Raises
    ------
    UsageError, StoreError
        If there is none, or it cannot be read.
    """
    from edge.event_reading import Selection

    if name != "last":
        return reader.find(name)
    found = next(reader.events(Selection(kind="answer"), newest=1), None)
    if found is None:
        raise UsageError(f"{reader.path}: there are no answers yet, expected one; say a word, and look again")
    return found


def chosen_audio_folders(args: argparse.Namespace) -> list[Path]:
    """Return the folder of kept sound that the settings name, if any are given.

    Raises
    ------
    UsageError
        If the settings cannot be read.
    """
    from edge.kept_audio import AudioSettings

    return [] if args.config is None else [settings_table(args, AudioSettings, "audio").folder]


def settings_table(args: argparse.Namespace, kind: type[T], name: str) -> T:
    """Read one table of the settings: what is wrong in another one must not hide what happened.

    Raises
    ------
    UsageError
        If the file or the table cannot be read.
    """
    from edge.strict_toml import from_tables, load_tables

    if args.config is None:
        return kind()
    table = load_tables(args.config).get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{args.config}: {name}: got {table!r}, expected a table; write [{name}] above its entries")
    return from_tables(kind, table, str(args.config), name=name)
