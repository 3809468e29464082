"""Bundles with a verifier, which is written operator by operator: tests of the device's side need no TensorFlow."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.bundle_manifest import FORMAT_VERSION, MANIFEST_NAME
from edge.bundle_writing import seal
from edge.log_mel import MEL_BANDS

__all__ = ["FRAMES", "MOMENTS", "make_verifier", "with_verifier"]

FRAMES = 172
"""Frames of what it hears: 1.74 s."""
MOMENTS = 4
"""Moments at which a word may have ended."""


def make_verifier(bias: Sequence[float], gain: Sequence[float]) -> bytes:
    """Write a network whose logits are ``bias + gain * mean(mel)``, the same at all moments; both ``(words,)``."""
    flatbuffers = pytest.importorskip("flatbuffers")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []

    def tensor(name: str, shape: Sequence[int], values: Any = None) -> int:
        entry = schema.TensorT()
        entry.name, entry.shape, entry.type = name, list(shape), schema.TensorType.FLOAT32
        if values is not None:
            if values.dtype == np.int32:
                entry.type = schema.TensorType.INT32
            held = schema.BufferT()
            held.data = np.frombuffer(values.tobytes(), np.uint8)
            model.buffers.append(held)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
        return len(graph.tensors) - 1

    def operator(kind: int, inputs: Sequence[int], output: int, options: str) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        model.operatorCodes.append(code)
        entry = schema.OperatorT()
        entry.opcodeIndex, entry.inputs, entry.outputs = len(model.operatorCodes) - 1, list(inputs), [output]
        entry.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        entry.builtinOptions = getattr(schema, f"{options}T")()
        if options == "ReducerOptions":
            entry.builtinOptions.keepDims = True
        graph.operators.append(entry)
        return output

    shape = (1, MOMENTS, len(bias))

    def every_moment(values: Sequence[float]) -> int:
        return tensor("constant", shape, np.broadcast_to(np.asarray(values, np.float32), shape))

    built = schema.BuiltinOperator
    mel = tensor("serving_default_mel:0", (1, FRAMES, MEL_BANDS))
    axes = tensor("axes", (2,), np.array([1, 2], np.int32))
    mean = operator(built.MEAN, [mel, axes], tensor("mean", (1, 1, 1)), "ReducerOptions")
    scaled = operator(built.MUL, [every_moment(gain), mean], tensor("scaled", shape), "MulOptions")
    logits = operator(built.ADD, [scaled, every_moment(bias)], tensor("logits:0", shape), "AddOptions")
    graph.inputs, graph.outputs = [mel], [logits]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [], []
    for listed, name, index in ((signature.inputs, "mel", mel), (signature.outputs, "logits", logits)):
        pair = schema.TensorMapT()
        pair.name, pair.tensorIndex = name, index
        listed.append(pair)
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_verifier(
    bundle_folder: Path,
    destination: Path,
    *,
    bias: Sequence[float] | None = None,
    gain: float | Sequence[float] = 0.0,
    candidate: float | Mapping[str, float] = 0.5,
    cutoff: float | Mapping[str, float] = 0.5,
    delay_ms: int = 100,
    again_ms: int = 250,
) -> Path:
    """Copy a bundle, and give it a small verifier.

    Parameters
    ----------
    bundle_folder : Path
        Of format 3 or newer. A verifier that it has is replaced; it may be judged and signed, the copy is neither.
    destination : Path
        Must not be there.
    bias : sequence of float, optional
        Logit of each word, whatever was said, in the order of the words; 4 by default, so that every candidate of a
        word is heard with a score of 0.98.
    gain : float or sequence of float, optional
        By how much the logit of each word rises with the mean of what the verifier hears, in units of
        :func:`edge.log_mel.log_mel`.
    candidate, cutoff : float or mapping, optional
        Of all words, or by the id of each: of the wake network's smoothed score, and of the verifier's.
    delay_ms, again_ms : int, optional
        See :class:`edge.bundle_parts.VerifierPart`.

    Returns
    -------
    Path
        The destination, which opens.
    """
    shutil.copytree(bundle_folder, destination)
    path = destination / MANIFEST_NAME
    manifest = json.loads(path.read_text(encoding="utf-8"))
    words = [word["id"] for word in manifest["words"]]
    bias = [4.0] * len(words) if bias is None else bias
    gains = [float(gain)] * len(words) if isinstance(gain, int | float) else gain
    assert len(bias) == len(gains) == len(words), f"one number for each of {words}"

    def of(word: str, value: float | Mapping[str, float]) -> float:
        return value[word] if isinstance(value, Mapping) else value

    if manifest.get("verifier"):
        (destination / manifest["verifier"]["file"]).unlink()
    (destination / "verifier.tflite").write_bytes(make_verifier(bias, gains))
    manifest["format_version"] = FORMAT_VERSION
    manifest["verifier"] = {
        "file": "verifier.tflite",
        "delay_ms": delay_ms,
        "again_ms": again_ms,
        "words": {word: {"candidate": of(word, candidate), "cutoff": of(word, cutoff)} for word in words},
    }
    path.write_text(json.dumps(manifest), encoding="utf-8")
    seal(destination)
    open_bundle(destination)
    return destination
