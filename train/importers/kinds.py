"""The layouts that can be imported, by the name that the command line gives them."""

import importlib
from pathlib import Path
from typing import Protocol, cast

from train.importers.found import Found, Options

__all__ = ["KINDS", "Layout", "layout"]

KINDS = {
    "manifest": "train.importers.own_manifest",
    "tree": "train.importers.live_replay_tree",
    "asvspoof2017": "train.importers.asvspoof2017",
    "asvspoof2019-pa": "train.importers.asvspoof2019_pa",
    "asvspoof2021-pa": "train.importers.asvspoof2021_pa",
    "remasc": "train.importers.remasc",
    "speech-commands": "train.importers.speech_commands",
}


class Layout(Protocol):
    """What the module of a layout offers."""

    SUMMARY: str
    """One line: what is read."""
    LICENCE: str | None
    """As the publisher states it; None where the user must say it."""

    def find(self, source: Path, options: Options) -> Found:
        """Read the protocols of a corpus; DataError if one is missing or malformed."""


def layout(kind: str) -> Layout:
    """Load the module of a layout."""
    return cast(Layout, importlib.import_module(KINDS[kind]))
