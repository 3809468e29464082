"""What is in the slots: the bundle to use, the one that waits, and what to do where one of them is damaged."""

import contextlib
import dataclasses
import itertools
import logging
import os
from pathlib import Path

from edge.bundle import DEFAULT_BUNDLE, Bundle, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_trust import ANYBODY, BundleTrust
from edge.errors import BundleError, DataError
from edge.slot_changes import highest, put
from edge.slot_files import locked
from edge.slot_state import SHIPPED, SLOTS, STATE_NAMES, Minimum, Place, SlotRecord, SlotState, read_minimum, read_state

__all__ = ["MAX_BOOTS", "SlotReader"]

MAX_BOOTS = 3
"""Starts in which a new bundle may fail to be confirmed."""

_log = logging.getLogger(__name__)


class SlotReader:
    """The slots in a folder, to be read; :class:`edge.slots.Slots` changes them, too.

    Parameters
    ----------
    folder : Path
        Need not exist before :meth:`initialise`.
    trust : BundleTrust
        Whose bundles may be put into a slot, and used from there. The bundle that ships is part of the program, and
        needs no signature.
    max_boots : int
        Starts in which a new bundle may fail to be confirmed.
    shipped : Path
        What is used where no slot can be.
    """

    def __init__(
        self, folder: Path, *, trust: BundleTrust = ANYBODY, max_boots: int = MAX_BOOTS, shipped: Path = DEFAULT_BUNDLE
    ) -> None:
        self.folder = folder
        self.trust = trust
        self._max_boots, self._shipped = max_boots, shipped

    def state(self) -> SlotState:
        """Return what is known of the slots; where nothing is, or all of it is damaged, what can be told from them.

        Raises
        ------
        BundleError
            If the bundle that ships is damaged and nothing else is known.
        """
        with locked(self.folder, shared=True):
            return self._state()

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return something that differs after every change: a daemon compares it to notice what a command did."""
        found = []
        for name in STATE_NAMES:
            with contextlib.suppress(OSError):
                status = os.stat(self.folder / name)
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        return tuple(found)

    def path(self, place: Place) -> Path:
        """Return the folder of a slot, or of the bundle that ships."""
        return self._shipped if place == SHIPPED else self.folder / place

    def active(self) -> Path:
        """Return the folder of the bundle to use; see :meth:`open_active`."""
        return self.open_active().path

    def open_active(self) -> Bundle:
        """Open the bundle to use: the active one, or the nearest that is whole.

        A bundle that is damaged, or not the one that was put there, is told of in the log, and the one before is opened
        in its place; and if that one is damaged as well, the one that ships.

        Raises
        ------
        BundleError
            If the bundle that ships is damaged, too: nothing is left.
        MissingExtraError
            If signatures are to be checked, and what checks them is not installed.
        """
        with locked(self.folder, shared=True):
            return self._in_use(self._state())[1]

    def candidate(self) -> Bundle | None:
        """Open the bundle that waits for its trial; None if there is none, or it is damaged, which the log tells.

        Raises
        ------
        MissingExtraError
            As :meth:`open_active`.
        """
        with locked(self.folder, shared=True):
            state = self._state()
            if not state.candidate:
                return None
            try:
                return self._opened(state, state.candidate)
            except BundleError as error:
                _log.error("the candidate cannot be tried: %s", error)
                return None

    # ------------------------------------------------------------------------------------- what is there

    def _is_initialised(self) -> bool:
        return any((self.folder / name).exists() for name in STATE_NAMES)

    def _state(self) -> SlotState:
        minimum = read_minimum(self.folder)
        try:
            state = read_state(self.folder)
        except DataError as error:
            _log.error("%s", error)
            state = None
        if state is None:
            return self._recovered(minimum)
        return dataclasses.replace(state, minimum=highest(state.minimum, minimum))

    def _recovered(self, minimum: Minimum | None) -> SlotState:
        """Tell from the slots and the minimum alone which bundle was confirmed last."""
        if minimum is None:
            return SlotState(minimum=Minimum(open_bundle(self._shipped).bundle_version, ""))
        for slot in SLOTS:
            with contextlib.suppress(BundleError):
                bundle = open_bundle(self.folder / slot, trust=self.trust)
                if (found := bundle_hash(bundle.path)) == minimum.sha256:
                    record = SlotRecord(bundle.bundle_version, found)
                    return put(SlotState(active=slot, minimum=minimum), slot, record)
        return SlotState(minimum=minimum)

    def _opened(self, state: SlotState, place: Place) -> Bundle:
        """Open what lies in a place; it must be what was put there."""
        if place == SHIPPED:
            return open_bundle(self._shipped)
        path, record = self.folder / place, state.record(place)
        if record is None:
            raise BundleError(f"{path}: got an empty slot, expected a bundle; install one")
        bundle = open_bundle(path, trust=self.trust)
        if (found := bundle_hash(path)) != record.sha256:
            raise BundleError(
                f"{path}: got the bundle {found[:16]}..., expected {record.sha256[:16]}..., which was put there; "
                "install the bundle again, and change nothing in a slot by hand"
            )
        return bundle

    def _in_use(self, state: SlotState) -> tuple[Place, Bundle]:
        """Return the first bundle that is whole, on the way from the active one to the one that ships."""
        way = list(dict.fromkeys((state.active, state.previous, SHIPPED)))
        for place, after in itertools.pairwise(way):
            try:
                return place, self._opened(state, place)
            except BundleError as error:
                _log.error("%s; the bundle of %s is used in its place", error, self.path(after))
        return SHIPPED, self._opened(state, SHIPPED)

    def _mended(self) -> SlotState:
        """Return a state whose active bundle is whole: what is used in place of a damaged one is active."""
        state = self._state()
        place, _ = self._in_use(state)
        if place == state.active:
            return state
        mended = dataclasses.replace(state, active=place, previous=SHIPPED, probation=False)
        return mended if state.active == SHIPPED else put(mended, state.active, None)
