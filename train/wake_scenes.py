"""Scenes that the wake network learns from: three seconds of sound, and where a word ends in them.

Every scene is made of real recordings by a fixed recipe and a seed. Positives and negatives pass through the same
rooms, noises, filters and levels: noise on negatives only would be a shortcut, since the recorded words are clean.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal

from edge.endpoint import Span, speech_span
from edge.errors import DataError
from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from edge.sample_time import SAMPLE_RATE_HZ
from train.corpus import Clip, content_hash, load_manifest, read_clip
from train.engines.choice import Engine
from train.shards import Arrays, build_shards
from train.simulator.levels import decibels_to_gain, speech_rms, to_int16
from train.simulator.noise import NoisePool
from train.simulator.rooms import RoomBank, load_room_bank
from train.speeds import Speeds

__all__ = [
    "SCENE_S",
    "RenderedScene",
    "SceneMix",
    "Scenes",
    "build_wake_scenes",
    "n_shards",
    "other_words",
    "render_scene",
    "rendered",
    "scene_settings",
]

Scenes = dict[str, np.ndarray]
"""What is rendered, by name, one row a scene."""

SCENE_S = 3.0
"""Length of a scene, s."""

RECIPE_VERSION = 4
"""Raised whenever the recipe changes, so that cached scenes of an older one are not mistaken for it."""

_SCENES_PER_SHARD = 200
_LEAST_OF_OTHER_WORDS = 40
_N = round(SCENE_S * SAMPLE_RATE_HZ)


@dataclass(frozen=True, slots=True)
class SceneMix:
    """How many scenes of which kind, and how fast."""

    per_word_clip: int = 16
    """Positives made from each recording of a word."""
    parts_per_word_clip: float = 5.0
    """Negatives made from each recording of a word by leaving out a part of it."""
    per_speech_clip: float = 5.0
    """Negatives made from each recording of other speech."""
    per_longform_second: float = 6.0
    """Negatives cut from each second of long-form speech."""
    background: int = 2000
    """Negatives without speech."""
    per_other_word_clip: float = 6.0
    """Scenes of each recording of another word that has an output while the network is trained."""
    per_synthetic_word: float = 4.0
    """Positives made from each utterance of a synthesiser that says a word."""
    per_synthetic_speech: float = 3.0
    """Negatives made from each other utterance of a synthesiser."""
    talker_balance: float = 0.5
    """How far scenes are evened out over the talkers of a word: 0 not at all, 1 as many of every talker."""
    other_speed_share: float = 0.8
    """Share of the recordings that are played faster or slower."""
    speed_range: float = 0.24
    """Natural logarithm of the largest speed, and of the inverse of the smallest: 0.24 is 0.79 to 1.27."""
    longform_speeds: bool = True
    """Whether long-form speech is played faster or slower, too."""

    @property
    def speeds(self) -> Speeds:
        """Return at which speeds recordings are played."""
        return Speeds(self.other_speed_share, self.speed_range)

    def to_dict(self) -> dict[str, Any]:
        """Return the mix as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Corpus:
    words: list[Clip]
    others: list[Clip]
    speech: list[Clip]
    synthetic: list[Clip]
    longform: list[Clip]
    noise: NoisePool
    rooms: RoomBank
    mix: SceneMix


@lru_cache(maxsize=1)
def _corpus(
    data: Path, synthetic: tuple[Clip, ...], split: str, cache: Path, mix: SceneMix, words: tuple[str, ...]
) -> _Corpus:
    clips = [clip for clip in load_manifest(data) if clip.split == split]
    by_role: dict[str, list[Clip]] = {}
    for clip in clips:
        by_role.setdefault(clip.role, []).append(clip)
    speech, longform = by_role.get("speech", []), by_role.get("longform", [])
    if not speech and not longform:
        raise DataError(
            f"{data}: split {split}: got no recordings of the roles speech and longform, expected some of what is no "
            "wake word; add them to its manifest"
        )
    return _Corpus(
        words=[clip for clip in by_role.get("wake", []) if clip.word in words],
        others=[clip for clip in speech if clip.word in words],
        speech=speech,
        synthetic=[clip for clip in synthetic if clip.split == split],
        longform=longform,
        noise=NoisePool(clips),
        rooms=load_room_bank(cache, split),
        mix=mix,
    )


@lru_cache(maxsize=40)
def _long(clip: Clip) -> np.ndarray:
    return read_clip(clip)


def _fade(x: np.ndarray, n: int = 160) -> np.ndarray:
    x = x.copy()
    n = min(n, x.size // 2)
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    x[:n] *= ramp
    x[x.size - n :] *= ramp[::-1]
    return x


def _utterance(clip: Clip, mix: SceneMix, rng: np.random.Generator) -> tuple[np.ndarray, Span]:
    """Return a recording at a varied speed, unit level, and where its speech lies."""
    x = mix.speeds.apply(read_clip(clip), rng)
    span = speech_span(to_int16(x / max(1e-6, float(np.abs(x).max())) * 0.5))
    x = x / max(1e-6, speech_rms(x[span.start : span.stop]))
    return x.astype(np.float32), span


def _cut(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    return _fade(x[max(0, start) : min(x.size, stop)])


def _place(track: np.ndarray, x: np.ndarray, at: int) -> None:
    """Add ``x`` to the track from sample ``at`` on, cutting what lies outside."""
    first, last = max(0, at), min(track.size, at + x.size)
    if last > first:
        track[first:last] += x[first - at : last - at]


def _other_speech(corpus: _Corpus, rng: np.random.Generator) -> np.ndarray:
    """Return a stretch of speech without a wake word, unit level."""
    if corpus.longform and (not corpus.speech or rng.random() < 0.5):
        long = _long(corpus.longform[rng.integers(len(corpus.longform))])
        at = rng.integers(0, max(1, long.size - 2 * SAMPLE_RATE_HZ))
        x = long[at : at + 2 * SAMPLE_RATE_HZ]
        return _fade(x / max(1e-4, speech_rms(x)))
    x, span = _utterance(corpus.speech[rng.integers(len(corpus.speech))], corpus.mix, rng)
    return _cut(x, span.start - 800, span.stop + 1280)


def _dry(kind: str, clip: Clip | None, corpus: _Corpus, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return the dry speech of a scene, and the sample at which a word ends in it (-1: none)."""
    track = np.zeros(_N, np.float32)
    if kind == "background":
        return track, -1
    if kind == "longform":
        assert clip is not None
        long = _long(clip)
        at = int(rng.integers(0, max(1, long.size - 2 * _N)))
        x = long[at : at + 2 * _N]
        x = (corpus.mix.speeds.apply(x, rng) if corpus.mix.longform_speeds else x)[:_N]
        track[: x.size] = x / max(1e-4, speech_rms(x))
        return track, -1
    if kind == "speech":
        assert clip is not None
        at = int(rng.integers(0, SAMPLE_RATE_HZ // 2))
        x, span = _utterance(clip, corpus.mix, rng)
        x = _cut(x, span.start - 800, span.stop + 1280)
        while at < _N:
            _place(track, x, at)
            at += x.size + int(rng.integers(0, SAMPLE_RATE_HZ // 2))
            x = _other_speech(corpus, rng)
        return track, -1
    assert clip is not None
    x, span = _utterance(clip, corpus.mix, rng)
    end = int(rng.uniform(0.9, SCENE_S - 0.35) * SAMPLE_RATE_HZ)
    start = end - (span.stop - span.start)
    if kind == "word":
        _place(track, _cut(x, span.start - 960, span.stop + 1280), start - min(960, span.start))
    else:  # part of a word
        length = span.stop - span.start
        share = rng.uniform(0.4, 0.62)
        if rng.random() < 0.6:
            _place(
                track,
                _cut(x, span.start - 960, span.start + int(share * length)),
                start - min(960, span.start),
            )
            end = start + int(share * length)
        else:
            _place(track, _cut(x, span.stop - int(share * length), span.stop + 1280), end - int(share * length))
            start = end - int(share * length)
    if rng.random() < 0.4:
        before = _other_speech(corpus, rng) * decibels_to_gain(rng.uniform(-9, 3))
        _place(track, before, start - before.size - int(rng.uniform(0.03, 0.5) * SAMPLE_RATE_HZ))
    if rng.random() < 0.4:
        after = _other_speech(corpus, rng) * decibels_to_gain(rng.uniform(-9, 3))
        _place(track, after, end + int(rng.uniform(0.04, 0.6) * SAMPLE_RATE_HZ))
    return track, end if kind == "word" else -1


def _colour(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary the channel: small loudspeakers (the wake word must be heard to be refused), narrow-band sources, tilt."""
    draw = rng.random()
    if draw < 0.15:
        sos = scipy.signal.butter(2, rng.uniform(150, 700), "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    elif draw < 0.25:
        sos = scipy.signal.butter(6, rng.uniform(3300, 3900), "lowpass", fs=SAMPLE_RATE_HZ, output="sos")
    elif draw < 0.5:
        a = rng.uniform(-0.35, 0.35)
        return scipy.signal.lfilter([1.0, a], [1.0], x).astype(np.float32)
    else:
        return x
    return scipy.signal.sosfilt(sos, x).astype(np.float32)


def other_words(data: Path) -> tuple[str, ...]:
    """Return the ids of words that train recordings of the role "speech" say often enough to be told apart."""
    said = Counter(
        clip.word for clip in load_manifest(data) if clip.role == "speech" and clip.split == "train" and clip.word
    )
    return tuple(sorted(word for word, count in said.items() if count >= _LEAST_OF_OTHER_WORDS))


def render_scene(kind: str, clip: Clip | None, corpus: _Corpus, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Render one scene.

    Returns
    -------
    samples : (48000,) int16
    end : int
        Sample at which a word ends, -1 for none.
    """
    x, end = _dry(kind, clip, corpus, rng)
    if rng.random() < 0.6:
        response = corpus.rooms.draw(rng).response
        x = scipy.signal.oaconvolve(x, response)[:_N].astype(np.float32)
    x = _colour(x, rng)
    # From what a microphone 30 dB too low gives to what clips in one 12 dB too high.
    level = rng.uniform(-62, -8)
    x = x * decibels_to_gain(level)
    snr = rng.uniform(30, 50) if rng.random() < 0.25 else rng.uniform(-2, 30)
    noise = corpus.noise.draw(_N, rng)
    x = x + noise / max(1e-9, float(np.sqrt(np.mean(noise**2)))) * decibels_to_gain(level - snr)
    if rng.random() < 0.1:
        # Digital silence before the speech: recordings have it, and the frontend's noise estimate starts there.
        x[: int(rng.uniform(0, 0.6) * SAMPLE_RATE_HZ)] = 0
    return to_int16(x), end


def _balanced(clips: list[Clip], strength: float) -> list[tuple[Clip, float]]:
    """Weight recordings so that frequent talkers of a word count less; the weights of a word have a mean of 1."""
    weighted: list[tuple[Clip, float]] = []
    for word in sorted({clip.word for clip in clips}):
        said = [clip for clip in clips if clip.word == word]
        count = Counter(clip.talker for clip in said)
        raw = np.array([count[clip.talker] ** -strength for clip in said])
        weighted += zip(said, (raw / raw.mean()).tolist(), strict=True)
    return weighted


def _plan(mix: SceneMix, corpus: _Corpus, seed: int, words: tuple[str, ...]) -> list[tuple[str, Clip | None]]:
    rng = np.random.default_rng([seed, 1])
    plan: list[tuple[str, Clip | None]] = []

    def add(kind: str, clip: Clip | None, times: float) -> None:
        plan.extend([(kind, clip)] * int(times + rng.random()))

    for clip, weight in _balanced(corpus.words, mix.talker_balance):
        add("word", clip, mix.per_word_clip * weight)
        add("part", clip, mix.parts_per_word_clip * weight)
    for clip in corpus.others:
        add("word", clip, mix.per_other_word_clip)
    for clip in corpus.speech:
        add("speech", clip, mix.per_speech_clip)
    for clip in corpus.synthetic:
        said = clip.role == "wake" and clip.word in words
        add("word" if said else "speech", clip, mix.per_synthetic_word if said else mix.per_synthetic_speech)
    for clip in corpus.longform:
        add("longform", clip, mix.per_longform_second * clip.seconds / SCENE_S)
    # No more of them than of words: a small corpus would drown in silence, and learn to say nothing.
    add("background", None, min(mix.background, mix.per_word_clip * len(corpus.words)))
    order = rng.permutation(len(plan))
    return [plan[i] for i in order]


@dataclass(frozen=True, slots=True)
class RenderedScene:
    """A scene before the frontend hears it."""

    samples: np.ndarray
    """``(48000,) int16``."""
    end: int
    """Sample at which a word ends, -1 for none."""
    word: int
    """Index into the words, -1 for none."""
    talker: str
    """Who says the word; empty for none."""


def rendered(
    index: int,
    *,
    data: Path,
    synthetic: tuple[Clip, ...],
    split: str,
    cache: Path,
    mix: SceneMix,
    seed: int,
    words: tuple[str, ...],
) -> Iterator[RenderedScene]:
    """Render the scenes of one shard, the same whoever asks for them."""
    corpus = _corpus(data, synthetic, split, cache, mix, words)
    plan = _plan(mix, corpus, seed, words)[index * _SCENES_PER_SHARD : (index + 1) * _SCENES_PER_SHARD]
    for number, (kind, clip) in enumerate(plan):
        rng = np.random.default_rng([seed, 2, index * _SCENES_PER_SHARD + number])
        samples, end = render_scene(kind, clip, corpus, rng)
        says = kind == "word" and clip is not None
        yield RenderedScene(
            samples, end, words.index(clip.word) if says and clip else -1, clip.talker if says and clip else ""
        )


def n_shards(
    data: Path,
    synthetic: tuple[Clip, ...],
    split: str,
    cache: Path,
    mix: SceneMix,
    seed: int,
    words: tuple[str, ...],
) -> int:
    """Return how many shards the scenes of a split are made in."""
    return -(-len(_plan(mix, _corpus(data, synthetic, split, cache, mix, words), seed, words)) // _SCENES_PER_SHARD)


def scene_settings(
    data: Path, synthetic: Sequence[Clip], split: str, mix: SceneMix, seed: int, words: tuple[str, ...]
) -> dict[str, Any]:
    """Return all that the scenes of a split depend on, as plain data."""
    return {
        "recipe": RECIPE_VERSION,
        "data": content_hash(data),
        # Their names are hashes of what they say and of how.
        "synthetic": hashlib.sha256("".join(clip.role + clip.path for clip in synthetic).encode()).hexdigest(),
        "split": split,
        "mix": mix.to_dict(),
        "seed": seed,
        "words": words,
    }


def _make_shard(index: int, *, frontend: FrontendSettings, **scenes: Any) -> Arrays:
    of_scenes = list(rendered(index, **scenes))
    return {
        "features": np.stack([quantise_features(Frontend(frontend).push(one.samples)) for one in of_scenes]),
        "end_sample": np.array([one.end for one in of_scenes], np.int32),
        "word": np.array([one.word for one in of_scenes], np.int8),
        "talker": np.array([one.talker for one in of_scenes]),
    }


def build_wake_scenes(
    data: Path,
    split: str,
    cache: Path,
    *,
    mix: SceneMix,
    seed: int,
    words: tuple[str, ...],
    frontend: FrontendSettings,
    synthetic: Sequence[Clip] = (),
    engine: Engine | None = None,
) -> Arrays:
    """Render the scenes of a split, or read them from the cache.

    Parameters
    ----------
    words : tuple of str
        Ids of the words that have an output: wake words, and perhaps others that recordings of the role "speech" say.
    synthetic : sequence of Clip
        Synthesised speech (:func:`train.spoken.speak_all`), positives of the role "wake" and negatives of "speech".

    Returns
    -------
    dict
        ``features`` ``(n, frames, 40) int8``, ``end_sample`` ``(n,) int32`` (-1: no word), ``word`` ``(n,) int8``
        (index into ``words``, -1: none), ``talker`` ``(n,) str``.
    """
    scenes: dict[str, Any] = {
        "data": data, "synthetic": tuple(synthetic), "split": split, "cache": cache, "mix": mix, "seed": seed,
        "words": words,
    }  # fmt: skip
    settings = {**scene_settings(data, synthetic, split, mix, seed, words), "frontend": frontend.to_dict()}
    make = partial(_make_shard, frontend=frontend, **scenes)
    return build_shards(cache, f"wake-{split}", settings, n_shards(**scenes), make, engine=engine, unit="scenes")
