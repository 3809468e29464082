"""A converted network and what belongs to it, from a checkpoint or out of a bundle that ships already.

So one network can be trained again and the other kept as it is, byte for byte.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.bundle import open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from edge.bundle_parts import VerifierPart, WakePart
from edge.errors import DataError
from edge.interpreter import load_model
from quantize.checkpoint import CONVERSION_NAME, INT8_NAME, Checkpoint, read_json
from quantize.convert import inspect_network, model_size

__all__ = ["Converted", "read_converted"]

_WAKE_SETTINGS = ("stride_frames", "context_frames", "smoothing_steps", "refractory_ms")
_VERIFIER_SETTINGS = ("delay_ms", "again_ms")


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """A converted network."""

    origin: str
    """Where a fault of its record would have to be mended, for messages."""
    content: bytes
    """The int8 network."""
    spec: dict[str, Any]
    """Settings of its role, as ``spec.json`` has them."""
    record: dict[str, Any]
    """How it came to be, as ``record.json`` has it."""
    conversion: dict[str, Any]
    """``models.int8`` (sizes) and ``sparsity``, as ``convert.json`` has them."""


def read_converted(path: Path, role: str) -> Converted:
    """Read the network of a role.

    Parameters
    ----------
    path : pathlib.Path
        A converted checkpoint, or a bundle.
    role : str
        One of :data:`quantize.checkpoint.ROLES`.

    Raises
    ------
    DataError
        If it is no checkpoint, of another role, incomplete, or not converted since it was trained.
    BundleError
        If it is a bundle that cannot be used.
    """
    if (path / MANIFEST_NAME).is_file():
        return _of_bundle(path, role)
    checkpoint = Checkpoint.read(path, role)
    conversion = read_json(path / CONVERSION_NAME)
    if not (path / INT8_NAME).is_file():
        raise DataError(f"{path / INT8_NAME}: got no such file, expected one; run: vivavoce quantize convert {path}")
    content = (path / INT8_NAME).read_bytes()
    if conversion.get("record_sha256") != checkpoint.record_sha256:
        raise DataError(
            f"{path / CONVERSION_NAME}: is not of the training that record.json tells of, expected one that is; run: "
            f"vivavoce quantize convert {path}"
        )
    said = conversion.get("models", {}).get("int8", {}).get("sha256")
    if said != hashlib.sha256(content).hexdigest():
        raise DataError(
            f"{path / INT8_NAME}: is not the network that {CONVERSION_NAME} tells of, expected the sha256 {said}; run: "
            f"vivavoce quantize convert {path}"
        )
    return Converted(str(path / "record.json"), content, checkpoint.spec, checkpoint.record, conversion)


def _of_bundle(path: Path, role: str) -> Converted:
    bundle = open_bundle(path)
    manifest = read_json(path / MANIFEST_NAME)
    words = [{"id": word.id, "phrase": word.phrase} for word in bundle.words]
    part = {"wake": bundle.wake, "verifier": bundle.verifier, "liveness": bundle.liveness}[role]
    if part is None:
        raise DataError(f"{path}: got a bundle without a verifier, expected one; give a checkpoint, or another bundle")
    content = bundle.content(part.file)
    if isinstance(part, WakePart):
        settings = {name: getattr(part, name) for name in _WAKE_SETTINGS}
        spec = {"role": role, "words": words, "frontend": manifest["frontend"], **settings}
    elif isinstance(part, VerifierPart):
        frames = load_model(content, runtime="litert", name=part.file).inputs["mel"].shape[1]
        settings = {name: getattr(part, name) for name in _VERIFIER_SETTINGS}
        spec = {"role": role, "words": words, "frames": frames, **settings}
    else:
        spec = {"role": role, "cues": part.cues}
    # A bundle does not say which of its licences belong to which network: all of them are taken over.
    licences = [{"material": entry.material, "licence": entry.licence} for entry in bundle.licences]
    return Converted(
        str(path / MANIFEST_NAME),
        content,
        spec,
        {**bundle.training.get(role, {}), "licences": licences},
        {
            "models": {"int8": model_size(part.file, content)},
            "sparsity": inspect_network(content)["sparsity"],
        },
    )
