"""How a study trains each of the networks, and judges it on dev."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from edge.cues import CueSettings
from edge.errors import UsageError
from edge.frontend_tables import FrontendSettings
from train.clip import Clip
from train.compression_scores import mean_equal_error, mean_recall, scene_clusters, scene_scores
from train.compression_start import fill
from train.engines.choice import Engine
from train.keras import tf_keras
from train.liveness_network import network
from train.liveness_report import clusters_of
from train.liveness_scenes import clip_settings
from train.liveness_training import (
    LivenessSettings,
    clip_options,
    dev_figures,
    fit_liveness,
    liveness_batches,
    liveness_clips,
    train_liveness,
)
from train.run_clock import RunClock
from train.speech_teacher import read_speech_teacher
from train.studies import Scores, Watch
from train.study_file import Settings
from train.wake_batches import wake_batches
from train.wake_material import spoken, taught_words, wake_scenes
from train.wake_network import saved_weights, training_form
from train.wake_scenes import other_words, scene_settings
from train.wake_settings import WakeSettings
from train.wake_teachers import WakeTeachers
from train.wake_training import SMOOTHING_STEPS, fit_wake, train_wake, wake_shape

__all__ = ["LEARNERS", "LivenessLearner", "WakeLearner"]

Arrays = dict[str, np.ndarray]
S = TypeVar("S", bound=Settings)

_BATCH = 256
"""Clips that are judged at a time."""

_WATCHED_SCENES = 500
"""The loss on dev is told of so many; what is ranked is the error on all of them."""


class _Learner(ABC, Generic[S]):
    """What both have in common.

    Parameters
    ----------
    data, cache : Path
    dev : Settings
        By which the dev set is rendered.
    rendering_seed : int
        Of all renderings: trainings with other seeds learn from the same ones.
    engine : Engine, optional
    checkpoints : bool
        Whether each training leaves a checkpoint in its folder, as ``vivavoce train wake`` and ``liveness`` do.
    """

    settings: type[S]

    def __init__(
        self,
        data: Path,
        cache: Path,
        dev: S,
        *,
        rendering_seed: int,
        engine: Engine | None = None,
        checkpoints: bool = False,
    ) -> None:
        self._data = data
        self._cache = cache
        self._seed = rendering_seed
        self._engine = engine
        self._checkpoints = checkpoints
        self.taught_by: dict[str, Any] = {}
        self._rendered: tuple[Hashable, Arrays] | None = None

    def fit(
        self, settings: S, *, seed: int, folder: Path, trained: dict[str, Any], watch: Watch | None
    ) -> tuple[Scores, dict[str, Any]]:
        """Train in `folder`, and score the dev set."""
        tf_keras.backend.clear_session()
        if self._checkpoints:
            return self._fit_checkpoint(settings, seed=seed, folder=folder)
        key, training = self._training(settings)
        self._rendered = key, training
        watching = () if watch is None else (_watching(self, watch),)
        model, told = self._fit(
            settings, training, seed=seed, resume=folder / "resume", trained=trained, watching=watching
        )
        examples = len(next(iter(training.values())))
        steps = settings.epochs * -(-examples // settings.batch)
        return self.scores(model), {"examples": examples, "steps": steps, **_told(told)}

    @abstractmethod
    def scores(self, model: Any) -> Scores:
        """Return what a network in its form for training says of the dev set."""

    @abstractmethod
    def error(self, scores: Scores, chosen: npt.NDArray[np.intp]) -> float:
        """Return the error over some of the examples."""

    @abstractmethod
    def _training(self, settings: S) -> tuple[Hashable, Arrays]:
        """Return what is learned from, and what it depends on; the last one is kept."""

    @abstractmethod
    def _fit(self, settings: S, training: Arrays, **how: Any) -> tuple[Any, dict[str, Any]]:
        """Fit a network; return it in its form for training, with the metrics of its training."""

    @abstractmethod
    def _fit_checkpoint(self, settings: S, *, seed: int, folder: Path) -> tuple[Scores, dict[str, Any]]:
        """Train into a checkpoint, and score the network in it."""


class WakeLearner(_Learner[WakeSettings]):
    """The wake network: the equal error rate of scenes with a word and of those without it, mean over the words.

    With `checkpoints`, `teachers` and `speech_teacher` are as for :func:`train.wake_training.train_wake`.
    """

    role = "wake"
    settings = WakeSettings
    metric = (
        "equal error rate of dev scenes with a word and without it, mean over words; the score of a scene is the "
        "highest smoothed probability in it"
    )

    def __init__(
        self,
        data: Path,
        cache: Path,
        dev: WakeSettings,
        *,
        teachers: Sequence[Path] = (),
        speech_teacher: Path | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(data, cache, dev, **rest)
        self._left_out = dev.without
        self._said = taught_words(data, dev.without)
        words = tuple(sorted(self._said))
        self._told = (*words, *other_words(data))
        shape = wake_shape(dev, len(self._told))
        self._teachers, self._speech_teacher = tuple(teachers), speech_teacher
        # Before the dev set is rendered: one that cannot teach is found at once.
        if teachers:
            self.taught_by["teachers"] = WakeTeachers(teachers, words, shape).identities
        if speech_teacher is not None:
            self.taught_by["speech_teacher"] = read_speech_teacher(speech_teacher, self._told).identity
        self._dev = self._scenes(dev, "dev")
        self._batches = wake_batches(self._dev, shape, dev, None, seed=0)
        self.clusters: Sequence[Sequence[str]] = [scene_clusters(self._dev["talker"])]
        self.dev = {
            "scenes": len(self._dev["word"]), "judged": sorted(self._said), "smoothing_steps": SMOOTHING_STEPS,
            "frontend": FrontendSettings().to_dict(),
            **scene_settings(data, self._synthetic(dev), "dev", dev.mix(), self._seed, self._told),
        }  # fmt: skip

    def scores(self, model: Any) -> Scores:
        """Return the highest smoothed probability of each scene and word, ``(scenes, words) float64``."""
        logits = model.predict(self._batches, verbose=0)
        return scene_scores(logits[..., : len(self._said)], SMOOTHING_STEPS)

    def error(self, scores: Scores, chosen: npt.NDArray[np.intp]) -> float:
        """Return the mean over words of the equal error rate of some of the scenes."""
        return mean_equal_error(scores[chosen], self._dev["word"][chosen])

    def told(self, scores: Scores) -> dict[str, Any]:
        """Return the mean recall where one in a hundred scenes without the word is accepted."""
        return {"recall_at_1_percent_of_other_scenes": mean_recall(scores, self._dev["word"])}

    def _scenes(self, settings: WakeSettings, split: str) -> Arrays:
        return wake_scenes(
            settings,
            self._told,
            data=self._data,
            cache=self._cache,
            engine=self._engine,
            seed=self._seed,
            synthetic=self._synthetic(settings),
            splits=(split,),
        )[split]

    def _synthetic(self, settings: WakeSettings) -> list[Clip]:
        return spoken(settings, sorted(self._said.values()), self._cache)

    def _training(self, settings: WakeSettings) -> tuple[Hashable, Arrays]:
        if settings.without != self._left_out:
            raise UsageError(
                f"without: got {list(settings.without)} for a training and {list(self._left_out)} for the dev set, "
                "expected one and the same; change it in the budget"
            )
        speech = settings.synth and (settings.spoken_per_word, settings.spoken_per_near_miss, settings.scenes)
        key = (settings.mix(), settings.synth, speech)
        if self._rendered is not None and self._rendered[0] == key:
            return self._rendered
        return key, self._scenes(settings, "train")

    def _fit(self, settings: WakeSettings, training: Arrays, **how: Any) -> tuple[Any, dict[str, Any]]:
        watched = {name: values[:_WATCHED_SCENES] for name, values in self._dev.items()}
        return fit_wake(settings, training, watched, wake_shape(settings, len(self._told)), **how)

    def _fit_checkpoint(self, settings: WakeSettings, *, seed: int, folder: Path) -> tuple[Scores, dict[str, Any]]:
        with RunClock(folder / "resume") as clock:
            told = train_wake(
                settings, data=self._data, cache=self._cache, out=folder, engine=self._engine, seed=seed, clock=clock,
                rendering_seed=self._seed, teachers=self._teachers, speech_teacher=self._speech_teacher,
            )  # fmt: skip
        form = training_form(wake_shape(settings, len(self._said)), dropout=0.0)
        return self.scores(fill(form, saved_weights(folder / "model"), whose=folder)), _told(told)


class LivenessLearner(_Learner[LivenessSettings]):
    """The liveness network: equal error rate on simulated dev, mean of the kinds of loudspeakers."""

    role = "liveness"
    settings = LivenessSettings
    metric = "equal error rate on simulated dev clips, mean of the kinds of loudspeakers"

    def __init__(self, data: Path, cache: Path, dev: LivenessSettings, **rest: Any) -> None:
        super().__init__(data, cache, dev, **rest)
        self._dev = self._clips(dev, "dev")
        self._live = self._dev["live"].astype(bool)
        self._batches = liveness_batches(self._dev, CueSettings(), None, seed=0, batch=_BATCH)
        self.clusters: Sequence[Sequence[str]] = clusters_of(self._dev)
        self.dev = clip_settings(data, "dev", seed=self._seed, **clip_options(dev, "dev"))

    def scores(self, model: Any) -> Scores:
        """Return the logit of each clip, ``(clips,) float64``."""
        return np.asarray(model.predict(self._batches, verbose=0)[:, 0], np.float64)

    def error(self, scores: Scores, chosen: npt.NDArray[np.intp]) -> float:
        """Return the mean over kinds of the equal error rate of some of the clips."""
        if not 0 < np.count_nonzero(self._live[chosen]) < chosen.size:
            return float("nan")
        figures = dev_figures(scores[chosen], {name: self._dev[name][chosen] for name in ("live", "kind")})
        return float(figures["simulated_dev_mean_eer_of_kinds"])

    def told(self, scores: Scores) -> dict[str, Any]:
        """Return the equal error rate of all clips, and of each kind."""
        return dev_figures(scores, self._dev)

    def _clips(self, settings: LivenessSettings, split: str) -> Arrays:
        return liveness_clips(
            settings, data=self._data, cache=self._cache, engine=self._engine, seed=self._seed, splits=(split,)
        )[split]

    def _training(self, settings: LivenessSettings) -> tuple[Hashable, Arrays]:
        key = (settings.clips, settings.raw_share, settings.devices, settings.speeds)
        if self._rendered is not None and self._rendered[0] == key:
            return self._rendered
        return key, self._clips(settings, "train")

    def _fit(self, settings: LivenessSettings, training: Arrays, **how: Any) -> tuple[Any, dict[str, Any]]:
        return fit_liveness(settings, training, self._dev, **how)

    def _fit_checkpoint(self, settings: LivenessSettings, *, seed: int, folder: Path) -> tuple[Scores, dict[str, Any]]:
        with RunClock(folder / "resume") as clock:
            told = train_liveness(
                settings, data=self._data, cache=self._cache, out=folder, engine=self._engine, seed=seed, clock=clock,
                rendering_seed=self._seed,
            )  # fmt: skip
        form = network(settings.shape, CueSettings(), dropout=0.0)
        return self.scores(fill(form, saved_weights(folder / "model"), whose=folder)), _told(told)


LEARNERS: dict[str, type[WakeLearner] | type[LivenessLearner]] = {"wake": WakeLearner, "liveness": LivenessLearner}
"""By the network that they train."""


def _told(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return what is told of a training, of all that it says."""
    return {"epochs": metrics["epochs"], "last": metrics["last"]}


def _watching(learner: Any, watch: Watch) -> Any:
    everything = np.arange(len(learner.clusters[0]))

    class Watching(tf_keras.callbacks.Callback):
        begun = False

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            # The call that trained the last epoch may have ended before it told of it, or was heard.
            if epoch and not self.begun:
                self._tell(epoch)
            self.begun = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self._tell(epoch + 1)

        def _tell(self, epochs: int) -> None:
            watch(epochs, learner.error(learner.scores(self.model), everything))

    return Watching()
