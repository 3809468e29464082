"""What the steps of ``vivavoce update`` share: the folder of the slots, and how they are shown."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.slot_state import SlotState
    from edge.slots import Slots

__all__ = ["DEFAULT_SLOTS", "add_slots_argument", "shown_slots", "status_record"]


DEFAULT_SLOTS = Path("/var/lib/vivavoce/bundles")
"""Folder of the slots, where nobody names another."""


def add_slots_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of the slots."""
    from edge.commands.paths import named_path

    parser.add_argument(
        "--slots",
        type=named_path,
        default=DEFAULT_SLOTS,
        metavar="DIR",
        help=f"folder of the slots, as update.slots in the settings of the daemon [{DEFAULT_SLOTS}]",
    )


def status_record(slots: "Slots", state: "SlotState", bundle: "Bundle") -> dict[str, Any]:
    """Return the public form of how the slots stand."""
    from edge.bundle_identity import bundle_hash

    whole = bundle.path == slots.path(state.active)
    return {
        "event": "slots",
        "slots": str(slots.folder),
        "bundle": str(bundle.path),
        "bundle_version": bundle.bundle_version,
        "sha256": bundle_hash(bundle.path),
        "whole": whole,
        **state.to_dict(),
    }


def shown_slots(slots: "Slots", state: "SlotState", bundle: "Bundle") -> str:
    """Return the same for people."""
    phase = "on probation" if state.probation else "confirmed"
    lines = [
        f"in use       {bundle.bundle_version}  {bundle.path}" + (f"  {phase}" if state.active != "shipped" else "")
    ]
    if state.candidate and (record := state.record(state.candidate)) is not None:
        lines.append(f"candidate    {record.version}  {slots.path(state.candidate)}  waits for its trial, or is in it")
    if state.previous != state.active:
        before = state.record(state.previous)
        version = "the one that ships" if before is None else before.version
        lines.append(f"before       {version}  {slots.path(state.previous)}")
    if state.boots:
        lines.append(f"starts       {state.boots} with a new bundle that is not confirmed")
    if state.minimum is not None:
        lines.append(f"minimum      {state.minimum.version}  older ones are refused")
    lines.extend(f"failed       {one.version}  {one.sha256[:16]}  {one.reason}" for one in state.refused)
    return "\n".join(lines)
