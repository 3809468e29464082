"""The page of a measurement: one HTML file with drawings, for those who compare machines by eye."""

from collections.abc import Mapping
from html import escape
from typing import Any

from edge.bench.measuring import STAGES
from edge.bench.statistics import BINS_PER_DECADE
from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH, document, frame, section

__all__ = ["REMARK", "page"]

REMARK = (
    "Timings of an x86 processor are no timings of an ARM one: they say nothing about how long a Raspberry Pi takes."
)
"""What must not be read out of the figures; the last line of every page."""

_PERCENTILES = ("mean", "p50", "p95", "p99", "max", "jitter")


def page(found: Mapping[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    found : mapping
        What :func:`edge.bench.measuring.measure` returns, with ``starts``.
    """
    body = f"<h1>How long the stages take</h1><p class='soft'>Measured {escape(found['date'])}.</p>"
    body += section("Machine", _machine(found))
    for run in found["runs"]:
        body += section(f"Stages, {run['interpreter']}", _stages(run))
        body += section(f"Latency of 10 ms of sound, {run['interpreter']}", _distribution(run["stages"]["push"]))
        body += section(f"Decisions, {run['interpreter']}", _decisions(run))
    body += section("Starts and sizes", _starts(found))
    return document("How long the stages take", body + f"<p><strong>{escape(REMARK)}</strong></p>")


def _machine(found: Mapping[str, Any]) -> str:
    described = {
        name: ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        for name, value in found["machine"].items()
    }
    rows = [(name.replace("_", " "), value) for name, value in described.items()]
    rows.append(("pinned to core", found["core"]))
    for name in found["before"]:
        rows.append(
            (name.replace("_", " "), f"{_shown(found['before'][name])} before, {_shown(found['after'][name])} after")
        )
    energy = found["energy_j"]
    told = ", ".join(f"{name}: {joules:.1f} J in {found['measuring_s']:.1f} s" for name, joules in energy.items())
    rows.append(("energy of the whole package", told or None))
    rows.append(("repetitions", f"{found['repetitions']} of {found['sound_s']:.1f} s of sound"))
    return _table(("", ""), [(name, _shown(value)) for name, value in rows])


def _stages(run: Mapping[str, Any]) -> str:
    stages = run["stages"]
    most = max(of["p99_us"] for of in stages.values())
    step, base = (WIDTH - LEFT) / len(stages), HEIGHT - BOTTOM
    bars = ""
    for at, (name, of) in enumerate(stages.items()):
        x = LEFT + at * step
        y, y_tail = (base - of[key] / most * (base - 24) for key in ("p50_us", "p99_us"))
        middle = x + step / 2
        bars += (
            f"<g><title>{escape(name)}: p50 {of['p50_us']} us, p99 {of['p99_us']} us</title>"
            f'<rect class="pass" x="{x + 8:.1f}" y="{y:.1f}" width="{step - 16:.1f}" height="{base - y:.1f}"/>'
            f'<path class="was" d="M{middle:.1f} {y:.1f}V{y_tail:.1f}M{middle - 8:.1f} {y_tail:.1f}h16"/>'
            f'<text x="{middle:.1f}" y="{HEIGHT - 6:.0f}" text-anchor="middle">{escape(name)}</text></g>'
        )
    rows = [
        (name, STAGES.get(name, ""), of["n"], *(f"{of[f'{key}_us']:.1f}" for key in _PERCENTILES))
        for name, of in stages.items()
    ]
    head = ("stage", "one measurement", "n", *(f"{key}, \N{MICRO SIGN}s" for key in _PERCENTILES))
    return (
        "<p class='soft'>Bars are medians, lines reach up to the 99th percentile; ms.</p>"
        + frame(bars, "Median and 99th percentile of each stage", "", "", f"{most / 1e3:.2g}")
        + _table(head, rows)
    )


def _distribution(push: Mapping[str, Any]) -> str:
    counts, first = push["histogram"]["counts"], push["histogram"]["first_bin"]
    most, step, base = max(counts), (WIDTH - LEFT) / len(counts), HEIGHT - BOTTOM
    bars = "".join(
        f'<rect class="pass" x="{LEFT + at * step:.1f}" y="{base - count / most * (base - 12):.1f}" '
        f'width="{max(step - 1, 0.8):.1f}" height="{count / most * (base - 12):.1f}"/>'
        for at, count in enumerate(counts)
        if count
    )
    low, high = (10 ** (at / BINS_PER_DECADE) for at in (first, first + len(counts)))
    label = "How often 10 ms of sound took how long (logarithmic)"
    ends = (f"{low / 1e3:.2g} ms", f"{high / 1e3:.2g} ms")
    return frame(bars, label, *ends, str(most)) + f"<p class='soft'>{label}.</p>"


def _decisions(run: Mapping[str, Any]) -> str:
    factors = sorted(run["real_time_factors"])
    said = f"<p>Real-time factor {factors[len(factors) // 2]:.4f}; {run['cpu_percent']:.2f} % of one core.</p>"
    rows = [
        (one["word"], one["decision"], f"{one['delay_ms']:.1f}", f"{one['sound_ms']:.1f}", f"{one['compute_ms']:.1f}")
        for one in run["decisions"]
    ]
    head = ("word", "decision", "after the word's end, ms", "of that waiting for sound, ms", "computing, ms")
    return said + (_table(head, rows) if rows else "<p>No word was heard in the scene.</p>")


def _starts(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{one['kind']} start, {one['interpreter']}",
            one.get("fault")
            or f"{min(one['seconds']):.2f} to {max(one['seconds']):.2f} s, {_kib(one['peak_rss_kib'])}",
        )
        for one in found["starts"]
    ]
    rows.append(("memory of the benchmark itself", _kib(found["peak_rss_kib"])))
    rows.append(("bundle", f"{found['bundle']['bytes']} bytes"))
    rows += [(name, f"{size} bytes") for name, size in found["bundle"]["files"].items()]
    return _table(("", ""), rows)


def _kib(value: int | None) -> str:
    return "memory not told" if value is None else f"{value / 1024:.1f} MiB at most"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "not told"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "not told"
    return "not told" if value is None else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    top = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if any(head) else ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='scroll'><table>{top}<tbody>{lines}</tbody></table></div>"
