"""A watch that is fed with answers, and a sink on a clock that moves with each."""

import json
from pathlib import Path

from edge.drift_monitor import MonitorSettings, MonitorSink
from edge.drift_reference import figures_of
from edge.drift_watch import Rules
from edge.health import Health

DAY_S = 86_400.0
RULES = Rules(window=100, false_alarms_per_year=1.0, tolerance=0.03, learn_answers=200, learn_days=7.0)


def feed(watch, answers):
    return [alarm for one in answers for alarm in watch.push(figures_of(one.to_dict()), one.at_s, one.bundle)]


def sink_of(path, bundle, **settings):
    health = Health()
    clock = iter(range(0, 10**9))
    settings = {"learn_answers": 200, "window": 100, **settings}
    sink = MonitorSink(MonitorSettings(path=str(path), **settings), health, bundle, clock=lambda: next(clock))
    return sink, health.gauges


def state_of(path):
    return json.loads(Path(path).read_text())
