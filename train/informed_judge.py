"""A judge that is given what no device has: the recording that was rendered, before any room, loudspeaker, microphone.

A live clip and a replay differ in the way that the sound has taken; who talks, and what, hides it. This judge sees
the way itself, as far as a second of sound shows it: gain and coherence from the recording to what is heard, by
frequency, from cross-spectra, in which noise averages out [1]_. How well it does says how much is there to be found by
one who knows what was said; that it errs proves nothing of other judges, and it may do better with more clips.

References
----------
.. [1] J. S. Bendat and A. G. Piersol, "Random Data: Analysis and Measurement Procedures", 4th ed., 2010, chapter 6:
   H1 = Gxy / Gxx, and the ordinary coherence function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal
from tqdm import tqdm

from edge.cues import CueSettings, liveness_cues
from edge.endpoint import loudest_window
from edge.errors import DataError
from edge.events import SAMPLE_RATE_HZ
from edge.liveness import judged_window
from train.clip import Clip
from train.liveness_scenes import generator, looked_back, said
from train.rendered_folder import clips_of
from train.simulator.chain import spoken_part
from train.simulator.recipe import Recipe
from train.speeds import Speeds

__all__ = ["Evidence", "SpectrumJudge", "evidence_of", "way_of"]

_OVERLAP = 0.75
_MIDDLE_HZ = (1000.0, 4000.0)
_LEAST_POWER = 1e-12
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
        From the recording to what is heard: see :func:`way_of`.
    """

    cues: npt.NDArray[np.uint8]
    way: Floats


def way_of(spoken: Floats, heard: Floats, cues: CueSettings) -> Floats:
    """Return gain and coherence from what was said to what is heard.

    Parameters
    ----------
    spoken, heard : (n,) float32
        The same moments of both, 16 kHz, longer than the transform of the cues.
    cues : CueSettings
        Their bands and transform.

    Returns
    -------
    (2 coarse bands + fine bands,) float32
        Gain in each coarse band, dB re the median of those from 1 to 4 kHz; coherence in each, 0 to 1; gain in each
        fine band, on the same scale.
    """
    size = cues.fft_samples
    how = {"fs": SAMPLE_RATE_HZ, "nperseg": size, "noverlap": int(_OVERLAP * size), "detrend": False}
    _, between = scipy.signal.csd(spoken, heard, **how)
    _, of_said = scipy.signal.welch(spoken, **how)
    _, of_heard = scipy.signal.welch(heard, **how)
    # Of the power that is heard, what follows from that which was said.
    following = np.abs(between) ** 2 / (of_said + _LEAST_POWER)
    used = cues.coarse_bands * cues.bins_per_band

    def coarse(power: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        # The bin at 0 Hz holds no sound.
        total: npt.NDArray[np.floating] = power[1 : used + 1].reshape(cues.coarse_bands, -1).sum(axis=1)
        return total + _LEAST_POWER

    def decibels(gain: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        out: npt.NDArray[np.floating] = 10 * np.log10(gain)
        return out

    gain = decibels(coarse(following) / coarse(of_said))
    fine = slice(1, cues.fine_bands + 1)
    fine_gain = decibels((following[fine] + _LEAST_POWER) / (of_said[fine] + _LEAST_POWER))
    low, high = (round(hz / cues.coarse_band_hz) for hz in _MIDDLE_HZ)
    level = np.median(gain[low:high])
    coherence = coarse(following) / coarse(of_heard)
    return np.concatenate((gain - level, coherence, fine_gain - level)).astype(np.float32)


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
        try:
            speech, start, stop = spoken_part(said(by_path[path], speeds, seed, number), recipe.layout)
        except ValueError as error:
            raise DataError(f"{by_path[path].file}: {error}; replace it or drop its row") from error
        first, last = int(rendered["speech_start"][number]), int(rendered["speech_stop"][number])
        if stop - start != last - first:
            raise DataError(
                f"{path}: got a word of {stop - start} samples, expected {last - first} as in clip {number} that was "
                "rendered from it; render the clips again"
            )
        spoken = np.zeros(samples.size, np.float32)
        spoken[first - start : first - start + speech.size] = speech
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
