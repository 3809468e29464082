"""LFCC and two Gaussian mixtures: the classical countermeasure, and a baseline of ASVspoof 2019.

One mixture with diagonal covariances for each class, fitted by expectation-maximisation; the score of a clip is the
mean over its frames of the log-likelihood under live minus that under replay.

References
----------
M. Todisco et al., "ASVspoof 2019: future horizons in spoofed and fake audio detection", Interspeech 2019. It
takes 512 Gaussians on hours of frames; fifty minutes a class, the default here, do not feed as many.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from train.lfcc import LfccSettings, lfcc

__all__ = ["fit_lfcc_gmm"]

_FRAMES = 200_000
"""Frames a class that a mixture is fitted on, drawn evenly from all: 33 minutes of audio."""
_ITERATIONS = 100
_LEAST_SPREAD = 1e-3


def fit_lfcc_gmm(
    audio: Sequence[npt.NDArray[np.int16]], live: npt.NDArray[np.bool_], *, components: int, seed: int
) -> tuple[Callable[[Sequence[npt.NDArray[np.int16]]], npt.NDArray[np.float64]], dict[str, Any]]:
    """Fit a mixture to each class.

    Parameters
    ----------
    audio : sequence of (n,) int16
        16 kHz.
    live : (clips,) bool
    components : int
        Gaussians a class.
    seed : int
        Of the frames that are drawn and of the first guess.

    Returns
    -------
    score : callable
        Takes audio, returns mean log-likelihood ratios a frame, ``(clips,) float64``.
    record : dict
        What was fitted, and whether it settled.

    Raises
    ------
    DataError
        If a class has fewer frames than Gaussians.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    settings = LfccSettings()
    rng = np.random.default_rng([seed, 10])
    frames = {}
    for name, label in (("live", True), ("replay", False)):
        rows = [lfcc(samples, settings) for samples, one in zip(audio, live, strict=True) if one == label]
        pooled = np.concatenate(rows) if rows else np.empty((0, 3 * settings.filters))
        if len(pooled) < components:
            raise DataError(
                f"LFCC-GMM: got {len(pooled)} frames of {name} clips for {components} Gaussians, expected more frames; "
                "give more clips or fewer --components"
            )
        frames[name] = pooled[np.sort(rng.permutation(len(pooled))[:_FRAMES])]
    both = np.concatenate(list(frames.values()))
    middle, spread = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-9)
    mixtures, record = {}, {"features": settings.to_dict(), "components": components, "frames": {}, "fits": {}}
    for name, rows in frames.items():
        mixture = GaussianMixture(
            components, covariance_type="diag", init_params="k-means++", max_iter=_ITERATIONS,
            reg_covar=_LEAST_SPREAD, random_state=seed,
        )  # fmt: skip
        with warnings.catch_warnings():
            # Whether it settled is in the record; a mixture that has not is still a mixture.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixtures[name] = mixture.fit((rows - middle) / spread)
        record["frames"][name] = len(rows)
        record["fits"][name] = {"iterations": int(mixture.n_iter_), "settled": bool(mixture.converged_)}

    def score(of: Sequence[npt.NDArray[np.int16]]) -> npt.NDArray[np.float64]:
        out = np.empty(len(of))
        for i, samples in enumerate(of):
            rows = (lfcc(samples, settings) - middle) / spread
            out[i] = mixtures["live"].score(rows) - mixtures["replay"].score(rows)
        return out

    return score, record
