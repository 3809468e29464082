"""Sinks of the daemon: each module is one plug-in (see :mod:`edge.plugins`)."""

__all__: list[str] = []
