"""Two slots for bundles, of which one is used while the other takes the next one.

The folder of the slots::

    a/  b/                         a bundle each, or nothing
    state.0.json  state.1.json     which one is used, and what waits, see :mod:`edge.slot_state`
    minimum.json                   the highest version that was ever confirmed
    new/                           a bundle that is being copied; what a killed process left is cleared away

Every change is one writing of the state, and what it refers to was flushed to the disk before. A slot is given up in
the state before it is overwritten, so that at each moment, whatever stops the program, the state names only what is
whole. :meth:`Slots.open_active` nevertheless verifies what it opens, and goes on to the bundle before, and to the one
that ships with the program, if it is not what was put there.

Changes are made by one process at a time, which holds a lock (``flock``) on the folder; readers share it. No method
looks at a clock: how long a trial or a probation lasts is for the caller (:mod:`edge.update`) to say.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from edge.bundle import Bundle, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import version_order
from edge.errors import BundleError, DataError, UsageError
from edge.slot_changes import highest, put, rejected, rolled_back
from edge.slot_files import NEW, copy_bundle, locked, move_into
from edge.slot_reading import SlotReader
from edge.slot_state import (
    SHIPPED,
    Minimum,
    Place,
    SlotRecord,
    SlotState,
    read_minimum,
    write_minimum,
    write_state,
)

__all__ = ["Slots"]

_log = logging.getLogger(__name__)


class Slots(SlotReader):
    """The slots in a folder; parameters and the reading methods are those of :class:`~edge.slot_reading.SlotReader`."""

    def initialise(self, bundle: Path | None = None) -> SlotState:
        """Make the folder if it is not there; a folder that was used before stays as it is.

        Parameters
        ----------
        bundle : Path, optional
            The bundle to begin with; the one that ships by default, which stays where it is.

        Raises
        ------
        BundleError
            If the bundle cannot be used, or is not trusted.
        DataError
            If the folder cannot be written.
        """
        with self._writing("initialised"):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder), self._writing("initialised"):
            if self._is_initialised():
                return self._state()
            if bundle is None or read_minimum(self.folder) is not None:
                return self._write(self._state())
            source = open_bundle(bundle, trust=self.trust)
            record = SlotRecord(source.bundle_version, bundle_hash(source.path))
            copy_bundle(source, self.folder, self.trust)
            move_into(self.folder, "a")
            minimum = Minimum(record.version, record.sha256)
            return self._write(SlotState(active="a", a=record, minimum=minimum))

    def stage(self, bundle: Path, *, allow_downgrade: bool = False, retry: bool = False) -> SlotState:
        """Verify a bundle and copy it into the slot that is not used, where it waits for its trial.

        What is used already, or waits already, is left as it is.

        Parameters
        ----------
        bundle : Path
            Its folder.
        allow_downgrade : bool
            Whether it may be older than the highest version that was ever confirmed.
        retry : bool
            Whether it may be one that failed here before.

        Raises
        ------
        BundleError
            If it is damaged or not trusted.
        UsageError
            If it is older, or failed before; or the last bundle has not been confirmed yet, and both slots are needed.
        DataError
            If it cannot be written; what is used is untouched.
        """
        self.initialise()
        source = open_bundle(bundle, trust=self.trust)
        record = SlotRecord(source.bundle_version, bundle_hash(source.path))
        with locked(self.folder), self._writing("installed"):
            state = self._mended()
            if self._is_held(state, record):
                return state
            self._check(state, record, source.path, allow_downgrade=allow_downgrade, retry=retry)
            slot = self._free(state)
            copy_bundle(source, self.folder, self.trust)
            if (found := bundle_hash(self.folder / NEW)) != record.sha256:
                raise BundleError(
                    f"{source.path}: got {found[:16]}... after {record.sha256[:16]}..., expected a bundle that does "
                    "not change while it is copied; install it again"
                )
            # The slot is nobody's before it is touched.
            previous = SHIPPED if state.previous == slot else state.previous
            state = self._write(put(dataclasses.replace(state, previous=previous, candidate="", boots=0), slot, None))
            move_into(self.folder, slot)
            refused = tuple(one for one in state.refused if one.sha256 != record.sha256)
            return self._write(put(dataclasses.replace(state, candidate=slot, refused=refused), slot, record))

    def accept_trial(self, *, sha256: str = "") -> SlotState:
        """Switch to the candidate, which is on probation from now on.

        Parameters
        ----------
        sha256 : str
            Hash of the bundle that was tried; another one may have taken its place.

        Raises
        ------
        UsageError
            If there is no candidate, or another.
        BundleError
            If it is damaged by now; what was used stays in use.
        DataError
            If the state cannot be written.
        """
        with locked(self.folder), self._writing("switched to"):
            state = self._mended()
            self._check_candidate(state, sha256)
            assert state.candidate, "checked"
            self._opened(state, state.candidate)
            return self._write(
                dataclasses.replace(
                    state, active=state.candidate, previous=state.active, candidate="", probation=True, boots=0
                )
            )

    def reject(self, reason: str, *, sha256: str = "") -> SlotState:
        """Give up the candidate, and remember by its hash that it failed.

        Parameters
        ----------
        reason : str
            Why.
        sha256 : str
            Hash of the bundle that failed; another one may have taken its place.

        Raises
        ------
        UsageError
            If there is no candidate, or another.
        DataError
            If the state cannot be written.
        """
        with locked(self.folder), self._writing("given up"):
            state = self._state()
            self._check_candidate(state, sha256)
            return self._write(rejected(state, reason))

    def starting(self) -> Bundle:
        """Count the start of a daemon, and open the bundle that it is to use; to be called before anything is opened.

        A bundle that was not confirmed in the allowed number of starts is rolled back, and a candidate given up: a
        network that takes the whole program down cannot do so for ever. Where the start cannot be counted, the bundle
        before is opened.

        Raises
        ------
        BundleError, MissingExtraError
            As :meth:`open_active`.
        """
        with contextlib.suppress(OSError):  # told of when the state cannot be written
            self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            before, state = self._state(), self._mended()
            if state.probation or state.candidate:
                state = dataclasses.replace(state, boots=state.boots + 1)
                if state.boots > self._max_boots:
                    told = f"the daemon was started {self._max_boots} times"
                    state = (
                        rolled_back(state, f"{told} without confirming it")
                        if state.probation
                        else rejected(state, f"{told} before its trial was over")
                    )
                    _log.error("%s: %s", self.folder, state.refused[-1].reason)
            if state != before or not self._is_initialised():
                try:
                    state = self._write(state)
                except OSError as error:
                    _log.error("%s: the start cannot be counted (%s)", self.folder, error.strerror)
                    if state.probation:
                        state = dataclasses.replace(state, active=state.previous)
            return self._in_use(state)[1]

    def confirm(self, *, sha256: str = "") -> SlotState:
        """Say that the active bundle does what it should: from now on nothing older is installed.

        Parameters
        ----------
        sha256 : str
            Hash of the bundle that does; another one may have taken its place.

        Raises
        ------
        UsageError
            If it is not on probation, or another one is active.
        DataError
            If the state cannot be written.
        """
        with locked(self.folder), self._writing("confirmed"):
            state = self._mended()
            record = state.record(state.active)
            if not state.probation or record is None or sha256 not in ("", record.sha256):
                raise UsageError(
                    f"{self.folder}: got a bundle that is not on probation, expected one; leave it as it is"
                )
            minimum = highest(Minimum(record.version, record.sha256), state.minimum)
            return self._write(dataclasses.replace(state, probation=False, boots=0, minimum=minimum))

    def roll_back(self, reason: str, *, allow_downgrade: bool = False, sha256: str = "") -> SlotState:
        """Go back to the bundle before, and remember by its hash that this one failed; or give up the candidate.

        Parameters
        ----------
        reason : str
            Why.
        allow_downgrade : bool
            Whether the bundle before may be older than one that was confirmed; on probation it always may.
        sha256 : str
            Hash of the bundle on probation that failed; nothing else is given up then.

        Raises
        ------
        UsageError
            If there is nothing to go back to, or it is older than what was confirmed, or another one is on probation.
        BundleError
            If the bundle before is damaged.
        DataError
            If the state cannot be written.
        """
        with locked(self.folder), self._writing("rolled back"):
            state = self._mended()
            active = state.record(state.active)
            if sha256 and not (state.probation and active is not None and active.sha256 == sha256):
                raise UsageError(
                    f"{self.folder}: got another bundle in use, expected {sha256[:16]}...; leave it as it is"
                )
            if state.candidate:
                return self._write(rejected(state, reason))
            if state.active == state.previous:
                raise UsageError(
                    f"{self.folder}: got the bundle that ships in use, expected another; leave it as it is"
                )
            back = self._opened(state, state.previous)
            if not state.probation:
                self._check_age(state, back.bundle_version, back.path, allow_downgrade)
                if state.minimum is not None:
                    known = state.record(state.previous)
                    minimum = Minimum(state.minimum.version, known.sha256 if known else "")
                    state = dataclasses.replace(state, minimum=minimum)
            return self._write(rolled_back(state, reason))

    def _is_held(self, state: SlotState, record: SlotRecord) -> bool:
        """Tell whether a bundle is used, or waits, already; the one that waits must still be whole."""
        places: list[Place] = [state.active, *([state.candidate] if state.candidate else [])]
        for place in places:
            known = state.record(place)
            if known == record or (place == SHIPPED and bundle_hash(self._shipped) == record.sha256):
                with contextlib.suppress(BundleError):
                    self._opened(state, place)
                    return True
        return False

    # ------------------------------------------------------------------------------------------- rules

    def _check_candidate(self, state: SlotState, sha256: str) -> None:
        record = state.record(state.candidate) if state.candidate else None
        if record is None or sha256 not in ("", record.sha256):
            got = "no candidate" if record is None else f"the candidate {record.sha256[:16]}..."
            expected = f"{sha256[:16]}..." if sha256 else "one that waits"
            raise UsageError(f"{self.folder}: got {got}, expected {expected}; install a bundle first")

    def _check(self, state: SlotState, record: SlotRecord, path: Path, *, allow_downgrade: bool, retry: bool) -> None:
        refusal = state.refusal(record.sha256)
        if refusal is not None and not retry:
            raise UsageError(
                f"{path}: got version {record.version}, which failed here ({refusal.reason}), expected another bundle; "
                "to try it once more, say so with --retry"
            )
        self._check_age(state, record.version, path, allow_downgrade)

    def _check_age(self, state: SlotState, version: str, path: Path, allow_downgrade: bool) -> None:
        minimum = state.minimum
        if minimum is None or allow_downgrade or version_order(version) >= version_order(minimum.version):
            return
        raise UsageError(
            f"{path}: got version {version}, expected at least {minimum.version}, which was confirmed on this device; "
            "use a newer bundle, or, if you own the device and know why, --allow-downgrade"
        )

    def _free(self, state: SlotState) -> Literal["a", "b"]:
        """Return the slot that may be overwritten: not while the other one may have to be gone back to."""
        if state.probation:
            raise UsageError(
                f"{self.folder}: got a bundle on probation, expected one that was confirmed; wait until it is, or run "
                "'vivavoce update confirm' or 'vivavoce update roll-back' first"
            )
        return "b" if state.active == "a" else "a"

    # ------------------------------------------------------------------------------------------- writing

    def _write(self, state: SlotState) -> SlotState:
        written = write_state(self.folder, state)
        if state.minimum is not None and read_minimum(self.folder) != state.minimum:
            write_minimum(self.folder, state.minimum)
        return written

    @contextlib.contextmanager
    def _writing(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.folder}: cannot be written ({error.strerror}), expected room for one more bundle; make room or "
                f"check its permissions; nothing was {done}, and the bundle in use is untouched"
            ) from error
