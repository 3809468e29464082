"""From counted regions to figures: a hop, a step, a decision, a minute of idle; and whether they got worse.

Nothing here runs a program, so that it can be tested where there is no emulator.
"""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["PARTS", "TOLERANCE", "changes", "figures", "flat", "largest_change", "page", "with_tables", "worse"]

TOLERANCE = 0.02
"""Share by which a count may exceed the committed one. Two runs on one machine differ by less than a
hundredth; what moves a count by a per cent without anyone's doing is an update of Debian's Python or C library."""

HOPS_A_MINUTE = 6000

PARTS = ("ring", "meter", "frontend", "wake")
"""Stages that the pipeline calls for every hop; what is left of it is its own."""

WHOLES = ("hop", "step", "look", "decision")
LOOK = ("features", "network")
DECISION = ("span", "quality", "cues", "network", "gate")

Regions = Iterable[Any]
"""Of tuples ``(name, round, units, instructions)``, as ``counting.Region``."""


def figures(regions: Regions) -> dict[str, Any]:
    """Turn what one process counted into figures.

    Parameters
    ----------
    regions : iterable of (name, round, units, instructions)
        Round 0 does not count.

    Returns
    -------
    dict
        ``hop``, ``step``, ``decision``, and ``look`` where there is a verifier: instructions each time, the whole and
        by part. ``idle``: for each sound
        ``minute`` and ``peer_minute``, instructions, ``ratio``, the ``share`` of each stage, and ``tens``,
        instructions of each ten seconds of the pipeline and of the peer.
    """
    held: dict[str, list[tuple[int, int]]] = {}
    for name, number, units, instructions in regions:
        if number > 0:
            held.setdefault(name, []).append((units, instructions))

    def mean(name: str) -> float:
        return sum(count for _, count in held[name]) / sum(units for units, _ in held[name])

    found: dict[str, Any] = {
        "hop": {"frontend": round(mean("hop.frontend"))},
        "step": {"whole": round(mean("step.wake")), "network": round(mean("step.network"))},
        "decision": {"whole": round(mean("decision")), **{part: round(mean(f"decision.{part}")) for part in DECISION}},
        "idle": {},
    }
    if "look" in held:
        found["look"] = {"whole": round(mean("look")), **{part: round(mean(f"look.{part}")) for part in LOOK}}
    for kind in dict.fromkeys(name.split(".")[1] for name in held if name.startswith("idle.")):
        pipeline, peer = held[f"idle.{kind}.pipeline"], held[f"idle.{kind}.peer"]
        empty = mean(f"idle.{kind}.empty")
        minute, peer_minute = (
            round((mean(f"idle.{kind}.{who}") - empty) * HOPS_A_MINUTE) for who in ("pipeline", "peer")
        )
        # The stages were counted for the first part of the sound only: shares are of that.
        n = len(held[f"idle.{kind}.empty"])
        whole = sum(count for _, count in pipeline[:n]) / sum(units for units, _ in pipeline[:n]) - empty
        shares = {part: (mean(f"idle.{kind}.{part}") - empty) / whole for part in PARTS}
        shares["rest"] = 1 - sum(shares.values())
        found["idle"][kind] = {
            "minute": minute,
            "peer_minute": peer_minute,
            "ratio": round(minute / peer_minute, 4),
            "share": {part: round(share, 4) for part, share in shares.items()},
            "tens": {"pipeline": [count for _, count in pipeline], "peer": [count for _, count in peer]},
        }
    return found


def flat(found: Mapping[str, Any], *, tens: int) -> dict[str, int]:
    """Return the counts that two measurements may be compared by, under one name each.

    Parameters
    ----------
    found : mapping
        See :func:`figures`.
    tens : int
        Of an idle sound only so many times ten seconds, which both measurements must have.
    """
    counts = {f"{what}, {part}": int(n) for what in WHOLES if what in found for part, n in found[what].items()}
    for kind, idle in found["idle"].items():
        for who, parts in idle["tens"].items():
            counts[f"idle, {kind}, {who}"] = sum(parts[:tens])
    return counts


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """Return by what share each count changed, of those that both measurements have."""
    tens = min(len(idle["tens"]["pipeline"]) for one in (before, after) for idle in one["idle"].values())
    old, new = flat(before, tens=tens), flat(after, tens=tens)
    return {name: new[name] / old[name] - 1 for name in old if name in new}


def largest_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return the largest share by which two measurements of the same code differ."""
    return max(abs(change) for change in changes(before, after).values())


def worse(committed: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Tell which of our counts exceed the committed ones by more than the tolerance, one line each.

    Those of the peer are left out: they are nobody's fault here.
    """
    return [
        f"{name}: {change:+.1%}, allowed {TOLERANCE:+.1%}"
        for name, change in changes(committed, now).items()
        if change > TOLERANCE and not name.endswith(", peer")
    ]


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Lay the figures out as the tables of ``docs/arm.md``: thousands of instructions, millions for a minute."""
    names = [(cpu, runtime) for cpu, of in results.items() for runtime in of]
    cells = [results[cpu][runtime] for cpu, runtime in names]
    head = [f"{cpu.removeprefix('cortex-').upper()}, {runtime}" for cpu, runtime in names]
    rows: list[tuple[str, list[str]]] = []

    def thousands(title: str, what: str, part: str) -> None:
        rows.append((title, [f"{one[what][part] / 1e3:,.0f}" for one in cells]))

    thousands("hop: frontend", "hop", "frontend")
    thousands("step of the wake stage", "step", "whole")
    thousands("&nbsp; of it the network", "step", "network")
    if all("look" in one for one in cells):
        thousands("look of the verifier", "look", "whole")
        thousands("&nbsp; of it its features", "look", "features")
        thousands("&nbsp; of it the network", "look", "network")
    thousands("decision", "decision", "whole")
    titles = dict(zip(DECISION, ("where the word was", "quality", "cues", "network", "gate"), strict=True))
    for part, title in titles.items():
        thousands(f"&nbsp; of it {title}", "decision", part)
    tables = [_table("thousands of instructions", head, rows)]
    for kind in cells[0]["idle"]:
        idle = [one["idle"][kind] for one in cells]
        rows = [
            ("the minute", [f"{one['minute'] / 1e6:,.0f}" for one in idle]),
            ("the same minute of pymicro-wakeword", [f"{one['peer_minute'] / 1e6:,.0f}" for one in idle]),
            ("ratio", [f"{one['ratio']:.2f}" for one in idle]),
        ]
        for part in (*PARTS, "rest"):
            rows.append((f"share of {part}", [f"{100 * one['share'][part]:.1f} %" for one in idle]))
        tables.append(_table(f"a minute of {kind}, millions of instructions", head, rows))
    return "\n\n".join(tables)


def with_tables(text: str, tables: str, *, made_by: str = "make arm") -> str:
    """Return the text of ``docs/arm.md`` with other tables between the two marks of what makes them."""
    begin, end = f"<!-- tables: written by {made_by} -->", "<!-- end of tables -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"docs/arm.md: got no place for the tables, expected the lines {begin} and {end}")
    return f"{before}{begin}\n{tables}\n{end}{after}"


def _table(title: str, head: list[str], rows: list[tuple[str, list[str]]]) -> str:
    lines = [f"| {title} | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    return "\n".join(lines + [f"| {name} | {' | '.join(values)} |" for name, values in rows])
