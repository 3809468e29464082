"""What every training run shares: seeds, resumption, the run record, and the checkpoint for ``quantize``."""

import json
import os
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from train.keras import tf, tf_keras
from train.provenance import commit_hash, machine
from train.resumption import claim, read_history

__all__ = ["RunRecord", "cosine_rate", "fit", "save_checkpoint", "set_seed"]


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow."""
    tf_keras.utils.set_random_seed(seed)


@dataclass(slots=True)
class RunRecord:
    """How a checkpoint came to be; travels into the bundle's manifest."""

    seed: int
    data_hash: str
    settings: dict[str, Any]
    licences: list[dict[str, str]]
    commit: str = field(default_factory=commit_hash)
    metrics: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)

    def trained(self) -> dict[str, Any]:
        """Return what decides the weights: a run is resumed only if all of it is as it was."""
        return {"seed": self.seed, "data_hash": self.data_hash, "settings": self.settings}

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return {
            "seed": self.seed,
            "data_hash": self.data_hash,
            "licences": self.licences,
            "commit": self.commit,
            "settings": self.settings,
            "metrics": self.metrics,
            "wall_s": round(time.time() - self.started, 1),
            "machine": machine(),
            "versions": {
                name: version(name) for name in ("tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy")
            },
        }


def cosine_rate(peak: float, steps: int) -> Any:
    """Return a learning rate that warms up over 2 % of the steps and falls to zero along a cosine."""
    warmup = max(1, steps // 50)
    return tf_keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=peak, warmup_steps=warmup, alpha=0.0
    )


class _StopOnNan(tf_keras.callbacks.Callback):
    """End a run that diverges with an error instead of a useless checkpoint."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise DataError(
                f"training diverged: the loss is {loss} at batch {batch}; lower --rate or use another --seed "
                "(the last whole epoch is kept: the same command resumes from it)"
            )


def fit(
    model: Any,
    dataset: Any,
    *,
    epochs: int,
    resume: Path,
    trained: dict[str, Any],
    validation: Any = None,
    callbacks: tuple[Any, ...] = (),
) -> dict[str, Any]:
    """Fit a compiled model; interrupted, the same call goes on from the last whole epoch.

    Parameters
    ----------
    model : tf_keras.Model
        Compiled.
    dataset, validation : tf.data.Dataset
    epochs : int
        In all, those of an interrupted run included.
    resume : Path
        Folder for the state of the run.
    trained : dict
        See :meth:`RunRecord.trained` and :func:`train.resumption.claim`.
    callbacks : tuple

    Returns
    -------
    dict
        ``epochs``: how many there were in all; ``last``: the entry of the last one.

    Raises
    ------
    DataError
        If `resume` holds the state of a run of something else, or the loss is no number any more.
    """
    claim(resume, trained)
    history_path = resume / "history.jsonl"
    # Each epoch once, and no line cut short that the next one would be appended to.
    history_path.write_text("".join(json.dumps(entry) + "\n" for entry in read_history(history_path)))

    class Log(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            with history_path.open("a") as file:
                file.write(json.dumps({"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}}) + "\n")

    model.fit(
        dataset,
        epochs=epochs,
        validation_data=validation,
        verbose=2 if not os.isatty(2) else 1,
        callbacks=[
            *callbacks,
            _StopOnNan(),
            Log(),
            tf_keras.callbacks.BackupAndRestore(str(resume / "backup"), delete_checkpoint=False),
        ],
    )
    entries = read_history(history_path)
    return {"epochs": len(entries), "last": entries[-1] if entries else {}}


def save_checkpoint(
    out: Path, model: Any, representative: dict[str, np.ndarray], record: RunRecord, spec: dict[str, Any]
) -> None:
    """Write what ``vivavoce quantize convert`` reads.

    Parameters
    ----------
    out : pathlib.Path
        The checkpoint directory.
    model : tf_keras.Model
        The device form of the network, with named inputs and outputs.
    representative : dict of (n, ...) float32
        Values of each input as the device sees them, without the batch axis.
    record : RunRecord
    spec : dict
        Role and role settings that travel into the manifest.
    """
    out.mkdir(parents=True, exist_ok=True)
    signature = tf.function(lambda **inputs: model(inputs)).get_concrete_function(
        **{tensor.name: tf.TensorSpec(tensor.shape, tf.float32, name=tensor.name) for tensor in model.inputs}
    )
    tf.saved_model.save(model, str(out / "model"), signatures={"serving_default": signature})
    with (out / "representative.npz").open("wb") as file:
        np.savez_compressed(file, **representative)  # type: ignore[arg-type]
    (out / "record.json").write_text(json.dumps(record.to_dict(), indent=1) + "\n")
    (out / "spec.json").write_text(json.dumps(spec, indent=1) + "\n")
