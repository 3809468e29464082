"""Phrases that a word must not be taken for: what shares its sounds, and what is said at home.

Recordings hold few of them. Without, a network hears "smart meter" for "smart mirror" (``train/similar.toml`` has a
list for each of the words that ship, and everyday phrases); for a phrase that nobody wrote a list for, near misses are
made of its words and its phonemes.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from edge.strict_toml import load_tables
from train.synthesis import phonemes

__all__ = ["everyday", "made_near", "must_not_fire", "near_phrases"]

_FILE = Path(__file__).with_name("similar.toml")

_NEAR_CONSONANTS = (
    ("p", "k", "t"), ("b", "g", "d"), ("f", "S", "p"), ("v", "m", "b"), ("s", "S", "f"), ("z", "v", "n"),
    ("m", "n", "b"), ("n", "m", "l"), ("l", "n", "w"), ("r", "l", "w"), ("w", "r", "b"), ("h", "k", "f"),
    ("j", "w", "l"), ("k", "p", "h"), ("g", "d", "b"), ("t", "k", "p"), ("d", "g", "b"), ("tS", "S", "t"),
    ("dZ", "d", "g"), ("S", "tS", "f"), ("Z", "v", "d"), ("T", "S", "k"), ("D", "l", "m"), ("N", "m", "l"),
    ("t#", "k", "n"), ("r-", "l", "w"), ("x", "k", "h"), ("?", "k", "p"),
)  # fmt: skip
"""A consonant of espeak-ng, and what stands in for it: near, and another one in every accent."""

_NEAR_VOWELS = (
    ("eI", "u:", "aU"), ("aU", "i:", "eI"), ("aI", "u:", "oU"), ("OI", "i:", "eI"), ("oU", "i:", "aI"),
    ("i:", "aU", "O:"), ("u:", "aI", "eI"), ("A:", "i:", "OI"), ("O:", "i:", "aI"), ("3:", "OI", "u:"),
    ("I", "aU", "u:"), ("E", "u:", "oU"), ("a", "i:", "u:"), ("aa", "i:", "u:"), ("V", "i:", "eI"), ("U", "i:", "eI"),
    ("0", "i:", "eI"), ("A@", "i:", "oU"), ("e@", "u:", "aU"), ("O@", "i:", "eI"), ("i@", "OI", "aU"),
    ("U@", "aI", "i:"), ("o@", "i:", "eI"), ("I3", "OI", "aU"), ("aI@", "u:", "i:"), ("aI3", "u:", "i:"),
    ("i", "aU", "oU"), ("A", "i:", "u:"), ("Ir", "OI", "aU"), ("o", "i:", "eI"), ("a#", "i:", "u:"),
)  # fmt: skip
"""The same for vowels. They stand far apart: accents differ by near ones, and are to be heard."""

_NEAR = {phoneme: others for phoneme, *others in (*_NEAR_CONSONANTS, *_NEAR_VOWELS)}
_LONGEST = max(map(len, _NEAR))
_STRESS = ("'", ",")

_COMPANIONS = ("the", "my", "a new", "there", "now", "again")
"""What a word of a phrase is said with when it is not said in the phrase."""
_IN_FRONT = 3
"""So many of them stand in front of it, the others behind."""


@lru_cache
def _file() -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    tables = load_tables(_FILE)
    near = {phrase: tuple(dict.fromkeys(others)) for phrase, others in tables["near"].items()}
    return near, tuple(dict.fromkeys(tables["everyday"]["phrases"]))


def everyday() -> tuple[str, ...]:
    """Return short texts of everyday talk at home."""
    return _file()[1]


def near_phrases(phrase: str, *, seed: int = 1) -> tuple[str, ...]:
    """Return near misses of a phrase: those that were written by hand, and for another phrase :func:`made_near`.

    Raises
    ------
    UsageError
        If they have to be made, and espeak-ng is not installed.
    """
    written = _file()[0]
    return written[phrase] if phrase in written else made_near(phrase, seed=seed)


def must_not_fire(phrases: Sequence[str], *, seed: int = 1) -> list[str]:
    """Return the near misses of some phrases and everyday talk, without what holds one of the phrases.

    Raises
    ------
    UsageError
        As :func:`near_phrases` does.
    """
    words = [f" {phrase} " for phrase in phrases]
    texts = (*(near for phrase in phrases for near in near_phrases(phrase, seed=seed)), *everyday())
    return [text for text in dict.fromkeys(texts) if not any(word in f" {text} " for word in words)]


def made_near(phrase: str, *, n: int = 60, seed: int = 1) -> tuple[str, ...]:
    """Make near misses of a phrase.

    Its words alone, swapped, doubled and with others; its first and its last sounds; and the whole of it with one or
    two phonemes replaced by near ones.

    Parameters
    ----------
    phrase : str
    n : int
        At most so many.
    seed : int

    Returns
    -------
    tuple of str
        Texts, and phonemes between ``[[`` and ``]]``.

    Raises
    ------
    UsageError
        If espeak-ng is not installed.
    """
    words = phrase.split()
    made: list[str] = []
    if len(words) > 1:
        made += [*words, " ".join(reversed(words)), *(f"{word} {word}" for word in words)]
        for word in words:
            made += [f"{one} {word}" for one in _COMPANIONS[:_IN_FRONT]]
            made += [f"{word} {one}" for one in _COMPANIONS[_IN_FRONT:]]
    sounds = _split(phonemes(phrase))
    spoken = [i for i, sound in enumerate(sounds) if sound in _NEAR]
    if len(spoken) > 3:
        for share in (0.4, 0.6):
            cut = spoken[round(share * len(spoken))]
            if sounds[cut - 1] in _STRESS:
                cut -= 1
            made += [_spoken(sounds[:cut]), _spoken(sounds[cut:])]
    rng = np.random.default_rng([seed, *phrase.encode()])
    once = [_changed(sounds, [i], rng) for i in spoken for _ in range(2)]
    made += [once[i] for i in rng.permutation(len(once))]
    if len(spoken) > 2:
        made += [_changed(sounds, rng.choice(spoken, 2, replace=False), rng) for _ in range(n)]
    whole = _spoken(sounds)
    return tuple(one for one in dict.fromkeys(made) if one not in (phrase, whole))[:n]


def _split(mnemonics: str) -> list[str]:
    """Split what espeak-ng writes into phonemes, and marks of stress and spaces between them."""
    found = []
    at = 0
    while at < len(mnemonics):
        length = next((n for n in range(_LONGEST, 0, -1) if mnemonics[at : at + n] in _NEAR), 1)
        found.append(mnemonics[at : at + length])
        at += length
    return found


def _spoken(sounds: Sequence[str]) -> str:
    return f"[[{''.join(sounds).strip()}]]"


def _changed(sounds: Sequence[str], where: Iterable[int], rng: np.random.Generator) -> str:
    new = list(sounds)
    for i in where:
        others = _NEAR[sounds[i]]
        new[i] = others[rng.integers(len(others))]
    return _spoken(new)
