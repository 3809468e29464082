"""What a measurement leaves: lines for people, and a file of JSON."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from edge.bench.comparing import name_of
from edge.bench.page import REMARK, energy
from edge.output import columns

__all__ = ["as_json", "lines"]

_PERCENTILES = ("p50", "p95", "p99", "max", "jitter")
_PLAIN_LIST = re.compile(r"\[\n\s*([^\[\]{}\"]*?)\n\s*\]")
_LINE_BREAK = re.compile(r"\s*\n\s*")


def as_json(found: Mapping[str, Any]) -> bytes:
    """Return results as JSON: an entry a line, lists of numbers in one."""
    text = json.dumps(found, indent=1, allow_nan=False)
    # No text can hold the line break that such a list begins with.
    return (_PLAIN_LIST.sub(lambda match: f"[{_LINE_BREAK.sub(' ', match[1])}]", text) + "\n").encode()


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the results for people.

    Parameters
    ----------
    found : mapping
        What :func:`edge.bench.measuring.measure` returns, with ``starts``.
    """
    rows: list[tuple[object, ...]] = [("network", "stage", *(f"{key} us" for key in _PERCENTILES))]
    for run in found["runs"]:
        name = name_of((run["interpreter"], run["numbers"]))
        rows += [(name, stage, *_figures(of)) for stage, of in run["stages"].items()]
        for one in run["threads"]:
            rows += [(name, f"{stage}, {one['threads']} threads", *_figures(of)) for stage, of in one["stages"].items()]
    yield from columns(rows)
    for run in found["runs"]:
        name = name_of((run["interpreter"], run["numbers"]))
        yield f"{name}: {run['cpu_percent']:.2f} % of a core; the {run['wake_run_by']} runs the wake network"
        for hit in run["decisions"]:
            yield (
                f"  {hit['word']} {hit['decision']}: {hit['delay_ms']:.0f} ms after its end, {hit['compute_ms']:.1f} "
                "ms of them computing"
            )
    for one in found["starts"]:
        said = one.get("fault") or f"{min(one['seconds']):.2f} s, {one['peak_rss_kib'] or '?'} KiB"
        yield f"{one['kind']} start, {one['interpreter']}: {said}"
    yield f"energy: {energy(found)}"
    yield f"throttled: {_throttled(found['before'], found['after'])}"
    yield REMARK


def _figures(of: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(of[f"{key}_us"] for key in _PERCENTILES)


def _throttled(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    told = [
        f"{what} {before[key]} before, {after[key]} after"
        for key, what in (("throttled", "cores"), ("firmware_throttled", "firmware"))
        if before[key] is not None and after[key] is not None
    ]
    return "; ".join(told) or "not available: the kernel does not tell"
