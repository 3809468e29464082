"""Reading a protocol: a text file with a row a recording, in columns that have no header."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from edge.errors import DataError
from edge.files import read_file

__all__ = ["Line", "protocol_lines", "text_lines"]


class Line:
    """One line of a protocol, whose cells are taken under the eyes of a check.

    Parameters
    ----------
    where : str
        File and line, for messages.
    cells : dict
        Column to text.
    """

    def __init__(self, where: str, cells: dict[str, str]) -> None:
        self.where = where
        """File and line, for messages."""
        self._cells = cells

    def __getitem__(self, column: str) -> str:
        return self._cells[column]

    def fault(self, column: str, expected: str) -> DataError:
        """Return the error to raise for a cell."""
        return DataError(
            f"{self.where}: {column} is {self[column]!r}, expected {expected}; correct the line, or take the protocol "
            "from its publisher again"
        )

    def one_of(self, column: str, allowed: Sequence[str]) -> str:
        """Return a cell that must have one of a few values."""
        if self[column] not in allowed:
            raise self.fault(column, f"one of {', '.join(allowed)}")
        return self[column]

    def given(self, column: str) -> str:
        """Return a cell, ``""`` where it is ``-``."""
        return "" if self[column] == "-" else self[column]

    def file_name(self, column: str) -> str:
        """Return a cell that must be the name of a file in a folder, not a path out of it."""
        name = self[column]
        if name in ("", ".", "..") or "\\" in name or "\0" in name or PurePosixPath(name).name != name:
            raise self.fault(column, "the name of a file without folders")
        return name


def text_lines(path: Path, what: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file that are not blank, each with its file and number.

    Raises
    ------
    DataError
        If it is missing, not readable, not UTF-8, or blank throughout.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}), expected {what}; check that SOURCE is the folder of the "
            "corpus, or unpack the corpus again"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: got bytes that are not UTF-8, expected {what}; unpack the corpus again") from error
    if not text.strip():
        raise DataError(f"{path}: got an empty file, expected {what}; unpack the corpus again")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{path} line {number}", line


def protocol_lines(
    path: Path,
    columns: Sequence[str],
    *,
    unique: str,
    split: Callable[[str], list[str]] = str.split,
) -> Iterator[Line]:
    """Yield the lines of a protocol.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Names of the columns, in their order.
    unique : str
        The column that identifies a recording.
    split : callable
        Cuts a line into cells; at white space by default.

    Raises
    ------
    DataError
        If the file cannot be read, a line has another number of columns, or a recording has two lines.
    """
    first: dict[str, str] = {}
    for where, line in text_lines(path, f"a protocol with the columns {' '.join(columns)}"):
        cells = split(line)
        if len(cells) != len(columns):
            raise DataError(
                f"{where}: got {len(cells)} columns, expected {len(columns)} ({' '.join(columns)}); correct the line, "
                "or take the protocol from its publisher again"
            )
        found = Line(where, dict(zip(columns, cells, strict=True)))
        if first.setdefault(found[unique], where) != where:
            raise DataError(
                f"{where}: {unique} {found[unique]!r} was on {first[found[unique]]} already, expected each once; "
                "keep one of the lines"
            )
        yield found
