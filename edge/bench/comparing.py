"""Compare two files of results, each of which somebody else may have sent."""

import math
from pathlib import Path
from typing import Any

from edge.bench.measuring import FORMAT, STAGES
from edge.bench.statistics import bootstrap_ratio
from edge.errors import DataError
from edge.json_reading import read_object

__all__ = ["compare", "read"]

_REMEDY = "name a file that 'vivavoce bench --out FILE' wrote"
_MOST_US = 1e12


def read(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Raises
    ------
    DataError
        If it cannot be read, or what a comparison needs is not there.
    """
    found = read_object(path, error=DataError, remedy=_REMEDY)
    if found.get("format") != FORMAT:
        raise DataError(f"{path}: format: got {found.get('format')!r:.40}, expected {FORMAT!r}; {_REMEDY}")
    runs = found.get("runs")
    if not isinstance(runs, list) or not runs or not all(_is_run(run) for run in runs):
        raise DataError(f"{path}: runs: expected for each interpreter the figures of its stages; {_REMEDY}")
    return found


def compare(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each interpreter and stage that both have how many times as long the second takes.

    Returns
    -------
    list of dict
        ``interpreter``, ``stage``, and ``ratio``, ``low``, ``high`` of the medians of the repetitions; where no
        interpreter is in both, one of each is compared, and ``interpreter`` names both.

    Raises
    ------
    DataError
        If they have measured other bundles.
    """
    bundles = [one.get("bundle") for one in (first, second)]
    hashes = [bundle.get("sha256") if isinstance(bundle, dict) else None for bundle in bundles]
    if hashes[0] != hashes[1]:
        raise DataError(
            f"bundle: got {str(hashes[0])[:12]} in A and {str(hashes[1])[:12]} in B, expected the same in both; "
            "measure one of them again with --bundle"
        )
    runs = [{run["interpreter"]: run["stages"] for run in one["runs"]} for one in (first, second)]
    pairs = [(name, name) for name in runs[0] if name in runs[1]] or [(next(iter(runs[0])), next(iter(runs[1])))]
    rows = []
    for a, b in pairs:
        for stage in STAGES:
            if stage in runs[0][a] and stage in runs[1][b]:
                of = [runs[0][a][stage], runs[1][b][stage]]
                ratio = bootstrap_ratio(*(one["p50_us_of_repetitions"] for one in of))
                name = a if a == b else f"{a} / {b}"
                rows.append(
                    {"interpreter": name, "stage": stage, **{k: round(v, 4) for k, v in ratio._asdict().items()}}
                )
    return rows


def _is_run(run: Any) -> bool:
    if not isinstance(run, dict) or not isinstance(run.get("interpreter"), str):
        return False
    stages = run.get("stages")
    if not isinstance(stages, dict) or not stages:
        return False
    return all(isinstance(of, dict) and _are_durations(of.get("p50_us_of_repetitions")) for of in stages.values())


def _are_durations(values: Any) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            and 0 < value < _MOST_US
            for value in values
        )
    )  # fmt: skip
