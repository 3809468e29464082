"""``vivavoce train liveness``: the network that tells a mouth from a loudspeaker."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train the liveness network on live and simulated-replay renderings, pruned"

BATCH = 64
_RAW_SHARE = 0.08
_MIXUP_SHARE = 0.5
_COLOUR_DB = 1.2
_WEIGHT_DECAY = 0.02
_AVERAGE_DECAY = 0.999
_DEVICES = 4000
"""Simulated loudspeakers of each kind to learn from; a few hundred are known by heart after some epochs."""
_SPEEDS = (0.7, 0.17)
"""Share of the recordings at other speeds, and how far: see :class:`train.speeds.Speeds`."""
_REPRESENTATIVE_CLIPS = 400

_EPILOG = """\
Renders recordings of the train and dev splits, live and as simulated replays (once; kept in --cache), trains,
prunes, and writes a checkpoint:
  model/               the network as a device runs it
  representative.npz   inputs that calibrate the quantisation
  record.json          seed, commit, hash of the data, settings, metrics on dev, licences
  spec.json            what the bundle must know
  resume/              state of the last whole epoch
On two cores it takes about half an hour with the rendering. Interrupted, the same command goes on from the last whole
epoch; another seed, setting or data set needs another --out.

example:
  vivavoce train liveness --data ../shared/data -o build/models/liveness
next:
  vivavoce quantize convert build/models/liveness
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    add_shared_options(parser, rendered="clips")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="checkpoint to write")
    parser.add_argument(
        "--clips", type=int, default=72_000, metavar="N", help="clips to train on, half of them live [%(default)s]"
    )
    parser.add_argument(
        "--dev-clips", type=int, default=3_000, metavar="N", help="clips to watch progress on [%(default)s]"
    )
    parser.add_argument("--epochs", type=int, default=8, metavar="N", help="passes over all clips [%(default)s]")
    parser.add_argument("--rate", type=float, default=2e-3, metavar="X", help="peak learning rate [%(default)s]")
    parser.add_argument(
        "--sparsity", type=float, default=0.5, metavar="SHARE", help="share of weights pruned to zero [%(default)s]"
    )


def run(args: argparse.Namespace) -> int:
    """Train, prune and save the network."""
    from dataclasses import replace

    import numpy as np

    from edge.cues import CueSettings
    from train.averaging import AveragedWeights
    from train.corpus import data_hash, licences, load_manifest
    from train.engines.choice import engine_from
    from train.fitting import RunRecord, cosine_rate, fit, save_checkpoint, set_seed
    from train.keras import tf, tf_keras
    from train.liveness_network import LivenessShape, network
    from train.liveness_scenes import build_liveness_clips
    from train.metrics import equal_error_rate
    from train.pruning import prunable, pruning_callback, sparsity, strip
    from train.simulator.recipe import shipped_recipe
    from train.speeds import Speeds

    engine = engine_from(args)
    shipped = shipped_recipe()
    devices = replace(shipped.small.devices, train=_DEVICES)
    recipe = replace(shipped, small=replace(shipped.small, devices=devices))
    cues = CueSettings()
    shape = LivenessShape()

    def clips(split: str, n: int) -> dict[str, Any]:
        return build_liveness_clips(
            args.data,
            split,
            args.cache,
            n=n,
            seed=args.seed,
            cues=cues,
            raw_share=_RAW_SHARE,
            speeds=Speeds(*_SPEEDS) if split == "train" else Speeds(),
            recipe=recipe if split == "train" else None,
            engine=engine,
        )

    training, dev = clips("train", args.clips), clips("dev", args.dev_clips)
    record = RunRecord(
        seed=args.seed,
        data_hash=data_hash(args.data),
        licences=licences(
            (clip for clip in load_manifest(args.data) if clip.split == "train"), loudspeakers=True
        ),
        settings={
            "shape": shape.to_dict(), "epochs": args.epochs, "rate": args.rate, "batch": BATCH,
            "sparsity": args.sparsity,
            "weight_decay": _WEIGHT_DECAY, "mixup_share": _MIXUP_SHARE, "colour_db": _COLOUR_DB,
            "clips": args.clips, "raw_share": _RAW_SHARE, "simulator_recipe": recipe.hash,
            "devices": _DEVICES, "speeds": _SPEEDS, "average_decay": _AVERAGE_DECAY,
        },
    )  # fmt: skip
    set_seed(args.seed)
    dataset = _dataset(training, cues, augment=True, seed=args.seed)
    validation = _dataset(dev, cues, augment=False, seed=args.seed)
    steps = args.epochs * len(dataset)
    model = prunable(
        network(shape, cues),
        final_sparsity=args.sparsity,
        begin_step=int(0.35 * steps),
        end_step=int(0.75 * steps),
    )
    optimizer = tf_keras.optimizers.AdamW(cosine_rate(args.rate, steps), weight_decay=_WEIGHT_DECAY)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(
        optimizer,
        tf_keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.03),
        metrics=[tf_keras.metrics.BinaryAccuracy(threshold=0.0)],
    )
    average = AveragedWeights(_AVERAGE_DECAY, args.out / "resume" / "average")
    history = fit(
        model,
        dataset,
        epochs=args.epochs,
        resume=args.out / "resume",
        trained={**record.trained(), "cues": cues.to_dict()},
        validation=validation,
        callbacks=(pruning_callback(), average),
    )
    average.apply(model)
    trained = strip(model)
    logits = trained.predict(validation, verbose=0)[:, 0]
    live = dev["live"].astype(bool)
    record.metrics = {
        **history,
        "sparsity": sparsity(trained),
        "parameters": int(trained.count_params()),
        "simulated_dev_eer": equal_error_rate(logits[live], logits[~live]),
    }
    chosen = np.random.default_rng([args.seed, 7]).permutation(len(training["live"]))[:_REPRESENTATIVE_CLIPS]
    representative = training["cues"][chosen].astype(np.float32) / 255
    device = _single(trained, tf_keras, tf, cues.shape)
    save_checkpoint(
        args.out,
        device,
        {"cues": representative},
        record,
        {
            "role": "liveness",
            "cues": cues.to_dict(),
            "ranges": {"cues": [0.0, 1.0]},
        },
    )
    return 0


def _single(trained: Any, tf_keras: Any, tf: Any, shape: tuple[int, int]) -> Any:
    """Give the network the batch of one that a device has."""
    given = tf_keras.Input(shape, batch_size=1, name="cues")
    return tf_keras.Model(given, {"logit": trained(given, training=False)})


def _dataset(clips: dict[str, "np.ndarray"], cue_settings: Any, *, augment: bool, seed: int) -> Any:
    from train.keras import tf

    cues, live = tf.constant(clips["cues"]), tf.constant(clips["live"])
    n = len(clips["live"])

    def get(index: Any) -> tuple[Any, Any]:
        return tf.cast(cues[index], tf.float32) / 255.0, tf.cast(live[index], tf.float32)[None]

    def varied(index: Any) -> tuple[Any, Any]:
        # Mixtures of two clips and of their labels (mixup, Zhang et al. 2018): the simulated loudspeakers are few,
        # and a network that knows each of them by heart knows nothing of others.
        (x, y), (other_x, other_y) = get(index), get(tf.random.uniform((), 0, n, tf.int64))
        share = tf.where(tf.random.uniform(()) < _MIXUP_SHARE, 0.4 * tf.random.uniform(()), 0.0)
        x, y = (1 - share) * x + share * other_x, (1 - share) * y + share * other_y
        return tf.clip_by_value(_shift(x, cue_settings) + _colour(cue_settings), 0.0, 1.0), y

    indices = tf.data.Dataset.range(n)
    if augment:
        indices = indices.shuffle(n, seed=seed)
    return indices.map(varied if augment else get, num_parallel_calls=2, deterministic=True).batch(BATCH).prefetch(2)


def _shift(x: Any, settings: Any) -> Any:
    """Move the spectra in time by up to 120 ms; the summary rows do not depend on it."""
    from train.keras import tf

    head = settings.summary_rows
    moved = tf.roll(x[head:], tf.random.uniform((), -12, 13, tf.int32), axis=0)
    return tf.concat((x[:head], moved), axis=0)


def _colour(settings: Any) -> Any:
    """Draw the response of one more microphone: a smooth curve over frequency, ``(1, bands)``, one for all rows."""
    import numpy as np

    from train.keras import tf

    coarse = (np.arange(settings.coarse_bands) + 0.5) * settings.coarse_band_hz
    fine = (np.arange(settings.fine_bands) + 1) * settings.bin_hz
    place = np.log2(np.concatenate((coarse, fine)) / 100 + 1) / np.log2(81)
    shapes = np.stack([np.cos(np.pi * order * place) for order in range(1, 5)]).astype(np.float32)
    units = _COLOUR_DB / (settings.top_db - settings.floor_db)
    return tf.random.normal((1, shapes.shape[0]), stddev=units) @ shapes
