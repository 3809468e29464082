"""``vivavoce train wake``: the streaming network that hears the words."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train the streaming wake-word network from recordings, pruned"

BATCH = 96
SMOOTHING_STEPS = 3
REFRACTORY_MS = 1000
_POSITIVE_WEIGHT = 4.0
_REPRESENTATIVE_SCENES = 24
_AVERAGE_DECAY = 0.9995
_SPOKEN_PER_WORD = 200
"""Utterances that synthesisers say of each word, and ..."""
_SPOKEN_PER_NEAR_MISS = 10
"""... of each phrase that sounds like one, or is said at home."""

_EPILOG = """\
Renders scenes from the train and dev splits (once; kept in --cache), trains, prunes, and writes a checkpoint:
  model/               the network as a device runs it
  representative.npz   inputs that calibrate the quantisation
  record.json          seed, commit, hash of the data, settings, metrics on dev, licences
  spec.json            what the bundle must know
  resume/              state of the last whole epoch
Besides the recordings, synthesisers say the words, and phrases that sound like them, with many voices. While it is
trained the network also tells other words that the recordings hold often enough: what they share with the wake words
is learned to be no wake word.
On two cores it takes about half an hour, and the first time some more to render. Interrupted, the same command goes
on from the last whole epoch; another seed, setting or data set needs another --out.

example:
  vivavoce train wake --data ../shared/data -o build/models/wake
next:
  vivavoce quantize convert build/models/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="scenes")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    parser.add_argument(
        "--variety", choices=("wide", "narrow"), default="wide", help="how much the scenes vary [%(default)s]"
    )
    parser.add_argument(
        "--synth",
        default="espeak-ng,flite",
        metavar="NAMES",
        help="synthesisers that speak, too; '' for recordings alone [%(default)s]",
    )
    parser.add_argument("--epochs", type=int, default=26, metavar="N", help="passes over all scenes [%(default)s]")
    parser.add_argument("--rate", type=float, default=2e-3, metavar="X", help="peak learning rate [%(default)s]")
    parser.add_argument(
        "--sparsity", type=float, default=0.5, metavar="SHARE", help="share of weights pruned to zero [%(default)s]"
    )
    parser.add_argument(
        "--width", type=int, default=96, metavar="N", help="channels of the hidden layers [%(default)s]"
    )
    parser.add_argument(
        "--scenes",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="share of the full set of scenes [%(default)s]",
    )


def run(args: argparse.Namespace) -> int:
    """Train, prune and save the network."""
    from dataclasses import replace

    from edge.errors import DataError
    from edge.frontend import FEATURE_SCALE
    from edge.frontend_tables import FrontendSettings
    from train.averaging import AveragedWeights
    from train.corpus import data_hash, licences, load_manifest
    from train.engines.choice import engine_from
    from train.fitting import RunRecord, cosine_rate, fit, save_checkpoint, set_seed
    from train.keras import tf_keras
    from train.pruning import prunable, pruning_callback, sparsity, strip
    from train.wake_labels import LabelTimes, weighted_loss
    from train.wake_network import RELU_CEILING, WakeShape, device_form, training_form, weights_of, with_words
    from train.wake_representative import representative_inputs
    from train.wake_scenes import RECIPE_VERSION, build_wake_scenes, other_words
    from train.wake_variety import VARIETIES

    engine = engine_from(args)
    frontend = FrontendSettings()
    phrases = {clip.word: clip.label for clip in load_manifest(args.data) if clip.role == "wake"}
    if not phrases:
        raise DataError(
            f"{args.data}: got no clip of the role 'wake', expected recordings of the words; see train/corpus.py"
        )
    words = tuple(sorted(phrases))
    told = (*words, *other_words(args.data))
    spoken = _spoken(args, sorted(phrases.values()))
    variety = VARIETIES[args.variety]
    full = variety.mix
    mix = replace(
        full,
        per_word_clip=max(1, round(full.per_word_clip * args.scenes)),
        parts_per_word_clip=full.parts_per_word_clip * args.scenes,
        per_speech_clip=full.per_speech_clip * args.scenes,
        per_longform_second=full.per_longform_second * args.scenes,
        background=max(1, round(full.background * args.scenes)),
        per_other_word_clip=full.per_other_word_clip * args.scenes,
    )
    scenes = {
        split: build_wake_scenes(
            args.data,
            split,
            args.cache,
            mix=mix,
            seed=args.seed,
            words=told,
            frontend=frontend,
            synthetic=spoken,
            engine=engine,
        )
        for split in ("train", "dev")
    }
    shape = WakeShape(words=len(told), channels=frontend.channels, width=args.width)
    times = LabelTimes()
    record = RunRecord(
        seed=args.seed,
        data_hash=data_hash(args.data),
        licences=licences((*(clip for clip in load_manifest(args.data) if clip.split == "train"), *spoken)),
        settings={
            "words": words, "other_words": told[len(words):], "synth": args.synth, "spoken": len(spoken),
            "average_decay": _AVERAGE_DECAY, "shape": shape.to_dict(),
            "epochs": args.epochs, "rate": args.rate, "batch": BATCH,
            "sparsity": args.sparsity, "scenes": {split: len(s["word"]) for split, s in scenes.items()},
            "positive_weight": _POSITIVE_WEIGHT, "variety": args.variety, **variety.to_dict(),
            "mix": mix.to_dict(),
            "label_hold_s": times.hold, "scene_recipe": RECIPE_VERSION,
        },
    )  # fmt: skip
    set_seed(args.seed)
    dataset = _dataset(scenes["train"], shape, frontend, times, variety, seed=args.seed)
    validation = _dataset(scenes["dev"], shape, frontend, times, None, seed=args.seed)
    steps = args.epochs * len(dataset)
    model = prunable(
        training_form(shape, dropout=variety.dropout),
        final_sparsity=args.sparsity,
        begin_step=int(0.35 * steps),
        end_step=int(0.75 * steps),
    )
    optimizer = tf_keras.optimizers.AdamW(cosine_rate(args.rate, steps), weight_decay=variety.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, weighted_loss)
    average = AveragedWeights(_AVERAGE_DECAY, args.out / "resume" / "average")
    history = fit(
        model,
        dataset,
        epochs=args.epochs,
        resume=args.out / "resume",
        trained={**record.trained(), "frontend": frontend.to_dict()},
        validation=validation,
        callbacks=(pruning_callback(), average),
    )
    average.apply(model)
    trained = strip(model)
    device_shape = replace(shape, words=len(words))
    device = device_form(device_shape, [with_words(weights_of(trained), len(words))])
    record.metrics = {**history, "sparsity": sparsity(trained), "parameters": int(device.count_params())}
    save_checkpoint(
        args.out,
        device,
        representative_inputs(device, device_shape, _chosen_scenes(scenes["train"], args.seed)),
        record,
        {
            "role": "wake",
            "words": [{"id": word, "phrase": phrases[word]} for word in words],
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
    return 0


def _spoken(args: argparse.Namespace, phrases: list[str]) -> list[Any]:
    """Have synthesisers say the words, and what must not be taken for them."""
    from train.similar import must_not_fire
    from train.spoken import speak_all

    programs = [name for name in args.synth.split(",") if name]
    if not programs:
        return []

    def say(texts: list[str], n: int, role: str) -> list[Any]:
        return speak_all(texts, args.cache, per_phrase=max(1, round(n * args.scenes)), programs=programs, role=role)

    return say(phrases, _SPOKEN_PER_WORD, "wake") + say(must_not_fire(phrases), _SPOKEN_PER_NEAR_MISS, "speech")


def _dataset(scenes: dict[str, "np.ndarray"], shape: Any, frontend: Any, times: Any, variety: Any, *, seed: int) -> Any:
    from train.keras import tf
    from train.wake_labels import targets
    from train.wake_network import to_feature_units

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
        y = targets(ends[index], words[index], first, n_outputs, shape, frontend, times, _POSITIVE_WEIGHT)
        return x, y

    indices = tf.data.Dataset.range(n)
    if variety:
        indices = indices.shuffle(n, seed=seed)
    return indices.map(example, num_parallel_calls=2, deterministic=True).batch(BATCH).prefetch(2)


def _shift_channels(x: Any, channels: int, variety: Any) -> Any:
    """Move the spectrum by up to two mel channels: shorter and longer vocal tracts (Jaitly, Hinton 2013)."""
    from train.keras import tf

    moved = tf.range(channels) + tf.random.uniform((), -variety.channel_shift, variety.channel_shift + 1, tf.int32)
    return tf.gather(x, tf.clip_by_value(moved, 0, channels - 1), axis=1)


def _mask(x: Any, frames: int, channels: int, variety: Any) -> Any:
    """Blank a short stretch of time and a few channels (SpecAugment, Park et al. 2019), milder than for long speech."""
    from train.keras import tf

    def band(size: int, widest: int) -> Any:
        width = tf.random.uniform((), 0, widest + 1, tf.int32)
        start = tf.random.uniform((), 0, size - widest, tf.int32)
        index = tf.range(size)
        return tf.cast((index < start) | (index >= start + width), tf.float32)

    return x * band(frames, variety.mask_frames)[:, None] * band(channels, variety.mask_channels)[None, :]


def _chosen_scenes(scenes: dict[str, "np.ndarray"], seed: int) -> "np.ndarray":
    """Draw scenes to calibrate with, half of them with a word."""
    import numpy as np

    rng = np.random.default_rng([seed, 3])
    with_word = rng.permutation(np.flatnonzero(scenes["word"] >= 0))[: _REPRESENTATIVE_SCENES // 2]
    without = rng.permutation(np.flatnonzero(scenes["word"] < 0))[: _REPRESENTATIVE_SCENES // 2]
    return scenes["features"][np.concatenate((with_word, without))]
