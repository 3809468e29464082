"""One network of a checkpoint or of a bundle, run over clips as a device runs it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from edge.cues import CueSettings
from edge.errors import DataError, UsageError
from edge.frontend import Frontend
from edge.frontend_tables import FrontendSettings
from edge.gate import Gate
from edge.interpreter import load_model
from edge.liveness import LivenessStage
from edge.sample_time import SAMPLE_RATE_HZ
from edge.strict_json import Table
from edge.wake import WakeStage
from quantize.checkpoint import FLOAT_NAME, INT8_NAME, Checkpoint, read_json

__all__ = ["Scorer", "scorer_of", "wake_stage", "with_lead", "word_cutoffs"]

_PROVISIONAL = 0.5
_LEAD_S, _LEAD_RMS = 1.5, 20.0
"""Faint noise in front of a clip and behind, longer than ESPHome waits after a start: no word is missed for that."""


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A network that scores clips."""

    about: dict[str, str]
    """Role, interpreter and cut-offs."""
    columns: tuple[str, ...]
    """Names of the scores."""
    score: Callable[[npt.NDArray[np.int16]], tuple[str, list[float]]]
    """Takes a clip, ``(n,) int16``, and returns the decision and the scores."""


def scorer_of(path: Path, *, role: str, form: str, cutoffs: Path | None, runtime: str | None) -> Scorer:
    """Make the network of a checkpoint or a bundle ready to score.

    Parameters
    ----------
    path : Path
        A converted checkpoint, whose role is its own, or a bundle.
    role : {"wake", "liveness"}
        Which network of a bundle.
    form : {"int8", "float"}
        Of a checkpoint; a bundle has only the first.
    cutoffs : Path, optional
        Cut-offs for a checkpoint, as ``vivavoce train cutoffs`` writes them.
    runtime : str, optional
        ``"litert"`` or ``"tflite"``.

    Raises
    ------
    UsageError
        If a bundle is asked for its float network, or given cut-offs.
    DataError
        If there is no such network, or the cut-offs are not those of its words.
    """
    if (path / MANIFEST_NAME).is_file():
        if form != "int8" or cutoffs is not None:
            raise UsageError(
                f"{path}: got a bundle, which has int8 networks and cut-offs; leave --form and --cutoffs out"
            )
        bundle = open_bundle(path)
        part = bundle.wake if role == "wake" else bundle.liveness
        words_spec = [{"id": word.id, "phrase": word.phrase} for word in bundle.words]
        role_spec = {**asdict(part), "words": words_spec, "frontend": bundle.frontend}
        content, name = bundle.content(part.file), str(path / part.file)
        words = list(bundle.wake_cutoffs.values())
        lines = (bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        calibration = (bundle.liveness.slope, bundle.liveness.offset)
    else:
        checkpoint = Checkpoint.read(path)
        role, role_spec = checkpoint.role, checkpoint.spec
        file = path / (INT8_NAME if form == "int8" else FLOAT_NAME)
        name = str(file)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(
                f"{file}: cannot be read ({error.strerror}), expected a network; run: vivavoce quantize convert {path}"
            ) from error
        words, lines, calibration = _cutoffs(cutoffs, role_spec)
    model = load_model(content, runtime=runtime, name=name, kernels="reference" if role == "wake" else "auto")
    if role == "wake":
        frontend, stage = wake_stage(model, role_spec, words)
        ids = tuple(word["id"] for word in role_spec["words"])
        about = {"role": role, "interpreter": model.runtime, "cutoffs": " ".join(f"{value:g}" for value in words)}
        return Scorer(about, ids, lambda samples: _heard(frontend, stage, ids, samples))
    slope, offset = calibration
    liveness = LivenessStage(model, CueSettings.from_dict(role_spec["cues"]), slope=slope, offset=offset)
    gate = Gate(*lines)

    def judge(samples: npt.NDArray[np.int16]) -> tuple[str, list[float]]:
        evidence = liveness.judge(samples)
        return gate.rule(evidence, ()).decision, [evidence.score]

    about = {"role": role, "interpreter": model.runtime, "cutoffs": f"{lines[0]:g} {lines[1]:g} {slope:g} {offset:g}"}
    return Scorer(about, ("logit",), judge)


def wake_stage(model: Any, spec: dict[str, Any], cutoffs: Sequence[float]) -> tuple[Frontend, WakeStage]:
    """Make the two stages that hear words, as a specification says.

    Parameters
    ----------
    model : Model
    spec : dict
        ``spec.json`` of a wake checkpoint, or the same entries of a bundle's manifest.
    cutoffs : sequence of float
        One for each word.
    """
    settings = FrontendSettings.from_dict(spec["frontend"])
    stage = WakeStage(
        model,
        cutoffs,
        channels=settings.channels,
        stride_frames=spec["stride_frames"],
        context_frames=spec["context_frames"],
        smoothing_steps=spec["smoothing_steps"],
        refractory_frames=spec["refractory_ms"] // settings.step_ms,
    )
    return Frontend(settings), stage


def word_cutoffs(path: Path, cutoffs: Path | None, words: Sequence[dict[str, str]]) -> list[float]:
    """Return the cut-off of each word: those of a bundle, or of a file for a checkpoint, or one half.

    Raises
    ------
    UsageError
        If a bundle, which has its own, is given others.
    DataError
        If the file does not hold them.
    """
    if not (path / MANIFEST_NAME).is_file():
        return _cutoffs(cutoffs, {"words": words})[0]
    if cutoffs is not None:
        raise UsageError(f"{path}: got a bundle, which has cut-offs of its own; leave --cutoffs out")
    return list(open_bundle(path).wake_cutoffs.values())


def with_lead(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Put a clip between stretches of faint noise, the same for every clip."""
    rng = np.random.default_rng(0)
    before, after = (rng.normal(0, _LEAD_RMS, round(_LEAD_S * SAMPLE_RATE_HZ)).round().astype(np.int16) for _ in "ab")
    return np.concatenate((before, samples, after))


def _heard(
    frontend: Frontend, stage: WakeStage, ids: Sequence[str], samples: npt.NDArray[np.int16]
) -> tuple[str, list[float]]:
    frontend.reset()
    stage.reset()
    hits = stage.push(frontend.push(with_lead(samples)))
    return "+".join(ids[hit.word] for hit in hits) or "-", stage.max_scores.tolist()


def _cutoffs(path: Path | None, spec: dict[str, Any]) -> tuple[list[float], tuple[float, float], tuple[float, ...]]:
    """Return the cut-offs of the words, those of the gate, and slope and offset."""
    ids = [word["id"] for word in spec.get("words", [])]
    if path is None:
        return [_PROVISIONAL] * len(ids), (_PROVISIONAL, _PROVISIONAL), (1.0, 0.0)
    top = Table(path, read_json(path), remedy="choose the cut-offs again", error=DataError)
    words = top.table("words") if ids else None
    chosen = [words.number(ident, 0.0, 1.0) for ident in ids] if words is not None else []
    liveness = top.table("liveness")
    calibration = liveness.table("calibration")
    return (
        chosen,
        (liveness.number("accept", 0.0, 1.0), liveness.number("reject", 0.0, 1.0)),
        (calibration.number("slope", -1e6, 1e6), calibration.number("offset", -1e6, 1e6)),
    )
