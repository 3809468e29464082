"""What simulated homes say of calibrations before anybody spoke: how far they may lead, and how good they are.

The file is about one bundle. It lies inside it, or beside it, as its reference does (:mod:`edge.drift_reference`), and
is made by ``tests/bench/calibration.py --prior`` with the bundle's own network::

    {
      "format": "vivavoce-calibration-prior",
      "format_version": 3,
      "bundle_sha256": ...,                                  null inside a bundle
      "source": "40 simulated homes of dev ...",
      "slope_spread": 0.8, "offset_spread": 0.5,             of the log-likelihood ratio, see edge.calibration_fit
      "live": {"mean": 1.0, "between": 0.9, "within": 0.7},  log-likelihood ratios of people's takes
      "refused_live": [a, b], "passed_replays": [a, b],      Beta distributions of the shares over homes
      "words": {                                             of cut-offs, see edge.calibration_words; may be null
        "source": "...",
        "between": 0.7, "within": 0.8,                       log-odds of takes' scores over the cut-off
        "missed": [a, b],                                    Beta distribution over homes, of takes of the word
        "shifts": [0.5, 0.4, ..., -1.0], "hours": 1.99,      where the price of a cut-off was measured, on how much
        "of": {"alexa": {"mean": 0.4, "false_accepts": [0, 0, ..., 3]}}
      }
    }

``words`` is made by ``tests/bench/calibration_words.py``. Shares are those of the bundle as it is, and one distribution
stands for before and after a calibration: with one for each, whoever counted the same before and after was told of a
change that nobody counted. The first version of the format had no ``words``; it and the second had two distributions a
share, ``{"before": [a, b], "after": [a, b]}``, of which the first is read. Both are still read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from edge.bundle import Bundle
from edge.bundle_identity import bundle_hash
from edge.drift_reference import numbers
from edge.errors import DataError, UsageError
from edge.regular_file import read_regular
from edge.strict_json import Table, load_object

__all__ = [
    "PRIOR_NAME",
    "Prior",
    "Share",
    "Spread",
    "WordPrior",
    "WordsPrior",
    "prior_beside",
    "prior_for",
    "prior_text",
    "read_prior",
]

PRIOR_NAME = "calibration_prior.json"
"""Name of the file inside a bundle."""

_FORMAT, _FORMAT_VERSION = "vivavoce-calibration-prior", 3
_FIRST_VERSION = 1
_TWO_SHARES_VERSION = 2
_MOST_BYTES = 1 << 16
_LEAST, _MOST = 1e-3, 1e3
_MOST_ACCEPTS, _MOST_SHIFTS = 1_000_000, 100
_REMEDY = "install the bundle again"


@dataclass(frozen=True, slots=True)
class Spread:
    """Log-likelihood ratios of one class in homes."""

    mean: float
    """Over homes."""
    between: float
    """Standard deviation of the homes' means."""
    within: float
    """Standard deviation within a home."""


class Share(NamedTuple):
    """How a share is distributed over homes by the bundle as it is: a Beta distribution.

    It stands for the share before and after a calibration alike: what changes is what takes were counted to change.
    """

    a: float
    b: float


@dataclass(frozen=True, slots=True)
class WordPrior:
    """What is known of one word."""

    mean: float
    """Log-odds of takes' scores over the word's cut-off: the mean over homes."""
    false_accepts: tuple[int, ...]
    """How often speech of others was taken for it, for each of the shifts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsPrior:
    """What is known of words."""

    source: str
    """What it was made from."""
    between: float
    """Standard deviation of the homes' means about those of the words, log-odds."""
    within: float
    """Standard deviation within a home."""
    missed: Share
    """Of takes of the word."""
    shifts: tuple[float, ...]
    """Of the log-odds of cut-offs, falling, 0 among them: where false accepts were counted."""
    hours: float
    """Speech in which they were counted."""
    of: Mapping[str, WordPrior]
    """By the words' ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What the file says."""

    source: str
    """What it was made from."""
    slope_spread: float
    """Standard deviation of the slope of a home's log-likelihood ratio over the shipped one, about 1."""
    offset_spread: float
    """Standard deviation of its offset, about 0, natural logarithm."""
    live: Spread
    """Of people."""
    refused_live: Share
    passed_replays: Share
    words: WordsPrior | None = None
    """Of cut-offs of words; None where nobody measured it."""


def prior_beside(bundle: Path) -> Path:
    """Return where the prior of a bundle lies that does not hold it: in the folder of its folder."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.{PRIOR_NAME}")


def prior_text(prior: Prior, bundle_sha256: str = "") -> bytes:
    """Return the file.

    Parameters
    ----------
    prior : Prior
    bundle_sha256 : str
        The bundle that it is about; empty for a file that becomes part of it.
    """
    record = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "bundle_sha256": bundle_sha256 or None,
        **asdict(prior),
    }
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def read_prior(path: Path, content: bytes, *, bundle_sha256: str | None = None) -> Prior:
    """Read a file.

    Parameters
    ----------
    path : Path
        For messages.
    content : bytes
    bundle_sha256 : str, optional
        Hash of the bundle that it must be about; none for a part of that bundle.

    Raises
    ------
    DataError
        If it is no such file, or is about another bundle.
    """
    written = load_object(path, content, remedy=_REMEDY, what="a prior of calibrations", error=DataError)
    top = Table(path, written, remedy=_REMEDY, error=DataError)
    if (found := top.take("format")) != _FORMAT:
        raise top.fault("format", repr(found)[:80], repr(_FORMAT))
    version = top.integer("format_version", _FIRST_VERSION, _FORMAT_VERSION)
    about = top.take("bundle_sha256")
    if bundle_sha256 is not None and about != bundle_sha256:
        raise top.fault("bundle_sha256", repr(about)[:80], f"{bundle_sha256}, the bundle that is used")
    live = top.table("live")
    prior = Prior(
        source=top.line("source"),
        slope_spread=top.number("slope_spread", _LEAST, _MOST),
        offset_spread=top.number("offset_spread", _LEAST, _MOST),
        live=Spread(live.number("mean"), live.number("between", _LEAST, _MOST), live.number("within", _LEAST, _MOST)),
        refused_live=_share(top, "refused_live", version),
        passed_replays=_share(top, "passed_replays", version),
        words=None if version == _FIRST_VERSION or top.null("words") else _words(top.table("words"), version),
    )
    live.end()
    top.end()
    return prior


def _share(table: Table, key: str, version: int) -> Share:
    if version > _TWO_SHARES_VERSION:
        return _beta(table, key)
    two = table.table(key)
    before, _ = (_beta(two, name) for name in ("before", "after"))
    two.end()
    return before


def _beta(table: Table, key: str) -> Share:
    a, b = numbers(table, key, 2, 2)
    if not (_LEAST <= a <= _MOST and _LEAST <= b <= _MOST):
        raise table.fault(key, f"{a:g}, {b:g}", f"two numbers from {_LEAST:g} to {_MOST:g}")
    return Share(a, b)


def _words(table: Table, version: int) -> WordsPrior:
    shifts = tuple(numbers(table, "shifts", 1, _MOST_SHIFTS))
    if 0.0 not in shifts or list(shifts) != sorted(set(shifts), reverse=True):
        raise table.fault("shifts", repr(shifts)[:80], "falling numbers, 0 among them")
    of = table.table("of")
    words = {}
    for name in of.names:
        entry = of.table(name)
        counts = numbers(entry, "false_accepts", len(shifts), len(shifts))
        if not all(0 <= one <= _MOST_ACCEPTS and one == int(one) for one in counts):
            raise entry.fault("false_accepts", repr(counts)[:80], "whole numbers from 0")
        words[name] = WordPrior(entry.number("mean"), tuple(int(one) for one in counts))
        entry.end()
    prior = WordsPrior(
        source=table.line("source"),
        between=table.number("between", _LEAST, _MOST),
        within=table.number("within", _LEAST, _MOST),
        missed=_share(table, "missed", version),
        shifts=shifts,
        hours=table.number("hours", _LEAST, _MOST),
        of=words,
    )
    table.end()
    return prior


def prior_for(bundle: Bundle) -> Prior:
    """Return the prior of a bundle.

    Raises
    ------
    UsageError
        If it has none: then nobody knows how far takes may be trusted.
    DataError
        If it cannot be read, or is about another bundle.
    """
    if PRIOR_NAME in bundle.contents:
        return read_prior(bundle.path / PRIOR_NAME, bundle.content(PRIOR_NAME))
    path = prior_beside(bundle.path)
    if not path.exists():
        raise UsageError(
            f"{bundle.path}: holds no {PRIOR_NAME}, nor is there {path}, expected what simulated homes say of this "
            "bundle: without it nobody knows how far ten takes may be trusted; use the bundle that ships with vivavoce"
        )
    content = read_regular(path, _MOST_BYTES, what="a prior of calibrations", remedy=_REMEDY, error=DataError)
    return read_prior(path, content, bundle_sha256=bundle_hash(bundle.path))
