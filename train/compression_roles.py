"""What compression has to know of each network: its data, its loss, its forms, and what can be annotated in it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings
from edge.frontend_tables import FrontendSettings
from train.compression_scores import Judge, LivenessJudge, WakeJudge
from train.compression_start import Start, fill, read_start
from train.engines.choice import Engine
from train.keras import tf_keras
from train.liveness_network import network
from train.liveness_scenes import build_liveness_clips
from train.liveness_training import compile_liveness, liveness_batches, training_recipe
from train.recorded_settings import recorded_liveness, recorded_wake
from train.speeds import Speeds
from train.wake_batches import wake_batches
from train.wake_labels import weighted_loss
from train.wake_material import spoken
from train.wake_network import WakeShape, Weights, device_form, to_feature_units, training_form
from train.wake_representative import chosen_scenes, representative_inputs
from train.wake_scenes import SceneMix, build_wake_scenes, other_words

__all__ = ["ROLES", "LivenessRole", "Role", "WakeRole"]

Arrays = dict[str, np.ndarray]
_CALIBRATION_BATCH = 64

_LIVENESS_KEPT = (
    "batch", "weight_decay", "mixup_share", "mixup_most", "colour_db", "shift_frames", "dropout", "label_smoothing",
    "kind_weights", "group_dro",
)  # fmt: skip
_WAKE_KEPT = ("batch", "positive_weight", "label_hold_s", "variety")
"""Settings of the training that decide what fine-tuning makes of the weights."""

_LATER = ("kind_weights", "group_dro")
"""Not in the first records, when there was none of them."""


class Role(ABC):
    """One network, and what it is fine-tuned and judged on."""

    start: Start
    judge: Judge
    training: Any
    """``tf.data.Dataset`` of the examples to fine-tune on, augmented as in training; another order every epoch."""
    validation: Any
    weight_decay: float
    examples: int
    """How many there are to fine-tune on."""
    kept: dict[str, Any]
    """Settings of the training that fine-tuning keeps, as plain data."""
    input_range: tuple[float, float]
    """What the lowest and the highest byte of its input mean."""

    @abstractmethod
    def network(self, weights: Weights) -> Any:
        """Return a new network, in its form for training, with these weights."""

    @abstractmethod
    def compile(self, model: Any, optimizer: Any) -> None:
        """Compile a network with the loss that it was trained with."""

    @abstractmethod
    def annotated(self, network: Any) -> Any:
        """Return the part of a network that can be annotated for quantisation-aware training."""

    @abstractmethod
    def around(self, quantised: Any) -> Any:
        """Return a network to train around the part that was annotated."""

    @abstractmethod
    def device(self, trained: Any, weights: Weights) -> Any:
        """Return the form that a device runs, of a trained network and of its weights."""

    @abstractmethod
    def calibration(self) -> Iterator[Any]:
        """Yield inputs of :meth:`annotated` in batches, from what is trained on, without augmentation."""

    def representative(self, device: Any) -> dict[str, npt.NDArray[np.float32]]:
        """Return inputs that calibrate the quantisation of a device form."""
        return self.start.representative


class LivenessRole(Role):
    """The liveness network, on the clips that it was trained on.

    Parameters
    ----------
    checkpoint, data, cache : Path
    examples : int, optional
        Clips to fine-tune on, drawn in pairs of one source; all by default.
    dev_examples : int
        Clips to judge on.
    seed : int
        Of what is drawn here; the clips are those of the seed in the checkpoint.
    engine : Engine
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        cache: Path,
        *,
        examples: int | None,
        dev_examples: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self.start = start = read_start(
            checkpoint, "liveness", settings=_needed("shape", "clips", "raw_share", "devices", *_LIVENESS_KEPT)
        )
        self._cues = cues = CueSettings.from_dict(start.spec["cues"])
        # A network that is there says how live a clip is, whatever else it was taught by.
        recorded = recorded_liveness(start.settings, checkpoint / "record.json")
        self._settings = settings = replace(recorded, way_weight=0.0)

        def clips(split: str, n: int) -> Arrays:
            return build_liveness_clips(
                data,
                split,
                cache,
                n=n,
                seed=start.settings.get("rendering_seed", start.record["seed"]),
                cues=cues,
                raw_share=settings.raw_share,
                speeds=Speeds(*settings.speeds) if split == "train" else Speeds(),
                recipe=training_recipe(settings.devices) if split == "train" else None,
                engine=engine,
            )

        training, dev = clips("train", settings.clips), clips("dev", dev_examples)
        if examples is not None:
            pairs = np.random.default_rng([seed, 11]).permutation(len(training["live"]) // 2)[: examples // 2]
            training = _part(training, np.sort(np.concatenate((2 * pairs, 2 * pairs + 1))))
        self.examples = len(training["live"])
        self.judge = LivenessJudge(dev)
        self.training = liveness_batches(training, cues, settings, seed=seed)
        self.validation = liveness_batches(dev, cues, None, seed=seed, batch=_CALIBRATION_BATCH)
        self.weight_decay = settings.weight_decay
        self.kept = {name: settings.to_dict()[name] for name in _LIVENESS_KEPT}
        low, high = start.spec["ranges"]["cues"]
        self.input_range = (low, high)

    def network(self, weights: Weights) -> Any:
        """Return a new network with these weights."""
        settings = self._settings
        return fill(network(settings.shape, self._cues, dropout=settings.dropout), weights, whose=self.start.path)

    def compile(self, model: Any, optimizer: Any) -> None:
        """Compile a network with the loss of the liveness training."""
        compile_liveness(model, optimizer, self._settings)

    def annotated(self, network: Any) -> Any:
        """Return what lies behind the two slices of the input: spectra and summary rows."""
        sliced = [layer.output for layer in network.layers if type(layer).__name__ == "SlicingOpLambda"]
        # The spectra have more rows than the summary: the order of the layers does not matter.
        part = tf_keras.Model(sorted(sliced, key=lambda x: -x.shape[1]), network.output)
        # A copy: the layers of this one remember the whole network, too.
        copy = tf_keras.models.clone_model(part)
        copy.set_weights(part.get_weights())
        return copy

    def around(self, quantised: Any) -> Any:
        """Return a network that cuts its input as the annotated part wants it."""
        given, head = tf_keras.Input(self._cues.shape, name="cues"), self._cues.summary_rows
        return tf_keras.Model(given, quantised([given[:, head:, :], given[:, :head, :]]), name="liveness")

    def calibration(self) -> Iterator[Any]:
        """Yield spectra and summary rows, as the annotated part is given them."""
        cues, head = self.start.representative["cues"], self._cues.summary_rows
        for at in range(0, len(cues), _CALIBRATION_BATCH):
            x = cues[at : at + _CALIBRATION_BATCH]
            yield [x[:, head:, :], x[:, :head, :]]

    def device(self, trained: Any, weights: Weights) -> Any:
        """Return the network with a batch of one; what was learnt of ranges stays in it."""
        given = tf_keras.Input(self._cues.shape, batch_size=1, name="cues")
        return tf_keras.Model(given, {"logit": trained(given, training=False)})


class WakeRole(Role):
    """The wake network of one member, on the scenes that it was trained on; parameters as of :class:`LivenessRole`.

    The form for training is annotated. The form of the device has slices of its state, which the toolkit loses; it gets
    the weights, and its ranges are calibrated as those of the other variants are. The ranges that matter most are fixed
    in both: those of the features and, by ReLU6, of every ring.
    """

    def __init__(
        self,
        checkpoint: Path,
        data: Path,
        cache: Path,
        *,
        examples: int | None,
        dev_examples: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self.start = start = read_start(checkpoint, "wake", settings=_needed("shape", "mix", *_WAKE_KEPT))
        self._settings = settings = recorded_wake(start.settings, checkpoint / "record.json")
        given = start.settings["shape"]
        words = tuple(word["id"] for word in start.spec["words"])
        self._shape = shape = WakeShape(**{**given, "kernels": tuple(given["kernels"]), "words": len(words)})
        frontend = FrontendSettings.from_dict(start.spec["frontend"])
        synthetic = spoken(settings, [word["phrase"] for word in start.spec["words"]], cache)

        def scenes(split: str, n: int | None) -> Arrays:
            found = build_wake_scenes(
                data,
                split,
                cache,
                mix=SceneMix(**start.settings["mix"]),
                seed=start.settings.get("rendering_seed", start.record["seed"]),
                words=(*words, *other_words(data)),
                frontend=frontend,
                synthetic=synthetic,
                engine=engine,
            )
            # The head of the checkpoint has none of the other words.
            told = found["word"] < len(words)
            found = {
                **found,
                "word": np.where(told, found["word"], -1).astype(np.int8),
                "end_sample": np.where(told, found["end_sample"], -1).astype(np.int32),
            }
            order = np.random.default_rng([seed, 11]).permutation(len(found["word"]))
            return found if n is None else _part(found, np.sort(order[:n]))

        training, dev = scenes("train", examples), scenes("dev", dev_examples)
        self.examples = len(training["word"])
        self.judge = WakeJudge(dev, start.spec)
        self.training = wake_batches(training, shape, settings, settings.variety, seed=seed)
        self.validation = wake_batches(dev, shape, settings, None, seed=seed)
        self.weight_decay = settings.variety.weight_decay
        self.kept = {name: settings.to_dict()[name] for name in _WAKE_KEPT}
        low, high = start.spec["ranges"]["features"]
        self.input_range = (low, high)
        self._sounds = chosen_scenes(training, seed)

    def network(self, weights: Weights) -> Any:
        """Return a new network with these weights."""
        return fill(training_form(self._shape, dropout=self._settings.variety.dropout), weights, whose=self.start.path)

    def compile(self, model: Any, optimizer: Any) -> None:
        """Compile a network with the loss of the wake training; of teachers nothing is asked again."""
        model.compile(optimizer, weighted_loss)

    def annotated(self, network: Any) -> Any:
        """Return all of it."""
        return network

    def calibration(self) -> Iterator[Any]:
        """Yield whole scenes."""
        yield to_feature_units(self._sounds)

    def around(self, quantised: Any) -> Any:
        """Return the annotated network itself."""
        return quantised

    def device(self, trained: Any, weights: Weights) -> Any:
        """Return the form with an explicit state."""
        return device_form(self._shape, [weights])

    def representative(self, device: Any) -> dict[str, npt.NDArray[np.float32]]:
        """Run the network over scenes: its states are of its own."""
        return representative_inputs(device, self._shape, self._sounds)


ROLES: dict[str, type[LivenessRole] | type[WakeRole]] = {"liveness": LivenessRole, "wake": WakeRole}
"""By name."""


def _needed(*names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name not in _LATER)


def _part(arrays: Arrays, chosen: npt.NDArray[np.intp]) -> Arrays:
    return {name: array[chosen] for name, array in arrays.items()}
