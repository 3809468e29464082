"""Where a bundle leaves Python: C arrays, tables and settings, golden vectors, and what build systems want beside.

:mod:`~firmware_bridge.export.package` puts together what a target gets; the C sources themselves are files of
``firmware_bridge/c``. Everything is a function of its inputs: the same bundle gives the same bytes.
"""

__all__: list[str] = []
