"""Training a wake network: all that can be set about it, and the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from edge.errors import DataError, UsageError
from edge.frontend import FEATURE_SCALE
from edge.frontend_tables import FrontendSettings
from edge.strict_toml import Within, from_tables
from train.clip import Clip
from train.corpus import data_hash, licences, load_manifest
from train.embedding_lessons import EmbeddingLessons, lesson_loss
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out, cosine_rate, fit, save_checkpoint, set_seed
from train.keras import tf, tf_keras
from train.pruning import prunable, pruning_callback, sparsity, strip
from train.similar import must_not_fire
from train.speech_embedding import DIMENSIONS, LICENCE
from train.speech_teacher import read_speech_teacher
from train.spoken import speak_all
from train.synthesis import SYNTHESISERS
from train.wake_embeddings import build_wake_embeddings
from train.wake_labels import LabelTimes, targets, weighted_loss
from train.wake_network import (
    RELU_CEILING,
    WakeShape,
    device_form,
    output_frames,
    to_feature_units,
    training_form,
    weights_of,
    with_words,
)
from train.wake_representative import representative_inputs
from train.wake_scenes import RECIPE_VERSION, SceneMix, build_wake_scenes, other_words
from train.wake_teachers import WakeTeachers
from train.wake_variety import VARIETIES, Variety

__all__ = [
    "REFRACTORY_MS",
    "SMOOTHING_STEPS",
    "WakeSettings",
    "chosen_scenes",
    "fit_wake",
    "phrases",
    "spoken",
    "train_wake",
    "wake_batches",
    "wake_scenes",
    "wake_shape",
]

SMOOTHING_STEPS = 3
REFRACTORY_MS = 1000
_REPRESENTATIVE_SCENES = 24
_LEAST_TALKERS = 3

Scenes = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """All that decides what a wake network becomes, but data and seed."""

    width: Annotated[int, Within(1, 1024)] = 96
    """Channels of every hidden layer."""
    kernels: Annotated[tuple[int, ...], Within(2, 200)] = (5, 9, 13, 21)
    """Lengths of the temporal convolutions, in outputs of the first layer (30 ms)."""
    variety: Variety = field(default_factory=lambda: VARIETIES["wide"])
    """Scenes, augmentation, dropout and weight decay."""
    without: tuple[str, ...] = ()
    """Ids of words of the corpus that are left out, e.g. to measure what it takes to add one of them later."""
    scenes: Annotated[float, Within(0.0001, 100)] = 1.0
    """Share of the scenes of the variety."""
    epochs: Annotated[int, Within(1, 10_000)] = 26
    rate: Annotated[float, Within(1e-7, 10.0)] = 2e-3
    """Peak learning rate."""
    batch: Annotated[int, Within(1, 100_000)] = 96
    positive_weight: Annotated[float, Within(0.01, 1000)] = 4.0
    """What an output counts at which a word was just said."""
    label_hold_s: Annotated[float, Within(0.03, 2)] = 0.2
    """For this long after a word its score shall stay high, s."""
    sparsity: Annotated[float, Within(0, 0.99)] = 0.5
    """Share of the weights that is pruned to zero; 0 trains without pruning."""
    ema: Annotated[float, Within(0, 0.999999)] = 0.9995
    """Decay of the running mean of the weights; 0: the weights of the last step."""
    synth: tuple[str, ...] = SYNTHESISERS
    """Synthesisers that say the words and what sounds like them, too."""
    spoken_per_word: Annotated[int, Within(1, 10_000)] = 200
    """Utterances of each word by synthesisers, before ``scenes``."""
    spoken_per_near_miss: Annotated[int, Within(1, 10_000)] = 10
    """Utterances of each phrase that sounds like a word or is said at home, before ``scenes``."""
    teacher_share: Annotated[float, Within(0, 1)] = 0.5
    """Share of the loss that teachers have, where there are any."""
    embedding_weight: Annotated[float, Within(0, 100)] = 0.1
    """What the squared error of the speech embedding counts, where one teaches."""

    def __post_init__(self) -> None:
        """Check what fields alone do not show."""
        if not self.kernels:
            raise ValueError("kernels: got none, expected a length for each temporal convolution")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], where: str = "settings") -> "WakeSettings":
        """Return settings from plain data; what is left out is as it is by default.

        Raises
        ------
        UsageError
            If an entry is unknown, of another type, or out of its limits.
        """
        return from_tables(cls, json.loads(json.dumps(given)), where)

    def mix(self) -> SceneMix:
        """Return how many scenes of which kind there are."""
        full = self.variety.mix
        return replace(
            full,
            per_word_clip=max(1, round(full.per_word_clip * self.scenes)),
            parts_per_word_clip=full.parts_per_word_clip * self.scenes,
            per_speech_clip=full.per_speech_clip * self.scenes,
            per_longform_second=full.per_longform_second * self.scenes,
            background=max(1, round(full.background * self.scenes)),
            per_other_word_clip=full.per_other_word_clip * self.scenes,
        )


def phrases(data: Path) -> dict[str, str]:
    """Return the words of a corpus: what is said, by id.

    Raises
    ------
    DataError
        If there are none, or a word has too few talkers to learn from or none to choose by.
    """
    said = [clip for clip in load_manifest(data) if clip.role == "wake"]
    if not said:
        raise DataError(
            f"{data}: got no clip of the role 'wake', expected recordings of the words; see train/corpus.py"
        )
    for word in sorted({clip.word for clip in said}):
        for split, least in (("train", _LEAST_TALKERS), ("dev", 1)):
            n = len({clip.talker for clip in said if (clip.word, clip.split) == (word, split)})
            if n < least:
                raise DataError(
                    f"{data}: word {word!r}: got {n} talkers in the split {split}, expected {least} or more; record "
                    "more people, or put some of another split there"
                )
    return {clip.word: clip.label for clip in said}


def wake_scenes(
    settings: WakeSettings,
    words: tuple[str, ...],
    *,
    data: Path,
    cache: Path,
    engine: Engine | None,
    seed: int,
    synthetic: Sequence[Clip] = (),
    splits: Sequence[str] = ("train", "dev"),
) -> dict[str, Scenes]:
    """Render the scenes of splits, or read them from the cache.

    Parameters
    ----------
    words : tuple of str
        All that have an output while the network is trained.
    synthetic : sequence of Clip
        As :func:`spoken` returns it.
    """
    return {
        split: build_wake_scenes(
            data,
            split,
            cache,
            mix=settings.mix(),
            seed=seed,
            words=words,
            frontend=FrontendSettings(),
            synthetic=synthetic,
            engine=engine,
        )
        for split in splits
    }


def spoken(settings: WakeSettings, texts: Sequence[str], cache: Path) -> list[Clip]:
    """Have synthesisers say the words, and what must not be taken for them.

    Parameters
    ----------
    texts : sequence of str
        The words, as they are said.
    cache : Path
        Where the utterances are kept.
    """
    if not settings.synth:
        return []

    def say(phrases: Sequence[str], n: int, role: str) -> list[Clip]:
        per_phrase = max(1, round(n * settings.scenes))
        return speak_all(phrases, cache, per_phrase=per_phrase, programs=settings.synth, role=role)

    return [
        *say(texts, settings.spoken_per_word, "wake"),
        *say(must_not_fire(texts), settings.spoken_per_near_miss, "speech"),
    ]


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

    Returns
    -------
    dict
        The metrics in the record of the checkpoint.

    Raises
    ------
    DataError
        If the data or a teacher cannot be used, the run diverges, `out` cannot be written or holds another run.
    """
    checked_out(out)
    said = phrases(data)
    unknown = sorted(set(settings.without) - said.keys())
    if unknown or set(settings.without) == said.keys():
        raise UsageError(
            f"--without: got {', '.join(unknown or settings.without)}, expected some, and not all, of the words of "
            f"{data}: {', '.join(sorted(said))}; leave out another one"
        )
    said = {word: phrase for word, phrase in said.items() if word not in settings.without}
    words = tuple(sorted(said))
    rendering_seed = seed if rendering_seed is None else rendering_seed
    # Other words are told, too, while the network is trained: what they share with the wake words is no wake word.
    told = (*words, *other_words(data))
    shape = wake_shape(settings, len(told))
    taught_by = WakeTeachers(teachers, words, shape) if teachers else None
    knows_speech = None if speech_teacher is None else read_speech_teacher(speech_teacher, told)
    synthetic = spoken(settings, sorted(said.values()), cache)
    scenes = wake_scenes(
        settings, told, data=data, cache=cache, engine=engine, seed=rendering_seed, synthetic=synthetic
    )
    lessons = None
    if knows_speech is not None:
        embeddings = build_wake_embeddings(
            knows_speech.path, data, "train", cache,
            mix=settings.mix(), seed=rendering_seed, words=told, synthetic=synthetic, engine=engine,
        )  # fmt: skip
        lessons = EmbeddingLessons(embeddings, knows_speech.classifier)
    frontend = FrontendSettings()
    record = RunRecord(
        seed=seed,
        data_hash=data_hash(data),
        licences=[
            *licences((*(clip for clip in load_manifest(data) if clip.split == "train"), *synthetic)),
            *([] if knows_speech is None else [LICENCE]),
        ],
        settings={
            **settings.to_dict(), "words": words, "other_words": told[len(words):], "spoken": len(synthetic),
            "shape": shape.to_dict(), "mix": settings.mix().to_dict(),
            "rendered": {split: len(s["word"]) for split, s in scenes.items()},
            "rendering_seed": rendering_seed, "scene_recipe": RECIPE_VERSION,
            "teachers": [] if taught_by is None else taught_by.identities,
            "speech_teacher": None if knows_speech is None else knows_speech.identity,
        },
    )  # fmt: skip
    trained, record.metrics = fit_wake(
        settings,
        scenes["train"],
        scenes["dev"],
        shape,
        seed=seed,
        resume=out / "resume",
        trained=record.trained(),
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
    callbacks: tuple[Any, ...] = (),
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
    callbacks : tuple
        More of Keras's.
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
    if settings.sparsity:
        begin, end = int(0.35 * steps), int(0.75 * steps)
        model = prunable(model, final_sparsity=settings.sparsity, begin_step=begin, end_step=end)
        callbacks = (pruning_callback(), *callbacks)
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
        ema=settings.ema,
    )
    stripped = strip(model)
    return stripped, {**history, "sparsity": sparsity(stripped)}


def wake_batches(
    scenes: Scenes,
    shape: WakeShape,
    settings: WakeSettings,
    variety: Variety | None,
    *,
    seed: int,
    lessons: EmbeddingLessons | None = None,
) -> Any:
    """Return batches of features and targets, varied as the variety says; without one as they are."""
    frontend, times = FrontendSettings(), LabelTimes(hold=settings.label_hold_s)
    n, n_frames, channels = scenes["features"].shape
    shown = n_frames - (shape.stride_frames - 1)
    n_outputs = (shown - shape.context_frames) // shape.stride_frames + 1
    features = tf.constant(scenes["features"])
    ends = tf.constant(scenes["end_sample"], tf.int32)
    words = tf.constant(scenes["word"], tf.int32)

    def example(index: Any) -> tuple[Any, Any]:
        # The device may meet a word at any of the phases of the stride.
        first = tf.random.uniform((), 0, shape.stride_frames, tf.int32) if variety else 0
        x = to_feature_units(features[index][first : first + shown])
        if variety:
            x = _mask(_shift_channels(x, channels, variety), shown, channels, variety)
        x = tf.ensure_shape(x, (shown, channels))
        y = targets(ends[index], words[index], first, n_outputs, shape, frontend, times, settings.positive_weight)
        if lessons is None:
            return x, y
        heard = frontend.heard_samples(tf.constant(output_frames(shape, n_outputs), tf.int32) + first)
        share, positive_weight = settings.teacher_share, settings.positive_weight
        return x, lessons.teach(index, heard, y, share=share, positive_weight=positive_weight)

    indices = tf.data.Dataset.range(n)
    if variety:
        indices = indices.shuffle(n, seed=seed)
    return indices.map(example, num_parallel_calls=2, deterministic=True).batch(settings.batch).prefetch(2)


def _shift_channels(x: Any, channels: int, variety: Any) -> Any:
    """Move the spectrum by up to two mel channels: shorter and longer vocal tracts (Jaitly, Hinton 2013)."""
    moved = tf.range(channels) + tf.random.uniform((), -variety.channel_shift, variety.channel_shift + 1, tf.int32)
    return tf.gather(x, tf.clip_by_value(moved, 0, channels - 1), axis=1)


def _mask(x: Any, frames: int, channels: int, variety: Any) -> Any:
    """Blank a short stretch of time and a few channels (SpecAugment, Park et al. 2019), milder than for long speech."""

    def band(size: int, widest: int) -> Any:
        width = tf.random.uniform((), 0, widest + 1, tf.int32)
        start = tf.random.uniform((), 0, size - widest, tf.int32)
        index = tf.range(size)
        return tf.cast((index < start) | (index >= start + width), tf.float32)

    return x * band(frames, variety.mask_frames)[:, None] * band(channels, variety.mask_channels)[None, :]


def chosen_scenes(scenes: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """Draw scenes to calibrate with, half of them with a word."""
    rng = np.random.default_rng([seed, 3])
    with_word = rng.permutation(np.flatnonzero(scenes["word"] >= 0))[: _REPRESENTATIVE_SCENES // 2]
    without = rng.permutation(np.flatnonzero(scenes["word"] < 0))[: _REPRESENTATIVE_SCENES // 2]
    return scenes["features"][np.concatenate((with_word, without))]
