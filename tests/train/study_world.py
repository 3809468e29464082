"""A network that is never trained: its error is a function of its settings, and every epoch brings it closer."""

import numpy as np

from train.fitting import DivergedError
from train.liveness_training import LivenessSettings
from train.study_file import plan_from

TABLES = {
    "budget": {"clips": 100, "epochs": 4, "dropout": 0.2},
    "changes": {
        "no_dropout": {"told": "no dropout", "settings": {"dropout": 0.0}},
        "no_mixup": {"told": "no mixup", "settings": {"mixup_share": 0.0}},
    },
    "space": {
        "dropout": {"low": 0.0, "high": 0.6},
        "shift_frames": {"low": 0, "high": 25},
        "batch": {"choices": [32, 64]},
        "rate": {"low": 1e-4, "high": 1e-2, "log": True},
    },
}


def plan(**changed):
    """Return a plan, with some tables changed."""
    return plan_from({**TABLES, **changed}, "made up", LivenessSettings)


def error_of(settings):
    """Return the error that a training ends with: dropout matters, the others hardly or not at all."""
    return 0.1 + abs(settings.dropout - 0.4) + 0.001 * (settings.batch == 32)


class MadeUp:
    """A learner; `interrupt` is raised by it when the training with this number has begun its third epoch."""

    role = "made-up"
    metric = "made-up error"
    examples = 400

    def __init__(self, *, interrupt=None, diverges=lambda settings: False):
        self.dev = {"examples": self.examples}
        self.taught_by = {}
        self.clusters = [[f"talker {number // 20}" for number in range(self.examples)]]
        self.fitted = []
        self._interrupt = interrupt
        self._diverges = diverges

    def fit(self, settings, *, seed, folder, trained, watch):
        self.fitted.append(folder.name)
        for epoch in range(1, settings.epochs + 1):
            if self._interrupt == folder.name and epoch == 3:
                self._interrupt = None
                raise KeyboardInterrupt
            if self._diverges(settings):
                raise DivergedError("training diverged: the loss is nan")
            if watch is not None:
                watch(epoch, error_of(settings) + 0.1 / epoch)
        wrong = np.arange(self.examples) < error_of(settings) * self.examples
        return np.random.default_rng(seed).permutation(wrong).astype(np.float64), {"epochs": settings.epochs}

    def error(self, scores, chosen):
        return float(scores[chosen].mean())

    def told(self, scores):
        return {"examples_wrong": int(scores.sum())}
