"""Void as a baseline: its 97 features and a support vector machine with a radial basis function.

The features are :func:`edge.void.void_features`, each brought to mean 0 and spread 1 on the train split. C and
gamma are chosen on the train split alone: the pair with the least mean equal error rate over folds that share no
talker. They do share loudspeakers, so the choice leans to machines that know loudspeakers by heart; the dev split stays
unseen.

References
----------
M. E. Ahmed et al., "Void: A fast and light voice liveness detection system", USENIX Security 2020, section 5.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.void import VoidSettings, void_features
from train.metrics import checked_scores, equal_error_rate

__all__ = ["fit_void_svm"]

_C = (1.0, 3.0, 10.0, 30.0, 100.0)
_GAMMA = (0.001, 0.003, 0.01, 0.03)
_FOLDS = 3
_SELECTION_CLIPS = 3_000
"""The time of a fit grows with the square of the clips, and there are 60 to choose by: so many are enough to rank."""


def fit_void_svm(
    audio: Sequence[npt.NDArray[np.int16]],
    live: npt.NDArray[np.bool_],
    talkers: npt.NDArray[np.str_],
    *,
    seed: int,
) -> tuple[Callable[[Sequence[npt.NDArray[np.int16]]], npt.NDArray[np.float64]], dict[str, Any]]:
    """Choose C and gamma, and fit the machine on all clips.

    Parameters
    ----------
    audio : sequence of (n,) int16
        16 kHz.
    live : (clips,) bool
    talkers : (clips,) str
    seed : int
        Of the division into folds.

    Returns
    -------
    score : callable
        Takes audio, returns the distance from the boundary, positive for live, ``(clips,) float64``.
    record : dict
        What was chosen, and the error of every candidate.

    Raises
    ------
    DataError
        If a class is empty, or there are fewer talkers than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    settings = VoidSettings()

    def features(of: Sequence[npt.NDArray[np.int16]]) -> npt.NDArray[np.float64]:
        return np.stack([void_features(samples, settings) for samples in of]).astype(np.float64)

    def machine(c: float, gamma: float) -> Any:
        return make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma, kernel="rbf", cache_size=500))

    checked_scores(live[live].astype(float), live[~live].astype(float))
    if len(set(talkers)) < _FOLDS:
        raise DataError(f"Void: got clips of {len(set(talkers))} talkers, expected at least {_FOLDS}; add talkers")
    x = features(audio)
    some = np.sort(np.random.default_rng([seed, 9]).permutation(live.size)[:_SELECTION_CLIPS])
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    divided = [(some[fitted], some[held]) for fitted, held in folds.split(x[some], live[some], groups=talkers[some])]
    candidates = []
    for c, gamma in product(_C, _GAMMA):
        errors = []
        for fitted, held in divided:
            scores = machine(c, gamma).fit(x[fitted], live[fitted]).decision_function(x[held])
            errors.append(equal_error_rate(scores[live[held]], scores[~live[held]]))
        candidates.append({"c": c, "gamma": gamma, "eer": float(np.mean(errors))})
    best = min(candidates, key=lambda entry: entry["eer"])
    chosen = machine(best["c"], best["gamma"]).fit(x, live)

    def score(of: Sequence[npt.NDArray[np.int16]]) -> npt.NDArray[np.float64]:
        return np.asarray(chosen.decision_function(features(of)), np.float64)

    record = {
        "features": settings.to_dict(), "c": best["c"], "gamma": best["gamma"],
        "support_vectors": int(chosen[-1].n_support_.sum()), "folds": _FOLDS, "selected_on_clips": int(some.size),
        "candidates": candidates,
    }  # fmt: skip
    return score, record
