"""What a measured set shares with the set that was fitted on, and must not.

Renderings name their talker, loudspeaker, rooms, background and the recording that they were made of. Whatever a set of
figures claims to be unseen is looked up in those names, so that a fault anywhere before (a manifest, a seed, a
simulator that ignores its split) ends in an error and not in a good result. What only sounds behind the speech is
known by its recording; the loudspeakers that hiss in live clips, and those of televisions, are not named, and not
looked up.
"""

from collections.abc import Collection, Mapping

import numpy as np

from edge.errors import DataError

__all__ = ["CLAIMS", "check_unseen", "shared_things"]

Clips = dict[str, np.ndarray]

CLAIMS: dict[str, tuple[str, ...]] = {
    "recordings": ("recordings", "audio"),
    "talkers": ("talkers",),
    "loudspeakers": ("loudspeakers", "brands"),
    "rooms": ("rooms", "backgrounds"),
}
"""What may be claimed to be unseen, and the things of which none may then be shared. Recordings always are."""

_NO_THING = ("", "none", "generated")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "recordings": ("source",),
    "talkers": ("talker",),
    "loudspeakers": ("loudspeaker",),
    "brands": ("brand",),
    # The attacker's room is one of the same bank.
    "rooms": ("room", "first_room"),
    "backgrounds": ("noise",),
}


def _things(clips: Clips, sha256: Mapping[str, str]) -> dict[str, set[str]]:
    found = {
        what: {str(name) for column in columns for name in np.unique(clips[column])}.difference(_NO_THING)
        for what, columns in _COLUMNS.items()
    }
    return {**found, "audio": {sha256[path] for path in found["recordings"] if sha256.get(path)}}


def shared_things(
    fitted: Clips, measured: Clips, sha256: Mapping[str, str] | None = None
) -> dict[str, dict[str, int | list[str]]]:
    """Return what two sets have in common.

    Parameters
    ----------
    fitted, measured : dict
        As :func:`train.liveness_scenes.build_liveness_clips` returns them.
    sha256 : mapping, optional
        Of recordings, by path, as far as the manifest has them: the same audio under two names is the same recording.

    Returns
    -------
    dict
        For each thing of :data:`CLAIMS`: how many there are in each set (``fitted``, ``measured``), and the names of
        those in both (``shared``), sorted.
    """
    one, other = _things(fitted, sha256 or {}), _things(measured, sha256 or {})
    return {
        what: {"fitted": len(one[what]), "measured": len(other[what]), "shared": sorted(one[what] & other[what])}
        for what in one
    }


def check_unseen(
    name: str, fitted: Clips, measured: Clips, unseen: Collection[str], *, sha256: Mapping[str, str] | None = None
) -> dict[str, dict[str, int]]:
    """Check that what is claimed to be unseen is.

    Parameters
    ----------
    name : str
        What is measured, for the message.
    fitted, measured, sha256
        As of :func:`shared_things`.
    unseen : collection of str
        Keys of :data:`CLAIMS`; ``recordings`` are claimed always.

    Returns
    -------
    dict
        For each thing: how many ``fitted``, ``measured`` and ``shared``.

    Raises
    ------
    DataError
        If something is shared that is claimed to be unseen.
    ValueError
        If a claim is unknown.
    """
    unknown = set(unseen) - CLAIMS.keys()
    if unknown:
        raise ValueError(f"cannot claim {sorted(unknown)}; known are {sorted(CLAIMS)}")
    found = shared_things(fitted, measured, sha256)
    for claim, things in CLAIMS.items():
        if claim != "recordings" and claim not in unseen:
            continue
        for thing in things:
            names = found[thing]["shared"]
            assert isinstance(names, list)
            if names:
                raise DataError(
                    f"{name}: {len(names)} of {found[thing]['measured']} {thing} were fitted on, too, e.g. "
                    f"{names[0]!r}, expected {claim} that are all unseen; its figures would say nothing: mend the "
                    "splits of the manifest, or the populations"
                )
    return {
        what: {key: len(value) if isinstance(value, list) else value for key, value in entry.items()}
        for what, entry in found.items()
    }
