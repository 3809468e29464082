"""From a phrase to a checkpoint that hears it: material, training, and what is written."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, UsageError
from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import data_hash, licences, load_manifest, read_clip
from train.engines.choice import Engine
from train.fitting import RunRecord, save_checkpoint
from train.new_word import WordSettings, scorer, stream_windows, train_branch
from train.new_word_checkpoint import WakeCheckpoint
from train.new_word_scenes import Given, WordMix, build_word_scenes, held_out_streams
from train.run_clock import RunClock
from train.similar import everyday, must_not_fire
from train.simulator.levels import to_int16
from train.spoken import speak_all
from train.wake_network import Branch, device_form
from train.wake_representative import quantised_features_of_clips, representative_inputs
from train.wake_traces import Trace, count_detections

__all__ = [
    "Learnt",
    "append_word",
    "checked_phrase",
    "false_accepts",
    "learn_word",
    "licences_with",
    "trace_of",
]

_PHRASE = re.compile(r"[a-z]+( [a-z]+){0,5}")
_LONGEST_PHRASE = 40
_PER_NEAR_PHRASE = 12
_PER_EVERYDAY_PHRASE = 3
_REPRESENTATIVE = 24
"""Scenes of the new word, and recordings of the others, that calibrate the quantisation."""
_SOUNDS_LIKE = ("espeak-ng",)
"""Says what sounds like the word where no synthesiser says the word: it is needed for the phonemes anyway."""
_CUTOFFS = (0.5, 0.9, 0.97)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A word as it was learnt."""

    phrase: str
    branch: Branch
    given: Given
    history: dict[str, Any]
    settings: dict[str, Any]
    examples: npt.NDArray[np.int8]
    """A few scenes, ``(n, frames, 40)``, half of them with the word."""


def checked_phrase(phrase: str) -> str:
    """Return a phrase as a label: lower case, single blanks.

    Raises
    ------
    UsageError
        If it is no English word or phrase that a synthesiser can say and a bundle can name.
    """
    label = " ".join(phrase.casefold().split())
    if len(label) > _LONGEST_PHRASE or not _PHRASE.fullmatch(label):
        raise UsageError(
            f"PHRASE is {phrase!r}, expected one to six words of the letters a to z, at most {_LONGEST_PHRASE} "
            "characters, such as 'hey house'; correct it"
        )
    return label


def _near(phrase: str, programs: Sequence[str], cache: Path, seed: int) -> list[Clip]:
    """Have spoken what sounds like a phrase, and everyday talk."""
    texts = must_not_fire([phrase], seed=seed)
    daily = set(everyday())
    if "espeak-ng" not in programs:
        texts = [text for text in texts if not text.startswith("[[")]
    said = [
        speak_all(chosen, cache, per_phrase=each, programs=programs, role="speech", seed=seed)
        for chosen, each in (
            ([text for text in texts if text not in daily], _PER_NEAR_PHRASE),
            ([text for text in texts if text in daily], _PER_EVERYDAY_PHRASE),
        )
    ]
    return [clip for clips in said for clip in clips]


def learn_word(
    checkpoint: WakeCheckpoint,
    phrase: str,
    *,
    recorded: Sequence[Clip],
    programs: Sequence[str],
    utterances: int,
    data: Path,
    cache: Path,
    resume: Path,
    settings: WordSettings,
    mix: WordMix | None = None,
    seed: int = 1,
    engine: Engine | None = None,
) -> Learnt:
    """Train the branch of a word.

    Parameters
    ----------
    checkpoint : WakeCheckpoint
    phrase : str
        From :func:`checked_phrase`.
    recorded : sequence of Clip
        Recordings of it.
    programs : sequence of str
        Synthesisers that say it. Without any, the phrases that sound like it are still synthesised, by espeak-ng.
    utterances : int
        How often they say it.
    data, cache : Path
        Data folder, and folder of what is rendered.
    resume : Path
        See :func:`train.fitting.fit`.
    settings : WordSettings
    mix : WordMix, optional
    seed : int
    engine : Engine, optional

    Raises
    ------
    UsageError
        If a synthesiser is unknown or not installed.
    DataError
        If the data folder holds no other speech, something cannot be read or written, or training diverges.
    """
    mix = mix or WordMix()
    frontend = FrontendSettings.from_dict(checkpoint.spec["frontend"])
    clips = [clip for clip in load_manifest(data) if clip.split == "train"]
    if not any(clip.role == "speech" and clip.label != phrase for clip in clips):
        raise DataError(
            f"{data}: got no clip of the role 'speech' in train, expected speech that the word is told apart from; "
            "import a corpus of speech"
        )
    spoken = speak_all([phrase], cache, per_phrase=utterances, programs=programs, seed=seed) if programs else []
    given = Given(phrase, tuple(recorded), tuple(spoken), tuple(_near(phrase, programs or _SOUNDS_LIKE, cache, seed)))
    scenes = build_word_scenes(data, cache, given, mix=mix, seed=seed, frontend=frontend, engine=engine)
    held_out = held_out_streams(data)
    streams = [clip for clip in clips if clip.role == "longform" and clip not in held_out]
    windows = stream_windows(streams, scenes["features"].shape[1], frontend)
    features = np.concatenate([scenes["features"], windows])
    ends = np.concatenate([scenes["end_sample"], np.full(len(windows), -1, np.int32)])
    told = {
        "phrase": phrase,
        "recordings": len(recorded),
        "synthesised": len(spoken),
        "near": len(given.near),
        "synthesisers": list(programs),
        "scenes": len(scenes["features"]),
        "with_the_word": int((scenes["end_sample"] >= 0).sum()),
        "stream_windows": len(windows),
        "mix": mix.to_dict(),
        **settings.to_dict(),
    }
    trained = {
        "seed": seed, "data_hash": data_hash(data), "given": given.digest(), "trunk": _digest(checkpoint),
        "settings": told,
    }  # fmt: skip
    branch, history = train_branch(
        checkpoint.shape, checkpoint.members, features, ends, settings, frontend,
        resume=resume, trained=trained, seed=seed,
    )  # fmt: skip
    rng = np.random.default_rng([seed, 3])
    chosen = [
        rng.permutation(np.flatnonzero((scenes["end_sample"] >= 0) == said))[: _REPRESENTATIVE // 2]
        for said in (True, False)
    ]
    return Learnt(phrase, branch, given, history, told, scenes["features"][np.concatenate(chosen)])


def _digest(checkpoint: WakeCheckpoint) -> str:
    digest = hashlib.sha256()
    for weights in checkpoint.members:
        for name in sorted(weights):
            for values in weights[name]:
                digest.update(values.tobytes())
    return digest.hexdigest()


def trace_of(logits: npt.NDArray[np.float32], smoothing_steps: int, step_s: float) -> Trace:
    """Return logits as the smoothed scores of :class:`edge.wake.WakeStage`."""
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    padded = np.concatenate([np.zeros(smoothing_steps - 1), probability])
    smooth = np.convolve(padded, np.full(smoothing_steps, 1 / smoothing_steps), "valid")
    return Trace(smooth[:, None].astype(np.float32), step_s, len(logits) * step_s)


def false_accepts(checkpoint: WakeCheckpoint, branch: Branch, data: Path) -> dict[str, Any]:
    """Count how often a word fires in the long-form speech of train that it was not trained on.

    Returns
    -------
    dict
        ``hours``, and ``above``: for some cut-offs, how often the score rose above.
    """
    frontend = FrontendSettings.from_dict(checkpoint.spec["frontend"])
    step_s = checkpoint.shape.stride_frames * frontend.step_ms / 1000
    score = scorer(checkpoint.shape, checkpoint.members, branch)
    traces = []
    seconds = 0.0
    for clip in held_out_streams(data):
        samples = to_int16(read_clip(clip))
        seconds += samples.size / SAMPLE_RATE_HZ
        features = quantise_features(Frontend(frontend).push(samples))
        traces.append(trace_of(score(features), checkpoint.spec["smoothing_steps"], step_s))
    refractory_s = checkpoint.spec["refractory_ms"] / 1000
    return {
        "hours": seconds / 3600,
        "above": {str(cutoff): count_detections(traces, 0, cutoff, refractory_s) for cutoff in _CUTOFFS},
    }


def licences_with(known: Sequence[dict[str, str]], given: Given, data: Path) -> list[dict[str, str]]:
    """Return the licences of a checkpoint, and those of all that a new word of it was learnt from, each once."""
    train = [clip for clip in load_manifest(data) if clip.split == "train"]
    more = licences((*train, *given.recorded, *given.spoken, *given.near))
    return [dict(pair) for pair in sorted({tuple(sorted(entry.items())) for entry in (*known, *more)})]


def append_word(
    checkpoint: WakeCheckpoint,
    learnt: Learnt,
    data: Path,
    out: Path,
    counted: dict[str, Any],
    *,
    seed: int,
    clock: RunClock | None = None,
) -> None:
    """Write the checkpoint with one word more.

    `clock` is that of the run, for its record; by default one that begins here.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    frontend = FrontendSettings.from_dict(checkpoint.spec["frontend"])
    device = device_form(checkpoint.shape, checkpoint.members, (*checkpoint.branches, learnt.branch))
    train = [clip for clip in load_manifest(data) if clip.split == "train"]
    said = [clip for word in checkpoint.words for clip in train if clip.role == "wake" and clip.word == word]
    known = quantised_features_of_clips(said[:: max(1, len(said) // _REPRESENTATIVE)], frontend)
    record = RunRecord(
        seed=seed,
        data_hash=data_hash(data),
        licences=licences_with(checkpoint.record.get("licences", []), learnt.given, data),
        settings={"base": checkpoint.record.get("settings", {}), "word": learnt.settings},
        clock=clock or RunClock(),
    )
    record.metrics = {
        "parameters": int(device.count_params()),
        "training": learnt.history,
        "false_accepts_held_out": counted,
    }
    word = {"id": learnt.phrase.replace(" ", "_"), "phrase": learnt.phrase}
    save_checkpoint(
        out,
        device,
        representative_inputs(device, checkpoint.shape, [*learnt.examples, *known]),
        record,
        {**checkpoint.spec, "words": [*checkpoint.spec["words"], word]},
    )
