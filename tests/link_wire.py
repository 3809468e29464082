"""Two sides of the link and a wire between them that does what is asked of it, on a clock that is set by hand."""

import random
from collections.abc import Callable
from typing import Any

from firmware_bridge.link.messages import Message
from firmware_bridge.link.peer import Peer
from firmware_bridge.link.peer_state import Settings

__all__ = ["DELAY_S", "Wire", "audio", "bit_errors", "log"]

DELAY_S = 0.005


def audio(index: int) -> Message:
    return Message("audio", {"index": index, "samples": index.to_bytes(8, "little") * 40})


def log(index: int) -> Message:
    return Message("log", {"index": index, "level": 1, "text": "x" * (index % 200)})


class Wire:
    """A host and a device; what they received is in ``got``.

    Parameters
    ----------
    fault : callable
        What becomes of bytes on their way.
    makes : (callable, callable)
        What makes the host and the device: the class in Python, or one in C.
    """

    def __init__(
        self,
        fault: Callable[[bytes], list[bytes]] = lambda data: [data],
        makes: tuple[Callable[..., Any], Callable[..., Any]] = (Peer, Peer),
        **settings: Any,
    ) -> None:
        self._makes = makes
        self.fault = fault
        self.now_s = 0.0
        self.got: dict[Any, list[Message]] = {}
        self.start_host(**settings)
        self.start_device(**settings)
        self.taking = True
        self.connected = True
        self._flying: list[tuple[float, Any, bytes]] = []

    def start_host(self, session: int = 100, **settings: Any) -> None:
        """Start a new host in the place of the one that there was."""
        self.host = self._makes[0](Settings(role=0, name="host", **settings), session=session)
        self.got[self.host] = []

    def start_device(self, session: int = 200, **settings: Any) -> None:
        """Start a new device in the place of the one that there was."""
        self.device = self._makes[1](Settings(role=1, name="device", **settings), session=session)
        self.got[self.device] = []

    def step(self, delay_s: float = DELAY_S) -> None:
        self.now_s += delay_s
        arriving = [one for one in self._flying if one[0] <= self.now_s]
        self._flying = [one for one in self._flying if one[0] > self.now_s]
        for _, peer, data in arriving:
            peer.receive(data, self.now_s)
        for peer, other in ((self.host, self.device), (self.device, self.host)):
            data = peer.poll(self.now_s, room=1024)
            if data and self.connected:
                for part in self.fault(data):
                    self._flying.append((self.now_s + DELAY_S, other, part))
            if self.taking:
                self.got[peer] += peer.messages()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / DELAY_S)):
            self.step()

    def until(self, condition: Callable[[], bool], limit_s: float = 60.0) -> float:
        """Run until something is so; returns how long it took, s."""
        began = self.now_s
        while not condition():
            assert self.now_s - began < limit_s, "the link is stuck"
            self.step()
        return self.now_s - began

    def reconnect(self) -> None:
        self._flying.clear()
        self.host.disconnected(self.now_s)
        self.device.disconnected(self.now_s)

    @property
    def flying(self) -> list[bytes]:
        return [data for _, _, data in self._flying]


def bit_errors(rate: float, dice: random.Random) -> Callable[[bytes], list[bytes]]:
    """Return a fault that turns bits round."""

    def fault(data: bytes) -> list[bytes]:
        out = bytearray(data)
        bits = 8 * len(out)
        at = -1
        while (at := at + 1 + int(dice.expovariate(rate))) < bits:
            out[at // 8] ^= 1 << at % 8
        return [bytes(out)]

    return fault
