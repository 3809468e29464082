"""Scores as text, one trial a line, in the form that the tools for the tandem detection cost (t-DCF) read.

``trial source key score``, apart by a space: the countermeasure scores of ASVspoof 2019, which its official evaluation
and its descendants take as they are. ``source`` is the kind of loudspeaker, ``-`` for live; ``key`` is ``bonafide`` or
``spoof``; the score is higher for live.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.atomic_file import put_bytes

__all__ = ["Trials", "read_scores", "write_scores"]

_KEYS = {True: "bonafide", False: "spoof"}
_NO_SOURCE = "-"


class Trials(NamedTuple):
    """What a score file holds.

    Attributes
    ----------
    names : tuple of str
    sources : tuple of str
    live : (n,) bool
    scores : (n,) float64
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    live: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]


def write_scores(
    path: Path,
    names: Sequence[str],
    kinds: Sequence[str],
    live: npt.NDArray[np.bool_],
    scores: npt.NDArray[np.floating],
) -> None:
    """Write a score file; a score that is read again is the same number.

    Parameters
    ----------
    path : Path
        Its folder is made if absent.
    names : sequence of str
        Of the trials, each once, without white space.
    kinds : sequence of str
        Kinds of loudspeakers, without white space; of no meaning for live trials.
    live : (n,) bool
    scores : (n,) float

    Raises
    ------
    DataError
        If a name cannot stand in such a file, comes twice, a score is not finite, or the file cannot be written.
    """
    seen: set[str] = set()
    lines = []
    for name, kind, one, score in zip(names, kinds, live.tolist(), scores.tolist(), strict=True):
        source = _NO_SOURCE if one else kind
        if len(name.split()) != 1 or len(source.split()) != 1 or name in seen or not np.isfinite(score):
            raise DataError(
                f"{path}: got trial {name!r} from {source!r} with score {score}; expected names without white space, "
                "each once, and finite scores; rename the trial"
            )
        seen.add(name)
        lines.append(f"{name} {source} {_KEYS[one]} {score!r}\n")
    put_bytes(path, "".join(lines).encode())


def read_scores(path: Path) -> Trials:
    """Read a score file.

    Raises
    ------
    DataError
        If it is missing, or a line is not of this form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as scores ({error}); write the scores again") from error
    names, sources, live, scores = [], [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        try:
            name, source, key, score = fields[0], fields[1], fields[2], float(fields[3])
            if len(fields) != 4 or key not in _KEYS.values() or not np.isfinite(score):
                raise ValueError
        except (IndexError, ValueError):
            raise DataError(
                f"{path} line {number}: got {line!r}, expected a trial, its source, bonafide or spoof, and a finite "
                "score; write the scores again"
            ) from None
        names.append(name)
        sources.append(source)
        live.append(key == _KEYS[True])
        scores.append(score)
    return Trials(tuple(names), tuple(sources), np.array(live, bool), np.array(scores, np.float64))
