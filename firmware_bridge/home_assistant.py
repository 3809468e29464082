"""What Home Assistant is told so that it shows this device by itself: discovery messages of its MQTT integration.

A message for each entity, retained under a topic of its own; the names of the entries are those of Home Assistant's
documentation (https://www.home-assistant.io/integrations/mqtt/).
"""

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from edge.answers import Action
from edge.output import PROGRAM

__all__ = ["OFF", "OFFLINE", "ON", "ONLINE", "Topics", "discovery"]

ON = "ON"
OFF = "OFF"
ONLINE = "online"
OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Topics:
    """Where the device tells what, below one topic of its own."""

    base: str
    """E.g. ``vivavoce/kitchen``."""

    def __getitem__(self, name: str) -> str:
        """Return a topic of the device, e.g. of ``"answer"``."""
        return f"{self.base}/{name}"

    @property
    def node(self) -> str:
        """The device in identifiers and in topics of discovery: letters, digits, ``_`` and ``-``."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.base)


def discovery(topics: Topics, prefix: str) -> dict[str, dict[str, Any]]:
    """Return the messages of discovery, by their topics.

    Parameters
    ----------
    topics : Topics
        Of the device.
    prefix : str
        Topic that Home Assistant looks for them under, ``homeassistant`` if it was not told otherwise.
    """
    entities: Mapping[tuple[str, str], Mapping[str, Any]] = {
        ("event", "answer"): {
            "name": "Answer",
            "icon": "mdi:account-voice",
            "state_topic": topics["answer"],
            "event_types": list(get_args(Action)),
        },
        ("switch", "mute"): {
            "name": "Mute",
            "icon": "mdi:microphone-off",
            "state_topic": topics["mute"],
            "command_topic": topics["mute/set"],
            "payload_on": ON,
            "payload_off": OFF,
        },
        ("sensor", "live_probability"): {
            "name": "Live probability",
            "icon": "mdi:account-question",
            "state_topic": topics["answer"],
            # What could not be judged is unknown, and not the probability of the answer before.
            "value_template": "{{ value_json.live_probability }}",
            "state_class": "measurement",
            "suggested_display_precision": 2,
        },
        ("binary_sensor", "problem"): {
            "name": "Microphone",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics["problem"],
            "payload_on": ON,
            "payload_off": OFF,
            "json_attributes_topic": topics["status"],
        },
    }
    try:
        version = importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    common = {
        "availability_topic": topics["availability"],
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "qos": 1,
        "device": {
            "identifiers": [topics.node],
            "name": f"Vivavoce {topics.base.rpartition('/')[2]}",
            "manufacturer": PROGRAM,
            "model": "voice-liveness gate",
            "sw_version": version,
        },
        "origin": {"name": PROGRAM, "sw_version": version},
    }
    return {
        f"{prefix}/{component}/{topics.node}/{name}/config": {
            **entity,
            **common,
            "unique_id": f"{topics.node}_{name}",
        }
        for (component, name), entity in entities.items()
    }
