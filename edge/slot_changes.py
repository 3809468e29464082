"""What a change makes of the state of the slots, apart from files."""

import dataclasses

from edge.bundle_manifest import version_order
from edge.slot_state import MAX_REFUSED, SHIPPED, Minimum, Place, Refusal, SlotRecord, SlotState

__all__ = ["highest", "put", "rejected", "rolled_back"]

_MAX_REASON = 500


def put(state: SlotState, slot: Place, record: SlotRecord | None) -> SlotState:
    """Return a state in which this belongs into a slot."""
    return dataclasses.replace(state, a=record) if slot == "a" else dataclasses.replace(state, b=record)


def _remember(state: SlotState, place: Place, reason: str) -> tuple[Refusal, ...]:
    record = state.record(place)
    if record is None:
        return state.refused
    # It is printed as it is, and a library may have written it.
    told = " ".join("".join(c if c.isprintable() else " " for c in reason).split())[:_MAX_REASON] or "no reason given"
    others = [one for one in state.refused if one.sha256 != record.sha256]
    return (*others, Refusal(record.version, record.sha256, told))[-MAX_REFUSED:]


def rejected(state: SlotState, reason: str) -> SlotState:
    """Give up the candidate, which there must be, and remember that it failed."""
    assert state.candidate, "there is a candidate"
    return dataclasses.replace(state, candidate="", boots=0, refused=_remember(state, state.candidate, reason))


def rolled_back(state: SlotState, reason: str) -> SlotState:
    """Go back; the bundle that failed stays in its slot until that is needed, but nothing leads to it."""
    refused = _remember(state, state.active, reason)
    return dataclasses.replace(
        state, active=state.previous, previous=SHIPPED, probation=False, boots=0, refused=refused
    )


def highest(one: Minimum | None, other: Minimum | None) -> Minimum | None:
    """Return what two memories of the minimum come to: the higher version, and the newer hash, which `one` has."""
    if one is None or other is None:
        return one or other
    if version_order(one.version) >= version_order(other.version):
        return one
    return Minimum(other.version, one.sha256)
