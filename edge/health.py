"""Counters of what the daemon does: plain numbers, which metrics and ``doctor`` read, and nothing else depends on."""

import threading
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["LATENCY_BOUNDS_S", "Health"]

LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the classes in which times are counted, s."""


@dataclass(slots=True)
class Health:
    """Everything that is counted; times are seconds.

    Counters that only one thread writes are plain numbers. What several threads write goes through :meth:`count` and
    :meth:`observe`.
    """

    samples: int = 0
    """Samples that were heard from the daemon's own source."""
    overflows: int = 0
    """How often samples were lost, in the driver or because they were not taken in time."""
    dropped_samples: int = 0
    """Samples that were lost because the daemon did not keep up."""
    reopens: int = 0
    """How often the source was tried to be opened again."""
    busy_s: float = 0.0
    """Time that the pipeline worked, s; over the time that passed it is the load."""
    queue_s: float = 0.0
    """Sound that waits to be looked at, s."""
    last_block_at_s: float = 0.0
    """When the last block came, monotonic clock, s; 0 before the first."""
    reloads: int = 0
    """How often settings were read again."""
    reload_faults: int = 0
    """How often they could not be used, and the old ones were kept."""
    started_at_s: float = 0.0
    """When the daemon was started, seconds since 1970, UTC."""
    level_dbfs: float = -120.0
    """Level of the last half second, dB re full scale."""
    gauges: dict[str, float] = field(default_factory=dict)
    """What other parts measure, by the name of its metric without ``vivavoce_``, e.g. ``drift_psi_wake_score``."""
    wakes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Words that were heard, by origin (without the address) and word."""
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Answers, by word, action and first reason."""
    latencies: dict[str, list[int]] = field(default_factory=dict)
    """For each stage how many times fell into each class of :data:`LATENCY_BOUNDS_S`, and above the last."""
    latency_sums_s: dict[str, float] = field(default_factory=dict)
    """For each stage the sum of its times, s."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count_wake(self, origin: str, word: str) -> None:
        """Count a word that was heard."""
        with self._lock:
            self.wakes[origin.partition(" ")[0], word] += 1

    def count_answer(self, word: str, action: str, reason: str) -> None:
        """Count an answer."""
        with self._lock:
            self.answers[word, action, reason] += 1

    def observe(self, stage: str, took_s: float) -> None:
        """Count how long a stage took."""
        place = next((i for i, bound in enumerate(LATENCY_BOUNDS_S) if took_s <= bound), len(LATENCY_BOUNDS_S))
        with self._lock:
            classes = self.latencies.setdefault(stage, [0] * (len(LATENCY_BOUNDS_S) + 1))
            classes[place] += 1
            self.latency_sums_s[stage] = self.latency_sums_s.get(stage, 0.0) + took_s
