"""Many trainings of one network with changed settings, each done once, and judged on the same dev set.

Searches, ablations and repetitions with other seeds are this, and differ in who says what is trained next. A study is
a folder with one folder for each training: ``resume/`` (:func:`train.fitting.fit` goes on there), ``scores.npz`` (what
the network says of the dev set) and, written last, ``outcome.json``. Interrupted, the same call trains what is missing.
"""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.json_reading import parse_json
from train.atomic_file import put_bytes
from train.fitting import DivergedError, checked_out
from train.metrics import cluster_interval
from train.run_clock import RunClock
from train.study_file import Settings

__all__ = ["Learner", "Outcome", "Scores", "Study", "Watch", "ranked"]

Scores = npt.NDArray[np.float64]
Watch = Callable[[int, float], None]
"""Is told the number of an epoch, from 1 on, and the error on dev after it; what it raises ends the training.

The epoch is kept by then. A training that goes on tells once more of the epoch that it goes on from.
"""

_OUTCOME = "outcome.json"
_SCORES = "scores.npz"
_ROUNDS = 500


class Learner(Protocol):
    """One network: how it is trained, and how it is judged on a dev set that is the same for all trainings."""

    role: str
    metric: str
    """What :meth:`error` is, in words."""
    dev: dict[str, Any]
    """All that the dev set depends on, as plain data: what its cache goes by."""
    taught_by: dict[str, Any]
    """Who teaches every network beside the labels, as plain data; empty if nobody does."""
    clusters: Sequence[Sequence[str]]
    """By what the examples of the dev set belong together: see :func:`train.metrics.cluster_interval`."""

    def fit(
        self, settings: Any, *, seed: int, folder: Path, trained: dict[str, Any], watch: Watch | None
    ) -> tuple[Scores, dict[str, Any]]:
        """Train in `folder`; return scores of the dev set, ``(examples, ...)``, and what is told of the training.

        Raises
        ------
        DivergedError
            If the loss is no number any more.
        """

    def error(self, scores: Scores, chosen: npt.NDArray[np.intp]) -> float:
        """Return the error over some of the examples, from 0 to 1; NaN where there is none."""

    def told(self, scores: Scores) -> dict[str, Any]:
        """Return what else is told of all examples."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of one training."""

    name: str
    seed: int
    error: float
    """On dev; NaN if the training diverged."""
    interval: tuple[float, float]
    """95 % of resamples of the dev set; what another seed would give is not in it."""
    scores: Scores | None
    """Of the dev set; None if the training diverged."""
    figures: dict[str, Any]
    """What else is told, as JSON can hold it."""
    minutes: float
    fault: str = ""
    """Why there are no scores."""

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON can hold it, without scores."""
        return {
            "seed": self.seed,
            "error": None if self.fault else self.error,
            "interval_95": None if self.fault else list(self.interval),
            **self.figures,
            "minutes": self.minutes,
            **({"fault": self.fault} if self.fault else {}),
        }


class Study:
    """A folder of trainings of one network.

    Parameters
    ----------
    learner : Learner
    out : Path
        The folder.
    data_hash : str
        :func:`train.corpus.data_hash`.

    Raises
    ------
    DataError
        If the folder cannot be written to.
    """

    def __init__(self, learner: Learner, out: Path, *, data_hash: str) -> None:
        self.learner = learner
        self.out = checked_out(out)
        self.data_hash = data_hash

    def trained(self, settings: Settings, seed: int) -> dict[str, Any]:
        """Return all that decides an outcome, as JSON can hold it: one that is there counts only if it is of this."""
        given = {
            "seed": seed,
            "data_hash": self.data_hash,
            "settings": settings.to_dict(),
            "dev": self.learner.dev,
            **self.learner.taught_by,
        }
        plain: dict[str, Any] = json.loads(json.dumps(given))
        return plain

    def train(self, name: str, settings: Settings, seed: int, *, watch: Watch | None = None) -> Outcome:
        """Train once, or read what came of it if it was done already.

        Parameters
        ----------
        name : str
            Of the training, and of its folder.
        settings : Settings
        seed : int
            Of the weights, and of the order and augmentation of the examples.
        watch : callable, optional

        Returns
        -------
        Outcome
            A training that diverges has one, too.

        Raises
        ------
        DataError
            If the folder holds the state of a training with other settings, or cannot be written to.
        """
        folder, trained = self.out / name, self.trained(settings, seed)
        done = self._read(name, folder, trained)
        if done is not None:
            return done
        scores: Scores | None = None
        fault = ""
        figures: dict[str, Any] = {}
        with RunClock(folder / "resume") as clock:
            clock.of(trained)
            try:
                scores, figures = self.learner.fit(settings, seed=seed, folder=folder, trained=trained, watch=watch)
            except DivergedError as error:
                fault = str(error)
            minutes = round(clock.told()["wall_s"] / 60, 2)
        error, interval = float("nan"), (float("nan"), float("nan"))
        if scores is not None:
            error = self.learner.error(scores, np.arange(len(scores)))
            interval = cluster_interval(
                lambda chosen: self.learner.error(scores, chosen), self.learner.clusters, rounds=_ROUNDS
            )
            figures = {**self.learner.told(scores), **figures}
        outcome = Outcome(name, seed, error, interval, scores, figures, minutes, fault)
        self._write(outcome, folder, trained)
        return outcome

    def _write(self, outcome: Outcome, folder: Path, trained: dict[str, Any]) -> None:
        if outcome.scores is not None:
            held = io.BytesIO()
            np.savez_compressed(held, scores=outcome.scores)
            put_bytes(folder / _SCORES, held.getvalue())
        body = {"trained": trained, "outcome": outcome.to_dict(), "figures": outcome.figures}
        put_bytes(folder / _OUTCOME, (json.dumps(body, indent=1) + "\n").encode())

    def _read(self, name: str, folder: Path, trained: dict[str, Any]) -> Outcome | None:
        """Return what came of this very training; None if there is nothing, or not all of it."""
        try:
            body = parse_json((folder / _OUTCOME).read_bytes())
            if body["trained"] != trained:
                return None
            told = body["outcome"]
            if "fault" in told:
                none = float("nan")
                return Outcome(
                    name, told["seed"], none, (none, none), None, body["figures"], told["minutes"], told["fault"]
                )
            with (folder / _SCORES).open("rb") as file, np.load(file, allow_pickle=False) as held:
                scores = np.asarray(held["scores"], np.float64)
            low, high = told["interval_95"]
            return Outcome(
                name, told["seed"], float(told["error"]), (low, high), scores, body["figures"], told["minutes"]
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return None


def ranked(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes from the lowest error on dev to the highest, and those that diverged behind them."""
    return sorted(outcomes, key=lambda one: (bool(one.fault), one.error if not one.fault else 0.0, one.name))
