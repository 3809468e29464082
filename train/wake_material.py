"""What a wake network is trained on: the words of a corpus, what synthesisers say, and the scenes made of both."""

from collections.abc import Collection, Sequence
from pathlib import Path

from edge.errors import DataError, UsageError
from edge.frontend_tables import FrontendSettings
from train.clip import Clip
from train.corpus import load_manifest
from train.engines.choice import Engine
from train.similar import must_not_fire
from train.spoken import speak_all
from train.wake_scenes import Scenes, build_wake_scenes
from train.wake_settings import WakeSettings

__all__ = ["phrases", "spoken", "taught_words", "wake_scenes"]

_LEAST_TALKERS = 3


def phrases(data: Path) -> dict[str, str]:
    """Return the words of a corpus: what is said, by id.

    Raises
    ------
    DataError
        If there are none, or a word has too few talkers to learn from or none to choose by.
    """
    said = [clip for clip in load_manifest(data) if clip.role == "wake"]
    if not said:
        raise DataError(
            f"{data}: got no clip of the role 'wake', expected recordings of the words; see train/corpus.py"
        )
    for word in sorted({clip.word for clip in said}):
        for split, least in (("train", _LEAST_TALKERS), ("dev", 1)):
            n = len({clip.talker for clip in said if (clip.word, clip.split) == (word, split)})
            if n < least:
                raise DataError(
                    f"{data}: word {word!r}: got {n} talkers in the split {split}, expected {least} or more; record "
                    "more people, or put some of another split there"
                )
    return {clip.word: clip.label for clip in said}


def taught_words(data: Path, without: Collection[str]) -> dict[str, str]:
    """Return the words of a corpus that a network is taught, as :func:`phrases` does.

    Parameters
    ----------
    data : Path
    without : collection of str
        Ids of words that are left out.

    Raises
    ------
    DataError
        As of :func:`phrases`.
    UsageError
        If a word is to be left out that is not there, or all are.
    """
    said = phrases(data)
    unknown = sorted(set(without) - said.keys())
    if unknown or set(without) == said.keys():
        raise UsageError(
            f"without: got {', '.join(unknown or sorted(without))}, expected some, and not all, of the words of "
            f"{data}: {', '.join(sorted(said))}; leave out another one"
        )
    return {word: phrase for word, phrase in said.items() if word not in without}


def wake_scenes(
    settings: WakeSettings,
    words: tuple[str, ...],
    *,
    data: Path,
    cache: Path,
    engine: Engine | None,
    seed: int,
    synthetic: Sequence[Clip] = (),
    splits: Sequence[str] = ("train", "dev"),
) -> dict[str, Scenes]:
    """Render the scenes of splits, or read them from the cache.

    Parameters
    ----------
    words : tuple of str
        All that have an output while the network is trained.
    synthetic : sequence of Clip
        As :func:`spoken` returns it.
    """
    return {
        split: build_wake_scenes(
            data,
            split,
            cache,
            mix=settings.mix(),
            seed=seed,
            words=words,
            frontend=FrontendSettings(),
            synthetic=synthetic,
            engine=engine,
        )
        for split in splits
    }


def spoken(settings: WakeSettings, texts: Sequence[str], cache: Path) -> list[Clip]:
    """Have synthesisers say the words, and what must not be taken for them.

    Parameters
    ----------
    texts : sequence of str
        The words, as they are said.
    cache : Path
        Where the utterances are kept.
    """
    if not settings.synth:
        return []

    def say(phrases: Sequence[str], n: int, role: str) -> list[Clip]:
        per_phrase = max(1, round(n * settings.scenes))
        return speak_all(phrases, cache, per_phrase=per_phrase, programs=settings.synth, role=role)

    return [
        *say(texts, settings.spoken_per_word, "wake"),
        *say(must_not_fire(texts), settings.spoken_per_near_miss, "speech"),
    ]
