"""Two slots for bundles, of which one is used while the other takes the next one.

The folder of the slots::

    a/  b/                         a bundle each, or nothing
    state.0.json  state.1.json     which one is used, and what waits, see :mod:`edge.slot_state`
    minimum.json                   the highest version that was ever confirmed
    new/                           a bundle that is being copied; what a killed process left is cleared away

Every change is one writing of the state, and what it refers to was flushed to the disk before. A slot is given up in
the state before it is overwritten, so that at each moment, whatever stops the program, the state names only what is
whole.
:meth:`Slots.open_active` nevertheless verifies what it opens, and goes on to the bundle before, and to the one that
ships with the program, if it is not what was put there.

Changes are made by one process at a time, which holds a lock (``flock``) on the folder; readers share it. No method
looks at a clock: how long a trial or a probation lasts is for the caller (:mod:`edge.update`) to say.
"""

import contextlib
import dataclasses
import fcntl
import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from edge.bundle import DEFAULT_BUNDLE, Bundle, open_bundle
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import OWN_NAMES, read_bundle_file, version_order
from edge.bundle_trust import ANYBODY, BundleTrust
from edge.errors import BundleError, DataError, UsageError
from edge.slot_state import (
    MAX_REFUSED,
    SHIPPED,
    STATE_NAMES,
    Minimum,
    Place,
    Refusal,
    SlotRecord,
    SlotState,
    highest,
    read_minimum,
    read_state,
    share,
    write_minimum,
    write_state,
)

__all__ = ["MAX_BOOTS", "Slots"]

MAX_BOOTS = 3
"""Starts in which a new bundle may fail to be confirmed."""

_NEW = "new"
_SLOTS: tuple[Literal["a"], Literal["b"]] = ("a", "b")
_MAX_REASON = 500

_log = logging.getLogger(__name__)


class Slots:
    """The slots in a folder.

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
        self._trust, self._max_boots, self._shipped = trust, max_boots, shipped

    # ------------------------------------------------------------------------------------------- reading

    def state(self) -> SlotState:
        """Return what is known of the slots; where nothing is, or all of it is damaged, what can be told from them.

        Raises
        ------
        BundleError
            If the bundle that ships is damaged and nothing else is known.
        """
        with self._locked(shared=True):
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
        with self._locked(shared=True):
            return self._in_use(self._state())[1]

    def candidate(self) -> Bundle | None:
        """Open the bundle that waits for its trial; None if there is none, or it is damaged, which the log tells.

        Raises
        ------
        MissingExtraError
            As :meth:`open_active`.
        """
        with self._locked(shared=True):
            state = self._state()
            if not state.candidate:
                return None
            try:
                return self._opened(state, state.candidate)
            except BundleError as error:
                _log.error("the candidate cannot be tried: %s", error)
                return None

    # ------------------------------------------------------------------------------------------ changing

    def initialise(self, bundle: Path | None = None) -> SlotState:
        """Make the folder if it is not there; a folder that has a state is left as it is.

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
        with self._locked(), self._writing("initialised"):
            if self._is_initialised():
                return self._state()
            if bundle is None:
                return self._write(self._state())
            source = open_bundle(bundle, trust=self._trust)
            record = SlotRecord(source.bundle_version, bundle_hash(source.path))
            self._copy(source)
            self._move("a")
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
        source = open_bundle(bundle, trust=self._trust)
        record = SlotRecord(source.bundle_version, bundle_hash(source.path))
        with self._locked(), self._writing("installed"):
            state = self._mended()
            if self._is_held(state, record):
                return state
            self._check(state, record, source.path, allow_downgrade=allow_downgrade, retry=retry)
            slot = self._free(state)
            self._copy(source)
            if (found := bundle_hash(self.folder / _NEW)) != record.sha256:
                raise BundleError(
                    f"{source.path}: got {found[:16]}... after {record.sha256[:16]}..., expected a bundle that does "
                    "not change while it is copied; install it again"
                )
            # The slot is nobody's before it is touched.
            previous = SHIPPED if state.previous == slot else state.previous
            state = self._write(_put(dataclasses.replace(state, previous=previous, candidate="", boots=0), slot, None))
            self._move(slot)
            refused = tuple(one for one in state.refused if one.sha256 != record.sha256)
            return self._write(_put(dataclasses.replace(state, candidate=slot, refused=refused), slot, record))

    def accept_trial(self) -> SlotState:
        """Switch to the candidate, which is on probation from now on.

        Raises
        ------
        UsageError
            If there is no candidate.
        BundleError
            If it is damaged by now; what was used stays in use.
        DataError
            If the state cannot be written.
        """
        with self._locked(), self._writing("switched to"):
            state = self._mended()
            if not state.candidate:
                raise UsageError(f"{self.folder}: got no candidate, expected one that waits; install a bundle first")
            self._opened(state, state.candidate)
            return self._write(
                dataclasses.replace(
                    state, active=state.candidate, previous=state.active, candidate="", probation=True, boots=0
                )
            )

    def reject(self, reason: str) -> SlotState:
        """Give up the candidate, and remember by its hash that it failed.

        Parameters
        ----------
        reason : str
            Why.

        Raises
        ------
        UsageError
            If there is no candidate.
        DataError
            If the state cannot be written.
        """
        with self._locked(), self._writing("given up"):
            state = self._state()
            if not state.candidate:
                raise UsageError(f"{self.folder}: got no candidate, expected one that waits; install a bundle first")
            return self._write(_rejected(state, reason))

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
        with self._locked():
            state = before = self._mended()
            if state.probation or state.candidate:
                state = dataclasses.replace(state, boots=state.boots + 1)
                if state.boots > self._max_boots:
                    told = f"the daemon was started {self._max_boots} times"
                    state = (
                        _rolled_back(state, f"{told} without confirming it")
                        if state.probation
                        else _rejected(state, f"{told} before its trial was over")
                    )
                    _log.error("%s: %s", self.folder, state.refused[-1].reason)
            if state != before or not self._is_initialised():
                try:
                    state = self._write(state)
                except OSError as error:
                    _log.error("%s: the start cannot be counted (%s)", self.folder, error.strerror)
                    if before.probation:
                        state = dataclasses.replace(before, active=before.previous)
            return self._in_use(state)[1]

    def confirm(self) -> SlotState:
        """Say that the active bundle does what it should: from now on nothing older is installed.

        Raises
        ------
        UsageError
            If it is not on probation.
        DataError
            If the state cannot be written.
        """
        with self._locked(), self._writing("confirmed"):
            state = self._mended()
            record = state.record(state.active)
            if not state.probation or record is None:
                raise UsageError(
                    f"{self.folder}: got a bundle that is not on probation, expected one; leave it as it is"
                )
            minimum = highest(Minimum(record.version, record.sha256), state.minimum)
            return self._write(dataclasses.replace(state, probation=False, boots=0, minimum=minimum))

    def roll_back(self, reason: str, *, allow_downgrade: bool = False) -> SlotState:
        """Go back to the bundle before, and remember by its hash that this one failed; or give up the candidate.

        Parameters
        ----------
        reason : str
            Why.
        allow_downgrade : bool
            Whether the bundle before may be older than one that was confirmed; on probation it always may.

        Raises
        ------
        UsageError
            If there is nothing to go back to, or it is older than what was confirmed.
        BundleError
            If the bundle before is damaged.
        DataError
            If the state cannot be written.
        """
        with self._locked(), self._writing("rolled back"):
            state = self._mended()
            if state.candidate:
                return self._write(_rejected(state, reason))
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
            return self._write(_rolled_back(state, reason))

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
        for slot in _SLOTS:
            with contextlib.suppress(BundleError):
                bundle = open_bundle(self.folder / slot, trust=self._trust)
                if (found := bundle_hash(bundle.path)) == minimum.sha256:
                    record = SlotRecord(bundle.bundle_version, found)
                    return _put(SlotState(active=slot, minimum=minimum), slot, record)
        return SlotState(minimum=minimum)

    def _opened(self, state: SlotState, place: Place) -> Bundle:
        """Open what lies in a place; it must be what was put there."""
        if place == SHIPPED:
            return open_bundle(self._shipped)
        path, record = self.folder / place, state.record(place)
        if record is None:
            raise BundleError(f"{path}: got an empty slot, expected a bundle; install one")
        bundle = open_bundle(path, trust=self._trust)
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
        return mended if state.active == SHIPPED else _put(mended, state.active, None)

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

    def _copy(self, source: Bundle) -> None:
        """Copy a bundle into the folder of new ones, flushed to the disk, and verify the copy."""
        new = self.folder / _NEW
        _clear(new)
        try:
            new.mkdir()
            own = {name: read_bundle_file(source.path / name) for name in OWN_NAMES if (source.path / name).exists()}
            for name, content in {**source.contents, **own}.items():
                with open(new / name, "xb") as file:
                    file.write(content)
                    share(file.fileno(), self.folder)
                    file.flush()
                    os.fsync(file.fileno())
            _flush(new, self.folder)
            open_bundle(new, trust=self._trust)
        except BaseException:
            with contextlib.suppress(OSError):
                _clear(new)
            raise

    def _move(self, slot: Literal["a", "b"]) -> None:
        """Put the new bundle into a slot that is nobody's."""
        _clear(self.folder / slot)
        os.replace(self.folder / _NEW, self.folder / slot)
        _flush(self.folder)

    @contextlib.contextmanager
    def _writing(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.folder}: cannot be written ({error.strerror}), expected room for one more bundle; make room or "
                f"check its permissions; nothing was {done}, and the bundle in use is untouched"
            ) from error

    @contextlib.contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other processes and threads from the folder, or wait for the one that has it.

        The folder itself is locked: no file for it is left, and readers need not be able to write.
        """
        try:
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            yield  # not there, or not to be read: there is nothing that could change under us
            return
        try:
            # Some network file systems have no locks: better to go on than to refuse all of them.
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _put(state: SlotState, slot: Place, record: SlotRecord | None) -> SlotState:
    return dataclasses.replace(state, a=record) if slot == "a" else dataclasses.replace(state, b=record)


def _remember(state: SlotState, place: Place, reason: str) -> tuple[Refusal, ...]:
    record = state.record(place)
    if record is None:
        return state.refused
    # It is printed as it is, and a library may have written it.
    told = " ".join("".join(c if c.isprintable() else " " for c in reason).split())[:_MAX_REASON] or "no reason given"
    others = [one for one in state.refused if one.sha256 != record.sha256]
    return (*others, Refusal(record.version, record.sha256, told))[-MAX_REFUSED:]


def _rejected(state: SlotState, reason: str) -> SlotState:
    assert state.candidate, "there is a candidate"
    return dataclasses.replace(state, candidate="", boots=0, refused=_remember(state, state.candidate, reason))


def _rolled_back(state: SlotState, reason: str) -> SlotState:
    """Go back; the bundle that failed stays in its slot until that is needed, but nothing leads to it."""
    refused = _remember(state, state.active, reason)
    return dataclasses.replace(
        state, active=state.previous, previous=SHIPPED, probation=False, boots=0, refused=refused
    )


def _clear(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _flush(path: Path, owner: Path | None = None) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if owner is not None:
            share(handle, owner, mode=0o755)
        os.fsync(handle)
    finally:
        os.close(handle)
