"""The limits of the task that this package itself holds: what exceeds them is not made.

The task belongs to :mod:`train`, which this package does not import; they are joined by its file, of which only these
entries are read here. ``vivavoce train frame`` checks all of it.
"""

from pathlib import Path

from edge.errors import DataError
from edge.strict_json import Table
from edge.strict_toml import load_tables

__all__ = ["bundle_bytes", "parity_limits"]

_TASK = Path(__file__).resolve().parents[1] / "train" / "task.toml"
_REMEDY = "correct the file; 'vivavoce train frame --task FILE' checks all of it"


def bundle_bytes(task: Path | None = None) -> int:
    """Return how large a bundle may be, all files together, bytes.

    Raises
    ------
    UsageError
        If the task cannot be read.
    DataError
        If it does not say it.
    """
    return _table(task, "device").integer("bundle_bytes", 1, 1 << 30)


def parity_limits(task: Path | None = None) -> tuple[float, float]:
    """Return how far int8 may be from float: the largest rms difference as a share, the smallest agreement.

    Raises
    ------
    UsageError
        If the task cannot be read.
    DataError
        If it does not say it.
    """
    table = _table(task, "quantisation")
    return table.number("max_rms_share", 0.0, 1.0), table.number("min_agreement", 0.0, 1.0)


def _table(task: Path | None, name: str) -> Table:
    path = _TASK if task is None else task
    return Table(path, load_tables(path), remedy=_REMEDY, error=DataError).table(name)
