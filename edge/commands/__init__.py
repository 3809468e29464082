"""The commands of a device installation, a module each (see :mod:`edge.cli` for what a command is)."""

__all__: list[str] = []
