"""Compare two files of results, each of which somebody else may have sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.bench.stages import FORMAT, STAGES
from edge.bench.statistics import MOST_REPETITIONS, bootstrap_ratio
from edge.errors import DataError
from edge.json_reading import read_object

__all__ = ["compare", "name_of", "read"]

_REMEDY = "name a file that 'vivavoce bench --out FILE' wrote"
_FAMILY = FORMAT.rpartition("-")[0] + "-"
_MOST_US = 1e12
_RATE = "real-time factor"
"""What the row of the whole chain is called."""

Key = tuple[str, str]
"""An interpreter, and the numbers that its networks compute with."""


def read(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Raises
    ------
    DataError
        If it cannot be read, or what a comparison needs is not there.
    """
    found = read_object(path, error=DataError, remedy=_REMEDY)
    said = found.get("format")
    if isinstance(said, str) and said != FORMAT and said.startswith(_FAMILY):
        raise DataError(
            f"{path}: format: got {said!r:.40}, expected {FORMAT!r}: another version of vivavoce wrote it; "
            "measure again with this one"
        )
    if said != FORMAT:
        raise DataError(f"{path}: format: got {said!r:.40}, expected {FORMAT!r}; {_REMEDY}")
    runs = found.get("runs")
    if not isinstance(runs, list) or not runs:
        raise DataError(f"{path}: runs: expected for each interpreter the figures of its stages; {_REMEDY}")
    for place, run in enumerate(runs):
        if (what := _lacks(run)) is not None:
            raise DataError(f"{path}: runs[{place}].{what}: it is damaged; {_REMEDY}")
    keys = [_key(run) for run in runs]
    if len(set(keys)) < len(keys):
        raise DataError(f"{path}: runs: got {', '.join(map(name_of, keys))}, expected each once; {_REMEDY}")
    return found


def name_of(key: Key) -> str:
    """Return how an interpreter and its numbers are named in tables."""
    return " ".join(key)


def compare(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each interpreter and stage that both have how many times as long the second takes.

    Parameters
    ----------
    first, second : dict
        As :func:`read` returns them.

    Returns
    -------
    list of dict
        ``interpreter`` (with its numbers), ``stage`` (also with threads, and the real-time factor of the chain), and
        ``ratio``, ``low``, ``high`` of the medians of the repetitions. Where nothing is in both, one of each is
        compared, and ``interpreter`` names both.

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
    runs = [{_key(run): dict(_rows(run)) for run in one["runs"]} for one in (first, second)]
    pairs = [(key, key) for key in runs[0] if key in runs[1]] or [(next(iter(runs[0])), next(iter(runs[1])))]
    rows = []
    for a, b in pairs:
        for stage, durations in runs[0][a].items():
            if stage in runs[1][b]:
                ratio = bootstrap_ratio(durations, runs[1][b][stage])
                name = name_of(a) if a == b else f"{name_of(a)} / {name_of(b)}"
                rows.append(
                    {"interpreter": name, "stage": stage, **{k: round(v, 4) for k, v in ratio._asdict().items()}}
                )
    return rows


def _rows(run: dict[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Yield what can be compared of an interpreter: a name, and a figure of every repetition."""
    for stage in STAGES:
        if stage in run["stages"]:
            yield stage, run["stages"][stage]["p50_us_of_repetitions"]
    yield _RATE, run["real_time_factors"]
    for one in run["threads"]:
        for stage in STAGES:
            if stage in one["stages"]:
                yield f"{stage}, {one['threads']} threads", one["stages"][stage]["p50_us_of_repetitions"]


def _key(run: dict[str, Any]) -> Key:
    return run["interpreter"], run["numbers"]


def _lacks(run: Any) -> str | None:
    """Return what a run lacks of what is compared, or None if it has all of it."""
    if not isinstance(run, dict):
        return "interpreter: expected an object"
    for name in ("interpreter", "numbers"):
        if not isinstance(run.get(name), str):
            return f"{name}: got {run.get(name)!r:.40}, expected a name"
    if not _are_durations(run.get("real_time_factors")):
        return "real_time_factors: expected a number above 0 for each repetition"
    if not _are_stages(run.get("stages")):
        return "stages: expected p50_us_of_repetitions of each, numbers above 0"
    threads = run.get("threads")
    if not isinstance(threads, list) or not all(
        isinstance(one, dict) and type(one.get("threads")) is int and _are_stages(one.get("stages")) for one in threads
    ):
        return "threads: expected numbers of threads with their stages"
    return None


def _are_stages(stages: Any) -> bool:
    return (
        isinstance(stages, dict)
        and bool(stages)
        and all(isinstance(of, dict) and _are_durations(of.get("p50_us_of_repetitions")) for of in stages.values())
    )


def _are_durations(values: Any) -> bool:
    return (
        isinstance(values, list)
        and 0 < len(values) <= MOST_REPETITIONS
        and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _MOST_US
            for value in values
        )
    )  # fmt: skip
