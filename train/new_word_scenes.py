"""Scenes from which a new word is learnt: the recipe of :mod:`train.wake_scenes`, another mix."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.frontend import Frontend, quantise_features
from edge.frontend_tables import FrontendSettings
from train.clip import Clip
from train.corpus import content_hash, load_manifest
from train.engines.choice import Engine
from train.shards import Arrays, build_shards
from train.simulator.noise import NoisePool
from train.simulator.rooms import RoomBank, load_room_bank
from train.wake_embeddings import embedding_settings, opened_embedding, quantised_embeddings
from train.wake_scenes import RECIPE_VERSION, SCENE_S, SceneMix, render_scene

__all__ = ["Given", "WordMix", "build_word_embeddings", "build_word_scenes", "held_out_streams"]

_SCENES_PER_SHARD = 200
_HELD_OUT = 5
"""One long-form stream in so many is not learnt from."""


@dataclass(frozen=True, slots=True)
class WordMix:
    """How many scenes of which kind; those of one kind are spread evenly over its recordings."""

    recorded: int = 3000
    """Positives made from recordings."""
    most_per_recording: int = 60
    spoken: int = 3000
    """Positives made from synthesised utterances."""
    parts: int = 1500
    """Negatives: the word with a part of it left out."""
    near: int = 2500
    """Negatives: synthesised phrases that sound like it, and everyday ones."""
    other_words: int = 1500
    """Negatives: the words that the network knows already."""
    speech: int = 2500
    """Negatives: recordings of other speech."""
    longform: int = 3000
    """Negatives: cut from long-form speech."""
    background: int = 300
    """Negatives without speech."""

    def to_dict(self) -> dict[str, Any]:
        """Return the mix as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Given:
    """What scenes of a word are made of, beside the data folder."""

    phrase: str
    recorded: tuple[Clip, ...]
    """Recordings of it."""
    spoken: tuple[Clip, ...]
    """Synthesised utterances of it."""
    near: tuple[Clip, ...]
    """Synthesised utterances of other phrases."""

    def digest(self) -> str:
        """Return a hash of what they are: synthesised files are named by one, a recording may have been made again."""
        recorded = []
        for clip in self.recorded:
            about = clip.file.stat()
            recorded.append((str(clip.file), about.st_size, about.st_mtime_ns))
        said = [(clip.role, clip.path, clip.label) for clip in (*self.spoken, *self.near)]
        return hashlib.sha256(repr((self.phrase, recorded, said)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Corpus:
    """What :func:`train.wake_scenes.render_scene` draws from."""

    words: list[Clip]
    speech: list[Clip]
    longform: list[Clip]
    noise: NoisePool
    rooms: RoomBank
    mix: SceneMix


def held_out_streams(data: Path) -> list[Clip]:
    """Return the long-form streams of train that no scene of a new word is cut from: to count false accepts on."""
    streams = [clip for clip in load_manifest(data) if clip.role == "longform" and clip.split == "train"]
    return sorted(streams, key=lambda clip: hashlib.sha256(clip.path.encode()).digest())[: len(streams) // _HELD_OUT]


@lru_cache(maxsize=1)
def _corpus(data: Path, cache: Path, phrase: str) -> _Corpus:
    held_out = held_out_streams(data)
    clips = [clip for clip in load_manifest(data) if clip.split == "train" and clip not in held_out]
    # The word itself may be among the data, as a wake word or as other speech.
    others = [clip for clip in clips if f" {phrase} " not in f" {clip.label} "]
    return _Corpus(
        words=[clip for clip in others if clip.role == "wake"],
        speech=[clip for clip in others if clip.role == "speech"],
        longform=[clip for clip in clips if clip.role == "longform"],
        noise=NoisePool(clips),
        rooms=load_room_bank(cache, "train"),
        mix=SceneMix(),
    )


def _spread(clips: Sequence[Clip], n: int, rng: np.random.Generator) -> list[Clip]:
    """Take `n` clips, each as often as any other or once more."""
    if not clips:
        return []
    times, rest = divmod(n, len(clips))
    return [*clips] * times + [clips[i] for i in rng.choice(len(clips), rest, replace=False)]


def _plan(mix: WordMix, given: Given, corpus: _Corpus, seed: int) -> list[tuple[str, Clip | None, bool]]:
    """Return kind and clip of every scene, and whether it holds the word."""
    rng = np.random.default_rng([seed, 1])
    recorded = min(mix.recorded, mix.most_per_recording * len(given.recorded))
    said = _spread(given.recorded, recorded, rng) + _spread(given.spoken, mix.spoken, rng)
    parts = [said[i] for i in rng.permutation(len(said))[: mix.parts]]
    # Of each stream as much as it is long.
    seconds = np.array([clip.seconds for clip in corpus.longform])
    cuts = rng.choice(len(seconds), mix.longform, p=seconds / seconds.sum()) if len(seconds) else ()
    plan: list[tuple[str, Clip | None, bool]] = [("word", clip, True) for clip in said]
    plan += [("part", clip, False) for clip in parts]
    plan += [("speech", clip, False) for clip in _spread(given.near, mix.near, rng)]
    plan += [("word", clip, False) for clip in _spread(corpus.words, mix.other_words, rng)]
    plan += [("speech", clip, False) for clip in _spread(corpus.speech, mix.speech, rng)]
    plan += [("longform", corpus.longform[i], False) for i in cuts]
    plan += [("background", None, False)] * mix.background
    return [plan[i] for i in rng.permutation(len(plan))]


def _rendered(
    index: int, *, data: Path, cache: Path, mix: WordMix, given: Given, seed: int
) -> Iterator[tuple[npt.NDArray[np.int16], int]]:
    """Render the scenes of a shard, one after the other; of each also where the word ends, -1 for none."""
    corpus = _corpus(data, cache, given.phrase)
    plan = _plan(mix, given, corpus, seed)
    for number in range(index * _SCENES_PER_SHARD, min((index + 1) * _SCENES_PER_SHARD, len(plan))):
        kind, clip, said = plan[number]
        samples, end = render_scene(kind, clip, corpus, np.random.default_rng([seed, 2, number]))  # type: ignore[arg-type]
        yield samples, end if said else -1


def _make_shard(index: int, *, frontend: FrontendSettings, **scenes: Any) -> Arrays:
    features, ends = [], []
    for samples, end in _rendered(index, **scenes):
        features.append(quantise_features(Frontend(frontend).push(samples)))
        ends.append(end)
    return {"features": np.stack(features), "end_sample": np.array(ends, np.int32)}


def _make_embedding_shard(index: int, *, embedding: Path, **scenes: Any) -> Arrays:
    network = opened_embedding(embedding)
    found, ends = [], []
    for samples, end in _rendered(index, **scenes):
        found.append(quantised_embeddings(network, samples))
        ends.append(end)
    return {"embedding": np.stack(found), "end_sample": np.array(ends, np.int32)}


def build_word_scenes(
    data: Path,
    cache: Path,
    given: Given,
    *,
    mix: WordMix,
    seed: int,
    frontend: FrontendSettings,
    engine: Engine | None = None,
) -> Arrays:
    """Render the scenes of a new word, or read them from the cache.

    Returns
    -------
    dict
        ``features`` ``(n, frames, 40) int8``, ``end_sample`` ``(n,) int32``: where the word ends, -1 for none.

    Raises
    ------
    DataError
        If a recording cannot be read, or shards cannot be written.
    """
    make = partial(_make_shard, data=data, cache=cache, mix=mix, given=given, seed=seed, frontend=frontend)
    return build_shards(
        cache,
        f"word-{_id(given)}",
        {**_settings(data, given, mix, seed), "frontend": frontend.to_dict()},
        _n_shards(data, cache, given, mix, seed),
        make,
        engine=engine,
        unit="scenes",
    )


def build_word_embeddings(
    embedding: Path,
    data: Path,
    cache: Path,
    given: Given,
    *,
    mix: WordMix,
    seed: int,
    engine: Engine | None = None,
) -> Arrays:
    """Compute the speech embeddings of the same scenes, in the same order, or read them from the cache.

    Parameters
    ----------
    embedding : Path
        Folder of the speech embedding: see :class:`train.speech_embedding.SpeechEmbedding`.
    data, cache, given, mix, seed, engine
        As of :func:`build_word_scenes`.

    Returns
    -------
    dict
        ``embedding`` ``(n, m, DIMENSIONS) int8`` (:func:`train.wake_embeddings.quantised_embeddings`) and
        ``end_sample`` ``(n,) int32``.

    Raises
    ------
    DataError
        If `embedding` does not hold it, a recording cannot be read, or shards cannot be written.
    """
    settings = {**_settings(data, given, mix, seed), **embedding_settings(embedding)}
    make = partial(_make_embedding_shard, embedding=embedding, data=data, cache=cache, mix=mix, given=given, seed=seed)
    return build_shards(
        cache,
        f"word-embeddings-{_id(given)}",
        settings,
        _n_shards(data, cache, given, mix, seed),
        make,
        engine=engine,
        unit="scenes",
    )


def _id(given: Given) -> str:
    return given.phrase.replace(" ", "_")


def _n_shards(data: Path, cache: Path, given: Given, mix: WordMix, seed: int) -> int:
    return -(-len(_plan(mix, given, _corpus(data, cache, given.phrase), seed)) // _SCENES_PER_SHARD)


def _settings(data: Path, given: Given, mix: WordMix, seed: int) -> dict[str, Any]:
    return {
        "recipe": RECIPE_VERSION,
        "data": content_hash(data),
        "scene_s": SCENE_S,
        "mix": mix.to_dict(),
        "scenes": SceneMix().to_dict(),
        "given": given.digest(),
        "seed": seed,
    }
