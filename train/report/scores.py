"""Scores of single clips, as ``vivavoce train evaluate`` leaves them beside its results: ``liveness_SPLIT_scores.csv``.

One clip a row, all simulated. Of the columns these are read: ``live`` (1 or 0), ``kind`` and ``loudspeaker`` (of what
played it; of no meaning for a live clip), ``talker``, ``score`` (of the network, higher for live), ``decision``
(``accept``, ``reject`` or ``unsure``), and of baselines ``void`` (higher for live) and ``f70`` (Hz: *lower* for live;
negated, it is a score like the others). Columns beyond these, and their order, do not matter; a baseline may be absent.
"""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.events import Verdict
from edge.files import read_file
from edge.strict_json import show
from train.report.results_folder import Part

__all__ = ["SCORES_FILE", "ClipScores", "belong_together", "read_clip_scores"]

SCORES_FILE = "liveness_{split}_scores.csv"

_NEEDED = ("live", "kind", "talker", "loudspeaker", "score", "decision")
_BASELINES = ("void", "f70")
_LIVE = {"1": True, "true": True, "0": False, "false": False}
_DECISIONS = get_args(Verdict)
_REMEDY = "run 'vivavoce train evaluate' again"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ClipScores:
    """Scores of clips, all arrays of the same length.

    Attributes
    ----------
    live, accepted : (n,) bool
    kind, talker, loudspeaker : tuple of str
    scores : dict
        ``(n,) float64``, higher for live, by what gave them: ``network``, ``void``, ``f70``.
    """

    live: Mask
    accepted: Mask
    kind: tuple[str, ...]
    talker: tuple[str, ...]
    loudspeaker: tuple[str, ...]
    scores: dict[str, npt.NDArray[np.float64]]

    @property
    def bpcer(self) -> float:
        """Share of the live clips that are refused."""
        return float(np.mean(~self.accepted[self.live]))

    @property
    def apcer(self) -> float:
        """Share of the replayed clips that are accepted."""
        return float(np.mean(self.accepted[~self.live]))


def read_clip_scores(path: Path) -> ClipScores | None:
    """Read a file of scores; None if there is none.

    Raises
    ------
    DataError
        If it cannot be read, lacks a column, a value is not of its kind, or a class is empty.
    """
    try:
        text = read_file(path).decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}), expected scores of clips; {_REMEDY}") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = reader.fieldnames or []
    for column in _NEEDED:
        if column not in columns:
            raise DataError(f"{path}: has no column {column!r}, expected {', '.join(_NEEDED)}; {_REMEDY}")
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: is not CSV ({error}); {_REMEDY}") from error
    live = np.array([_one_of(path, n, row, "live", tuple(_LIVE)) in ("1", "true") for n, row in _numbered(rows)], bool)
    if not live.any() or live.all():
        raise DataError(f"{path}: got {live.sum()} live and {(~live).sum()} replayed clips, expected both; {_REMEDY}")
    scores = {"network": _numbers(path, rows, "score")}
    for name in _BASELINES:
        if name in columns and any(row[name] for row in rows):
            scores[name] = _numbers(path, rows, name)
    if "f70" in scores and (scores["f70"] > 0).any():
        scores["f70"] = -scores["f70"]
    kind, talker, loudspeaker = (tuple(row[name] or "" for row in rows) for name in ("kind", "talker", "loudspeaker"))
    accepted = [_one_of(path, n, row, "decision", _DECISIONS) == "accept" for n, row in _numbered(rows)]
    return ClipScores(live, np.array(accepted, bool), kind, talker, loudspeaker, scores)


def belong_together(scores: ClipScores, liveness: Part) -> bool:
    """Tell whether scores and results come from one measurement: as many clips, and the same errors.

    Raises
    ------
    DataError
        If the results lack a figure.
    """
    simulated = liveness.part("simulated")
    counts, rates = simulated.part("clips"), simulated.part("all")
    return (
        (counts.count("live"), counts.count("replay")) == (int(scores.live.sum()), int((~scores.live).sum()))
        and math.isclose(rates.number("bpcer"), scores.bpcer, abs_tol=1e-9)
        and math.isclose(rates.number("apcer"), scores.apcer, abs_tol=1e-9)
    )


def _numbered(rows: list[dict[str, str]]) -> "enumerate[dict[str, str]]":
    return enumerate(rows, 2)


def _one_of(path: Path, line: int, row: dict[str, str], column: str, choices: tuple[str, ...]) -> str:
    value = (row[column] or "").lower()
    if value not in choices:
        raise DataError(
            f"{path} line {line}: {column}: got {show(row[column])}, expected {' or '.join(choices)}; {_REMEDY}"
        )
    return value


def _numbers(path: Path, rows: list[dict[str, str]], column: str) -> npt.NDArray[np.float64]:
    values = []
    for line, row in _numbered(rows):
        try:
            value = float(row[column])
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise DataError(
                f"{path} line {line}: {column}: got {show(row[column])}, expected a finite number; {_REMEDY}"
            )
        values.append(value)
    return np.array(values, np.float64)
