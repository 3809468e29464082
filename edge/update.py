"""Updates of the bundle, from an archive somewhere to a bundle that is used and confirmed.

The workflow, and who does what of it:

1. **Fetch** (:func:`edge.fetching.fetched`): a folder, an archive (.tar, .zip: plain files of one folder, of limited
   size), or the https address of an archive (limits on size and time; goes on where it was broken off).
2. **Verify** (:meth:`edge.slots.Slots.stage`): all of it, by :func:`edge.bundle.open_bundle`; a signature by a trusted
   key is required unless the owner said otherwise. Refused are bundles that are older than the highest version that was
   ever confirmed here, and those that failed here before. Each network is run once
   (:func:`edge.bundle_check.check_runs`).
3. **Stage**: it is copied into the slot that is not used, flushed to the disk, verified once more, and waits there as
   the *candidate*. The bundle in use is untouched.
4. **Trial** (:class:`edge.trial.Trial`): the daemon lets the candidate hear what the active bundle hears, for some
   minutes. Nobody acts on what it says. It must raise no error, keep up, wake up about as often, and decide alike.
5. **Switch** (:meth:`~edge.slots.Slots.accept_trial`): one writing of the state. The bundle is *on probation*. Each
   start of the daemon is counted before the new slot is opened (:meth:`~edge.slots.Slots.starting`).
6. **Confirm** (:meth:`~edge.slots.Slots.confirm`), after some healthy minutes: only now its version becomes the lowest
   that is accepted. A confirmed version raises that minimum, and nothing lowers it.
7. **Or go back**: a candidate that fails is given up (:meth:`~edge.slots.Slots.reject`), a bundle on probation rolled
   back (:meth:`~edge.slots.Slots.roll_back`), when the daemon says that it is not healthy, or was started too often
   without confirming it. Either is remembered by its hash, and not tried again until somebody asks for that.

What is compared is ``bundle_version``, which the signature covers, part by part as numbers. The same version may come
again, with other content: whoever signs decides what is newer.

Transport ends with step 1: whoever has a bundle in a folder, by whatever way it came, calls :func:`install_folder`.
:class:`edge.update_watch.UpdateWatch` does steps 4 to 7 for a daemon, counted in samples.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_check import check_runs
from edge.bundle_trust import BundleTrust
from edge.download import FetchSettings
from edge.errors import BundleError, MissingExtraError, UsageError
from edge.fetching import fetched
from edge.slot_reading import MAX_BOOTS
from edge.slot_state import SlotState
from edge.slots import Slots
from edge.strict_toml import Within
from edge.trial import TrialSettings

__all__ = ["UpdateSettings", "install", "install_folder", "open_slots", "update_trust"]

_WORK = "fetch"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """Where bundles are kept, who may make them, and what a new one has to do."""

    slots: str = ""
    """Folder of the slots; without one there are no updates, and the daemon's bundle is the one that it was given."""
    public_keys: tuple[str, ...] = ()
    """Files with the keys that are trusted."""
    allow_unsigned: bool = False
    """Whether bundles are used that nobody signed."""
    confirm_minutes: Annotated[float, Within(0.0, 10_080.0)] = 30.0
    """Sound that a new bundle has to hear without a fault before it is confirmed, minutes."""
    max_boots: Annotated[int, Within(1, 100)] = MAX_BOOTS
    """Starts in which it may fail to be confirmed."""
    trial: TrialSettings = field(default_factory=TrialSettings)
    """What it has to do before it is used."""
    fetch: FetchSettings = field(default_factory=FetchSettings)
    """Limits of a download."""


def update_trust(public_keys: tuple[str, ...] | tuple[Path, ...], *, allow_unsigned: bool) -> BundleTrust:
    """Say whose bundles are taken: signed ones, unless the owner said otherwise.

    Raises
    ------
    UsageError
        If there is no key, and bundles have to be signed.
    BundleError
        If a file holds no key.
    """
    if not public_keys and not allow_unsigned:
        raise UsageError(
            "update: got no public key, expected the key that bundles are signed with (--public-key FILE, or "
            "update.public_keys in the settings); with --allow-unsigned, or update.allow_unsigned, anybody's are taken"
        )
    return BundleTrust.from_files([Path(key) for key in public_keys], require_signature=not allow_unsigned)


def open_slots(settings: UpdateSettings, *, shipped: Path = DEFAULT_BUNDLE) -> Slots:
    """Return the slots that the settings of a daemon name.

    Parameters
    ----------
    settings : UpdateSettings
        Names a folder.
    shipped : Path
        The bundle that is used where no slot can be.

    Raises
    ------
    UsageError
        If it names none, or no key where signatures are required.
    BundleError
        If a file holds no key.
    """
    if not settings.slots:
        raise UsageError("update.slots: got no folder, expected one; name it, or leave the table out")
    trust = update_trust(settings.public_keys, allow_unsigned=settings.allow_unsigned)
    return Slots(Path(settings.slots), trust=trust, max_boots=settings.max_boots, shipped=shipped)


def install(
    source: str, slots: Slots, settings: FetchSettings, *, allow_downgrade: bool = False, retry: bool = False
) -> SlotState:
    """Fetch a bundle, verify it, and stage it as the candidate.

    Parameters
    ----------
    source : str
        A folder, an archive, or the https address of an archive.
    slots : Slots
        Where to.
    settings : FetchSettings
        Limits of a download.
    allow_downgrade, retry : bool
        See :meth:`edge.slots.Slots.stage`.

    Returns
    -------
    SlotState
        Without a candidate if the bundle is used already.

    Raises
    ------
    UsageError, DataError
        If it cannot be got (:func:`edge.fetching.fetched`) or is refused (:meth:`edge.slots.Slots.stage`).
    BundleError, ModelAbiError
        If it is damaged, not trusted, or does not run.
    """
    slots.initialise()
    with fetched(source, slots.folder / _WORK, settings) as folder:
        try:
            return install_folder(folder, slots, allow_downgrade=allow_downgrade, retry=retry)
        except MissingExtraError:
            raise
        except (BundleError, UsageError) as error:
            # Who gave an archive knows nothing of the folder that it was unpacked into.
            raise type(error)(str(error).replace(str(folder), source)) from error


def install_folder(folder: Path, slots: Slots, *, allow_downgrade: bool = False, retry: bool = False) -> SlotState:
    """Verify a bundle that lies in a folder, and stage it as the candidate; see :func:`install`."""
    slots.initialise()
    # Nothing is run before it is known whose it is.
    check_runs(open_bundle(folder, trust=slots.trust))
    return slots.stage(folder, allow_downgrade=allow_downgrade, retry=retry)
