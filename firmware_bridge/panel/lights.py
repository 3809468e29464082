"""Which of the states of the wire table the lights show: from how the daemon is, and what it answers."""

from edge.answers import SOURCE, Action, Answer, Message, Status
from firmware_bridge.link.table import kind_named

__all__ = ["STATES", "Lights"]

STATES = kind_named("led").field("state").names
"""The states, by the value that the wire has for each."""

_SHOWN: dict[Action, str] = {"pass": "accepted", "block": "rejected", "ask": "asking"}
_WORD_S = 2.0
"""How long an answer is waited for after a word, s."""


class Lights:
    """Decide on one state. What mutes is shown before what is wrong, and that before what was answered.

    Parameters
    ----------
    hold_s : float
        How long an answer is shown, s.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._standing = "off"
        self._passing = ""
        self._until_s = 0.0

    def push(self, message: Message, now_s: float) -> None:
        """Take what the daemon tells; answers to what others sent are none of this device's.

        Parameters
        ----------
        message : Answer, Status or Audio
        now_s : float
            Monotonic clock, s.
        """
        if isinstance(message, Status):
            self._standing = _standing(message)
        elif isinstance(message, Answer) and message.origin == SOURCE:
            self._passing, self._until_s = _SHOWN[message.action], now_s + self._hold_s

    def word(self, now_s: float) -> None:
        """Take note that a word was heard, whose answer follows."""
        self._passing, self._until_s = "listening", now_s + _WORD_S

    def state(self, now_s: float) -> str:
        """Return the state that is shown now, one of :data:`STATES`."""
        if self._standing == "idle" and now_s < self._until_s:
            return self._passing
        return self._standing


def _standing(status: Status) -> str:
    if status.muted:
        return "muted"
    return {"listening": "idle", "lost": "fault"}.get(status.source, "off")
