"""Table of the cross-fit: how words are heard of people who were not learned from, over all recordings."""

import json
from pathlib import Path
from typing import Any

from train.table_cells import rate

__all__ = ["crossfit_table"]

_SPLITS = {
    "train": "the recordings of train among them",
    "dev": "those of dev",
    "test": "those of test",
}


def crossfit_table(folder: Path) -> str:
    """Return Markdown: recall of each word over all recordings, and false accepts of each fold.

    Parameters
    ----------
    folder : Path
        Holds ``crossfit_wake.json``, as ``tests/bench/crossfit_wake.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "crossfit_wake.json").read_text())
    folds = found["by_fold"]
    of_folds = [one["mean_recall"]["rate"] for one in folds]
    heard, said = found["talkers_of_whom_every_recording_was_heard"], found["talkers"]
    lines = [
        f"Leave-talkers-out over **train, dev and test**, {found['folds']} folds, shorter trainings than the one that "
        f"ships ({100 * found['scenes']:g} % of the scenes, {found['epochs']} epochs):",
        "",
        "| recordings | recall (95 %) | clips | talkers |",
        "|---|---|---|---|",
        *(f"| {word} | {_cells(one)} |" for word, one in found["recall"].items()),
        f"| **mean of the words** | **{rate(found['mean_recall'])}** | "
        f"{found['mean_recall']['clips']} | {found['mean_recall']['talkers']} |",
        *(f"| {told} | {_cells(found['by_split'][split])} |" for split, told in _SPLITS.items()),
        "",
        f"The folds have {100 * min(of_folds):.1f} to {100 * max(of_folds):.1f} %. Of {heard} of {said} talkers every "
        "recording was heard. False accepts, fold by fold: "
        f"{_false(folds, 'longform', 'hours', 'h of long-form speech')}; "
        f"{_false(folds, 'other_words', 'clips', 'recordings of words, taken for another one')}; "
        f"{_false(folds, 'other_speech', 'clips', 'recordings of other speech')}.",
    ]
    return "\n".join(lines) + "\n"


def _cells(found: dict[str, Any]) -> str:
    return f"{rate(found)} | {found['clips']} | {found['talkers']}"


def _false(folds: list[dict[str, Any]], name: str, size: str, told: str) -> str:
    counts = [one[f"false_accepts_{name}"] for one in folds]
    sizes = [f"{one[size]:g}" for one in counts]
    whole = sizes[0] if len(set(sizes)) == 1 else ", ".join(sizes)
    return f"{', '.join(str(one['count']) for one in counts)} in {whole} {told}"
