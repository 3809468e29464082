"""A short sample scene: a synthesised wake word, once as spoken in the room and once as played by a TV.

::

    noise | "word" as spoken in the room | noise | the same, recorded and played by a TV | noise

It ships with the package so that there is something to run the gate over. It is a demonstration and not
evidence: a synthesiser speaks, and room and television are simulated. Both renderings draw from a generator
in the same state: they share room, place, microphone, background and level, and differ in the replay alone.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.signal

from edge.errors import UsageError
from edge.sample_time import SAMPLE_RATE_HZ, seconds
from train.corpus import Clip
from train.simulator.chain import Label, Rendered, Simulator, clip_rng
from train.simulator.levels import rms
from train.simulator.loudspeakers import GRID_HZ, Curves, Loudspeakers
from train.simulator.noise import NoisePool
from train.simulator.recipe import shipped_recipe
from train.simulator.rooms import RoomBank, make_room
from train.synthesis import synthesise, synthesiser_version

__all__ = ["LABEL", "NOTICE", "SCENE_SECONDS", "SCENE_VERSION", "Scene", "make_scene", "write_scene"]

SCENE_VERSION = 2
"""Raised whenever the scene changes for the same word, voice, seed and simulator recipe."""

LABEL = "synthetic voice"
NOTICE = (
    "No human speaks in this scene: a program synthesised the voice, and the room and the television are "
    "simulated. It shows that the program runs; it is no evidence of how well it works."
)

SCENE_SECONDS = 9.0
_STARTS_S = (2.0, 6.0)
_SPLIT = "dev"  # rooms and televisions on which no network was fitted, and no result is reported
_ROOMS = 24
_CONDITIONS: dict[str, Any] = {
    "kind": "tv",  # in the live rendering it stands in the room and only hisses
    "codec": "none",
    "snr_db": 28.0,
    "level_dbfs": -24.0,
    "distance_m": 1.2,
    "tv_ratio_db": None,
}
_PARTS: tuple[tuple[Label, str, str], ...] = (
    ("live", "plain", "spoken in the room"),
    ("replay", "programme", "played by a TV"),  # the noise of a recorder would begin and end with it
)
_FADE = SAMPLE_RATE_HZ // 10
_MARGIN = SAMPLE_RATE_HZ // 10
_TAPS = 511
_SEGMENT = 512
_WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene and what is in it.

    Attributes
    ----------
    samples : int16 array, shape (144000,)
        16 kHz mono.
    description : dict
        Plain data: label, notice, word, voice, seed, versions of the recipes, and for each utterance its
        times and the conditions of its rendering.
    """

    samples: npt.NDArray[np.int16]
    description: dict[str, Any]


def _floor(clip: Rendered, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Make ``(n,)`` stationary noise with the level and spectrum of what is around the speech of a clip."""
    around = (clip.samples[: clip.speech_start - _MARGIN], clip.samples[clip.speech_stop + 2 * _MARGIN :])
    quiet = max(around, key=len).astype(np.float64)
    hz, power = scipy.signal.welch(quiet, SAMPLE_RATE_HZ, nperseg=min(_SEGMENT, quiet.size))
    taps = scipy.signal.firwin2(_TAPS, hz, np.sqrt(power), fs=SAMPLE_RATE_HZ)
    noise = scipy.signal.fftconvolve(rng.standard_normal(n + _TAPS - 1), taps, mode="valid")
    shaped: npt.NDArray[np.float64] = noise * (rms(quiet) / max(rms(noise), 1e-12))
    return shaped


def _insert(scene: npt.NDArray[np.float64], clip: Rendered, start: int) -> int:
    """Cross-fade a clip into the noise so that its speech begins at ``start``; return where it ends."""
    first = start - clip.speech_start
    last = first + clip.samples.size
    share = np.ones(clip.samples.size)
    ramp = np.linspace(0.0, np.pi / 2, _FADE)
    share[:_FADE], share[-_FADE:] = np.sin(ramp) ** 2, np.cos(ramp) ** 2
    # Square roots: two noises that know nothing of each other keep their power.
    scene[first:last] = scene[first:last] * np.sqrt(1.0 - share) + clip.samples * np.sqrt(share)
    return start + clip.speech_stop - clip.speech_start


def make_scene(word: str, voice: str, seed: int, *, clips: Sequence[Clip] = ()) -> Scene:
    """Make a scene.

    Parameters
    ----------
    word : str
        Id of a wake word, e.g. ``alexa`` or ``smart_mirror``.
    voice : str
        See :func:`train.synthesis.synthesise`.
    seed : int
        Draws the room, the television, the microphone and the noise.
    clips : sequence of Clip, optional
        Recordings; those of the split ``dev`` may be background sound. Without them the background is
        generated noise.

    Returns
    -------
    Scene
        The same for the same arguments and the same version of the synthesiser.

    Raises
    ------
    UsageError
        If the word is not an id, or the voice cannot be had.
    """
    if not _WORD.fullmatch(word):
        raise UsageError(f"word is {word!r}, expected the id of a wake word, such as alexa or smart_mirror")
    phrase = word.replace("_", " ")
    spoken = synthesise(phrase, voice)
    # Televisions are parametric: no measured loudspeaker is needed.
    curves = Curves((), (), (), np.zeros((0, GRID_HZ.size)), np.zeros((0, GRID_HZ.size)))
    simulator = Simulator(
        _SPLIT,
        RoomBank([make_room(_SPLIT, number) for number in range(_ROOMS)]),
        Loudspeakers(shipped_recipe(), curves),
        NoisePool([clip for clip in clips if clip.split == _SPLIT]),
    )
    source = f"scene-v{SCENE_VERSION}/{word}/{voice}"
    rendered = [
        simulator.render(spoken, label, clip_rng(source, seed), conditions={**_CONDITIONS, "variant": variant})
        for label, variant, _ in _PARTS
    ]
    n = int(SCENE_SECONDS * SAMPLE_RATE_HZ)
    scene = _floor(rendered[0], n, clip_rng(source, seed, 1))
    utterances = []
    for clip, (label, _, how), start_s in zip(rendered, _PARTS, _STARTS_S, strict=True):
        start = int(start_s * SAMPLE_RATE_HZ)
        stop = _insert(scene, clip, start)
        utterances.append(
            {
                "rendered": how,
                "label": label,
                "voice": LABEL,
                "start_s": seconds(start),
                "end_s": seconds(stop),
                "conditions": clip.conditions,
            }
        )
    return Scene(
        np.clip(np.rint(scene), -32768, 32767).astype(np.int16),
        {
            "label": LABEL,
            "notice": NOTICE,
            "word": word,
            "phrase": phrase,
            "voice": voice,
            "synthesiser": synthesiser_version(voice),
            "seed": seed,
            "seconds": SCENE_SECONDS,
            "recipe": {
                "module": "train.scene",
                "scene_version": SCENE_VERSION,
                "simulator_version": shipped_recipe().version,
                "command": f"vivavoce train scene --word {word} --voice {voice} --seed {seed}"
                + " --data DIR" * bool(clips),
                "background": rendered[0].conditions["noise"],
            },
            "utterances": utterances,
        },
    )


def write_scene(scene: Scene, path: Path) -> Path:
    """Write a scene as FLAC, and its description beside it with the suffix ``.json``.

    Returns
    -------
    Path
        Of the description.

    Raises
    ------
    UsageError
        If the name does not end in ``.flac``, or the files cannot be written.
    """
    import soundfile

    if path.suffix != ".flac":
        raise UsageError(f"{path}: expected a name that ends in .flac; the description gets its name with .json")
    beside = path.with_suffix(".json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, scene.samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
        beside.write_text(json.dumps(scene.description, indent=1) + "\n", encoding="utf-8")
    except (OSError, soundfile.LibsndfileError) as error:
        raise UsageError(f"{path}: cannot be written ({error}); choose another place") from error
    return beside
