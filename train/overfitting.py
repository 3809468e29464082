"""Whether a network can learn a few examples by heart: if not, it has a fault, and more data will not help."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edge.errors import DataError
from train.keras import tf_keras
from train.liveness_training import LivenessSettings, check_classes, fit_liveness
from train.metrics import equal_error_rate

__all__ = ["LARGEST_ERROR", "by_heart", "overfit_liveness"]

LARGEST_ERROR = 0.01
"""Share of the examples that may still be got wrong."""


def by_heart(settings: LivenessSettings, epochs: int) -> LivenessSettings:
    """Return the settings without anything that keeps a network from learning by heart."""
    return replace(
        settings,
        epochs=epochs,
        weight_decay=0.0,
        mixup_share=0.0,
        colour_db=0.0,
        shift_frames=0,
        dropout=0.0,
        label_smoothing=0.0,
        sparsity=0.0,
        ema=0.0,
        kind_weights={},
        group_dro=0.0,
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
        ``clips``; ``curve``: error rate on these clips (EER) and loss after every epoch; ``error``: the last one;
        ``learned``: whether it is below :data:`LARGEST_ERROR`.

    Raises
    ------
    DataError
        If there is one class only, or the run diverges.
    """
    check_classes(clips, "clips to overfit")
    live = clips["live"].astype(bool)
    shown = clips["cues"].astype(np.float32) / 255
    curve: list[dict[str, float]] = []

    class Watch(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            logits = self.model.predict(shown, batch_size=256, verbose=0)[:, 0]
            if not np.isfinite(logits).all():
                raise DataError(f"training diverged in epoch {epoch + 1}: an output is no number; lower --rate")
            error = equal_error_rate(logits[live], logits[~live])
            curve.append({"epoch": epoch + 1, "loss": float((logs or {})["loss"]), "error": error})
            if error == 0.0:
                self.model.stop_training = True

    with TemporaryDirectory() as folder:
        fit_liveness(
            by_heart(settings, epochs), clips, clips, seed=seed, resume=Path(folder), trained={}, callbacks=(Watch(),)
        )
    error = curve[-1]["error"]
    return {"clips": len(live), "curve": curve, "error": error, "learned": error < LARGEST_ERROR}
