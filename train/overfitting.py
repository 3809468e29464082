"""Whether a network can learn a few examples by heart: if not, it has a fault, and more data will not help."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from edge.errors import DataError
from train.fitting import DivergedError
from train.keras import tf_keras
from train.liveness_training import LivenessSettings, check_classes, fit_liveness
from train.metrics import equal_error_rate
from train.wake_network import to_feature_units
from train.wake_settings import WakeSettings
from train.wake_training import fit_wake, wake_shape

__all__ = ["LARGEST_ERROR", "SMALL_LOSS", "by_heart", "few_scenes", "overfit_liveness", "overfit_wake"]

LARGEST_ERROR = 0.01
"""Share of the examples that may still be got wrong."""

SMALL_LOSS = 0.01
"""What is known by heart leaves next to no loss: once nothing is wrong, training goes on until there is less."""

_BATCH = 32
"""A few hundred examples shall be some steps."""

S = TypeVar("S", WakeSettings, LivenessSettings)


def by_heart(settings: S, epochs: int) -> S:
    """Return the settings without anything that keeps a network from learning by heart."""
    plain = {"epochs": epochs, "sparsity": 0.0, "ema": 0.0, "batch": min(settings.batch, _BATCH)}
    if isinstance(settings, WakeSettings):
        same = {"mask_frames": 0, "mask_channels": 0, "channel_shift": 0, "dropout": 0.0, "weight_decay": 0.0}
        return replace(settings, variety=replace(settings.variety, **same), **plain)
    return replace(
        settings,
        weight_decay=0.0,
        mixup_share=0.0,
        colour_db=0.0,
        shift_frames=0,
        dropout=0.0,
        label_smoothing=0.0,
        kind_weights={},
        group_dro=0.0,
        **plain,
    )


def overfit_liveness(
    settings: LivenessSettings, clips: dict[str, np.ndarray], *, epochs: int, seed: int
) -> dict[str, Any]:
    """Fit the network to a few clips without regularisation.

    Parameters
    ----------
    settings : LivenessSettings
        Its regularisation is left out.
    clips : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them.
    epochs : int
    seed : int

    Returns
    -------
    dict
        ``settings``: what was trained with, :func:`by_heart` of those given; ``examples``; ``steps``, of the optimiser;
        ``curve``: error rate on these clips (EER) and loss after every epoch; ``error`` and ``loss``: the last ones;
        ``learned``: whether they are below :data:`LARGEST_ERROR` and :data:`SMALL_LOSS`.

    Raises
    ------
    DataError
        If there is one class only, or the run diverges.
    """
    check_classes(clips, "clips to overfit")
    live = clips["live"].astype(bool)
    shown = clips["cues"].astype(np.float32) / 255

    def error(model: Any) -> float:
        logits = _finite(model.predict(shown, batch_size=256, verbose=0)[:, 0])
        return equal_error_rate(logits[live], logits[~live])

    plain = by_heart(settings, epochs)

    def fit(resume: Path, watch: Any) -> None:
        fit_liveness(plain, clips, clips, seed=seed, resume=resume, trained={}, watching=(watch,))

    return {"settings": plain.to_dict(), **_overfitted(fit, error, len(live), plain.batch)}


def few_scenes(scenes: dict[str, np.ndarray], n: int, seed: int) -> dict[str, np.ndarray]:
    """Draw scenes to learn by heart, half of them with a word.

    Parameters
    ----------
    scenes : dict
        As :func:`train.wake_scenes.build_wake_scenes` returns them.
    n, seed : int

    Raises
    ------
    DataError
        If there are too few.
    """
    rng = np.random.default_rng([seed, 5])
    said = scenes["word"] >= 0
    chosen = []
    for kind, wanted in ((said, n // 2), (~said, n - n // 2)):
        found = np.flatnonzero(kind)
        if found.size < wanted:
            raise DataError(
                f"got {np.count_nonzero(said)} scenes with a word and {np.count_nonzero(~said)} without, expected "
                f"{n // 2} and {n - n // 2}; ask for fewer --clips"
            )
        chosen.append(rng.permutation(found)[:wanted])
    index = np.sort(np.concatenate(chosen))
    return {name: values[index] for name, values in scenes.items()}


def overfit_wake(
    settings: WakeSettings, scenes: dict[str, np.ndarray], words: int, *, epochs: int, seed: int
) -> dict[str, Any]:
    """Fit the network to a few scenes without regularisation.

    A scene is right if the probability of its word exceeds one half somewhere in it, and that of no other word does.

    Parameters
    ----------
    settings : WakeSettings
        Its regularisation is left out. Scenes begin at any phase of the stride, as in training.
    scenes : dict
        As :func:`few_scenes` returns them.
    words : int
    epochs, seed : int

    Returns
    -------
    dict
        As :func:`overfit_liveness`; the error is the share of the scenes that are wrong.

    Raises
    ------
    DataError
        If the run diverges.
    """
    shape = wake_shape(settings, words)
    shown = np.asarray(to_feature_units(scenes["features"]), np.float32)
    n, spoken = len(shown), scenes["word"]
    expected = np.zeros((n, words), bool)
    expected[np.flatnonzero(spoken >= 0), spoken[spoken >= 0]] = True

    def error(model: Any) -> float:
        logits = _finite(model.predict(shown, batch_size=64, verbose=0))
        return float(np.mean(np.any((logits.max(axis=1) > 0) != expected, axis=1)))

    plain = by_heart(settings, epochs)

    def fit(resume: Path, watch: Any) -> None:
        fit_wake(plain, scenes, scenes, shape, seed=seed, resume=resume, trained={}, watching=(watch,))

    return {"settings": plain.to_dict(), **_overfitted(fit, error, n, plain.batch)}


def _overfitted(
    fit: Callable[[Path, Any], None], error: Callable[[Any], float], examples: int, batch: int
) -> dict[str, Any]:
    curve: list[dict[str, float]] = []

    class Watch(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            try:
                wrong = error(self.model)
            except FloatingPointError as fault:
                raise DivergedError(
                    f"training diverged in epoch {epoch + 1}: an output is no number; lower --rate"
                ) from fault
            loss = float((logs or {})["loss"])
            curve.append({"epoch": epoch + 1, "loss": loss, "error": wrong})
            if wrong == 0.0 and loss < SMALL_LOSS:
                self.model.stop_training = True

    with TemporaryDirectory() as folder:
        fit(Path(folder), Watch())
    last = {name: curve[-1][name] for name in ("error", "loss")}
    learned = last["error"] < LARGEST_ERROR and last["loss"] < SMALL_LOSS
    steps = len(curve) * -(-examples // batch)
    return {"examples": examples, "steps": steps, "curve": curve, **last, "learned": learned}


def _finite(logits: np.ndarray) -> np.ndarray:
    if not np.isfinite(logits).all():
        raise FloatingPointError
    return logits
