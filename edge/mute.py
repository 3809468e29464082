"""The mute: one flag of software, and switches that nothing but a hand turns. Pure; the daemon locks around it."""

from edge.errors import UsageError

__all__ = ["Mute"]


class Mute:
    """Muted is what software asked to mute, or what at least one switch holds."""

    def __init__(self) -> None:
        self._software = False
        self._switches: set[str] = set()

    @property
    def on(self) -> bool:
        """Whether nothing may be heard."""
        return self._software or self.held

    @property
    def held(self) -> bool:
        """Whether a switch holds it, so that software cannot end it."""
        return bool(self._switches)

    def ask(self, muted: bool) -> None:
        """Turn the flag of software on or off; what was asked while a switch held stays after the switch lets go.

        Raises
        ------
        UsageError
            If a switch holds the mute that is to end: nothing is changed then.
        """
        if self._switches and not muted:
            held_by = ", ".join(sorted(self._switches))
            raise UsageError(
                f"mute: got off while the switch of {held_by} is on, which wins over software; turn that switch off"
            )
        self._software = muted

    def turn(self, name: str, on: bool) -> None:
        """Take note of a switch, by the name of who has it."""
        (self._switches.add if on else self._switches.discard)(name)
