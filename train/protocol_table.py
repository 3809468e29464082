"""The protocol's table of the README, made from ``results/protocol.json``: no figure is typed by hand.

A check that failed is said to have failed, and by how much.
"""

import json
from pathlib import Path
from typing import Any

from train.table_cells import percent

__all__ = ["protocol_table"]


def _rows(part: dict[str, Any], names: list[str]) -> list[str]:
    rows = []
    for rung, entry in part.items():
        clips = entry["clips"]
        size = f"{clips['live']} + {clips['replay']}"
        found = [
            percent(entry["baselines"][name]["eer"], entry["baselines"][name]["eer_interval_95"]) for name in names
        ]
        things = f"{clips['talkers']} / {clips['loudspeakers']} / {clips['rooms']}"
        rows.append(f"| {rung} | {size} | {things} | {' | '.join(found)} |")
    return rows


def _failed(probes: dict[str, Any]) -> list[str]:
    """Return the checks that failed, each with what was found and what is allowed."""
    limits, failed = probes["limits"], []
    for name, one in (probes["judged"] | probes["strata"]).items():
        if one["at_chance"] is False:
            off, most = abs(one["eer"] - 0.5), one.get("allowed", limits["most_off_chance"])
            failed.append(
                f"the EER of {name} is {100 * off:.2f} points off chance, {_too_much(off, most, points=True)}"
            )
        if one["sees"] is False:
            worst = max(float(leak["eer"]) for leak in one["leaks"])
            failed.append(
                f"the EER of {name} on a leak is {100 * worst:.2f} %, "
                f"{_too_much(worst, limits['most_on_leak'], points=True)}"
            )
    if probes["alike"] is False:
        most = limits["most_distance"]
        failed += [
            f"the distance of {name} ({measure}) is {far:.4f}, {_too_much(far, most)}"
            for name, measures in probes["distances"].items()
            for measure, far in measures.items()
            if far > most
        ]
    return failed


def _verdict(failed: list[str]) -> str:
    if not failed:
        return "None of the checks that were judged failed."
    count = "One of these checks" if len(failed) == 1 else f"{len(failed)} of these checks"
    return f"**{count} failed**: {'; '.join(failed)}."


def _too_much(found: float, most: float, *, points: bool = False) -> str:
    factor, digits, unit = (100, ".2f", " points") if points else (1, ".4f", "")
    return f"{factor * (found - most):{digits}}{unit} more than the {factor * most:g} that are allowed"


def protocol_table(folder: Path, bundle_sha256: str) -> str:
    """Return Markdown: the ladder, the kinds left out, the two rooms, and the probes.

    Parameters
    ----------
    folder : Path
        Holds ``protocol.json``, as ``vivavoce train protocol`` writes it.
    bundle_sha256 : str
        Of the bundle that ships (:func:`edge.bundle_identity.bundle_hash`): what was measured of another one is left
        out.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "protocol.json").read_text())
    names = list(next(iter(found["ladder"].values()))["baselines"])
    probes = found["probes"]
    about = found["bundle_sha256"]
    rooms = {name: one for name, one in found["two_rooms"].items() if name != "bundle" or about == bundle_sha256}
    lines = [
        f"**Protocol** on **simulated** replays of {found['split']}: EER of the baselines, fitted on train, where more "
        "and more is unseen (95 % by resampling talkers and loudspeakers; `vivavoce train protocol`):",
        "",
        f"| unseen | live + replayed | talkers / loudspeakers / rooms | {' | '.join(names)} |",
        "|---" * (3 + len(names)) + "|",
        *_rows(found["ladder"], names),
        *_rows(found["kinds_left_out"], names),
        "",
        "Speech through two rooms and **no loudspeaker**, called live (at the cut-off of dev), beside the same words "
        "through one room:",
        "",
        "| what judges | one room | two rooms | difference, points (95 %) |",
        "|---|---|---|---|",
    ]
    for name, one in rooms.items():
        low, high = one["difference_interval_95"]
        lines.append(
            f"| {name} | {percent(one['one_room'])} | {percent(one['two_rooms'])} "
            f"| {100 * one['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}) |"
        )
    if len(rooms) < len(found["two_rooms"]):
        lines += [
            "",
            f"The bundle is left out: this was measured of another one (`{about[:12]}`) than the one that ships. "
            "Nothing else in these tables depends on a bundle.",
        ]
    lines += [
        "",
        f"**Shortcut probes** ({probes['clips']['live']} live and {probes['clips']['replay']} replayed clips; those of "
        "first rooms look at some of them; 50 % is chance):",
        "",
        "| probe | EER (95 %) | EER on copies with a leak, worst |",
        "|---|---|---|",
    ]
    for name, one in (probes["judged"] | probes["strata"]).items():
        if one["at_chance"] is None:
            few = "{live} + {replay}".format(**one["clips"])
            lines.append(f"| {name} | not judged: {few} clips | |")
            continue
        worst = max(float(leak["eer"]) for leak in one["leaks"])
        lines.append(f"| {name} | {percent(one['eer'], one['eer_interval_95'])} | {percent(worst)} |")
    far = {name: max(values.values()) for name, values in probes["distances"].items()}
    told = ", ".join(f"{name} {value:.3f}" for name, value in far.items())
    limits = probes["limits"]
    judged = (
        "not judged, there are too few clips" if probes["alike"] is None else f"at most {limits['most_distance']:g}"
    )
    lines += [
        "",
        f"Held to: EER within {100 * limits['most_off_chance']:g} points of chance, at most "
        f"{100 * limits['most_on_leak']:g} % on every leak. Largest distance between live and replay "
        f"(Kolmogorov-Smirnov; {judged}): {told}.",
        "",
        _verdict(_failed(probes)),
    ]
    return "\n".join(lines) + "\n"
