"""Lights, a button and a mute switch of the device itself (docs/panel.md).

:mod:`~firmware_bridge.panel.lights` says which state is shown, :mod:`~firmware_bridge.panel.patterns` how a state
looks; both are also what a microcontroller at the link is told, or shows.
"""

__all__: list[str] = []
