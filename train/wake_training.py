"""Training a wake network: the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.frontend import FEATURE_SCALE
from edge.frontend_tables import FrontendSettings
from train.corpus import data_hash, licences, load_manifest
from train.embedding_lessons import EmbeddingLessons, lesson_loss
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out, cosine_rate, fit, save_checkpoint, set_seed, trained_already
from train.keras import tf_keras
from train.pruning import prunable, pruning_callback, sparsity, strip
from train.run_clock import RunClock
from train.speech_embedding import DIMENSIONS, LICENCE
from train.speech_teacher import read_speech_teacher
from train.wake_batches import wake_batches
from train.wake_embeddings import build_wake_embeddings
from train.wake_labels import weighted_loss
from train.wake_material import spoken, taught_words, wake_scenes
from train.wake_network import (
    RELU_CEILING,
    WakeShape,
    device_form,
    training_form,
    weights_of,
    with_words,
)
from train.wake_representative import chosen_scenes, representative_inputs
from train.wake_scenes import RECIPE_VERSION, Scenes, other_words
from train.wake_settings import WakeSettings
from train.wake_teachers import WakeTeachers

__all__ = ["REFRACTORY_MS", "SMOOTHING_STEPS", "fit_wake", "train_wake", "wake_shape"]

SMOOTHING_STEPS = 3
REFRACTORY_MS = 1000


def train_wake(
    settings: WakeSettings,
    *,
    data: Path,
    cache: Path,
    out: Path,
    engine: Engine | None = None,
    seed: int = 1,
    rendering_seed: int | None = None,
    teachers: Sequence[Path] = (),
    speech_teacher: Path | None = None,
    clock: RunClock | None = None,
) -> dict[str, Any]:
    """Render, train, prune, and write a checkpoint.

    Parameters
    ----------
    settings : WakeSettings
    data, cache : Path
        Folder with a manifest; rendered scenes.
    out : Path
        The checkpoint; interrupted, the same call goes on from its last whole epoch.
    engine : Engine, optional
        Who renders.
    seed : int
        Of the weights, and of the order and augmentation of the scenes.
    rendering_seed : int, optional
        Of the renderings; as `seed` by default.
    teachers : sequence of Path
        Checkpoints that teach it; see :mod:`train.wake_teachers`.
    speech_teacher : Path, optional
        Folder of a teacher that knows speech; see :mod:`train.embedding_lessons`.
    clock : RunClock, optional
        Of the run, for its record; by default one that begins here.

    Returns
    -------
    dict
        The metrics in the record of the checkpoint.

    Raises
    ------
    DataError
        If the data or a teacher cannot be used, the run diverges, `out` cannot be written or holds another run.
    UsageError
        If a word is to be left out that is not there, or all are, or a teacher hears other words.
    """
    clock = clock or RunClock()
    checked_out(out)
    said = taught_words(data, settings.without)
    words = tuple(sorted(said))
    rendering_seed = seed if rendering_seed is None else rendering_seed
    # Other words are told, too, while the network is trained: what they share with the wake words is no wake word.
    told = (*words, *other_words(data))
    shape = wake_shape(settings, len(told))
    taught_by = WakeTeachers(teachers, words, shape) if teachers else None
    knows_speech = None if speech_teacher is None else read_speech_teacher(speech_teacher, told)
    synthetic = spoken(settings, sorted(said.values()), cache)
    frontend = FrontendSettings()
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=data_hash(data),
        licences=_each_once(
            licences((*(clip for clip in load_manifest(data) if clip.split == "train"), *synthetic)),
            [] if taught_by is None else taught_by.licences,
            [] if knows_speech is None else [LICENCE],
        ),
        settings={
            **settings.to_dict(), "words": words, "other_words": told[len(words):], "spoken": len(synthetic),
            "shape": shape.to_dict(), "mix": settings.mix().to_dict(),
            "rendering_seed": rendering_seed, "scene_recipe": RECIPE_VERSION,
            "teachers": [] if taught_by is None else taught_by.identities,
            "speech_teacher": None if knows_speech is None else knows_speech.identity,
        },
    )  # fmt: skip
    run = {**record.trained(), "frontend": frontend.to_dict()}
    known = trained_already(out, record, trained=run, epochs=settings.epochs)
    if known is not None:
        return known
    clock.of(run)
    scenes = wake_scenes(
        settings, told, data=data, cache=cache, engine=engine, seed=rendering_seed, synthetic=synthetic
    )
    record.settings["rendered"] = {split: len(s["word"]) for split, s in scenes.items()}
    lessons = None
    if knows_speech is not None:
        embeddings = build_wake_embeddings(
            knows_speech.path, data, "train", cache,
            mix=settings.mix(), seed=rendering_seed, words=told, synthetic=synthetic, engine=engine,
        )  # fmt: skip
        lessons = EmbeddingLessons(embeddings, knows_speech.classifier)
    trained, record.metrics = fit_wake(
        settings,
        scenes["train"],
        scenes["dev"],
        shape,
        seed=seed,
        resume=out / "resume",
        trained=run,
        teachers=taught_by,
        lessons=lessons,
    )
    shape = replace(shape, words=len(words))
    device = device_form(shape, [with_words(weights_of(trained), len(words))])
    record.metrics["parameters"] = int(device.count_params())
    save_checkpoint(
        out,
        device,
        representative_inputs(device, shape, chosen_scenes(scenes["train"], seed)),
        record,
        {
            "role": "wake",
            "words": [{"id": word, "phrase": said[word]} for word in words],
            "frontend": frontend.to_dict(),
            "stride_frames": shape.stride_frames,
            "context_frames": shape.context_frames,
            "smoothing_steps": SMOOTHING_STEPS,
            "refractory_ms": REFRACTORY_MS,
            # Exact ends of the ranges: a feature byte means the same to every model, and the state that comes
            # out is fed back byte for byte.
            "ranges": {"features": [0.0, 255 * FEATURE_SCALE], "state": [0.0, RELU_CEILING]},
        },
    )
    return record.metrics


def _each_once(*lists: list[dict[str, str]]) -> list[dict[str, str]]:
    return [dict(pair) for pair in dict.fromkeys(tuple(one.items()) for found in lists for one in found)]


def wake_shape(settings: WakeSettings, words: int) -> WakeShape:
    """Return the size of the network for so many words."""
    return WakeShape(
        words=words, channels=FrontendSettings().channels, width=settings.width, kernels=tuple(settings.kernels)
    )


def fit_wake(
    settings: WakeSettings,
    training: Scenes,
    dev: Scenes,
    shape: WakeShape,
    *,
    seed: int,
    resume: Path,
    trained: dict[str, Any],
    watching: tuple[Any, ...] = (),
    teachers: WakeTeachers | None = None,
    lessons: EmbeddingLessons | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Fit a network to scenes that are rendered.

    Parameters
    ----------
    settings : WakeSettings
    training, dev : dict
        As :func:`train.wake_scenes.build_wake_scenes` returns them.
    shape : WakeShape
        As :func:`wake_shape` returns it.
    seed : int
    resume : Path
        Folder for the state of the run.
    trained : dict
        What decides the weights: see :func:`train.resumption.claim`.
    watching : tuple
        Callbacks of Keras that look on: see :func:`train.fitting.fit`.
    teachers : WakeTeachers, optional
        Who teach it, beside the labels.
    lessons : EmbeddingLessons, optional
        What the speech embedding hears in the scenes of `training`.

    Returns
    -------
    model : tf_keras.Model
        The training form, without wrappers.
    metrics : dict
        History and sparsity.
    """
    set_seed(seed)
    dataset = wake_batches(training, shape, settings, settings.variety, seed=seed, lessons=lessons)
    if teachers is not None:

        def taught(features: Any, truth: Any) -> tuple[Any, Any]:
            share, positive_weight = settings.teacher_share, settings.positive_weight
            return features, teachers.teach(features, truth, share=share, positive_weight=positive_weight)

        dataset = dataset.map(taught, num_parallel_calls=1, deterministic=True).prefetch(2)
    validation = wake_batches(dev, shape, settings, None, seed=seed)
    steps = settings.epochs * len(dataset)
    model = training_form(shape, dropout=settings.variety.dropout, beside=DIMENSIONS if lessons else 0)
    callbacks: tuple[Any, ...] = ()
    if settings.sparsity:
        begin, end = int(0.35 * steps), int(0.75 * steps)
        model = prunable(model, final_sparsity=settings.sparsity, begin_step=begin, end_step=end)
        callbacks = (pruning_callback(),)
    optimizer = tf_keras.optimizers.AdamW(cosine_rate(settings.rate, steps), weight_decay=settings.variety.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, lesson_loss(shape.words, settings.embedding_weight) if lessons else weighted_loss)
    history = fit(
        model,
        dataset,
        epochs=settings.epochs,
        resume=resume,
        trained={**trained, "frontend": FrontendSettings().to_dict()},
        validation=validation,
        callbacks=callbacks,
        watching=watching,
        ema=settings.ema,
    )
    stripped = strip(model)
    return stripped, {**history, "sparsity": sparsity(stripped)}
