"""The renderings that every figure is measured on: drawn once, and recognised by their hash.

For each split to measure on there is one set. A figure that was measured on it can be compared with every other one
that was; so recipe and sets stay as they are, and a change of either is a new version with new figures.

Some processors round sums of floating-point numbers otherwise, and a set that they render has another hash. It is
recognised by its levels.
"""

import importlib.metadata
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.cues import CueSettings
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.errors import DataError
from edge.files import write_whole
from edge.json_reading import parse_json
from train import liveness_scenes
from train.corpus import data_hash
from train.population import Population
from train.rendered_folder import clips_of, samples_hash
from train.set_state import State
from train.shards import Arrays
from train.simulator.recipe import shipped_recipe

__all__ = [
    "FROZEN_FILE",
    "N_CLIPS",
    "SEED",
    "FrozenSets",
    "first_rms",
    "heard_of",
    "levels_db",
    "read_frozen",
    "render_set",
    "state_of",
    "told",
    "write_frozen",
]

FROZEN_FILE = Path(__file__).parent / "simulator" / "frozen.json"
"""Hashes of the sets, and of what they were made from."""

N_CLIPS = 4_000
"""Clips of each set, half of them live."""

SEED = "frozen"
"""Of the sets: no number, which is what seeds of training, cut-offs and calibration are."""

_BATCH = 200
"""Clips whose levels are recorded as one."""

_ALIKE_DB = 0.002
"""How far mean levels of the same clips lie apart at most; one of 100 that is 1 dB louder moves them by 0.01 dB."""


@dataclass(frozen=True, slots=True)
class FrozenSets:
    """What the sets are recognised by.

    Attributes
    ----------
    recipe_sha256, data_sha256 : str
        Of the recipe (:attr:`train.simulator.recipe.Recipe.hash`), and of the manifest of the recordings.
    sha256 : dict
        Of each split's set, see :func:`train.rendered_folder.samples_hash`.
    first_rms : dict
        RMS of the first clips of each split, in units of a 16-bit sample.
    levels_db : dict
        :func:`levels_db` of each split: where a processor rounds otherwise, hashes differ and these do not.
    """

    recipe_sha256: str
    data_sha256: str
    sha256: dict[str, str]
    first_rms: dict[str, list[float]]
    levels_db: dict[str, list[list[float]]]
    packages: dict[str, str]


def read_frozen(path: Path = FROZEN_FILE) -> FrozenSets:
    """Read the record of the sets.

    Raises
    ------
    DataError
        If it is not there or damaged.
    """
    try:
        return FrozenSets(**parse_json(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); make it again with 'vivavoce train render --freeze'"
        ) from error


def first_rms(rendered: Arrays, count: int = 8) -> list[float]:
    """Return the RMS of the first clips of a set that was kept whole."""
    clips = (samples for samples, _ in zip(clips_of(rendered), range(count), strict=False))
    return [round(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))), 2) for samples in clips]


def levels_db(rendered: Arrays) -> list[list[float]]:
    """Return the levels of a set that was kept whole, batch by batch.

    Returns
    -------
    list of (live, replayed, live, replayed)
        For each batch of 200 clips the mean level of the live and of the replayed ones, dB re one step of 16 bits, and
        the same of the differences of neighbouring samples, which tell of high frequencies.
    """
    levels = np.empty((len(rendered["size"]), 2))
    for number, clip in enumerate(clips_of(rendered)):
        samples = clip.astype(np.float64)
        levels[number] = [10 * np.log10(np.mean(one**2) + 1) for one in (samples, np.diff(samples))]
    live = rendered["live"].astype(bool)
    batches = np.arange(len(levels)) // _BATCH
    return [
        [round(float(of[(batches == batch) & (live == kind)].mean()), 4) for of in levels.T for kind in (True, False)]
        for batch in range(batches[-1] + 1)
    ]


def write_frozen(path: Path, data: Path, sets: dict[str, Arrays]) -> None:
    """Record sets, by split, that were rendered from a data folder with the shipped recipe."""
    record = FrozenSets(
        shipped_recipe().hash,
        data_hash(data),
        {split: samples_hash(rendered) for split, rendered in sets.items()},
        {split: first_rms(rendered) for split, rendered in sets.items()},
        {split: levels_db(rendered) for split, rendered in sets.items()},
        {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "soundfile", "pyroomacoustics")},
    )
    text = json.dumps(asdict(record), indent=1) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))


def render_set(data: Path, split: str, cache: Path, *, n: int = N_CLIPS, **options: Any) -> Arrays:
    """Render the set of a split, or its first clips, or read them from the cache; kept ``whole``.

    The options are those of :func:`train.liveness_scenes.build_liveness_clips`.
    """
    return liveness_scenes.build_liveness_clips(
        data, Population.of_split(split), cache, n=n, seed=SEED, cues=CueSettings(), keep="whole", **options
    )


def state_of(rendered: Arrays, data: Path, split: str) -> State:
    """Compare a set with the record: results say whether they were measured on it."""
    return _state(rendered, samples_hash(rendered), data, split)


def _state(rendered: Arrays, sha256: str, data: Path, split: str) -> State:
    record = read_frozen()
    if record.data_sha256 != data_hash(data):
        return "other data"
    if record.recipe_sha256 != shipped_recipe().hash:
        return "other recipe"
    if len(rendered["size"]) != N_CLIPS:
        return "part of it"
    if record.sha256.get(split) == sha256:
        return "frozen"
    if split in record.levels_db and np.allclose(levels_db(rendered), record.levels_db[split], rtol=0, atol=_ALIKE_DB):
        return "rounded otherwise"
    return "other samples"


def told(rendered: Arrays, data: Path, split: str) -> dict[str, Any]:
    """Return what results say of the set that they were measured on."""
    sha256 = samples_hash(rendered)
    return {"clips": len(rendered["size"]), "sha256": sha256, "state": _state(rendered, sha256, data, split)}


def heard_of(rendered: Arrays) -> Arrays:
    """Cut out of whole clips what a device would look back on.

    Returns
    -------
    dict
        As of clips that were kept ``heard``: ``audio`` ``(n, 25600) int16`` whose last ``audio_size`` samples count,
        and everything that is known of the clips.
    """
    n = len(rendered["size"])
    audio = np.empty((n, LOOK_BACK_SAMPLES), np.int16)
    sizes = np.zeros(n, np.int32)
    for i, samples in enumerate(clips_of(rendered)):
        when = liveness_scenes.generator("look back", SEED, i)
        heard = liveness_scenes.look_back(samples, int(rendered["speech_stop"][i]), when)
        audio[i] = liveness_scenes.padded(heard)
        sizes[i] = heard.size
    kept = {name: values for name, values in rendered.items() if name not in ("samples", "size")}
    return {**kept, "audio": audio, "audio_size": sizes}
