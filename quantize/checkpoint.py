"""What ``vivavoce train`` leaves for this package: a folder with a float network and what belongs to it.

::

    model/                 the device form of the network, a SavedModel with named inputs and outputs
    representative.npz     for each input an array of values as the device sees them, first axis: samples
    spec.json              role (one of ROLES) and the settings that travel into the manifest;
                           "ranges": for inputs of fixed scale, the [lowest, highest] value they represent
    record.json            how it came to be: seed, commit, hash and licences of the data, settings, metrics

:mod:`quantize.convert` adds the converted networks.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.json_reading import read_object

__all__ = [
    "CONVERSION_NAME",
    "FLOAT_NAME",
    "INT8_NAME",
    "ROLES",
    "Checkpoint",
    "read_arrays",
    "read_json",
]

INT8_NAME = "model_int8.tflite"
FLOAT_NAME = "model_float.tflite"
CONVERSION_NAME = "convert.json"

ROLES = ("wake", "liveness", "verifier")

_SETTINGS = {
    "wake": ("words", "frontend", "stride_frames", "context_frames", "smoothing_steps", "refractory_ms"),
    "liveness": ("cues",),
    "verifier": ("words", "frames", "delay_ms", "again_ms"),
}
"""The entries that ``spec.json`` must have for each role."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder of which the descriptions have been read."""

    path: Path
    """The folder."""
    role: str
    """One of :data:`ROLES`."""
    spec: dict[str, Any]
    """Settings of the role."""
    record: dict[str, Any]
    """How it came to be."""
    record_sha256: str
    """Of ``record.json`` as it lies there: what was converted names it, and so belongs to this training alone."""

    @classmethod
    def read(cls, path: Path, role: str | None = None) -> "Checkpoint":
        """Read the descriptions of a checkpoint.

        Parameters
        ----------
        path : pathlib.Path
            The folder.
        role : str, optional
            The role that it must have.

        Raises
        ------
        DataError
            If it is no checkpoint, of another role, or a setting is missing.
        """
        spec = read_json(path / "spec.json")
        record = read_json(path / "record.json")
        record_sha256 = hashlib.sha256((path / "record.json").read_bytes()).hexdigest()
        found = spec.get("role")
        expected = ROLES if role is None else (role,)
        if found not in expected:
            raise DataError(
                f"{path / 'spec.json'}: role: got {found!r}, expected {' or '.join(expected)}; "
                "give a checkpoint of 'vivavoce train'"
            )
        for name in _SETTINGS[found]:
            if name not in spec:
                raise DataError(
                    f"{path / 'spec.json'}: {name}: got no such entry, expected one; train the network again"
                )
        return cls(path, found, spec, record, record_sha256)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a checkpoint; errors are those of :func:`edge.json_reading.read_object`, as DataError."""
    return read_object(path, error=DataError, remedy="make the file again")


def read_arrays(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read arrays that hold the same number of samples each.

    Parameters
    ----------
    path : pathlib.Path
        An .npz file.

    Returns
    -------
    dict of str to (n, ...) float32
        By name, at least one, with finite values and n of at least 1.

    Raises
    ------
    DataError
        If the file cannot be read or holds anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in file.files}
    except OSError as error:
        reason = error.strerror or "not an .npz file"
        raise DataError(f"{path}: cannot be read ({reason}), expected an .npz file; check the path") from error
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: got no archive of numbers ({error}), expected an .npz file; make it again") from error
    counts = {array.shape[:1] for array in arrays.values()}
    if len(counts) != 1 or not all(array.size for array in arrays.values()):
        got = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items()) or "no array"
        raise DataError(f"{path}: got {got}, expected arrays with the same number of samples; make the file again")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise DataError(f"{path}: {name}: got NaN or infinite values, expected finite ones; make the file again")
    return arrays
