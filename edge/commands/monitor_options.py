"""Options that say whose state of the monitor is meant."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.drift_monitor import MonitorSettings

__all__ = ["add_state_argument", "chosen_state", "monitor_settings"]


def add_state_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--state``."""
    from edge.commands.paths import named_path

    parser.add_argument("--state", type=named_path, metavar="FILE", help="state of the monitor [that of the settings]")


def monitor_settings(args: argparse.Namespace) -> "MonitorSettings":
    """Return the table ``[monitor]`` of the settings that are given, or its defaults.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    from edge.commands.event_options import settings_table
    from edge.drift_monitor import MonitorSettings

    return settings_table(args, MonitorSettings, "monitor")


def chosen_state(args: argparse.Namespace) -> Path:
    """Return the path of the state that is meant: it may not be there.

    Raises
    ------
    UsageError
        If the settings cannot be read.
    """
    from edge.state_folder import kept_by_service

    if args.state is not None:
        path: Path = args.state
        return path
    settings = monitor_settings(args)
    return kept_by_service(settings.file, named=bool(settings.path))
