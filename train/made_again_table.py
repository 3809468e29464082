"""Table of the bundle that ``make models`` makes again, beside the one that ships."""

import json
from pathlib import Path
from typing import Any

from train.paired_difference import AS_THEY_ARE
from train.results_table import HEARD_IN
from train.table_cells import percent, points, rate

__all__ = ["made_again_table"]

_HEARD = {AS_THEY_ARE: "as they are", **HEARD_IN}
_SLICES = {
    "all": "all",
    "near_and_quiet": "near and quiet",
    "near_and_quiet_without_standalone": "of these phones, laptops, televisions",
    "near_and_quiet_standalone": "of these stand-alone ones",
}
_BUNDLES = ("shipped", "again")


def made_again_table(folder: Path) -> str:
    """Return Markdown: what both bundles hear of dev, how far that differs, and how long the making took.

    Parameters
    ----------
    folder : Path
        Holds ``made_again_dev.json``, as ``tests/bench/made_again.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "made_again_dev.json").read_text())
    made, words, simulated = found["made"], found["wake"], found["liveness"]
    on = made["records"]["wake"]["machine"]
    same = [role for role, equal in found["same_bytes"].items() if equal]
    lines = [
        f"`make models`, as one run: **{made['elapsed_s'] / 3600:.2f} h** on {on['cores']} cores ({on['processor']}). "
        f"{_of_bytes(same)} On **dev**, where both chose their cut-offs:",
        "",
        "| | ships | made again | difference, points (95 %, paired) |",
        "|---|---|---|---|",
        *(_recall(name, words) for name in words["again_less_shipped"]),
        *(_error_rate(name, simulated) for name in _SLICES if name in simulated["again_less_shipped"]),
        *(
            f"| {told}, near and quiet | {' | '.join(_rate(simulated[one], name) for one in _BUNDLES)} | |"
            for name, told in (("bpcer", "live users refused"), ("apcer", "replays accepted"))
        ),
        "",
        f"False accepts in {words['shipped']['false_accepts_longform']['hours']:g} h of long-form speech, and on "
        f"recordings of other words and of other speech: {_false(words['shipped'])} by the one that ships, "
        f"{_false(words['again'])} by the one made again. Of {simulated['clips']:,} simulated clips "
        f"{percent(simulated['same_answer'] / simulated['clips'])} get the same answer of both.",
    ]
    return "\n".join(lines) + "\n"


def _of_bytes(same: list[str]) -> str:
    if not same:
        return "None of its networks has the bytes of the one that ships."
    return f"The same bytes as those that ship: {', '.join(same)}."


def _recall(name: str, words: dict[str, Any]) -> str:
    reports = [words[one] if name == AS_THEY_ARE else words[one]["conditions"][name] for one in _BUNDLES]
    cells = [rate(report["mean_recall"]) for report in reports]
    return f"| recall, {_HEARD[name]} | {' | '.join(cells)} | {_points(words['again_less_shipped'][name])} |"


def _error_rate(name: str, simulated: dict[str, Any]) -> str:
    cells = [_rate(simulated[one], "eer", name) for one in _BUNDLES]
    return (
        f"| EER, simulated, {_SLICES[name]} | {' | '.join(cells)} | {_points(simulated['again_less_shipped'][name])} |"
    )


def _rate(figures: dict[str, Any], name: str, where: str = "near_and_quiet") -> str:
    return percent(figures[where][name], figures[where][f"{name}_interval_95"])


def _points(found: dict[str, Any]) -> str:
    return points(found["difference"], found["interval_95"])


def _false(report: dict[str, Any]) -> str:
    counts = [report[f"false_accepts_{of}"]["count"] for of in ("longform", "other_words", "other_speech")]
    return f"{counts[0]}, {counts[1]} and {counts[2]}"
