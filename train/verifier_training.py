"""Training a verifier: the run.

What is fitted is the classifier behind the speech embedding, on the scenes that the wake network learns from; the
embedding stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import UsageError
from edge.log_mel import log_mel, samples_of_mel_frames
from edge.sample_time import SAMPLE_RATE_HZ
from train.clip import Clip
from train.corpus import data_hash
from train.embedding_material import embedding_material
from train.embedding_words import EmbeddingWordsSettings, fit_embedding_words
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out, made_already, refuse_another, save_checkpoint
from train.run_clock import RunClock
from train.simulator.levels import decibels_to_gain, to_int16
from train.speech_embedding import LICENCE_AS_A_PART, SpeechEmbedding
from train.verifier_network import MOMENTS, verifier_frames, verifier_network
from train.wake_scenes import SCENE_S, rendered
from train.wake_settings import WakeSettings

__all__ = ["AGAIN_MS", "DELAY_MS", "VERIFIER_CLASSIFIER", "representative_stretches", "stretch_of", "train_verifier"]

DELAY_MS = 100
"""How long the verifier waits after the wake network took something for a word, ms."""

AGAIN_MS = 250
"""After this time a word that the wake network still hears is looked at again, ms."""

VERIFIER_CLASSIFIER = EmbeddingWordsSettings(normalised=False, epochs=6, batch=512)
"""What the classifier is by default."""

_RANGE = (-2.0, 14.0)
"""What the bytes of the input reach over, in units of 10 dB: from 80 dB below a faint sound to a tone at full scale."""

_LEVELS_DB = (-30.0, 12.0)
"""By how much the scenes are made fainter or louder, which may clip, before they calibrate the quantisation."""


def train_verifier(
    settings: EmbeddingWordsSettings,
    scenes_of: WakeSettings,
    *,
    embedding: Path,
    data: Path,
    cache: Path,
    out: Path,
    engine: Engine | None = None,
    seed: int = 1,
    clock: RunClock | None = None,
) -> dict[str, Any]:
    """Render, compute embeddings, fit the classifier, and write a checkpoint.

    Parameters
    ----------
    settings : EmbeddingWordsSettings
        Taken without normalisation, whatever they say of it.
    scenes_of : WakeSettings
        Of the wake network whose scenes it learns from.
    embedding : Path
        Folder with :data:`train.speech_embedding.FILES`.
    data, cache, out : Path
        Folder with a manifest; what was rendered; the checkpoint. Interrupted, the same call goes on with the scenes
        that are missing; the classifier, a matter of minutes, is fitted from its beginning.
    engine : Engine, optional
        Who renders.
    seed : int
        Of the renderings and of the classifier.
    clock : RunClock, optional
        Of the run, for its record; by default one that begins here.

    Returns
    -------
    dict
        The metrics in the record of the checkpoint.

    Raises
    ------
    DataError
        If the data or the embedding cannot be used, or `out` cannot be written or holds the checkpoint of another run.
    UsageError
        If a word is to be left out that is not there, or all are; or if the network would hear more than a scene.
    """
    frames = verifier_frames(settings.embeddings)
    if samples_of_mel_frames(frames) > SCENE_S * SAMPLE_RATE_HZ:
        raise UsageError(
            f"embeddings: got {settings.embeddings}, for which the network hears {frames / 100:.2f} s at once, "
            f"expected no more than a scene has, {SCENE_S:g} s; lower it"
        )
    clock = clock or RunClock()
    checked_out(out)
    network = SpeechEmbedding(embedding)
    settings = replace(settings, normalised=False)
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=data_hash(data),
        licences=[],
        settings={
            **settings.to_dict(),
            "embedding": network.sha256,
            "mix": scenes_of.mix().to_dict(),
            "scenes_of": scenes_of.to_dict(),
        },
    )
    known = made_already(out, record)
    if known is not None:
        return known
    refuse_another(out, record)
    clock.of(record.trained())
    material = embedding_material(
        settings, scenes_of, embedding=embedding, data=data, cache=cache, engine=engine, seed=seed
    )
    record.licences = [*material.licences, LICENCE_AS_A_PART]
    words = material.words
    record.settings |= {"words": words, "other_words": material.told[len(words) :], **material.record}
    classifier = fit_embedding_words(material.moments, material.said, settings, seed=seed)
    device = verifier_network(embedding, classifier, len(material.words))
    record.metrics = {"parameters": int(device.count_params()), "classifier": classifier.sha256}
    stretches = representative_stretches(
        frames,
        data=data,
        cache=cache,
        scenes_of=scenes_of,
        words=material.told,
        synthetic=material.synthetic,
        seed=seed,
    )
    save_checkpoint(
        out,
        device,
        {"mel": stretches},
        record,
        {
            "role": "verifier",
            "words": [{"id": word, "phrase": material.phrases[word]} for word in material.words],
            "frames": frames,
            "moments": MOMENTS,
            "delay_ms": DELAY_MS,
            "again_ms": AGAIN_MS,
            "ranges": {"mel": list(_RANGE)},
        },
    )
    return record.metrics


def representative_stretches(
    frames: int,
    *,
    data: Path,
    cache: Path,
    scenes_of: WakeSettings,
    words: tuple[str, ...],
    synthetic: Sequence[Clip],
    seed: int,
) -> npt.NDArray[np.float32]:
    """Return spectrograms as they arise in use: what calibrates the ranges of the quantisation.

    Parameters
    ----------
    frames : int
        That the network hears at once.
    data, cache, scenes_of, words, synthetic, seed
        Of the scenes: those of the first shard, at all levels from too faint to clipped.

    Returns
    -------
    (n, frames, MEL_BANDS) float32
    """
    rng = np.random.default_rng([seed, 3])
    scenes = rendered(
        0, data=data, synthetic=tuple(synthetic), split="train", cache=cache, mix=scenes_of.mix(), seed=seed,
        words=words,
    )  # fmt: skip
    return np.stack(
        [
            stretch_of(scene.samples, frames, rng)
            for scene in tqdm(scenes, desc="stretches to calibrate with", unit="scene")
        ]
    )


def stretch_of(samples: npt.NDArray[np.int16], frames: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the spectrogram of a stretch of a recording that is at least as long, at a level that is drawn.

    Parameters
    ----------
    samples : (n,) int16
    frames : int
    rng : numpy.random.Generator

    Returns
    -------
    (frames, MEL_BANDS) float32
    """
    length = samples_of_mel_frames(frames)
    at = rng.integers(samples.size - length + 1)
    gain = decibels_to_gain(rng.uniform(*_LEVELS_DB))
    return log_mel(to_int16(samples[at : at + length] / 32768.0 * gain))
