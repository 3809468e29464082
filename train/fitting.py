"""What every training run shares: seeds, resumption, the run record, and the checkpoint for ``quantize``."""

import json
import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.json_reading import parse_json
from train.atomic_file import put_bytes, writing
from train.keras import tf, tf_keras
from train.provenance import commit_hash, machine
from train.resumption import claim, differences, read_history
from train.run_clock import RunClock
from train.weight_averaging import averaging_callback

__all__ = [
    "DivergedError",
    "RunRecord",
    "StopOnNan",
    "checked_out",
    "cosine_rate",
    "fit",
    "made_already",
    "read_representative",
    "refuse_another",
    "save_checkpoint",
    "set_seed",
    "trained_already",
]

_CHECKPOINT = ("model/saved_model.pb", "representative.npz", "spec.json")
"""What :func:`save_checkpoint` writes in front of the record."""
_LEAST_FREE_BYTES = 50_000_000
"""A checkpoint and the state of a run take about 10 MB."""


def checked_out(out: Path) -> Path:
    """Make the folder of a checkpoint, and write to it once: before hours of rendering, not after them.

    Raises
    ------
    DataError
        If it cannot be a folder or be written to, or there is no room for a checkpoint.
    """
    remedy = "give another --out"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".{os.getpid()}.tmp"
        probe.write_bytes(bytes(4096))
        probe.unlink()
        free = shutil.disk_usage(out).free
    except (OSError, ValueError) as error:
        raise DataError(
            f"--out {out}: cannot be written to ({getattr(error, 'strerror', None) or error}); {remedy}"
        ) from error
    if free < _LEAST_FREE_BYTES:
        raise DataError(
            f"--out {out}: got {free / 1e6:.0f} MB free, expected {_LEAST_FREE_BYTES / 1e6:.0f} MB for a checkpoint; "
            f"free some space or {remedy}"
        )
    return out


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
    clock: RunClock = field(default_factory=RunClock)

    def trained(self) -> dict[str, Any]:
        """Return what decides the weights: a run is resumed only if all of it is as it was."""
        return {"seed": self.seed, "data_hash": self.data_hash, "settings": dict(self.settings)}

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data; ``commit`` is that of the training, or those if it went on at another."""
        return {
            "seed": self.seed,
            "data_hash": self.data_hash,
            "licences": self.licences,
            "commit": "+".join(self.metrics.get("commits") or [self.commit]),
            "settings": self.settings,
            "metrics": self.metrics,
            **self.clock.told(),
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


class DivergedError(DataError):
    """The loss is no number any more: other settings or another seed may go well."""


class StopOnNan(tf_keras.callbacks.Callback):
    """End a run that diverges with an error instead of a useless checkpoint.

    Parameters
    ----------
    remedy : str
        What to do, and what is kept.
    """

    def __init__(self, remedy: str) -> None:
        super().__init__()
        self._remedy = remedy

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the loss.

        Raises
        ------
        DivergedError
            If it is no number.
        """
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise DivergedError(f"training diverged: the loss is {loss} at batch {batch}; {self._remedy}")


class _BackupAndRestore(tf_keras.callbacks.BackupAndRestore):
    """The state after each epoch; one that cannot be read ends the run in a line, and not in a traceback."""

    def __init__(self, resume: Path) -> None:
        super().__init__(str(resume / "backup"), delete_checkpoint=False)
        self._resume = resume

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        try:
            # Where the list of states cannot be read, Keras would begin again at the first epoch and say nothing.
            for states in (self._resume / "backup").rglob("checkpoint"):
                if tf.train.latest_checkpoint(str(states.parent)) is None:
                    raise ValueError(f"{states.name} names no state that is there")
            super().on_train_begin(logs)
        # Whatever TensorFlow stumbles over in a file that is damaged: it promises no kind of error.
        except Exception as error:
            raise DataError(
                f"{self._resume / 'backup'}: the state of the run cannot be read ({_cause(error)}), expected the last "
                f"whole epoch; remove {self._resume} to train anew"
            ) from error


_NOT_OF_THE_DISK = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.CancelledError,
    tf.errors.OutOfRangeError,
)
"""What TensorFlow raises for faults of a network, not of a file."""


def _cause(error: Exception) -> str:
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return " ".join(text.split())[:120]


def fit(
    model: Any,
    dataset: Any,
    *,
    epochs: int,
    resume: Path,
    trained: dict[str, Any],
    validation: Any = None,
    callbacks: tuple[Any, ...] = (),
    watching: tuple[Any, ...] = (),
    ema: float = 0.0,
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
        Of Keras, which take part in the training.
    watching : tuple
        Of Keras, which only look on: they are told of an epoch when its state is kept, so that what they raise ends the
        training and loses nothing of it.
    ema : float
        Decay of the running mean of the weights that the model has in the end; 0: those of the last step.

    Returns
    -------
    dict
        ``epochs``: how many there were in all; ``last``: the entry of the last one; ``commits``: those at which they
        were trained, each once.

    Raises
    ------
    DataError
        If `resume` holds the state of a run of something else or one that cannot be read, the loss is no number any
        more, or the state cannot be written: the last whole epoch is kept.
    """
    claim(resume, trained)
    history_path = resume / "history.jsonl"
    # Each epoch once, and no line cut short that the next one would be appended to.
    put_bytes(history_path, "".join(json.dumps(entry) + "\n" for entry in read_history(history_path)).encode())

    commit = commit_hash()

    class Log(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            entry = {"epoch": epoch + 1, **{k: float(v) for k, v in (logs or {}).items()}, "commit": commit}
            with history_path.open("a") as file:
                file.write(json.dumps(entry) + "\n")

    averaging = (averaging_callback(model, ema),) if ema else ()
    try:
        model.fit(
            dataset,
            epochs=epochs,
            validation_data=validation,
            verbose=2 if not os.isatty(2) else 1,
            callbacks=[
                *callbacks,
                *averaging,
                StopOnNan(
                    "lower --rate or use another --seed (the last whole epoch is kept: the same command resumes "
                    "from it)"
                ),
                Log(),
                _BackupAndRestore(resume),
                *watching,
            ],
        )
    except (OSError, tf.errors.OpError) as error:
        if isinstance(error, _NOT_OF_THE_DISK):
            raise
        raise DataError(
            f"{resume}: the state of the run cannot be written ({_cause(error)}); free some space and give the same "
            "command again: it goes on from the last whole epoch"
        ) from error
    entries = read_history(history_path)
    commits = list(dict.fromkeys(str(entry.pop("commit")) for entry in entries if "commit" in entry))
    return {"epochs": len(entries), "last": entries[-1] if entries else {}, "commits": commits}


def trained_already(out: Path, record: RunRecord, *, trained: dict[str, Any], epochs: int) -> dict[str, Any] | None:
    """Look for the checkpoint of this very run, after checking that the folder holds no other one.

    Parameters
    ----------
    out : pathlib.Path
        The checkpoint directory.
    record : RunRecord
        Of the run that is asked for.
    trained : dict
        As for :func:`fit`.
    epochs : int
        That it has in the end.

    Returns
    -------
    dict or None
        The metrics in its record; None if it has to be trained, or to go on.

    Raises
    ------
    DataError
        If `out` holds the state of another run: before hours of rendering, not after them.
    """
    claim(out / "resume", trained)
    if len(read_history(out / "resume" / "history.jsonl")) < epochs:
        return None
    return made_already(out, record)


def made_already(out: Path, record: RunRecord) -> dict[str, Any] | None:
    """Return the metrics of a checkpoint if it is whole and of this very run, and say so; else None."""
    try:
        found = parse_json((out / "record.json").read_bytes())
        if not isinstance(found, dict):
            return None
        asked = json.loads(json.dumps(record.trained()))
        # What was counted on the way is told by the settings of a record, too.
        known = {key: found["settings"][key] for key in asked["settings"]}
        if known != asked["settings"] or any(found[key] != asked[key] for key in ("seed", "data_hash")):
            return None
        metrics: dict[str, Any] = found["metrics"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all((out / name).exists() for name in _CHECKPOINT):
        return None
    tqdm.write(f"{out}: is trained already, and stays as it is; remove it to train it anew", file=sys.stderr)
    return metrics


def refuse_another(out: Path, record: RunRecord) -> None:
    """Check that a folder holds no checkpoint of another run, where no state of epochs tells.

    Raises
    ------
    DataError
        If it does.
    """
    try:
        found = parse_json((out / "record.json").read_bytes())
        begun = {**{name: found[name] for name in ("seed", "data_hash")}, "settings": found["settings"]}
    except (OSError, ValueError, KeyError, TypeError):
        return  # nothing that could be lost
    asked = json.loads(json.dumps(record.trained()))
    begun["settings"] = {key: value for key, value in begun["settings"].items() if key in asked["settings"]}
    if begun != asked:
        raise DataError(
            f"{out}: holds the checkpoint of another run ({differences(begun, asked)}); remove it to train anew, or "
            "give another --out"
        )


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
    signature = tf.function(lambda **inputs: model(inputs)).get_concrete_function(
        **{tensor.name: tf.TensorSpec(tensor.shape, tf.float32, name=tensor.name) for tensor in model.inputs}
    )
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".model.", suffix=".tmp", dir=out) as folder:
            new = Path(folder)
            try:
                tf.saved_model.save(model, str(new / "model"), signatures={"serving_default": signature})
            except tf.errors.OpError as error:
                raise OSError(_cause(error)) from error
            np.savez_compressed(new / "representative.npz", **representative)  # type: ignore[arg-type]
            (new / "spec.json").write_text(json.dumps(spec, indent=1) + "\n")
            # Only now, when all of it found room, does it take the place of the checkpoint that is there. The record
            # goes first and comes last: a folder that has one holds a whole checkpoint.
            (out / "record.json").unlink(missing_ok=True)
            if (out / "model").exists():
                (out / "model").rename(new / "old")
            for name in ("model", "representative.npz", "spec.json"):
                (new / name).rename(out / name)
    put_bytes(out / "record.json", (json.dumps(record.to_dict(), indent=1) + "\n").encode(), durable=True)


def read_representative(checkpoint: Path) -> dict[str, np.ndarray]:
    """Read what :func:`save_checkpoint` was given as representative.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    path = checkpoint / "representative.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name], np.float32) for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}), expected an .npz file; train the network again") from error
