"""What every command prints: results as JSON lines or as text for people, and faults and warnings in one line each."""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from edge.errors import VivavoceError

__all__ = [
    "PROGRAM",
    "Output",
    "OutputError",
    "add_output_arguments",
    "columns",
    "emit",
    "flush",
    "out",
    "report_error",
    "warn",
]

PROGRAM = "vivavoce"
"""Name of the distribution and of the command."""


class Output:
    """Prints what a command found, as JSON lines or as text for people.

    Parameters
    ----------
    as_json : bool
        True for one JSON object a line, False for readable text.
    stream : file, optional
        Where to; the default is whatever ``sys.stdout`` is at the time of printing.
    """

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream

    def event(self, record: Mapping[str, Any], text: str | None = None) -> None:
        """Print one event at once (flushed: a reader at the other end of a pipe acts on it).

        Parameters
        ----------
        record : mapping
            The event in its public form; numbers must be finite.
        text : str, optional
            What people read instead; by default the record's entries in their order.
        """
        if self.as_json:
            self._write(json.dumps(record, allow_nan=False, default=_plain))
        else:
            self._write(_readable(record) if text is None else text)

    def text(self, line: str = "") -> None:
        """Print a line that only people need (a heading, a total); nothing with ``--json``."""
        if not self.as_json:
            self._write(line)

    def _write(self, line: str) -> None:
        emit(sys.stdout if self._stream is None else self._stream, line + "\n")


def emit(stream: TextIO | None, text: str) -> None:
    """Write results, at once; where they cannot be written :func:`edge.cli.main` ends the call with one line."""
    if stream is None:
        raise OutputError("it is closed")
    try:
        stream.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from error
    flush(stream)


class OutputError(Exception):
    """Results cannot be written any more: no fault of any one file, and the end of the whole call."""


def flush(stream: TextIO | None) -> None:
    """Hand over what was written, as :func:`emit` does."""
    try:
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(error.strerror) from error


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` to a command; :func:`out` turns the parsed arguments into an :class:`Output`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, not text for people")


def out(args: argparse.Namespace) -> Output:
    """Return the writer that the command's arguments ask for."""
    return Output(as_json=bool(getattr(args, "json", False)))


def columns(rows: Iterable[Sequence[object]], *, gap: str = "  ") -> list[str]:
    """Align rows of cells: numbers to the right, everything else to the left.

    Parameters
    ----------
    rows : iterable of sequences
        Cells; rows may differ in length.
    gap : str
        What stands between two columns.

    Returns
    -------
    list of str
        One line a row, without trailing spaces.
    """
    table = [[(_scalar(cell), isinstance(cell, (int, float))) for cell in row] for row in rows]
    widths: list[int] = []
    for row in table:
        widths.extend([0] * (len(row) - len(widths)))
        for column, (cell, _) in enumerate(row):
            widths[column] = max(widths[column], len(cell))
    return [
        gap.join(
            cell.rjust(width) if number else cell.ljust(width)
            for (cell, number), width in zip(row, widths, strict=False)
        ).rstrip()
        for row in table
    ]


def _plain(value: object) -> object:
    """Turn what JSON does not know (numpy scalars and arrays, paths) into what it knows."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _scalar(value: object) -> str:
    """Return a number or word as people read it."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_scalar(item) for item in value) or "-"
    return str(value)


def _readable(record: Mapping[str, Any]) -> str:
    """Return ``event  key value  key value``, with the event's name padded so that lines align."""
    parts: list[str] = []
    for key, value in record.items():
        if key == "event":
            parts.insert(0, f"{value:<8}")
        elif isinstance(value, Mapping):
            parts.append(f"{key} ({_readable(value)})")
        else:
            parts.append(f"{key} {_scalar(value)}")
    return "  ".join(parts)


def report_error(error: VivavoceError | str, *, file: str | None = None) -> None:
    """Print one fault as one line on stderr, with the name of the file that has it.

    Parameters
    ----------
    error : VivavoceError or str
        Problem and remedy.
    file : str, optional
        The file; not repeated where the message already begins with it.
    """
    _complain(str(error), file)


def warn(message: str, *, file: str | None = None) -> None:
    """Print one warning as one line on stderr; the exit code does not change.

    Parameters
    ----------
    message : str
        What is doubtful, and what follows from it.
    file : str, optional
        The file that it is about; not repeated where the message already begins with it.
    """
    _complain(message, file, kind="warning: ")


def _complain(message: str, file: str | None, kind: str = "") -> None:
    line = " ".join(message.split())
    # The file name is collapsed like the message, so that a name with two blanks is still recognised.
    name = None if file is None else " ".join(file.split())
    if name and not line.startswith(name):
        line = f"{name}: {line}"
    flush(sys.stdout)  # keep the order of results and complaints where both go to one terminal
    sys.stderr.write(f"{PROGRAM}: {kind}{line}\n")
    sys.stderr.flush()
