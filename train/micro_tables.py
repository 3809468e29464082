"""Tables of ``docs/quantise.md``: what the interpreter of microcontrollers makes of the bundle that ships."""

import json
from pathlib import Path
from typing import Any

__all__ = ["operators_table", "words_table"]

_FILE = "operators.json"


def operators_table(folder: Path) -> str:
    """Return Markdown: operators, arena and differences of each network, and of the models for ESPHome.

    Parameters
    ----------
    folder : Path
        Holds ``operators.json``, as ``tests/bench/operators.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found = _read(folder)
    words = found["esphome"]["words"].values()
    # All are made of one network: what differs among them is told by the largest.
    word = max(words, key=lambda one: (not one["accepted"], one["arena_bytes"], len(one["operators"])))
    lines = [
        f"Networks of the bundle `{found['bundle_sha256'][:12]}`, over random inputs "
        "(`python tests/bench/operators.py`):",
        "",
        "| network | operators | arena, bytes | largest difference, steps | `opcheck` |",
        "|---|---|---|---|---|",
        *(_row(name, one) for name, one in found["networks"].items()),
        _row(f"a word for ESPHome, the largest of {len(words)}", word),
    ]
    return "\n".join(lines) + "\n"


def words_table(folder: Path) -> str:
    """Return Markdown: what the models for ESPHome hear beside the network that they were made of.

    Parameters and errors are those of :func:`operators_table`.
    """
    found = _read(folder)
    words = found["esphome"]["words"]
    both, network, models = (
        sum(one[name] for one in words.values()) for name in ("both", "network_only", "models_only")
    )
    lines = [
        f"Over {found['esphome']['clips']:,} clips of `{found['split']}` the models heard a word {both:,} of the "
        f"{both + network:,} times that the wake network of the bundle did, and {models:,} times that it did not:",
        "",
        "| word | cut-off | heard by both | by the network alone | by the model alone |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{ident}` | {one['cutoff']:g} | {one['both']:,} | {one['network_only']:,} | {one['models_only']:,} |"
        for ident, one in words.items()
    ]
    return "\n".join(lines) + "\n"


def _read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / _FILE).read_text())
    return found


def _row(name: str, one: dict[str, Any]) -> str:
    apart = max(one["largest_difference_steps"].values())
    verdict = "accepts it" if one["accepted"] else "**refuses it**"
    return (
        f"| {name} | {len(one['operators'])} kinds | {one['arena_bytes']:,} | {apart:g} in {one['runs']} runs "
        f"| {verdict} |"
    )
