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
    from edge.bundle import Bundle, open_bundle
    from edge.errors import VivavoceError
    from edge.esphome import EsphomeModel, open_esphome_model
    from edge.events import Decision, End, Wake
    from edge.frontend import Frontend
    from edge.frontend_tables import FrontendSettings
    from edge.liveness import LivenessStage
    from edge.microphone import MicSource
    from edge.pipeline import Pipeline
    from edge.sources import FileSource, PipeSource
    from edge.wake import WakeStage

__all__ = [
    "Bundle",
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
    "VivavoceError",
    "Wake",
    "WakeStage",
    "errors",
    "open_bundle",
    "open_esphome_model",
]

_HOME = {
    "Bundle": "edge.bundle",
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
    "VivavoceError": "edge.errors",
    "Wake": "edge.events",
    "WakeStage": "edge.wake",
    "open_bundle": "edge.bundle",
    "open_esphome_model": "edge.esphome",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
