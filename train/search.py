"""Searching for settings with Optuna: a tree-structured Parzen estimator [1]_, and what is bad early is stopped.

The state is in two places that may each be ahead of the other: ``search.db`` (Optuna's, SQLite) and the folders of
:class:`train.studies.Study`. A trial that was interrupted goes on under its number; since the sampler is seeded anew
for every number, an interrupted search tries what an uninterrupted one would have.

References
----------
.. [1] J. Bergstra et al., "Algorithms for hyper-parameter optimization", NIPS 2011.
"""

import json
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from edge.errors import DataError
from train.resumption import differences
from train.studies import Outcome, Study
from train.study_file import Dimension, Plan, changed, nested

__all__ = ["Search"]

_BEFORE_MODEL = 5
"""Trials that are drawn at random before the sampler has a model of the others, and that are not stopped early."""
_LEAST_FOR_IMPORTANCE = 4

Note = Callable[[str], None]


class _BudgetSpentError(Exception):
    """Ends a training between two epochs."""


class Search:
    """A search that can be gone on with.

    Parameters
    ----------
    study : Study
        Where trials are trained.
    plan : Plan
        The first trial is its base, if the space holds it.
    seed : int
        Of the sampler, and of every training: trials differ in their settings alone.

    Raises
    ------
    DataError
        If the folder holds another search, or its storage cannot be read or written.
    """

    sampler = f"TPE, {_BEFORE_MODEL} trials at random first"

    def __init__(self, study: Study, plan: Plan[Any], *, seed: int) -> None:
        if not plan.space:
            raise DataError(f"{study.learner.role}: got an empty space, expected settings to search; add some")
        self._study = study
        self._plan = plan
        self._seed = seed
        self._path = study.out / "search.db"
        # Before, the running statistics of batch normalisation tell more of the beginning than of the settings.
        patience = plan.base.epochs // 2
        self.pruner = (
            f"median of the trials before at the same epoch, from epoch {max(1, patience)} and trial "
            f"{_BEFORE_MODEL + 1} on; not told of the running mean of the weights, which there is at the end alone"
        )
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._storage():
            self._optuna = optuna.create_study(
                storage=_sqlite(self._path),
                study_name=study.learner.role,
                direction="minimize",
                pruner=optuna.pruners.MedianPruner(_BEFORE_MODEL, patience),
                load_if_exists=True,
            )
            self._claim()

    def run(self, trials: int, *, budget_minutes: float | None = None, note: Note = lambda line: None) -> None:
        """Train until there are so many trials, or the budget is spent.

        Parameters
        ----------
        trials : int
            In all, those of earlier calls included.
        budget_minutes : float, optional
            Of training, those of earlier calls included; none by default. It may be passed by an epoch.
        note : callable
            Is told a line for every trial that ended.

        Raises
        ------
        DataError
            If something cannot be written: the same call goes on.
        """
        while len(self.finished()) < trials:
            left_s = np.inf if budget_minutes is None else 60 * (budget_minutes - self.minutes())
            if left_s <= 0:
                return
            with self._storage():
                trial = self._next()
            if not self._try(trial, time.monotonic() + left_s, note):
                return

    def finished(self) -> list[FrozenTrial]:
        """Return the trials that have ended, whatever way, by number."""
        with self._storage():
            return [trial for trial in self._optuna.get_trials(deepcopy=False) if trial.state.is_finished()]

    def minutes(self) -> float:
        """Return how long was trained in all, unfinished trials included."""
        with self._storage():
            return float(sum(trial.user_attrs.get("minutes", 0.0) for trial in self._optuna.get_trials(deepcopy=False)))

    def outcomes(self) -> dict[int, Outcome]:
        """Return what came of the trials that were trained to their end, by number."""
        whole = [trial.number for trial in self.finished() if trial.state is TrialState.COMPLETE]
        return {number: self._trained(number) for number in whole}

    def told(self) -> list[dict[str, Any]]:
        """Return all trials as JSON can hold them: number, settings, state, errors after each epoch, minutes."""
        outcomes = self.outcomes()
        return [
            {
                "number": trial.number,
                "settings": trial.params,
                "state": trial.state.name.lower(),
                "error_by_epoch": {str(epoch): value for epoch, value in sorted(trial.intermediate_values.items())},
                "minutes": trial.user_attrs.get("minutes"),
                **({"fault": trial.user_attrs["fault"]} if "fault" in trial.user_attrs else {}),
                **({} if trial.number not in outcomes else outcomes[trial.number].to_dict()),
            }
            for trial in self.finished()
        ]

    def importances(self) -> dict[str, float]:
        """Return how much of the spread of errors each setting explains (functional ANOVA), most first.

        Empty if too few trials were trained to their end.
        """
        if len(self.outcomes()) < _LEAST_FOR_IMPORTANCE:
            return {}
        with self._storage(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = optuna.importance.get_param_importances(
                self._optuna, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=self._seed)
            )
        return {name: float(share) for name, share in found.items()}

    def _next(self) -> optuna.Trial:
        """Return the trial that was interrupted, or a new one."""
        begun = self._optuna.get_trials(deepcopy=False)
        running = [trial for trial in begun if trial.state is TrialState.RUNNING]
        # A number and not the end of a sequence of draws decides what is sampled.
        number = running[0].number if running else sum(trial.state is not TrialState.WAITING for trial in begun)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._optuna.sampler = optuna.samplers.TPESampler(
                n_startup_trials=_BEFORE_MODEL, seed=int(np.random.default_rng([self._seed, number]).integers(2**31))
            )
        if not begun:
            self._enqueue_base()
        # There is no other way to report to a trial that another process began.
        trial = optuna.Trial(self._optuna, running[0]._trial_id) if running else self._optuna.ask()
        for name, dimension in self._plan.space.items():
            _suggest(trial, name, dimension)  # a setting that has a value keeps it
        return trial

    def _enqueue_base(self) -> None:
        values = {name: _at(self._plan.base.to_dict(), name) for name in self._plan.space}
        if all(self._plan.space[name].holds(value) for name, value in values.items()):
            self._optuna.enqueue_trial(values)

    def _try(self, trial: optuna.Trial, until: float, note: Note) -> bool:
        """Train a trial, and tell Optuna; return False if the budget was spent before it ended."""
        began, before = time.monotonic(), trial.user_attrs.get("minutes", 0.0)
        settings = self._settings(trial.params)
        with self._storage():
            reported = set(self._optuna.trials[trial.number].intermediate_values)

        def watch(epoch: int, error: float) -> None:
            if epoch == settings.epochs:
                return
            with self._storage():
                if epoch not in reported:  # by a call that was interrupted within the next one
                    trial.report(error, epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned
            if time.monotonic() >= until:
                raise _BudgetSpentError

        state, value, said = TrialState.COMPLETE, None, ""
        took = 0.0
        try:
            outcome = self._study.train(_name(trial.number), settings, self._seed, watch=watch)
            # It may have been done and not told of when an earlier call ended.
            took, value, said = outcome.minutes, outcome.error, f"{100 * outcome.error:.2f} % error on dev"
            if outcome.fault:
                state, value, said = TrialState.FAIL, None, outcome.fault
        except optuna.TrialPruned:
            state, said = TrialState.PRUNED, "stopped early"
        except _BudgetSpentError:
            note(f"trial {trial.number}: the budget is spent; it goes on where there is more")
            return False
        finally:
            minutes = max(took, before + (time.monotonic() - began) / 60)
            with self._storage():
                trial.set_user_attr("minutes", round(minutes, 3))
        with self._storage():
            if state is TrialState.FAIL:
                trial.set_user_attr("fault", said)
            self._optuna.tell(trial, value, state)
        note(f"trial {trial.number}: {said}, {minutes:.1f} min")
        return True

    def _trained(self, number: int) -> Outcome:
        trial = self._optuna.trials[number]
        return self._study.train(_name(number), self._settings(trial.params), self._seed)

    def _settings(self, values: dict[str, Any]) -> Any:
        return changed(self._plan.base, nested(values), f"{self._path}: space")

    def _claim(self) -> None:
        """Enter what is searched, or check that it is what was begun here."""
        asked = json.loads(
            json.dumps(
                {
                    **self._study.trained(self._plan.base, self._seed),
                    "space": {name: asdict(dimension) for name, dimension in self._plan.space.items()},
                }
            )
        )
        begun = self._optuna.user_attrs.get("searched")
        if begun is None:
            self._optuna.set_user_attr("searched", asked)
        elif begun != asked:
            raise DataError(
                f"{self._path}: holds another search ({differences(begun, asked)}); give another --out, or remove it"
            )

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            said = " ".join(str(getattr(error, "orig", None) or error).split())[:120]
            raise DataError(
                f"{self._path}: the search cannot be read or written ({said}); free some space and give the same "
                "command again, or remove the file if it is damaged"
            ) from error


def _sqlite(path: Path) -> optuna.storages.RDBStorage:
    """Open a storage: under any name, which in a URL could mean something, and with no connection that stays open."""
    connect = partial(sqlite3.connect, path, timeout=20, check_same_thread=False)
    return optuna.storages.RDBStorage(
        f"sqlite:///{path.name}", engine_kwargs={"poolclass": NullPool, "creator": connect}
    )


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> None:
    low, high, log = dimension.low, dimension.high, dimension.log
    if dimension.choices:
        trial.suggest_categorical(name, dimension.choices)
    elif isinstance(low, int) and isinstance(high, int):
        trial.suggest_int(name, low, high, log=log)
    else:
        trial.suggest_float(name, low, high, log=log)


def _at(tables: Any, name: str) -> Any:
    for part in name.split("."):
        tables = tables[part]
    return tables


def _name(number: int) -> str:
    return f"trial-{number:03d}"
