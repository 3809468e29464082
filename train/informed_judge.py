"""A judge that is given what no device has: the recording that was rendered, before any room, loudspeaker, microphone.

A live clip and a replay differ in the way that the sound has taken; who talks, and what, hides it. This judge sees
the way itself, as far as a second of sound shows it: gain and coherence from the recording to what is heard, by
frequency (:mod:`train.sound_way`). How well it does says how much is there to be found by one who knows what was said;
that it errs proves nothing of other judges, and it may do better with more clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import loudest_window
from edge.errors import DataError
from edge.liveness import judged_window
from train.clip import Clip
from train.liveness_scenes import generator, looked_back, said
from train.rendered_folder import clips_of
from train.simulator.recipe import Recipe
from train.sound_way import spoken_in, way_of
from train.speeds import Speeds

__all__ = ["Evidence", "SpectrumJudge", "evidence_of"]

_ROUNDS = 200
_LEARNING_RATE = 0.08
_FEATURES_A_SPLIT = 0.2
_UNITS = (128, 64)
_WEIGHT_DECAY = 0.05
_MOST_EPOCHS = 40

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What judges are given of each clip.

    Attributes
    ----------
    cues : (n, rows, bands) uint8
        What a device judges, in steps of 1/255.
    way : (n, m) float32
        From the recording to what is heard: see :func:`train.sound_way.way_of`.
    """

    cues: npt.NDArray[np.uint8]
    way: Floats


def evidence_of(
    rendered: Mapping[str, npt.NDArray[Any]],
    recordings: Sequence[Clip],
    cues: CueSettings,
    recipe: Recipe,
    *,
    speeds: Speeds,
    seed: int | str,
) -> Evidence:
    """Gather what judges are given of clips.

    Parameters
    ----------
    rendered : mapping
        All clips of a set, kept ``whole``: see :func:`train.liveness_scenes.build_liveness_clips`.
    recordings : sequence of Clip
        Those that they were rendered from, and maybe others.
    cues : CueSettings
    recipe : Recipe
        Of the renderings.
    speeds, seed
        As they were rendered.

    Raises
    ------
    DataError
        If a recording is not there, cannot be read, or is not what a clip was rendered from.
    """
    by_path = {clip.path: clip for clip in recordings}
    all_cues, ways = [], []
    total = len(rendered["size"])
    for number, samples in enumerate(tqdm(clips_of(dict(rendered)), desc="evidence", unit="clip", total=total)):
        path = str(rendered["source"][number])
        if path not in by_path:
            raise DataError(f"{path}: got no such recording; give the --data that the clips were rendered from")
        first, last = int(rendered["speech_start"][number]), int(rendered["speech_stop"][number])
        try:
            recording = said(by_path[path], speeds, seed, number)
            spoken = spoken_in(recording, recipe.layout, size=samples.size, start=first, stop=last)
        except ValueError as error:
            raise DataError(
                f"{by_path[path].file}: is not what clip {number} was rendered from ({error}); replace it or drop its "
                "row, and render the clips again"
            ) from error
        cut = looked_back(samples.size, last, generator("look back", seed, number))
        heard, spoken = samples[cut], spoken[cut]
        all_cues.append(np.round(liveness_cues(judged_window(heard, cues), cues) * 255).astype(np.uint8))
        window = loudest_window(heard, cues.window_samples)
        judged = slice(window.start, window.stop)
        ways.append(way_of(spoken[judged], heard[judged].astype(np.float32) / np.float32(32768), cues))
    return Evidence(np.stack(all_cues), np.stack(ways))


@dataclass(frozen=True, slots=True)
class SpectrumJudge:
    """Two classifiers that count the same: boosted trees, and a network of two layers."""

    machines: tuple[Any, ...]

    @classmethod
    def fit(cls, features: Floats, live: npt.NDArray[np.bool_], *, seed: int) -> "SpectrumJudge":
        """Fit both.

        Parameters
        ----------
        features : (n, m) float32
        live : (n,) bool
        seed : int

        Returns
        -------
        SpectrumJudge
        """
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        trees = HistGradientBoostingClassifier(
            max_iter=_ROUNDS,
            learning_rate=_LEARNING_RATE,
            max_features=_FEATURES_A_SPLIT,
            early_stopping=False,
            random_state=seed,
        )
        layers = make_pipeline(
            StandardScaler(),
            MLPClassifier(_UNITS, alpha=_WEIGHT_DECAY, early_stopping=True, max_iter=_MOST_EPOCHS, random_state=seed),
        )
        return cls((trees.fit(features, live), layers.fit(features, live)))

    def score(self, features: Floats) -> npt.NDArray[np.float64]:
        """Return the mean of their log odds of live.

        Parameters
        ----------
        features : (n, m) float32

        Returns
        -------
        (n,) float64
        """
        odds = []
        for machine in self.machines:
            probability = np.clip(machine.predict_proba(features)[:, 1], 1e-6, 1 - 1e-6)
            odds.append(np.log(probability) - np.log1p(-probability))
        return np.asarray(np.mean(odds, axis=0), np.float64)
