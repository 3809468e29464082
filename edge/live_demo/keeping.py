"""Sound of the demo's decisions that a person asked to keep, each with what was decided beside it.

::

    FOLDER/0w3k5d8m2q7x1b9c.flac        two seconds up to the decision; 1.6 s where liveness alone is judged
    FOLDER/0w3k5d8m2q7x1b9c.json        what was decided, and by what

Nothing is kept unless ``--keep`` says so, the picture says it all the while, and nothing is ever deleted here.
"""

import json
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from edge.answers import new_id
from edge.errors import StoreError
from edge.files import write_whole
from edge.kept_audio import AudioSettings, KeptAudio
from edge.live_demo.state import Ruled, State
from edge.sample_time import seconds

__all__ = ["Keeper", "record_of"]

_WITHOUT_LIMIT_MB = 1e6
_log = logging.getLogger(__name__)


class Keeper:
    """Keep the sound of decisions in a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there, for its owner alone.
    state : State
        Says what is kept.
    bundle : str
        Version of the bundle that decides.
    clock : callable, optional
        Returns seconds since 1970, UTC.

    Raises
    ------
    UsageError
        If the folder is there, and others may look into it.
    StoreError
        If it cannot be made.
    """

    def __init__(self, folder: Path, state: State, bundle: str, clock: Callable[[], float] = time.time) -> None:
        self._audio = KeptAudio(
            AudioSettings(keep="all", path=str(folder), max_mb=_WITHOUT_LIMIT_MB), named_by="--keep"
        )
        self._audio.open()
        self._state = state
        self._bundle = bundle
        self._clock = clock
        state.keeps = str(folder)

    def keep(self, ruled: Ruled) -> None:
        """Keep one; where that fails the demo goes on, and says so."""
        if ruled.sound is None or not ruled.sound.size:
            return
        now_s = self._clock()
        name = new_id(now_s)
        record = {"id": name, "at": round(now_s, 3), "bundle": self._bundle, **record_of(ruled)}

        def write(file: IO[bytes]) -> None:
            os.fchmod(file.fileno(), 0o600)
            file.write((json.dumps(record, allow_nan=False) + "\n").encode())

        try:
            path = self._audio.put(name, ruled.sound)
            write_whole(path.with_suffix(".json"), write, one_writer=True)
        except (StoreError, OSError) as error:
            _log.error("%s: the sound of a decision was not kept: %s", self._audio.folder, error)
        else:
            self._state.kept += 1


def record_of(ruled: Ruled) -> dict[str, Any]:
    """Return what was decided, and by what, as plain data without the sound; what is not known is null."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        "heard_s": seconds(ruled.at_sample),
        "word": ruled.word or None,
        "decision": ruled.verdict,
        "reasons": list(ruled.reasons),
        "wake_score": known(ruled.wake_score),
        "live_probability": known(ruled.probability),
        "quality": None if ruled.quality is None else ruled.quality.to_dict(),
        "delay_s": known(ruled.delay_s),
        "judging_s": known(ruled.judging_s),
        "decay": None if ruled.placement is None else {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in ruled.placement._asdict().items()
        },
    }  # fmt: skip
