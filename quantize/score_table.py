"""Score files: what one network in one interpreter said of every clip, so that another environment can compare.

Text in UTF-8, cells apart by a tab: first ``#`` lines with what made it, then a header, and a row for each clip with
its id,
its decision and its scores. It needs nothing but the device set to be written or read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.files import read_file, write_whole

__all__ = ["ScoreTable", "read_table", "write_table"]

_FORMAT = "# vivavoce scores 1"
_FIXED = ("id", "decision")
_REMEDY = "write it again with 'vivavoce quantize scores'"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """What a score file holds."""

    about: dict[str, str]
    """What made it: role, network, interpreter and the like."""
    columns: tuple[str, ...]
    """What the scores are: words, or ``logit``."""
    ids: tuple[str, ...]
    """Of the clips, each once."""
    decisions: tuple[str, ...]
    """One for each clip."""
    scores: npt.NDArray[np.float64]
    """``(clips, columns)``, finite."""


def write_table(path: Path, table: ScoreTable) -> None:
    """Write a score file, whole or not at all; a score that is read again is the same number.

    Raises
    ------
    DataError
        If a text cannot stand in such a file, a clip comes twice, a score is not finite, or it cannot be written.
    """
    rows = [_FORMAT, *(f"# {key}\t{value}" for key, value in table.about.items()), "\t".join((*_FIXED, *table.columns))]
    for ident, decision, scores in zip(table.ids, table.decisions, table.scores.tolist(), strict=True):
        rows.append("\t".join((ident, decision, *map(repr, scores))))
    texts = (*table.about.values(), *table.columns, *table.ids, *table.decisions)
    if odd := next((text for text in texts if not text or not text.isprintable()), None):
        raise DataError(f"{path}: got the text {odd!r}, expected printable text without tabs; rename it")
    if len(set(table.ids)) != len(table.ids) or not np.isfinite(table.scores).all():
        raise DataError(
            f"{path}: got a clip twice or a score that is not finite, expected each clip once; correct the data"
        )
    content = ("\n".join(rows) + "\n").encode()
    try:
        write_whole(path, lambda file: file.write(content))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); free some space or name another file"
        ) from error


def read_table(path: Path) -> ScoreTable:
    """Read a score file.

    Raises
    ------
    DataError
        If it cannot be read, or a line is not of this form.
    """
    try:
        lines = read_file(path).decode().split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a score file; check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: got bytes that are no text, expected a score file; {_REMEDY}") from error
    if lines[0] != _FORMAT or lines[-1]:
        raise DataError(
            f"{path}: got {lines[0][:40]!r} to {lines[-1][:40]!r}, expected whole lines after {_FORMAT!r}; {_REMEDY}"
        )
    about, at = {}, 1
    while lines[at].startswith("# "):
        key, _, value = lines[at][2:].partition("\t")
        about[key] = value
        at += 1
    header = lines[at].split("\t")
    columns = tuple(header[len(_FIXED) :])
    if tuple(header[: len(_FIXED)]) != _FIXED or not columns:
        raise DataError(f"{path} line {at + 1}: got {lines[at][:80]!r}, expected a header with id, decision; {_REMEDY}")
    found: dict[str, tuple[str, list[float]]] = {}
    for number, line in enumerate(lines[at + 1 : -1], at + 2):
        cells = line.split("\t")
        try:
            scores = [float(cell) for cell in cells[len(_FIXED) :]]
            if len(scores) != len(columns) or not np.isfinite(scores).all() or cells[0] in found:
                raise ValueError
        except ValueError:
            raise DataError(
                f"{path} line {number}: got {line[:80]!r}, expected a clip that is new, its decision and "
                f"{len(columns)} "
                f"finite scores; {_REMEDY}"
            ) from None
        found[cells[0]] = (cells[1], scores)
    if not found:
        raise DataError(f"{path}: got no clip, expected at least one; {_REMEDY}")
    return ScoreTable(
        about,
        columns,
        tuple(found),
        tuple(decision for decision, _ in found.values()),
        np.array([scores for _, scores in found.values()], np.float64),
    )
