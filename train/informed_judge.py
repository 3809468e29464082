"""A judge that knows what was said: how much a second of sound tells of a loudspeaker at all.

A live clip and a replay differ in the way that the sound has taken; talker and word hide it. This judge is given what
no device has, the recording before any room, loudspeaker or microphone, and sees how its long-term spectrum was
changed. What it still gets wrong is hidden by rooms, recorders and microphones, and no network that hears the clip
alone can be expected to find it in the spectrum. It is no bound on what harmonics or the course of time may tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.cues import CueSettings, liveness_cues
from edge.errors import DataError
from edge.liveness import judged_window
from train.clip import Clip
from train.liveness_scenes import said
from train.simulator.chain import spoken_part
from train.simulator.levels import to_int16
from train.simulator.recipe import Recipe
from train.speeds import Speeds

__all__ = ["SpectrumJudge", "changes", "said_summaries"]

_AS_RECORDED = Speeds()
_PLAYED_RMS = 0.1
"""Level of a recording whose spectrum is taken, re full scale: far from both ends of 16 bits."""
_ROUNDS = 300
_LEARNING_RATE = 0.08
_UNITS = (128, 64)
_MOST_EPOCHS = 40

Cues = npt.NDArray[np.floating]
Clips = Mapping[str, npt.NDArray[Any]]


def said_summaries(
    clips: Clips, recordings: Sequence[Clip], cues: CueSettings, recipe: Recipe, *, speeds: Speeds, seed: int | str
) -> npt.NDArray[np.float32]:
    """Compute the summary rows of what was said, as :func:`edge.cues.liveness_cues` does those of what is heard.

    Parameters
    ----------
    clips : mapping
        As :func:`train.liveness_scenes.build_liveness_clips` returns them, all of a set.
    recordings : sequence of Clip
        Those that they were rendered from, and maybe others.
    cues : CueSettings
    recipe : Recipe
        Of the renderings.
    speeds, seed
        As they were rendered.

    Returns
    -------
    (n, summary rows, bands) float32
        From 0 to 1, each of the loudest window of the recording.

    Raises
    ------
    DataError
        If a recording is not there or cannot be read.
    """
    by_path = {clip.path: clip for clip in recordings}
    n = len(clips["live"])
    out = np.empty((n, cues.summary_rows, cues.shape[1]), np.float32)
    for number in tqdm(range(n), desc="what was said", unit="clip"):
        path, raw = str(clips["source"][number]), clips["variant"][number] == "raw"
        before = number - 1
        if number % 2 and not raw and clips["variant"][before] != "raw":
            # The replay of the recording, at the speed, whose live rendering is in front of it.
            out[number] = out[before]
            continue
        if path not in by_path:
            raise DataError(f"{path}: got no such recording, expected that which clip {number} was rendered from")
        recording = said(by_path[path], _AS_RECORDED if raw else speeds, seed, number)
        speech, start, stop = spoken_part(recording, recipe.layout)
        window = judged_window(to_int16(speech[start:stop] * np.float32(_PLAYED_RMS)), cues)
        out[number] = liveness_cues(window, cues)[: cues.summary_rows]
    return out


def changes(heard: Cues, of_said: Cues) -> npt.NDArray[np.float32]:
    """Return how the way has changed the spectrum.

    Parameters
    ----------
    heard, of_said : (n, summary rows, bands) float
        Of what is heard, and of what was said.

    Returns
    -------
    (n, 2 bands) float32
        Differences of the mean and of the loud spectra (the first and the last row).
    """
    mean, loud = heard[:, 0] - of_said[:, 0], heard[:, -1] - of_said[:, -1]
    return np.concatenate((mean, loud), axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class SpectrumJudge:
    """Two classifiers of long-term spectra, that count the same: boosted trees, and a network of two layers."""

    machines: tuple[Any, ...]

    @classmethod
    def fit(cls, features: npt.NDArray[np.float32], live: npt.NDArray[np.bool_], *, seed: int) -> "SpectrumJudge":
        """Fit both.

        Parameters
        ----------
        features : (n, m) float32
        live : (n,) bool
        seed : int
        """
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        trees = HistGradientBoostingClassifier(
            max_iter=_ROUNDS, learning_rate=_LEARNING_RATE, early_stopping=False, random_state=seed
        )
        layers = make_pipeline(
            StandardScaler(),
            MLPClassifier(_UNITS, alpha=1e-3, early_stopping=True, max_iter=_MOST_EPOCHS, random_state=seed),
        )
        return cls((trees.fit(features, live), layers.fit(features, live)))

    def score(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the mean of their log odds of live, ``(n,)``."""
        odds = []
        for machine in self.machines:
            probability = np.clip(machine.predict_proba(features)[:, 1], 1e-6, 1 - 1e-6)
            odds.append(np.log(probability) - np.log1p(-probability))
        return np.asarray(np.mean(odds, axis=0), np.float64)
