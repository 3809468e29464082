"""The daemon's counters as metrics of Prometheus: what is counted in :mod:`edge.health`, under stable names.

Names begin with ``vivavoce_``, units are base units (seconds; levels are dB re full scale, which have none), and what
only grows ends in ``_total``, as https://prometheus.io/docs/practices/naming/ asks. Labels have few values, whatever
others send: words beyond the first hundred are counted together.
"""

import importlib.metadata
import re
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, get_args

from edge.answers import SourceState
from edge.health import LATENCY_BOUNDS_S
from edge.house import House
from edge.sample_time import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["PREFIX", "HouseCollector", "stalled"]

PREFIX = "vivavoce_"
_STALLED_S = 10.0
"""Sound that does not come for so long has stopped, s."""
_MOST_SERIES = 100
_LONGEST_LABEL = 64
_REST = "other"
_GAUGE_NAME = re.compile(r"[a-z][a-z0-9_]{0,80}")


def stalled(house: House, now_s: float | None = None) -> str:
    """Return why sound does not progress; empty if it does.

    Parameters
    ----------
    house : House
    now_s : float, optional
        Monotonic clock, s; now by default.
    """
    now_s = time.monotonic() if now_s is None else now_s
    status, last_s = house.status, house.health.last_block_at_s
    if status.source != "listening":
        return f"the source is {status.source}"
    if last_s <= 0:
        return "no sound has come yet"
    silent_s = now_s - last_s
    return f"no sound has come for {silent_s:.0f} s" if silent_s > _STALLED_S else ""


class HouseCollector:
    """A collector for a registry of prometheus_client.

    Parameters
    ----------
    house : House
    refused : callable, optional
        Returns how often somebody who asked was refused, by reason.
    """

    def __init__(self, house: House, refused: Callable[[], Mapping[str, int]] = dict) -> None:
        self._house = house
        self._refused = refused

    def collect(self) -> Iterator["Metric"]:
        """Yield all metrics as they are now."""
        told = set()
        for metric in (*self._of_sound(), *self._of_state(), *self._of_answers(), *self._of_sinks()):
            told.add(metric.name)
            yield metric
        yield from self._of_others(told)

    def _of_sound(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        health = self._house.health
        last_s = health.last_block_at_s
        for name, said, value in (
            ("audio_seconds", "Sound that was heard from the daemon's own source", health.samples / SAMPLE_RATE_HZ),
            ("audio_overflows", "How often samples were lost", health.overflows),
            ("audio_dropped_seconds", "Sound that was lost as nobody kept up", health.dropped_samples / SAMPLE_RATE_HZ),
            ("source_reopens", "How often the source was tried to be opened again", health.reopens),
            ("busy_seconds", "Time that the pipeline worked", health.busy_s),
            ("reloads", "How often settings were read again", health.reloads),
            ("reload_faults", "How often settings could not be used, and the old ones were kept", health.reload_faults),
        ):
            yield CounterMetricFamily(PREFIX + name, said, value=value)
        gauges = [
            ("start_time_seconds", "When the daemon was started, since 1970", health.started_at_s),
            ("queue_seconds", "Sound that waits to be looked at", health.queue_s),
            ("level_dbfs", "Level of the last half second, dB re full scale", health.level_dbfs),
        ]
        if last_s > 0:
            gauges.append(("audio_age_seconds", "Time since the last block of sound", time.monotonic() - last_s))
        for name, said, value in gauges:
            yield GaugeMetricFamily(PREFIX + name, said, value=value)

    def _of_state(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        status = self._house.status
        try:
            version = importlib.metadata.version("vivavoce")
        except importlib.metadata.PackageNotFoundError:
            version = ""  # run from its sources
        yield InfoMetricFamily(
            f"{PREFIX}build", "Program and bundle", value={"version": version, "bundle": _label(status.bundle)}
        )
        source = GaugeMetricFamily(f"{PREFIX}source_state", "1 for the state that the source has", labels=["state"])
        for state in get_args(SourceState):
            source.add_metric([state], float(state == status.source))
        yield source
        yield GaugeMetricFamily(
            f"{PREFIX}muted", "Whether it is muted, by software or a switch", value=float(status.muted)
        )
        yield GaugeMetricFamily(f"{PREFIX}playing", "Whether this device plays sound", value=float(status.playing))

    def _of_answers(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        health = self._house.health
        families: list[tuple[str, str, tuple[str, ...], Mapping[Any, int]]] = [
            ("wakes", "Words that were heard", ("origin", "word"), dict(health.wakes)),
            ("answers", "Answers that were given", ("word", "action", "reason"), dict(health.answers)),
        ]
        for name, said, labels, counts in families:
            family = CounterMetricFamily(PREFIX + name, said, labels=labels)
            for values, count in _few(counts, len(labels)).items():
                family.add_metric(values, count)
            yield family
        stages = HistogramMetricFamily(
            f"{PREFIX}stage_seconds", "Time that a stage took for an answer", labels=["stage"]
        )
        for stage, classes in dict(health.latencies).items():
            edges = [*map(str, LATENCY_BOUNDS_S), "+Inf"]
            buckets = list(zip(edges, accumulate(list(classes)), strict=True))
            stages.add_metric([_label(stage)], buckets, health.latency_sums_s.get(stage, 0.0))
        yield stages

    def _of_sinks(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        sinks = {_label(name): counts for name, counts in self._house.sinks.items()}
        for name, said in (
            ("told", "Messages that were handed over"),
            ("dropped", "Messages that gave way to newer ones"),
            ("failures", "How often it failed"),
        ):
            family = CounterMetricFamily(f"{PREFIX}sink_{name}", said, labels=["sink"])
            for sink, counts in sinks.items():
                family.add_metric([sink], getattr(counts, name))
            yield family
        up = GaugeMetricFamily(f"{PREFIX}sink_up", "Whether it is open", labels=["sink"])
        for sink, counts in sinks.items():
            up.add_metric([sink], float(counts.up))
        yield up
        refused = CounterMetricFamily(
            f"{PREFIX}http_refused", "How often somebody who asked for these metrics was refused", labels=["reason"]
        )
        for reason, count in dict(self._refused()).items():
            refused.add_metric([reason], count)
        yield refused

    def _of_others(self, told: set[str]) -> Iterator["Metric"]:
        """Yield what other parts measure; a name that is no name, or is taken, is theirs to mend and left out."""
        from prometheus_client.core import GaugeMetricFamily

        for name, value in sorted(dict(self._house.health.gauges).items()):
            full = PREFIX + name
            if _GAUGE_NAME.fullmatch(name) and full not in told:
                yield GaugeMetricFamily(full, f"See the table of gauges: {name}", value=float(value))


def _label(value: str) -> str:
    """Return text as a label: of some length, and text."""
    return value[:_LONGEST_LABEL].encode(errors="replace").decode()


def _few(counts: Mapping[tuple[str, ...], int], labels: int) -> dict[tuple[str, ...], int]:
    """Return counts of few series: those that were there first, and the sum of all others."""
    found: dict[tuple[str, ...], int] = {}
    rest = (_REST,) * labels
    for values, count in counts.items():
        key = tuple(_label(value) for value in values)
        if key not in found and len(found) >= _MOST_SERIES:
            key = rest
        found[key] = found.get(key, 0) + count
    return found
