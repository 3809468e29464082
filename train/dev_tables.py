"""Tables of pages beside the README: figures on dev, as steps and benchmarks left them; of a new word also on test."""

import json
from pathlib import Path
from typing import Any

from train.results_table import HEARD_IN
from train.set_state import compares
from train.table_cells import percent, points, rate

__all__ = ["informed_table", "new_word_table", "paired_table", "teacher_table", "verifier_table"]

_CASCADES = {"alone": "wake network alone", "int8": "with the verifier", "float": "with the verifier in float"}
_JUDGES = {
    "summaries": "three long-term spectra",
    "network": "the clip: the liveness network that ships",
    "informed": "the spectra, and the recording",
    "informed_half": "the same, fitted on half of the clips",
}
_SLICES = {
    "all": "all",
    "near_and_quiet": "near and quiet",
    "near_and_quiet_without_standalone": "of these phones, laptops, televisions",
    "near_and_quiet_standalone": "of these stand-alone ones",
    "wake_words": "wake words alone",
}
_ALLOWED = 2
_HEARD = {"clean": "as they are", "as_they_are": "as they are", **HEARD_IN}


def informed_table(folder: Path) -> str:
    """Return Markdown: how well judges tell a mouth from a loudspeaker, who know the recording or do not.

    Parameters
    ----------
    folder : Path
        Holds ``liveness_informed_dev.json``, as ``vivavoce train informed`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "liveness_informed_dev.json").read_text())
    counts = found["judges"]["network"]["all"]
    lines = [
        f"Equal error rate on **simulated** replays of **dev** ({counts['live']} live and {counts['replay']} replayed "
        "renderings; talkers, loudspeakers and rooms unseen in training; all but networks fitted on "
        f"{found['fitted_clips']:,} renderings{_not_frozen(found)}):",
        "",
        f"| the judge is given | {' | '.join(_SLICES.values())} |",
        "|---|" + "---|" * len(_SLICES),
    ]
    for name in found["judges"]:
        told = _JUDGES.get(name) or f"the clip: the network `{name.removeprefix('network_')}`"
        cells = [
            percent(one["eer"], one["eer_interval_95"]) for one in (found["judges"][name][part] for part in _SLICES)
        ]
        lines.append(f"| {told} | {' | '.join(cells)} |")
    apart = found["judges"]["informed"]["eer_less_the_network's"]
    differences = [
        f"{points(apart[part]['difference'], apart[part]['interval_95'])} {told}" for part, told in _SLICES.items()
    ]
    lines += ["", f"The informed judge less the network, points (95 %, paired): {'; '.join(differences)}."]
    return "\n".join(lines) + "\n"


def _not_frozen(found: dict[str, Any]) -> str:
    state = found["set"]["state"]
    return "" if compares(state) else f"; not the frozen set ({state}): these figures compare with no others"


def teacher_table(folder: Path) -> str:
    """Return Markdown: how well the teacher that knows speech hears dev, beside a checkpoint.

    Parameters
    ----------
    folder : Path
        Holds ``wake_teacher_dev.json``, as ``tests/bench/wake_teacher.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "wake_teacher_dev.json").read_text())
    teacher = found["heard"]["teacher"]
    (base,) = (name.removeprefix("against_") for name in teacher if name.startswith("against_"))
    network = found["heard"][base]
    lines = [
        f"Recall on **dev**, mean of the words ({found['clips']} recordings of {found['talkers']} talkers; in float, "
        f"before any conversion; each at cut-offs for {found['false_accepts_per_hour']:g} false accepts an hour, "
        "chosen on the same recordings):",
        "",
        f"| recordings | {base} network | teacher | teacher is better by, points (95 %) |",
        "|---|---|---|---|",
    ]
    for where, one in teacher["recall"].items():
        apart = teacher[f"against_{base}"][where]
        lines.append(
            f"| {_HEARD[where]} | {rate(network['recall'][where])} | {rate(one)} | "
            f"{points(apart['difference'], apart['interval_95'])} |"
        )
    out_of_fold = [one["out_of_fold"] for one in (network, teacher)]
    lines.append(f"| out of fold | {' | '.join(rate(one['mean_recall']) for one in out_of_fold)} | |")
    per_hour = [one["false_accepts"]["per_hour"] for one in out_of_fold]
    lines += [
        "",
        "Out of fold: on talkers and streams that the cut-offs were not chosen on. There the "
        f"{base} network has {per_hour[0]:.1f} false accepts an hour, the teacher {per_hour[1]:.1f}.",
    ]
    return "\n".join(lines) + "\n"


def verifier_table(folder: Path) -> str:
    """Return Markdown: how well words are heard with the verifier, in int8 and in float, and by the wake network alone.

    Parameters
    ----------
    folder : Path
        Holds ``verifier_dev.json``, as ``tests/bench/verifier_dev.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "verifier_dev.json").read_text())
    shown = [found["heard"][name] for name in _CASCADES]
    rates = [one[f"{_ALLOWED}_false_accepts"]["recall"] for one in shown]
    beyond = [one["out_of_fold"] for one in shown]
    false = [one["false_accepts"]["per_hour"] for one in beyond]
    stated = beyond[0]["false_accepts"]["stated_per_hour"]
    candidates = [
        f"{one['looks_per_hour_of_longform']:.0f} looks an hour and {100 * one['recall']['noise_10_db']['rate']:.1f} % "
        f"at {one['shift']:g}"
        for one in found["candidates"].values()
    ]
    lines = [
        f"Recall on **dev**, mean of the words ({found['clips']} recordings of {found['talkers']} talkers), at "
        f"cut-offs for {_ALLOWED} false accepts in {found['longform_hours']:.1f} h of long-form speech, chosen on the "
        "same recordings: with a verifier one for all words, of the wake network one for each.",
        "",
        f"| recordings | {' | '.join(_CASCADES.values())} |",
        "|---|" + "---|" * len(shown),
        *(f"| {_HEARD[where]} | {' | '.join(rate(one[where]) for one in rates)} |" for where in rates[0]),
        f"| out of fold | {' | '.join(rate(one['mean_recall']) for one in beyond)} |",
        f"| out of fold, false accepts an hour | {' | '.join(f'{one:.1f}' for one in false)} |",
        "",
        "Out of fold: on talkers and streams that the cut-offs were not chosen on, where they were chosen for "
        f"{stated:g} false accepts an hour. How often the verifier is asked, and about how many of the words in noises "
        f"at 10 dB, by how far the log-odds of the wake network's cut-offs are moved: {'; '.join(candidates)}.",
    ]
    return "\n".join(lines) + "\n"


def new_word_table(folder: Path, name: str = "new_word") -> str:
    """Return Markdown: how well a word is heard that was added to a network, by what it was learned from.

    Parameters
    ----------
    folder : Path
        Holds the file, as ``tests/bench/new_word.py`` writes it.
    name : str
        Of the file, without ``.json``.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    ways = found["results"]
    first = next(iter(ways.values()))
    allowed = [int(key.removeprefix("at_most_")) for key in first["recall"]]
    lines = [
        f"Recall of '{found['phrase']}' on **{found['split']}** ({first['clips']} recordings of {first['talkers']} "
        "talkers), 8-bit networks, at the lowest cut-off with at most so many false accepts in "
        f"{first['longform_hours']:.1f} h of long-form speech of train and dev, chosen on that speech; - where no "
        "cut-off has so few:",
        "",
        f"| learned from | decided by | {' | '.join(f'at most {count}' for count in allowed)} "
        f"| of {first['other_words']} recordings of other words, taken for it |",
        "|---|---|" + "---|" * (len(allowed) + 1),
    ]
    for way, one in ways.items():
        said = f", {one['recordings']} of them" if one["recordings"] else ""
        for who, key in (("the wake network", "recall"), ("the verifier", "recall_with_verifier")):
            if key not in one:
                continue
            figures = [one[key][f"at_most_{count}"] for count in allowed]
            cells = [
                rate(figure) if figure["false_accepts"] <= count else "-"
                for figure, count in zip(figures, allowed, strict=True)
            ]
            lines.append(f"| {way}{said} | {who} | {' | '.join(cells)} | {figures[-1]['on_other_words']} |")
    return "\n".join(lines) + "\n"


def paired_table(folder: Path) -> str:
    """Return Markdown: one word by the shipped network and by a peer's, on the same recordings of dev.

    Parameters
    ----------
    folder : Path
        Holds ``paired_wake_dev.json``, as ``tests/bench/paired_wake.py`` writes it.

    Raises
    ------
    OSError
        If there is no such file.
    """
    found: dict[str, Any] = json.loads((folder / "paired_wake_dev.json").read_text())
    recall, false = found["results"]["recall"], found["results"]["false_accepts"]
    first = next(iter(recall.values()))
    lines = [
        f"Recall of 'alexa' on **dev** ({first['clips']} recordings of {first['talkers']} talkers), both at the "
        f"cut-offs that they come with; pymicro-wakeword {found['versions']['pymicro-wakeword']}:",
        "",
        "| recordings | vivavoce | microWakeWord | difference, points (95 %) |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_HEARD[condition]} | {rate(one['ours'])} | {rate(one['peer'])} | "
        f"{points(one['ours_minus_peer'], one['interval_95'])} |"
        for condition, one in recall.items()
    ]
    counts = [
        f"{name} {false[who]['longform']} and {false[who]['other_words']}"
        for who, name in (("ours", "vivavoce"), ("peer", "microWakeWord"))
    ]
    lines += [
        "",
        f"False accepts in {false['hours']} h of long-form speech and in {false['other_words_clips']} recordings of "
        f"other words: {', '.join(counts)}. Our cut-offs were chosen on dev, where they look better than they are.",
    ]
    return "\n".join(lines) + "\n"
