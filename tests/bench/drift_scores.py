"""What the gate makes of words of dev in a home, before something in it changes and after.

These are the figures that a monitor is given, by running the whole pipeline over rendered clips.

Conditions: ``before``; ``gain``, a microphone that gives 12 dB less (and rounds again); ``noise``, noise by which the
ratio of speech and floor falls by 10 dB; ``aged_1`` to ``aged_3``, a microphone that has lost 2, 4, 6 dB and at 8 kHz
as much again. Clips are of the frozen set of dev; live ones, and replays by televisions and by others.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CONDITIONS = ("before", "gain", "noise", "aged_1", "aged_2", "aged_3")
GROUPS = ("live", "tv", "other")
FIELDS = ("wake_score", "live_score", "level_dbfs", "snr_db", "accepted")
_WANTED = {"live": 480, "tv": 150, "other": 120}
_GAIN_DB = -12.0
_SNR_LOSS_DB = 10.0
_AGED_DB = 6.0
_FRAME = 320

Samples = npt.NDArray[np.int16]


def altered(samples: Samples, condition: str, rng: np.random.Generator) -> Samples:
    """Return a clip as it sounds under a condition."""
    if condition == "before":
        return samples
    x = samples.astype(np.float64)
    if condition == "gain":
        x *= 10 ** (_GAIN_DB / 20)
    elif condition == "noise":
        frames = x[: x.size // _FRAME * _FRAME].reshape(-1, _FRAME)
        floor = float(np.percentile(np.mean(frames**2, axis=1), 10))
        # Powers add: the floor becomes ten times what it was.
        x += rng.standard_normal(x.size) * np.sqrt(max(floor, 1.0) * (10 ** (_SNR_LOSS_DB / 10) - 1))
    else:
        share = int(condition.removeprefix("aged_")) / 3
        spectrum = np.fft.rfft(x)
        place = np.linspace(0.0, 1.0, spectrum.size)
        x = np.fft.irfft(spectrum * 10 ** (-_AGED_DB * share * (1 + place) / 20), x.size)
    return np.clip(np.rint(x), -32768, 32767).astype(np.int16)


def score(data: Path, cache: Path, kept: Path) -> dict[str, npt.NDArray[Any]]:
    """Score all conditions, or read what an earlier run kept.

    Returns
    -------
    dict
        For each ``condition/group``: ``(n, 5) float64``, the columns :data:`FIELDS` of the clips whose word was heard;
        the same under ``condition/group/clip`` with the numbers of the clips, and ``group/clips``, how many there were.
    """
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.drift_reference import figures_of_decision
    from edge.events import Decision
    from edge.pipeline import Pipeline
    from train.corpus import load_manifest
    from train.frozen_set import render_set

    if kept.exists():
        with np.load(kept, allow_pickle=False) as held:
            return dict(held)
    bundle = open_bundle()
    pipeline = Pipeline(bundle)
    ids = {word.id for word in bundle.words}
    words = {clip.path: clip.word for clip in load_manifest(data) if clip.role == "wake"}
    rendered = render_set(data, "dev", cache)
    ends = np.cumsum(rendered["size"])
    chosen: dict[str, list[int]] = {group: [] for group in GROUPS}
    for number, (source, live, kind) in enumerate(
        zip(rendered["source"], rendered["live"], rendered["kind"], strict=True)
    ):
        group = "live" if live else "tv" if kind == "tv" else "other"
        if words.get(str(source)) in ids and len(chosen[group]) < _WANTED[group]:
            chosen[group].append(number)
    found: dict[str, npt.NDArray[Any]] = {f"{group}/clips": np.array(len(chosen[group])) for group in GROUPS}
    jobs = [(condition, group) for condition in CONDITIONS for group in GROUPS]
    with tqdm(total=len(CONDITIONS) * sum(map(len, chosen.values())), unit="clip") as bar:
        for condition, group in jobs:
            rows, numbers = [], []
            for number in chosen[group]:
                bar.update()
                samples = rendered["samples"][ends[number] - rendered["size"][number] : ends[number]]
                samples = altered(samples, condition, np.random.default_rng(number))
                pipeline.reset()
                for event in (*pipeline.push(samples), *pipeline.finish()):
                    if isinstance(event, Decision) and event.word == words[str(rendered["source"][number])]:
                        figures = figures_of_decision(event)
                        rows.append([figures[name] for name in FIELDS])
                        numbers.append(number)
                        break
            found[f"{condition}/{group}"] = np.array(rows).reshape(-1, len(FIELDS))
            found[f"{condition}/{group}/clip"] = np.array(numbers)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **found)
    return found


if __name__ == "__main__":
    score(*(Path(name) for name in sys.argv[1:4]))
