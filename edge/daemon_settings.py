"""The settings of the daemon: one TOML file, read strictly.

Every table is a dataclass of the module that it is for; here they are joined. ``[source]``, ``[reference]`` and each
``[sinks.NAME]`` name a plug-in by ``kind``, and the rest of the table is the plug-in's own.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from edge.bundle import Bundle, open_bundle
from edge.bundle_parts import find_word
from edge.bundle_trust import BundleTrust
from edge.calibration import Calibration, calibrated, read_calibration
from edge.drift_monitor import MonitorSettings
from edge.errors import UsageError
from edge.event_store import StoreSettings
from edge.kept_audio import AudioSettings
from edge.playback_guard import GuardSettings
from edge.plugins import SinkPlugin, SourcePlugin, sink_plugin, source_plugin
from edge.policy import GateSettings
from edge.replay_memory import MemorySettings
from edge.sample_time import SAMPLE_RATE_HZ
from edge.session import Rules
from edge.sinks.metrics import MetricsSettings
from edge.strict_toml import Within, from_tables, load_tables
from edge.update import UpdateSettings

__all__ = [
    "Chosen",
    "DaemonSettings",
    "Tables",
    "TrustSettings",
    "load",
    "needs_restart",
    "rules_of",
    "update_settings",
]

P = TypeVar("P", SinkPlugin, SourcePlugin)

_log = logging.getLogger(__name__)

_RELOADED = ("bundle", "words", "interpreter", "pre_roll_s", "trust", "gate")
"""What may change while the daemon runs; everything else is read once."""
_PLUGGED = ("source", "reference", "sinks")
_OWN_SINKS = ("store", "metrics", "monitor")
"""Sinks that have tables of their own: one of these names in ``[sinks]`` would be a second one."""


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Table ``[trust]``: whose bundles are used."""

    public_keys: tuple[str, ...] = ()
    """Files of minisign public keys; a signature that is there must be by one of them."""
    require_signature: bool = False
    """Whether a bundle without a signature is refused."""

    def trust(self) -> BundleTrust:
        """Read the keys.

        Raises
        ------
        BundleError, UsageError
            See :meth:`edge.bundle_trust.BundleTrust.from_files`.
        """
        return BundleTrust.from_files([Path(key) for key in self.public_keys], require_signature=self.require_signature)


@dataclass(frozen=True, slots=True)
class Chosen(Generic[P]):
    """A plug-in, and its settings."""

    kind: str
    """Name of the entry point."""
    plugin: P
    """Its module."""
    settings: Any
    """An instance of the module's ``Settings``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The file as it is written; every entry may be left out."""

    bundle: str = ""
    """Folder of models and cut-offs; empty for the bundle that ships with vivavoce."""
    words: tuple[str, ...] = ()
    """Ids or phrases of the words to listen for; all of the bundle if empty."""
    interpreter: Literal["", "litert", "tflite"] = ""
    """Which interpreter runs the networks; empty for the best that is installed."""
    pre_roll_s: Annotated[float, Within(0.0, 10.0)] = 2.0
    """Sound that is handed on with an answer, s: it ends at the answer, so that no first word of a command is lost."""
    trust: TrustSettings = field(default_factory=TrustSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    memory: MemorySettings = field(default_factory=MemorySettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    monitor: MonitorSettings = field(default_factory=MonitorSettings)
    update: UpdateSettings = field(default_factory=UpdateSettings)
    source: Mapping[str, Any] = field(default_factory=dict)
    """What listens: ``kind``, and the settings of that plug-in."""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """What this device plays itself, as a source; without it nothing is compared."""
    sinks: Mapping[str, Any] = field(default_factory=dict)
    """Who is told: for each name a table of ``kind`` (the name, where it is left out), and the settings of that
    plug-in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """The settings, with the plug-ins that they name."""

    path: Path
    """The file."""
    tables: Tables
    """What it says."""
    source: Chosen[SourcePlugin]
    """What listens."""
    reference: Chosen[SourcePlugin] | None
    """What this device plays itself; None if nothing can be compared."""
    sinks: Mapping[str, Chosen[SinkPlugin]]
    """Who is told, by name."""
    calibration: Calibration | None = None
    """What ``gate.calibration`` says."""

    @property
    def store(self) -> StoreSettings:
        """Events that are kept."""
        return self.tables.store

    @property
    def monitor(self) -> MonitorSettings:
        """Whether what is heard changes."""
        return self.tables.monitor

    @property
    def audio(self) -> AudioSettings:
        """Sound that is kept."""
        return self.tables.audio


def load(path: Path) -> DaemonSettings:
    """Read a file of settings.

    Raises
    ------
    DataError
        If the calibration that it names cannot be read.
    UsageError
        If it cannot be read, an entry is unknown (the nearest known one is named), missing, of another type or out of
        its limits, or a plug-in is not installed; the message names file and dotted path.
    """
    written = load_tables(path)
    tables = from_tables(Tables, {**written, **{name: {} for name in _PLUGGED if name in written}}, str(path))
    plugged = {name: _table(path, name, written.get(name, {})) for name in _PLUGGED}
    for name in _OWN_SINKS:
        if name in plugged["sinks"]:
            raise UsageError(f"{path}: sinks.{name}: has a table of its own; write [{name}] in place of [sinks.{name}]")
    source = _chosen(path, "source", {"kind": "microphone", **plugged["source"]}, source_plugin)
    reference = _chosen(path, "reference", plugged["reference"], source_plugin) if plugged["reference"] else None
    if reference is not None and (source.kind, source.settings) == (reference.kind, reference.settings):
        raise UsageError(
            f"{path}: reference: got the same source as [source], expected what this device plays; a microphone and "
            "what it is compared with cannot be one"
        )
    sinks = {
        name: _chosen(path, f"sinks.{name}", {"kind": name, **_table(path, f"sinks.{name}", table)}, sink_plugin)
        for name, table in plugged["sinks"].items()
    }
    # Read here and not with the bundle: a damaged one is no reason to take an update back.
    calibration = read_calibration(Path(tables.gate.calibration)) if tables.gate.calibration else None
    return DaemonSettings(
        path=path,
        tables=replace(tables, source=plugged["source"], reference=plugged["reference"], sinks=plugged["sinks"]),
        source=source,
        reference=reference,
        sinks=sinks,
        calibration=calibration,
    )


def _table(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: {name}: got {value!r}, expected a table; write [{name}] above its entries")
    return value


def _chosen(path: Path, name: str, table: Mapping[str, Any], find: Callable[[str, str], P]) -> Chosen[P]:
    own = dict(table)
    kind = own.pop("kind", None)
    if not isinstance(kind, str):
        raise UsageError(f"{path}: {name}.kind: got {kind!r}, expected the name of a plug-in, as text")
    plugin = find(kind, f"{path}: {name}.kind")
    return Chosen(kind, plugin, from_tables(plugin.Settings, own, str(path), name=name))


def update_settings(settings: DaemonSettings) -> UpdateSettings | None:
    """Return how bundles are updated, by the keys of ``[trust]`` where ``[update]`` names none; None if they are not.

    Raises
    ------
    UsageError
        If there are slots, and a bundle is named beside them.
    """
    update = settings.tables.update
    if not update.slots:
        return None
    if settings.tables.bundle:
        raise UsageError(
            f"{settings.path}: bundle: got a folder beside update.slots, expected one of the two; leave bundle "
            f"out, and put it into the slots with: vivavoce update install {settings.tables.bundle}"
        )
    return replace(update, public_keys=update.public_keys or settings.tables.trust.public_keys)


def rules_of(settings: DaemonSettings, *, opened: Bundle | None = None) -> Rules:
    """Open the bundle that the settings name, and make of both what a session decides by.

    Parameters
    ----------
    settings : DaemonSettings
    opened : Bundle, optional
        To use in place of the one that is named.

    Raises
    ------
    VivavoceError
        If the bundle cannot be used, or the settings name words that it does not have.
    """
    tables = settings.tables
    if opened is None:
        opened = open_bundle(Path(tables.bundle) if tables.bundle else None, trust=tables.trust.trust())
    where = str(settings.path)
    try:
        words = tuple(find_word(opened.words, word, f"the bundle {opened.path}").id for word in tables.words)
    except UsageError as error:
        raise UsageError(f"{where}: words: {error}") from error
    try:
        return Rules(
            opened,
            tables.gate,
            words=words,
            runtime=tables.interpreter or None,
            pre_roll=round(tables.pre_roll_s * SAMPLE_RATE_HZ),
            calibrated=_calibrated(settings, opened),
        )
    except UsageError as error:
        raise UsageError(f"{where}: gate: {error}") from error


def _calibrated(settings: DaemonSettings, opened: Bundle) -> Bundle:
    """Return a bundle as it judges in this home; after an update, which the calibration is not for, as it shipped."""
    if settings.calibration is None:
        return opened
    try:
        return calibrated(opened, settings.calibration, where=settings.tables.gate.calibration)
    except UsageError as error:
        # An update is worth more than what was fitted to the bundle before it, and must not be taken back for it.
        _log.warning("gate.calibration: left out: %s", error)
        return opened


def needs_restart(old: DaemonSettings, new: DaemonSettings) -> list[str]:
    """Return the names of the tables that differ and are read once only."""
    return [
        one.name
        for one in fields(Tables)
        if one.name not in _RELOADED and getattr(old.tables, one.name) != getattr(new.tables, one.name)
    ]
