"""A house for tests of the link and of the panel: its mute is the real one, and everything else stands still."""

from dataclasses import replace

from edge.answers import Status
from edge.health import Health
from edge.mute import Mute

__all__ = ["SwitchedHouse"]


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
