"""Sources and sinks, found by entry point: ours, and those of anybody who installs more.

A plug-in is a module, listed under the group ``vivavoce.sources`` or ``vivavoce.sinks``::

    SUMMARY: str                                       one line for lists
    class Settings                                     a frozen dataclass: the schema of its table in the settings
    def make(settings, name, house) -> Sink            or, of a source, make(settings) -> LiveSource

``Settings`` is read by :func:`edge.strict_toml.from_tables`, so that an unknown key is told by its dotted path. Only
the modules that the settings name are imported, and a plug-in imports what is heavy inside ``make``.
"""

import difflib
import importlib.metadata
from typing import Any, Protocol, cast

from edge.bus import Sink
from edge.errors import UsageError
from edge.house import House
from edge.live import LiveSource

__all__ = ["SINKS", "SOURCES", "SinkPlugin", "SourcePlugin", "installed", "sink_plugin", "source_plugin"]

SOURCES = "vivavoce.sources"
"""Entry point group of sources."""
SINKS = "vivavoce.sinks"
"""Entry point group of sinks."""


class SinkPlugin(Protocol):
    """What the module of a sink offers."""

    SUMMARY: str
    Settings: type[Any]

    def make(self, settings: Any, name: str, house: House) -> Sink:
        """Make the sink; connecting is left to its ``open``.

        Raises
        ------
        UsageError
            If the settings cannot work, or an extra is missing.
        """


class SourcePlugin(Protocol):
    """What the module of a source offers."""

    SUMMARY: str
    Settings: type[Any]

    def make(self, settings: Any) -> LiveSource:
        """Make the source; opening is left to its ``blocks``.

        Raises
        ------
        UsageError
            If the settings cannot work, or an extra is missing.
        """


def installed(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    """Find what all installed distributions list under a group, by name."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for point in importlib.metadata.entry_points(group=group):
        found.setdefault(point.name, point)
    return found


def _load(group: str, kind: str, where: str) -> Any:
    there = installed(group)
    if kind not in there:
        near = difflib.get_close_matches(kind, there, 1)
        meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(there))}"
        raise UsageError(f"{where}: got {kind!r}, expected the name of one that is installed; {meant}")
    try:
        return there[kind].load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{where}: {kind!r} cannot be loaded ({error}); install its distribution again") from error


def sink_plugin(kind: str, where: str) -> SinkPlugin:
    """Load the module of a sink.

    Parameters
    ----------
    kind : str
        Its name under the group.
    where : str
        The file and dotted path that name it, for messages.

    Raises
    ------
    UsageError
        If there is none of this name, or it cannot be imported.
    """
    return cast(SinkPlugin, _load(SINKS, kind, where))


def source_plugin(kind: str, where: str) -> SourcePlugin:
    """Load the module of a source; see :func:`sink_plugin`."""
    return cast(SourcePlugin, _load(SOURCES, kind, where))
