"""Choosing a microphone from a list, before the picture is drawn."""

from collections.abc import Sequence

from edge.errors import AudioError, UsageError
from edge.microphone import Device, choose_device
from edge.output import columns
from edge.terminal import Terminal

__all__ = ["device_lines", "pick_device"]


def device_lines(devices: Sequence[Device]) -> list[str]:
    """Return a line for each device: its number, its name, its rate, and a star for the default."""
    return columns([(one.number, "*" if one.default else "", one.name, one.native_rate_hz, "Hz") for one in devices])


def pick_device(devices: Sequence[Device], terminal: Terminal) -> str | int:
    """Ask which of the devices to listen to, until the answer is one of them.

    Parameters
    ----------
    devices : sequence of Device
    terminal : Terminal

    Returns
    -------
    str or int
        Its name; its number where several have that name. Names stay when other devices come and go.

    Raises
    ------
    UsageError
        If nobody is there to choose.
    AudioError
        If there is nothing to choose from.
    KeyboardInterrupt
        If the answer is none: Ctrl-D, Ctrl-C.
    """
    default = choose_device(devices, None)
    if not terminal.interactive:
        raise UsageError(
            "--microphone: got no name, and no terminal to choose one at, expected a part of a name; there are: "
            + ", ".join(f"'{device.name}'" for device in devices)
        )
    for line in device_lines(devices):
        terminal.say(line)
    while True:
        answer = terminal.ask(f"number or part of the name [{default.number}]:")
        try:
            chosen = choose_device(devices, answer) if answer else default
        except AudioError as error:
            terminal.say(str(error))
            continue
        alone = sum(device.name == chosen.name for device in devices) == 1
        return chosen.name if alone else chosen.number
