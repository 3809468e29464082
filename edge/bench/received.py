"""Is what another process answered what it should be? Its Python, or a library there, may write anything."""

from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

from edge.bench.stages import STAGES, Round, Told, WakeRunner

__all__ = ["is_line", "lacks_of_greeting", "lacks_of_round", "shape"]

_LONGEST = 200
"""Of a text, characters."""
_MOST_NS = 10**15
_MOST = 1e12
"""Of a number, without its sign."""


def is_line(value: object) -> bool:
    """Tell whether this is a short line of text that a terminal shows and does not act on."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def lacks_of_greeting(found: dict[str, Any], *, known: Sequence[str] = ()) -> str | None:
    """Return what is wrong with the first answer of a process, or None if it is what it should be.

    Parameters
    ----------
    found : dict
        ``environment`` as :func:`edge.bench.machine.environment` describes it; ``benches``: of each what interpreter
        it is, its numbers, and who runs its wake network.
    known : sequence of str
        Interpreters that it was to leave out.
    """
    there = found.get("environment")
    if not isinstance(there, dict) or set(there) != {"python", "versions"} or not is_line(there["python"]):
        return "environment: expected python and versions"
    versions = there["versions"]
    if not isinstance(versions, dict) or not all(is_line(one) for pair in versions.items() for one in pair):
        return "environment.versions: expected a version for each library"
    benches = found.get("benches")
    if not isinstance(benches, list) or not all(isinstance(one, list) and len(one) == 3 for one in benches):
        return "benches: expected interpreter, numbers and who runs the wake network of each"
    for interpreter, numbers, runner in benches:
        if not is_line(interpreter) or not is_line(numbers) or runner not in get_args(WakeRunner):
            return "benches: expected interpreter, numbers and who runs the wake network of each"
        if interpreter in known:
            return f"benches: got {interpreter}, expected none that is measured already"
    names = {(interpreter, numbers) for interpreter, numbers, _ in benches}
    return None if len(names) == len(benches) else "benches: expected each once"


def lacks_of_round(found: dict[str, Any], threads: Sequence[int]) -> str | None:
    """Return what is wrong with what should be a :class:`edge.bench.stages.Round`, or None if it is one.

    Parameters
    ----------
    found : dict
    threads : sequence of int
        Numbers of threads that were asked for.
    """
    if set(found) != set(get_type_hints(Round)):
        return f"expected {', '.join(get_type_hints(Round))}"
    if not _are_durations(found["durations"]) or "push" not in found["durations"]:
        return "durations: expected ns for each stage"
    by_threads = found["threads"]
    if not isinstance(by_threads, dict) or set(by_threads) != {str(n) for n in threads}:
        return f"threads: expected {', '.join(map(str, threads)) or 'none'}"
    if not all(map(_are_durations, by_threads.values())):
        return "threads: expected ns for each stage"
    for name in ("wall_s", "cpu_s"):
        if not _is_number(found[name]) or found[name] < 0:
            return f"{name}: expected s"
    peak = found["peak_rss_kib"]
    if peak is not None and not (type(peak) is int and 0 <= peak < _MOST):
        return "peak_rss_kib: expected KiB, or null"
    decisions = found["decisions"]
    if not isinstance(decisions, list) or not all(map(_is_told, decisions)):
        return f"decisions: expected of each {', '.join(get_type_hints(Told))}"
    return None


def shape(one: Round) -> object:
    """Return what is the same in every repetition: how often each stage was measured, and what was decided."""
    return (
        {name: len(durations) for name, durations in one["durations"].items()},
        {n: {name: len(durations) for name, durations in of.items()} for n, of in one["threads"].items()},
        [(told["word"], told["decision"], told["decided_s"]) for told in one["decisions"]],
    )


def _are_durations(value: object) -> bool:
    return isinstance(value, dict) and all(
        name in STAGES
        and isinstance(durations, list)
        and bool(durations)
        and all(type(ns) is int and 0 <= ns < _MOST_NS for ns in durations)
        for name, durations in value.items()
    )


def _is_told(value: object) -> bool:
    kinds = get_type_hints(Told)
    return (
        isinstance(value, dict)
        and set(value) == set(kinds)
        and all(is_line(value[name]) if kind is str else _is_number(value[name]) for name, kind in kinds.items())
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST
