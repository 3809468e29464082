"""Scenes as a wake network is shown them while it is trained: varied anew each time, with targets, in batches."""

from typing import Any

from edge.frontend_tables import FrontendSettings
from train.embedding_lessons import EmbeddingLessons
from train.keras import tf
from train.wake_labels import LabelTimes, targets
from train.wake_network import WakeShape, output_frames, to_feature_units
from train.wake_scenes import Scenes
from train.wake_settings import WakeSettings
from train.wake_variety import Variety

__all__ = ["wake_batches"]


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
