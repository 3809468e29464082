"""Settings of a training from a file, and from options over it; imports nothing heavy."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from edge.errors import UsageError
from edge.json_reading import read_object
from edge.strict_toml import load_tables
from train.training_settings import TrainingSettings

__all__ = ["add_settings_options", "given_settings", "kind_weight", "read_settings"]


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--settings``, and the options of what both networks have."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="settings in JSON or TOML, or record.json of a checkpoint: those that it was trained with",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over all that is rendered")
    parser.add_argument("--rate", type=float, metavar="X", help="peak learning rate")
    parser.add_argument("--batch", type=int, metavar="N", help="examples a step")
    parser.add_argument("--sparsity", type=float, metavar="SHARE", help="share of weights pruned to zero")
    parser.add_argument(
        "--ema",
        type=float,
        metavar="DECAY",
        help="end with the running mean of the weights, e.g. 0.999; 0: the last ones",
    )


def given_settings(args: argparse.Namespace, *names: str, recorded: Callable[[Any, Path], Any]) -> dict[str, Any]:
    """Return the settings of the file, with the options that were given in place of its own.

    Parameters
    ----------
    args : argparse.Namespace
    names : str
        Options that are settings, beside those of :func:`add_settings_options`, which a step need not have.
    recorded : callable
        Reads the settings of a record: :func:`train.recorded_settings.recorded_wake`, or that of the other network.

    Raises
    ------
    UsageError
        If the file cannot be read, or holds no settings.
    DataError
        If it is a record of another network, or a broken one.
    """
    found = {} if args.settings is None else read_settings(args.settings)
    if isinstance(found.get("settings"), dict):  # a record, which holds more than settings
        found = recorded(found["settings"], args.settings).to_dict()
    for name in (*(field.name for field in fields(TrainingSettings)), *names):
        value = getattr(args, name, None)
        if value is not None:
            found[name] = value
    return found


def kind_weight(text: str) -> tuple[str, float]:
    """Return a kind and its weight, as argparse's ``type``."""
    kind, _, weight = text.partition("=")
    try:
        return kind, float(weight)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text[:40]!r}, expected KIND=WEIGHT, e.g. tv=1.5") from None


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file of settings, or a record, as it is.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    if path.suffix == ".toml":
        return load_tables(path)
    return read_object(path, error=UsageError, remedy="give a file of settings, and name it .toml if it is TOML")
