"""A house for tests of the link and of the panel: its mute is the real one, and everything else stands still."""

import time
from dataclasses import replace

from edge.answers import Answer, Status
from edge.health import Health
from edge.mute import Mute

__all__ = ["SwitchedHouse", "answer"]


def answer(**changes):
    known = {
        "id": "0abc",
        "at_s": time.time(),
        "origin": "source",
        "word": "smart_mirror",
        "phrase": "smart mirror",
        "action": "pass",
        "decision": "accept",
        "reasons": ("live",),
        "wake_score": 0.9,
        "live_probability": 0.8,
        "live_score": 1.5,
        "quality": None,
        "start_sample": 2000,
        "end_sample": 9000,
        "decided_sample": 10_000,
    }
    return Answer(**{**known, **changes})


class SwitchedHouse:
    """What a sink asks for; the sink, where there is one, is told every change."""

    def __init__(self):
        self.health = Health()
        self.sink = None
        self.state = Mute()
        self.status = Status(
            at_s=1.0, source="listening", source_name="x", muted=False, playing=False, words=("a",), bundle="1.2.3"
        )

    def change(self, **changes):
        self.status = replace(self.status, **changes)
        if self.sink is not None:
            self.sink.push(self.status)

    def mute(self, muted):
        self.state.ask(muted)
        self.change(muted=self.state.on, mute_switch=self.state.held)

    def mute_switch(self, name, on):
        self.state.turn(name, on)
        self.change(muted=self.state.on, mute_switch=self.state.held)
