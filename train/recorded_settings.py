"""The settings of a training, read again from the record of its checkpoint by what goes on from it: one definition.

A record holds more than settings (what was rendered, hashes), and records of older code hold some settings in another
form, or not at all.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import DataError
from edge.strict_toml import from_tables
from train.embedding_words import EmbeddingWordsSettings
from train.liveness_training import LivenessSettings
from train.speeds import Speeds
from train.wake_settings import WakeSettings
from train.wake_variety import VARIETIES, Variety

__all__ = ["recorded_liveness", "recorded_wake"]

_TRAININGS = (EmbeddingWordsSettings, LivenessSettings, WakeSettings)


def recorded_liveness(settings: Mapping[str, Any], record: Path) -> LivenessSettings:
    """Return the settings of a liveness training.

    Parameters
    ----------
    settings : mapping
        ``settings`` of the record.
    record : Path
        Where it is, for messages.

    Raises
    ------
    DataError
        If it is the record of another network, or an entry is of another type or out of its limits.
    """
    _check(LivenessSettings, "liveness", settings, record)
    # Before there were other speeds, nothing was played at one.
    given = {"speeds": list(dataclasses.astuple(Speeds()))} | _known(LivenessSettings, settings)
    return from_tables(LivenessSettings, given, str(record), error=DataError)


def recorded_wake(settings: Mapping[str, Any], record: Path) -> WakeSettings:
    """Return the settings of a wake training; parameters and errors as of :func:`recorded_liveness`.

    Who taught the network is no setting: see :func:`train.wake_options.check_teachers`.
    """
    _check(WakeSettings, "wake", settings, record)
    given = _known(WakeSettings, settings)
    shape = settings.get("shape")
    if isinstance(shape, Mapping):
        given = {name: shape[name] for name in ("width", "kernels") if name in shape} | given
    if isinstance(given.get("variety"), str):
        # The first records have its name, and beside it what was set of it.
        if given["variety"] not in VARIETIES:
            raise DataError(
                f"{record}: variety: got {given['variety']!r}, expected one of {', '.join(VARIETIES)}; train the "
                "network again"
            )
        given["variety"] = VARIETIES[given["variety"]].to_dict() | _known(Variety, settings)
    # No synthesiser spoke before any was named; the first names were one text.
    named = given.get("synth", "")
    if isinstance(named, str):
        given["synth"] = [name for name in named.split(",") if name]
    if isinstance(given.get("scenes"), Mapping):  # how many were rendered, and no setting
        del given["scenes"]
    return from_tables(WakeSettings, given, str(record), error=DataError)


def _check(cls: type, step: str, settings: Mapping[str, Any], record: Path) -> None:
    """Check that a record is of this training: some settings of another one have the same names."""
    own = _names(cls) | _names(Variety) | {"shape"}
    foreign = sorted((set().union(*map(_names, _TRAININGS)) - own) & set(settings))
    # Networks that were joined, and a word that was added to one.
    foreign += [name for name in ("members", "base") if name in settings]
    if foreign:
        raise DataError(
            f"{record}: got a record of something else, with {', '.join(foreign[:3])}, expected one that 'vivavoce "
            f"train {step}' wrote; give that of such a checkpoint"
        )


def _known(cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    names = _names(cls)
    return {name: value for name, value in settings.items() if name in names}


def _names(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}
