"""The link between a microcontroller and the gate: messages, frames, and a peer that loses nothing (docs/link.md).

:mod:`~firmware_bridge.link.table` is the one definition of the wire. The Python codec reads it at run time; the C of
``firmware_bridge/c_link`` and the page ``docs/link.md`` are generated from it.
"""

__all__: list[str] = []
