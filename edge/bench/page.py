"""The page of a measurement: one HTML file with drawings, for those who compare machines by eye."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from edge.bench.comparing import name_of
from edge.bench.log_scale import MICROSECONDS, LogScale, duration
from edge.bench.stages import STAGES
from edge.bench.statistics import BINS_PER_DECADE
from edge.bench.timeline import decision_drawing, pushes_drawing
from edge.html_page import BOTTOM, HEIGHT, LEFT, WIDTH, document, frame, section

__all__ = ["REMARK", "energy", "page"]

REMARK = (
    "Timings of an x86 processor are no timings of an ARM one: they say nothing about how long a Raspberry Pi takes."
)
"""What must not be read out of the figures; the last line of every page."""

_THREADED = ("verifier", "liveness", "decision")
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
    if len(found["runs"]) > 1:
        body += section("Side by side", _side_by_side(found))
    for run in found["runs"]:
        name = name_of((run["interpreter"], run["numbers"]))
        body += section(f"Stages, {name}", _stages(run))
        body += section(f"Latency of 10 ms of sound, {name}", _distribution(run["stages"]["push"]))
        body += section(f"Timeline, {name}", _timeline(run, found["sound"]))
        if run["threads"]:
            body += section(f"Threads, {name}", _threads(run))
    body += section("Starts and sizes", _starts(found))
    return document("How long the stages take", body + f"<p><strong>{escape(REMARK)}</strong></p>")


def _machine(found: Mapping[str, Any]) -> str:
    rows = [(name.replace("_", " "), _shown(value)) for name, value in found["machine"].items()]
    for place in found["environments"]:
        rows.append(("environment", f"{place['python']}; {_shown(place['versions'])}"))
    rows.append(("pinned to core", "no" if found["core"] is None else str(found["core"])))
    for name, before in found["before"].items():
        told = [_shown(before), _shown(found["after"][name])]
        both = told[0] if told[0] == told[1] else f"{told[0]} before, {told[1]} after"
        rows.append((name.replace("_", " "), both))
    rows.append(("energy of the whole package", energy(found)))
    rows.append(("repetitions", f"{found['repetitions']} of {found['sound']['seconds']:.1f} s of sound"))
    return _table(("", ""), rows, words=2)


def energy(found: Mapping[str, Any]) -> str:
    """Say how much energy the measurement took, or that the kernel does not tell."""
    told = ", ".join(
        f"{name}: {joules:.1f} J in {found['measuring_s']:.1f} s" for name, joules in found["energy_j"].items()
    )
    return told or "not available: the kernel does not tell, or not to this user"


def _stages(run: Mapping[str, Any]) -> str:
    stages = run["stages"]
    scale = LogScale.around(value for of in stages.values() for value in (of["p50_us"], of["p99_us"]))
    step, base = (WIDTH - LEFT) / len(stages), HEIGHT - BOTTOM
    bars = scale.grid()
    for at, (name, of) in enumerate(stages.items()):
        x = LEFT + at * step
        y, y_tail = scale.up(of["p50_us"]), scale.up(of["p99_us"])
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
    head = ("stage", "one measurement", "n", *(f"{key}, {MICROSECONDS}" for key in _PERCENTILES))
    ends = duration(scale.high_us), duration(scale.low_us)
    return (
        "<p class='soft'>Bars are medians, lines reach up to the 99th percentile; the scale is logarithmic.</p>"
        + frame(bars, "Median and 99th percentile of each stage", "", "", *ends)
        + _table(head, rows, words=2)
    )


def _side_by_side(found: Mapping[str, Any]) -> str:
    """Tell the medians of all that was measured."""
    runs = found["runs"]
    head = ("stage", *(f"{name_of((run['interpreter'], run['numbers']))}, {MICROSECONDS}" for run in runs))
    rows = [
        (name, *(f"{run['stages'][name]['p50_us']:.1f}" if name in run["stages"] else "" for run in runs))
        for name in STAGES
    ]
    rows.append(("wake network run by", *(run["wake_run_by"] for run in runs)))
    rows.append(("per cent of one core", *(f"{run['cpu_percent']:.2f}" for run in runs)))
    slowest = [max((one["delay_ms"] for one in run["decisions"]), default=None) for run in runs]
    rows.append(("ms from the word's end", *("" if delay is None else f"{delay:.0f}" for delay in slowest)))
    return "<p class='soft'>Medians; of the decisions the slower one.</p>" + _table(head, rows)


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
    ends = duration(low), duration(high)
    return frame(bars, label, *ends, str(most)) + f"<p class='soft'>{label}.</p>"


def _timeline(run: Mapping[str, Any], sound: Mapping[str, Any]) -> str:
    factors = sorted(run["real_time_factors"])
    said = (
        f"<p>Real-time factor {factors[len(factors) // 2]:.4f}; {run['cpu_percent']:.2f} % of one core. The wake "
        f"network is run by the {escape(run['wake_run_by'])}.</p>"
    )
    said += pushes_drawing(run, sound)
    if not run["decisions"]:
        return said + "<p>No word was heard in the scene.</p>"
    rows = [
        (one["word"], one["decision"], f"{one['delay_ms']:.1f}", f"{one['sound_ms']:.1f}", f"{one['compute_ms']:.1f}")
        for one in run["decisions"]
    ]
    head = ("word", "decision", "after the word's end, ms", "of that waiting for sound, ms", "computing, ms")
    return said + _table(head, rows, words=2) + decision_drawing(run, run["decisions"][0], sound)


def _threads(run: Mapping[str, Any]) -> str:
    """Tell what more threads change; the stages themselves are measured with one."""
    rows = [
        (one["threads"], stage, *(f"{of[f'{key}_us']:.1f}" for key in _PERCENTILES))
        for one in [{"threads": 1, "stages": run["stages"]}, *run["threads"]]
        for stage, of in one["stages"].items()
        if stage in _THREADED
    ]
    head = ("threads", "stage", *(f"{key}, {MICROSECONDS}" for key in _PERCENTILES))
    said = "Threads of the networks that run for a word, as many cores each; the wake network always runs on one."
    return f"<p class='soft'>{said}</p>" + _table(head, rows)


def _starts(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{one['kind']} start, {one['interpreter']}",
            one.get("fault") or f"{_seconds(one['seconds'])}, {_kib(one['peak_rss_kib'])}",
        )
        for one in found["starts"]
    ]
    for place, one in enumerate(found["environments"]):
        names = sorted({run["interpreter"] for run in found["runs"] if run["environment"] == place})
        rows.append((f"memory of the benchmark itself, {', '.join(names)}", _kib(one["peak_rss_kib"])))
    rows.append(("bundle", f"{found['bundle']['bytes']} bytes"))
    rows.append(("verifier", found["bundle"]["networks"].get("verifier", "none: the wake network decides alone")))
    rows += [(name, f"{size} bytes") for name, size in found["bundle"]["files"].items()]
    rows += [(f"{name}, float", f"{size} bytes") for name, size in (found["float_bytes"] or {}).items()]
    return _table(("", ""), rows, words=2)


def _seconds(values: Sequence[float]) -> str:
    low, high = (f"{end:.2f}" for end in (min(values), max(values)))
    return f"{low} s" if low == high else f"{low} to {high} s"


def _kib(value: int | None) -> str:
    return "memory not told" if value is None else f"{value / 1024:.1f} MiB at most"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items()) or "not told"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "not told"
    return "not told" if value is None else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]], *, words: int = 1) -> str:
    """Return a table whose first columns hold words, and the others numbers."""
    sides = ["<td class='words'>" if at < words else "<td>" for at in range(len(head))]
    heads = [side.replace("td", "th") for side in sides]
    top = "".join(f"{side}{escape(name)}</th>" for side, name in zip(heads, head, strict=True)) if any(head) else ""
    top = f"<thead><tr>{top}</tr></thead>" if top else ""
    lines = "".join(
        f"<tr>{''.join(f'{side}{escape(str(cell))}</td>' for side, cell in zip(sides, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<div class='scroll'><table>{top}<tbody>{lines}</tbody></table></div>"
