"""Training the liveness network: all that can be set about it, and the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from edge.cues import CueSettings
from edge.errors import DataError
from edge.output import warn
from edge.strict_toml import Within
from train.corpus import data_hash, licences, load_manifest
from train.engines.choice import Engine
from train.fitting import RunRecord, checked_out, cosine_rate, fit, save_checkpoint, set_seed, trained_already
from train.group_weights import GROUPS, RobustLoss, group_index, sample_weights
from train.keras import tf, tf_keras
from train.liveness_network import LivenessShape, network, without_way
from train.liveness_scenes import build_liveness_clips
from train.metrics import equal_error_rate
from train.pruning import prunable, pruning_callback, sparsity, strip
from train.run_clock import RunClock
from train.simulator.recipe import Recipe, shipped_recipe
from train.sound_way import ways_to_learn
from train.speeds import Speeds
from train.training_settings import Batch, Decay, Epochs, TrainingSettings
from train.way_loss import WayLoss

__all__ = [
    "LivenessSettings",
    "check_classes",
    "clip_options",
    "compile_liveness",
    "dev_figures",
    "fit_liveness",
    "liveness_batches",
    "liveness_clips",
    "train_liveness",
    "training_recipe",
]

_REPRESENTATIVE_CLIPS = 400
_NO_BETTER_THAN_CHANCE = 0.4
"""Equal error rate on dev from which a network is said to have learned hardly anything."""

Clips = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class LivenessSettings(TrainingSettings):
    """All that decides what a liveness network becomes, but data and seed."""

    budget: ClassVar[tuple[str, ...]] = ("clips", "dev_clips", "epochs", "ema")

    epochs: Epochs = 8
    batch: Batch = 64
    ema: Decay = 0.999
    shape: LivenessShape = field(default_factory=LivenessShape)
    clips: Annotated[int, Within(2, 10_000_000)] = 72_000
    """Clips to train on, half of them live."""
    dev_clips: Annotated[int, Within(2, 10_000_000)] = 3_000
    """Clips to watch progress on."""
    raw_share: Annotated[float, Within(0, 1)] = 0.08
    """Share of the live clips that are recordings as they are."""
    devices: Annotated[int, Within(1, 1_000_000)] = 4000
    """Simulated loudspeakers of each kind to learn from; a few hundred are known by heart after some epochs."""
    speeds: tuple[float, float] = (0.7, 0.17)
    """Share of the recordings at other speeds, and how far: see :class:`train.speeds.Speeds`."""
    weight_decay: Annotated[float, Within(0, 1)] = 0.02
    mixup_share: Annotated[float, Within(0, 1)] = 0.15
    """Share of the clips that another one is mixed into."""
    mixup_most: Annotated[float, Within(0, 0.5)] = 0.4
    """Largest share of the other clip."""
    colour_db: Annotated[float, Within(0, 20)] = 0.8
    """Spread of each component of a made-up microphone response, dB."""
    shift_frames: Annotated[int, Within(0, 50)] = 12
    """Most frames (10 ms) by which the spectra are moved in time."""
    dropout: Annotated[float, Within(0, 0.95)] = 0.15
    label_smoothing: Annotated[float, Within(0, 0.5)] = 0.03
    kind_weights: Mapping[str, float] = field(default_factory=dict)
    """What replays of a kind of loudspeaker count in the loss, e.g. ``{"tv": 1.5}``; 1 for the others."""
    way_weight: Annotated[float, Within(0, 100)] = 0.0
    """What the error counts with which the network tells the way of the sound (:class:`train.way_loss.WayLoss`); 0: it
    is not asked."""
    group_dro: Annotated[float, Within(0, 1)] = 0.0
    """Step size of group-robust weights (:class:`train.group_weights.RobustLoss`); 0: none."""

    def __post_init__(self) -> None:
        """Check what fields alone do not show."""
        for kind, weight in self.kind_weights.items():
            if kind not in GROUPS[1:]:
                raise ValueError(f"kind_weights: got {kind!r}, expected kinds of {', '.join(GROUPS[1:])}")
            if not 0 <= weight <= 100:
                raise ValueError(f"kind_weights.{kind}: got {weight}, expected a number from 0 to 100")
        if self.kind_weights and self.group_dro:
            raise ValueError("kind_weights and group_dro are both given, and both weigh the kinds; leave one out")
        if self.way_weight and self.group_dro:
            raise ValueError("way_weight and group_dro are both given, and each is a loss of its own; leave one out")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        # No super(): a class with slots is made anew, and is not the one that super() looks for.
        return {**TrainingSettings.to_dict(self), "kind_weights": dict(self.kind_weights)}


def liveness_clips(
    settings: LivenessSettings,
    *,
    data: Path,
    cache: Path,
    engine: Engine | None,
    seed: int,
    splits: Sequence[str] = ("train", "dev"),
) -> dict[str, Clips]:
    """Render the clips of splits, or read them from the cache.

    Raises
    ------
    DataError
        If a split has clips of one class only.
    """
    made = {
        split: build_liveness_clips(data, split, cache, seed=seed, engine=engine, **clip_options(settings, split))
        for split in ("train", "dev")
        if split in splits
    }
    for split, clips in made.items():
        check_classes(clips, f"{data}: split {split}")
    return made


def clip_options(settings: LivenessSettings, split: str) -> dict[str, Any]:
    """Return how the clips of a split are rendered: options of :func:`train.liveness_scenes.build_liveness_clips`."""
    learned = split == "train"
    return {
        "n": settings.clips if learned else settings.dev_clips,
        "cues": CueSettings(),
        "raw_share": settings.raw_share,
        "speeds": Speeds(*settings.speeds) if learned else Speeds(),
        "recipe": training_recipe(settings.devices) if learned else None,
        **({"ways": True} if learned and settings.way_weight else {}),
    }


def training_recipe(devices: int) -> Recipe:
    """Return the shipped recipe with so many simulated loudspeakers of each kind to learn from."""
    shipped = shipped_recipe()
    return replace(shipped, small=replace(shipped.small, devices=replace(shipped.small.devices, train=devices)))


def check_classes(clips: Clips, where: str) -> None:
    """Check that there is something to tell apart.

    Raises
    ------
    DataError
        If clips of a class are missing.
    """
    n_live, n = int(clips["live"].astype(bool).sum()), len(clips["live"])
    if not 0 < n_live < n:
        raise DataError(f"{where}: got {n_live} live clips and {n - n_live} replays, expected some of both classes")


def train_liveness(
    settings: LivenessSettings,
    *,
    data: Path,
    cache: Path,
    out: Path,
    engine: Engine | None = None,
    seed: int = 1,
    rendering_seed: int | None = None,
    clock: RunClock | None = None,
) -> dict[str, Any]:
    """Render, train, prune, and write a checkpoint.

    Parameters
    ----------
    settings : LivenessSettings
    data, cache : Path
        Folder with a manifest; rendered clips.
    out : Path
        The checkpoint; interrupted, the same call goes on from its last whole epoch.
    engine : Engine, optional
        Who renders.
    seed : int
        Of the weights, and of the order and augmentation of the clips.
    rendering_seed : int, optional
        Of the renderings; as `seed` by default.
    clock : RunClock, optional
        Of the run, for its record; by default one that begins here.

    Returns
    -------
    dict
        The metrics in the record of the checkpoint.

    Raises
    ------
    DataError
        If the data cannot be used, the run diverges, `out` cannot be written or holds another run.
    """
    clock = clock or RunClock()
    checked_out(out)
    rendering_seed = seed if rendering_seed is None else rendering_seed
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=data_hash(data),
        licences=licences((clip for clip in load_manifest(data) if clip.split == "train"), loudspeakers=True),
        settings={
            **settings.to_dict(),
            "rendering_seed": rendering_seed,
            "simulator_recipe": training_recipe(settings.devices).hash,
        },
    )
    cues = CueSettings()
    run = {**record.trained(), "cues": cues.to_dict()}
    known = trained_already(out, record, trained=run, epochs=settings.epochs)
    if known is not None:
        return known
    clock.of(run)
    clips = liveness_clips(settings, data=data, cache=cache, engine=engine, seed=rendering_seed)
    trained, record.metrics = fit_liveness(
        settings, clips["train"], clips["dev"], seed=seed, resume=out / "resume", trained=run
    )
    if record.metrics["simulated_dev_eer"] > _NO_BETTER_THAN_CHANCE:
        warn(
            f"{out}: on dev the network errs {100 * record.metrics['simulated_dev_eer']:.0f} times of 100, expected "
            "less than 40, where chance has 50; lower --rate, or train it longer"
        )
    chosen = np.random.default_rng([seed, 7]).permutation(len(clips["train"]["live"]))[:_REPRESENTATIVE_CLIPS]
    given = tf_keras.Input(cues.shape, batch_size=1, name="cues")
    save_checkpoint(
        out,
        # The batch of one that a device has.
        tf_keras.Model(given, {"logit": trained(given, training=False)}),
        {"cues": clips["train"]["cues"][chosen].astype(np.float32) / 255},
        record,
        {"role": "liveness", "cues": cues.to_dict(), "ranges": {"cues": [0.0, 1.0]}},
    )
    return record.metrics


def fit_liveness(
    settings: LivenessSettings,
    training: Clips,
    dev: Clips,
    *,
    seed: int,
    resume: Path,
    trained: dict[str, Any],
    watching: tuple[Any, ...] = (),
) -> tuple[Any, dict[str, Any]]:
    """Fit a network to clips that are rendered.

    Parameters
    ----------
    settings : LivenessSettings
    training, dev : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them.
    seed : int
    resume : Path
        Folder for the state of the run.
    trained : dict
        What decides the weights: see :func:`train.resumption.claim`.
    watching : tuple
        Callbacks of Keras that look on: see :func:`train.fitting.fit`.

    Returns
    -------
    model : tf_keras.Model
        Without wrappers.
    metrics : dict
        History, sparsity, parameters, and :func:`dev_figures`.
    """
    cues = CueSettings()
    set_seed(seed)
    dataset = liveness_batches(training, cues, settings, seed=seed)
    validation = liveness_batches(dev, cues, None, seed=seed, batch=settings.batch)
    steps = settings.epochs * len(dataset)
    model = network(settings.shape, cues, dropout=settings.dropout, tells_way=bool(settings.way_weight))
    callbacks: tuple[Any, ...] = ()
    if settings.sparsity:
        begin, end = int(0.35 * steps), int(0.75 * steps)
        model = prunable(model, final_sparsity=settings.sparsity, begin_step=begin, end_step=end)
        callbacks = (pruning_callback(),)
    optimizer = tf_keras.optimizers.AdamW(cosine_rate(settings.rate, steps), weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    loss = compile_liveness(model, optimizer, settings, metrics=[_binary_accuracy])
    history = fit(
        model,
        dataset,
        epochs=settings.epochs,
        resume=resume,
        trained={**trained, "cues": cues.to_dict()},
        validation=validation,
        callbacks=callbacks,
        watching=watching,
        ema=settings.ema,
    )
    stripped = strip(model)
    if settings.way_weight:
        stripped = without_way(stripped, settings.shape, cues)
    logits = stripped.predict(validation, verbose=0)[:, 0]
    metrics = {**history, "sparsity": sparsity(stripped), "parameters": int(stripped.count_params())}
    if settings.group_dro:
        metrics["group_weights"] = dict(zip(GROUPS, map(float, loss.weights.numpy()), strict=True))
    return stripped, {**metrics, **dev_figures(logits, dev)}


def compile_liveness(model: Any, optimizer: Any, settings: LivenessSettings, **rest: Any) -> Any:
    """Compile a network with the loss that its settings ask for, and return that loss.

    Parameters
    ----------
    model : tf_keras.Model
    optimizer : tf_keras.optimizers.Optimizer
    settings : LivenessSettings
        Its targets must come from :func:`liveness_batches` with the same settings.
    rest
        More for ``model.compile``.
    """
    if settings.group_dro:
        loss = RobustLoss(settings.group_dro, settings.label_smoothing)
        optimizer.group_weights = loss.weights  # saved with the optimiser
    elif settings.way_weight:
        loss = WayLoss(settings.way_weight, settings.label_smoothing)
    else:
        loss = tf_keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
    model.compile(optimizer, loss, **rest)
    return loss


def dev_figures(logits: np.ndarray, dev: Clips) -> dict[str, Any]:
    """Return equal error rates on simulated clips: of all, by kind of loudspeaker, and the mean of the kinds.

    Parameters
    ----------
    logits : (n,) float
    dev : dict
        The clips that they are of.
    """
    live = dev["live"].astype(bool)
    groups = group_index(dev["live"], dev["kind"])
    by_kind = {
        name: equal_error_rate(logits[live], logits[groups == number])
        for number, name in enumerate(GROUPS)
        if number and (groups == number).any()
    }
    return {
        "simulated_dev_eer": equal_error_rate(logits[live], logits[~live]),
        "simulated_dev_eer_by_kind": by_kind,
        "simulated_dev_mean_eer_of_kinds": float(np.mean(list(by_kind.values()))),
    }


def _binary_accuracy(truth: Any, logits: Any) -> Any:
    # Of a target with groups behind it the first column is the label.
    return tf_keras.metrics.binary_accuracy(truth[:, :1], logits[:, :1], threshold=0.0)


_binary_accuracy.__name__ = "binary_accuracy"


def liveness_batches(
    clips: Clips, cue_settings: CueSettings, settings: LivenessSettings | None, *, seed: int, batch: int = 0
) -> Any:
    """Return batches of cues and targets, varied as the settings say; without settings as they are."""
    cues, live = tf.constant(clips["cues"]), tf.constant(clips["live"])
    n = len(clips["live"])
    targets = tf.cast(live, tf.float32)[:, None]
    weights, gains = None, 0
    if settings is not None and settings.way_weight:
        told = [tf.constant(one) for one in ways_to_learn(clips["way"], cue_settings)]
        gains = told[0].shape[1]
        targets = tf.concat((targets, *told), axis=1)
    if settings is not None and settings.group_dro:
        groups = group_index(clips["live"], clips["kind"])
        targets = tf.concat((targets, tf.one_hot(groups, len(GROUPS))), axis=1)
    elif settings is not None and settings.kind_weights:
        weights = tf.constant(sample_weights(group_index(clips["live"], clips["kind"]), settings.kind_weights))

    def get(index: Any) -> tuple[Any, Any]:
        return tf.cast(cues[index], tf.float32) / 255.0, targets[index]

    def varied(index: Any) -> tuple[Any, ...]:
        # Mixtures of two clips and of their labels (mixup, Zhang et al. 2018): the simulated loudspeakers are few,
        # and a network that knows each of them by heart knows nothing of others.
        assert settings is not None
        other = tf.random.uniform((), 0, n, tf.int64)
        (x, y), (other_x, other_y) = get(index), get(other)
        drawn = tf.random.uniform(()) < settings.mixup_share
        share = tf.where(drawn, settings.mixup_most * tf.random.uniform(()), 0.0)
        x, y = (1 - share) * x + share * other_x, (1 - share) * y + share * other_y
        colour = _colour(cue_settings, settings.colour_db)
        x = tf.clip_by_value(_shift(x, cue_settings, settings.shift_frames) + colour, 0.0, 1.0)
        if gains:
            # One more microphone is a part of the way.
            more = colour[0] * (cue_settings.top_db - cue_settings.floor_db) / 10
            y = tf.concat((y[:1], y[1 : 1 + gains] + more, y[1 + gains :]), axis=0)
        if weights is None:
            return x, y
        return x, y, (1 - share) * weights[index] + share * weights[other]

    indices = tf.data.Dataset.range(n)
    if settings is not None:
        indices = indices.shuffle(n, seed=seed)
        batch = settings.batch
    return (
        indices.map(get if settings is None else varied, num_parallel_calls=2, deterministic=True)
        .batch(batch)
        .prefetch(2)
    )


def _shift(x: Any, cue_settings: CueSettings, frames: int) -> Any:
    """Move the spectra in time; the summary rows do not depend on it."""
    head = cue_settings.summary_rows
    moved = tf.roll(x[head:], tf.random.uniform((), -frames, frames + 1, tf.int32), axis=0)
    return tf.concat((x[:head], moved), axis=0)


def _colour(settings: CueSettings, spread_db: float) -> Any:
    """Draw the response of one more microphone: a smooth curve over frequency, ``(1, bands)``, one for all rows."""
    coarse = (np.arange(settings.coarse_bands) + 0.5) * settings.coarse_band_hz
    fine = (np.arange(settings.fine_bands) + 1) * settings.bin_hz
    place = np.log2(np.concatenate((coarse, fine)) / 100 + 1) / np.log2(81)
    shapes = np.stack([np.cos(np.pi * order * place) for order in range(1, 5)]).astype(np.float32)
    units = spread_db / (settings.top_db - settings.floor_db)
    return tf.random.normal((1, shapes.shape[0]), stddev=units) @ shapes
