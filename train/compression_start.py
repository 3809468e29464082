"""The checkpoint that compression begins with: its weights, and how they were trained."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.json_reading import read_object
from train.fitting import read_representative
from train.wake_network import Weights, saved_weights

__all__ = ["Start", "fill", "read_start"]


@dataclass(frozen=True, slots=True)
class Start:
    """A checkpoint of one network, read."""

    path: Path
    role: str
    spec: dict[str, Any]
    """What the bundle must know; handed on as it is."""
    record: dict[str, Any]
    """Seed, settings and licences of its training."""
    weights: Weights
    """By the name of the layer."""
    representative: dict[str, npt.NDArray[np.float32]]
    """Inputs that calibrate the quantisation, ``(n, ...) float32`` each."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of its training."""
        settings: dict[str, Any] = self.record["settings"]
        return settings

    @property
    def sha256(self) -> str:
        """Return a hash of the weights, which are what compression begins with."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            for array in self.weights[name]:
                digest.update(f"{name} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def fill(model: Any, weights: Weights, *, whose: Path) -> Any:
    """Put weights into a newly built network of the same shape, and return it.

    Parameters
    ----------
    model : tf_keras.Model
    weights : Weights
        By the name of the layer.
    whose : Path
        The checkpoint, for the message.

    Raises
    ------
    DataError
        If they are not those of such a network.
    """
    for layer in model.layers:
        wanted = [array.shape for array in layer.get_weights()]
        if wanted:
            found = [array.shape for array in weights.get(layer.name, [])]
            if found != wanted:
                raise DataError(
                    f"{whose / 'model'}: layer {layer.name}: got weights of the shapes {found}, expected {wanted}, as "
                    "record.json says; give a checkpoint as 'vivavoce train' wrote it"
                )
            layer.set_weights(weights[layer.name])
    return model


def read_start(path: Path, role: str, *, settings: tuple[str, ...]) -> Start:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        Folder that ``vivavoce train wake`` or ``liveness`` wrote.
    role : str
        What its network must be for.
    settings : tuple of str
        Entries that the settings of its training must have.

    Raises
    ------
    DataError
        If it is no complete checkpoint of one such network.
    """
    spec, record = (
        read_object(path / name, error=DataError, remedy="train the network again")
        for name in ("spec.json", "record.json")
    )
    if spec.get("role") != role:
        raise DataError(
            f"{path / 'spec.json'}: role: got {spec.get('role')!r}, expected {role!r}; give a checkpoint of "
            f"'vivavoce train {role}'"
        )
    trained = record.get("settings")
    if isinstance(trained, dict) and "members" in trained:
        raise DataError(
            f"{path}: got several networks that were joined, expected one; compress its members and join them again"
        )
    missing = [name for name in settings if not isinstance(trained, dict) or name not in trained]
    missing += [name for name in ("seed", "licences") if name not in record]
    if missing:
        raise DataError(
            f"{path / 'record.json'}: got no {' and no '.join(missing)}, expected how the network was trained; "
            "train it again"
        )
    return Start(path, role, spec, record, saved_weights(path / "model"), read_representative(path))
