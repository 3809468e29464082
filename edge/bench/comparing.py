"""Compare two files of results, each of which somebody else may have sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from edge.bench.stages import FORMAT, STAGES, WakeRunner
from edge.bench.statistics import MOST_REPETITIONS, bootstrap_ratio
from edge.errors import DataError
from edge.event_story import safe
from edge.json_reading import read_object

__all__ = ["NOT_RECORDED", "compare", "differences", "name_of", "read", "version_of"]

NOT_RECORDED = "not recorded"
"""What stands in place of an entry that a file does not have."""

_REMEDY = "name a file that 'vivavoce bench --out FILE' wrote"
_FAMILY = FORMAT.rpartition("-")[0] + "-"
_WITHOUT_RUNNER = "vivavoce-bench-2"
"""An older format, which differs in nothing but that it does not say who ran the wake network."""
_LEAST, _MOST = 1e-9, 1e12
"""Of a figure: so far, a ratio of two is a number."""
_MOST_THREADS = 1024
_LONGEST = 40
"""Of a name or version, characters."""
_RATE = "real-time factor"
"""What the row of the whole chain is called."""

Key = tuple[str, str]
"""An interpreter, and the numbers that its networks compute with."""


def read(path: Path) -> dict[str, Any]:
    """Read a file of results.

    Returns
    -------
    dict
        What the file holds; of what is compared everything is there. A file of the format before this one is read,
        too, and does not say who ran the wake network.

    Raises
    ------
    DataError
        If it cannot be read, or what a comparison needs is not there.
    """
    found = read_object(path, error=DataError, remedy=_REMEDY)
    said = found.get("format")
    known = said in (FORMAT, _WITHOUT_RUNNER)
    if isinstance(said, str) and not known and said.startswith(_FAMILY):
        raise DataError(
            f"{path}: format: got {said!r:.40}, expected {FORMAT!r}: another version of vivavoce wrote it; "
            "measure again with this one"
        )
    if not known:
        raise DataError(f"{path}: format: got {said!r:.40}, expected {FORMAT!r}; {_REMEDY}")
    runs = found.get("runs")
    if not isinstance(runs, list) or not runs:
        raise DataError(f"{path}: runs: expected for each interpreter the figures of its stages; {_REMEDY}")
    for place, run in enumerate(runs):
        if (what := _lacks(run, old=said != FORMAT)) is not None:
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
        If they have measured other bundles, or one does not say which.
    """
    hashes = [_hash(one, where) for one, where in ((first, "A"), (second, "B"))]
    if hashes[0] != hashes[1]:
        raise DataError(
            f"bundle: got {safe(hashes[0][:12])} in A and {safe(hashes[1][:12])} in B, expected the same in both; "
            "measure one of them again with --bundle"
        )
    rows = []
    for name, a, b in _pairs(first, second):
        durations = dict(_rows(b))
        for stage, others in _rows(a):
            if stage in durations:
                ratio = bootstrap_ratio(others, durations[stage])
                rows.append(
                    {"interpreter": name, "stage": stage, **{k: round(v, 4) for k, v in ratio._asdict().items()}}
                )
    return rows


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, str]]:
    """Return in what two files differ beside the machine, of all that :func:`compare` compares.

    Parameters
    ----------
    first, second : dict
        As :func:`read` returns them.

    Returns
    -------
    list of dict
        ``interpreter`` as :func:`compare` names it; ``what``: ``vivavoce``, ``python``, ``numpy`` or ``wake network
        run by``; ``a`` and ``b``: what the two say of it, safe to print.
    """
    rows = []
    for name, run_a, run_b in _pairs(first, second):
        a, b = _circumstances(first, run_a), _circumstances(second, run_b)
        rows += [{"interpreter": name, "what": what, "a": a[what], "b": b[what]} for what in a if a[what] != b[what]]
    return rows


def version_of(found: dict[str, Any], run: dict[str, Any]) -> str:
    """Return with which version of vivavoce a run was measured, safe to print."""
    versions = _environment(found, run).get("versions")
    return _told(versions.get("vivavoce")) if isinstance(versions, dict) else NOT_RECORDED


def _circumstances(found: dict[str, Any], run: dict[str, Any]) -> dict[str, str]:
    """Return what figures depend on beside machine and bundle."""
    there = _environment(found, run)
    versions = there.get("versions")
    return {
        "vivavoce": version_of(found, run),
        "python": _told(there.get("python")),
        "numpy": _told(versions.get("numpy")) if isinstance(versions, dict) else NOT_RECORDED,
        "wake network run by": _told(run.get("wake_run_by")),
    }


def _environment(found: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Return the environment of a run; an empty one if the file does not say which."""
    environments, place = found.get("environments"), run.get("environment")
    if not isinstance(environments, list) or type(place) is not int or not 0 <= place < len(environments):
        return {}
    there = environments[place]
    return there if isinstance(there, dict) else {}


def _told(value: Any) -> str:
    return safe(value[:_LONGEST]) if isinstance(value, str) else NOT_RECORDED


def _hash(found: dict[str, Any], where: str) -> str:
    bundle = found.get("bundle")
    value = bundle.get("sha256") if isinstance(bundle, dict) else None
    if not isinstance(value, str):
        raise DataError(f"bundle.sha256: got {value!r:.40} in {where}, expected a hash: it is damaged; {_REMEDY}")
    return value


def _pairs(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return what is compared: how that is named, and a run of either file."""
    runs_a, runs_b = ({_key(run): run for run in one["runs"]} for one in (first, second))
    both = [(name_of(key), run, runs_b[key]) for key, run in runs_a.items() if key in runs_b]
    if both:
        return both
    (key_a, run_a), (key_b, run_b) = (next(iter(runs.items())) for runs in (runs_a, runs_b))
    return [(f"{name_of(key_a)} / {name_of(key_b)}", run_a, run_b)]


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


def _lacks(run: Any, *, old: bool) -> str | None:
    """Return what a run lacks of what is compared, or None if it has all of it; an old one need not say who ran."""
    if not isinstance(run, dict):
        return "interpreter: expected an object"
    for name in ("interpreter", "numbers"):
        if not _is_name(run.get(name)):
            return f"{name}: got {run.get(name)!r:.40}, expected a name"
    runner = run.get("wake_run_by")
    if runner not in get_args(WakeRunner) and not (old and "wake_run_by" not in run):
        return f"wake_run_by: got {runner!r:.40}, expected {' or '.join(get_args(WakeRunner))}"
    if not _are_durations(run.get("real_time_factors")):
        return "real_time_factors: expected a number above 0 for each repetition"
    if not _are_stages(run.get("stages")):
        return "stages: expected p50_us_of_repetitions of each, numbers above 0"
    return None if _are_threads(run.get("threads")) else "threads: expected numbers of threads with their stages"


def _is_name(value: Any) -> bool:
    """Tell whether this may be a name in a table: nothing that a terminal would act on."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable() and len(value) <= _LONGEST


def _are_threads(threads: Any) -> bool:
    """Tell whether these are stages by numbers of threads, each of which is there once."""
    if not isinstance(threads, list) or not all(isinstance(one, dict) for one in threads):
        return False
    numbers = [one.get("threads") for one in threads]
    return (
        all(type(number) is int and 0 < number <= _MOST_THREADS for number in numbers)
        and len(set(numbers)) == len(numbers)
        and all(_are_stages(one.get("stages")) for one in threads)
    )


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
            isinstance(value, (int, float)) and not isinstance(value, bool) and _LEAST < value < _MOST
            for value in values
        )
    )  # fmt: skip
