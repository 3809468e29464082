"""The device's part of vivavoce: from a stream of samples to *accept*, *reject* or *unsure*.

The names below are the public interface. They are loaded when they are first used, so that
``import edge`` costs nothing of what a command does not need::

    import edge

    pipeline = edge.Pipeline(edge.open_bundle())
    for event in pipeline.run(edge.FileSource("recording.flac")):
        print(event)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge import errors
    from edge.answers import Answer, Audio, Status
    from edge.bundle import Bundle, open_bundle
    from edge.cues import CueSettings, liveness_cues
    from edge.daemon import Daemon
    from edge.daemon_settings import load as load_settings
    from edge.errors import VivavoceError
    from edge.esphome import EsphomeModel, open_esphome_model
    from edge.events import Decision, End, Wake
    from edge.frontend import Frontend
    from edge.frontend_tables import FrontendSettings
    from edge.liveness import LivenessStage
    from edge.microphone import MicSource
    from edge.offline import features_of_clips
    from edge.pipeline import Pipeline
    from edge.sources import FileSource, PipeSource
    from edge.void import VoidSettings, void_features
    from edge.wake import WakeStage

__all__ = [
    "Answer",
    "Audio",
    "Bundle",
    "CueSettings",
    "Daemon",
    "Decision",
    "End",
    "EsphomeModel",
    "FileSource",
    "Frontend",
    "FrontendSettings",
    "LivenessStage",
    "MicSource",
    "PipeSource",
    "Pipeline",
    "Status",
    "VivavoceError",
    "VoidSettings",
    "Wake",
    "WakeStage",
    "errors",
    "features_of_clips",
    "liveness_cues",
    "load_settings",
    "open_bundle",
    "open_esphome_model",
    "void_features",
]

_HOME = {
    "Answer": "edge.answers",
    "Audio": "edge.answers",
    "Bundle": "edge.bundle",
    "CueSettings": "edge.cues",
    "Daemon": "edge.daemon",
    "Decision": "edge.events",
    "End": "edge.events",
    "EsphomeModel": "edge.esphome",
    "FileSource": "edge.sources",
    "Frontend": "edge.frontend",
    "FrontendSettings": "edge.frontend_tables",
    "LivenessStage": "edge.liveness",
    "MicSource": "edge.microphone",
    "PipeSource": "edge.sources",
    "Pipeline": "edge.pipeline",
    "Status": "edge.answers",
    "VivavoceError": "edge.errors",
    "VoidSettings": "edge.void",
    "Wake": "edge.events",
    "WakeStage": "edge.wake",
    "features_of_clips": "edge.offline",
    "liveness_cues": "edge.cues",
    "load_settings": "edge.daemon_settings",
    "open_bundle": "edge.bundle",
    "open_esphome_model": "edge.esphome",
    "void_features": "edge.void",
}

_THERE = {"load_settings": "load"}
"""Names that are others in their modules."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), _THERE.get(name, name))
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
