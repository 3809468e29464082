"""A bank of synthesised speech: phrases said by many voices, kept as files.

Nobody is claimed to have said them: the corpus of these clips is ``synthetic``, and a voice is a pseudo-talker. They
fill what no recording can: a word that was just thought of, and the phrases that sound like it.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from edge.errors import UsageError
from edge.sample_time import SAMPLE_RATE_HZ
from train.atomic_file import writing
from train.clip import Clip
from train.synthesis import SYNTHESISERS, Prosody, synthesise, synthesiser_version, variants

__all__ = ["CORPUS", "LICENCE", "speak_all", "voices"]

CORPUS = "synthetic"
"""Name of the corpus of all clips from here."""

LICENCE = "synthesised"
"""Speech that a program made of a text; the programs and the voices of flite are free software (Debian, main)."""

_FORM = 1
"""Raised whenever the same settings give other files."""

_ACCENTS = ("en-us", "en-us-nyc", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-029")
"""Accents of English that espeak-ng has."""

# Those that sound like a person: no robots, no announcer.
_VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2", "klatt3",
    "klatt4", "klatt5", "klatt6", "croak", "whisper", "whisperf", "Alex", "Alicia", "Andrea", "Andy", "Annie",
    "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee", "Michael", "Mike", "Nguyen", "adam", "anika",
    "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma", "grandpa",
    "gustave", "iven", "john", "linda", "marcelo", "marco", "max", "michel", "miguel", "norbert", "pablo", "paul",
    "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac",
)  # fmt: skip
_FLITE_VOICES = ("awb", "kal", "kal16", "rms", "slt")
_HELD_OUT = 6
"""One timbre in so many speaks in dev alone."""

_ENDINGS = ("", "", ".", "!", "?", ",")
"""What stands after a text moves its melody; twice as often nothing."""

_PHONEMES = "[["
"""Begins a text that only espeak-ng can read."""

_PEAK = 0.5
_FLITE_SHARE = 0.4
"""Share of flite where both speak: it has 5 voices, and they are made of recordings."""


@dataclass(frozen=True, slots=True)
class _Utterance:
    phrase: str
    text: str
    voice: str
    prosody: Prosody

    def file(self, cache: Path) -> Path:
        """Return where it is kept: under a hash of all that it depends on."""
        made_of = {"form": _FORM, "version": synthesiser_version(self.voice), **asdict(self)}
        name = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:24]
        return cache / "spoken" / name[:2] / f"{name}.flac"


def voices(program: str, split: str = "train") -> list[str]:
    """Return the voices of a program that speak in a split; no timbre is in two splits.

    Parameters
    ----------
    program : str
        One of :data:`train.synthesis.SYNTHESISERS`.
    split : str
        ``"train"`` or ``"dev"``.

    Returns
    -------
    list of str
        As :func:`train.synthesis.synthesise` takes them: ``espeak-ng:en-gb+f3``.

    Raises
    ------
    UsageError
        If the program or the split is unknown, or the program is not installed.
    """
    if program not in SYNTHESISERS:
        raise UsageError(f"synthesiser is {program!r}, expected one of {', '.join(SYNTHESISERS)}; choose among them")
    if split not in ("train", "dev"):
        raise UsageError(f"split is {split!r}, expected train or dev: no synthesised speech is judged on")
    if program == "flite":
        return [f"flite:{name}" for name in _FLITE_VOICES if (name == "rms") == (split == "dev")]
    there = set(variants())
    held_out = set(_VARIANTS[_HELD_OUT - 1 :: _HELD_OUT])
    timbres = [f"+{name}" for name in _VARIANTS if name in there and (name in held_out) == (split == "dev")]
    return [f"espeak-ng:{accent}{timbre}" for accent in _ACCENTS for timbre in timbres]


def _drawn(phrase: str, programs: dict[str, list[str]], n: int, seed: int, split: str) -> list[_Utterance]:
    """Draw how a phrase is said; the same whichever other phrases are asked for, and the first ones whatever `n` is."""
    rng = np.random.default_rng([seed, *hashlib.sha256(f"{split}\0{phrase}".encode()).digest()])
    as_phonemes = phrase.startswith(_PHONEMES)
    found = []
    for _ in range(n):
        by_flite, pick, *prosody = rng.random(), rng.random(), *rng.random(4)
        program = "flite" if "flite" in programs and by_flite < _FLITE_SHARE else "espeak-ng"
        if program not in programs:
            program = next(iter(programs))
        if as_phonemes:
            program = "espeak-ng"
        chosen = programs[program]
        ending = "" if as_phonemes else _ENDINGS[int(prosody[3] * len(_ENDINGS))]
        found.append(
            _Utterance(
                phrase=phrase,
                text=phrase + ending,
                voice=chosen[int(pick * len(chosen))],
                prosody=Prosody(
                    pitch=20 + int(prosody[0] * 61), speed_wpm=120 + int(prosody[1] * 101), gap=int(prosody[2] * 5)
                ),
            )
        )
    return found


def _speak(utterance: _Utterance, cache: Path) -> None:
    import soundfile

    from edge.files import write_whole

    file = utterance.file(cache)
    if file.is_file():
        return
    samples = synthesise(utterance.text, utterance.voice, utterance.prosody)
    samples = samples * np.float32(_PEAK / float(np.abs(samples).max()))
    made = io.BytesIO()
    soundfile.write(made, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    with writing(file):
        write_whole(file, lambda out: out.write(made.getvalue()))


def speak_all(
    phrases: Iterable[str],
    cache: Path,
    *,
    per_phrase: int,
    programs: Sequence[str] = SYNTHESISERS,
    split: str = "train",
    role: str = "wake",
    seed: int = 1,
    workers: int | None = None,
) -> list[Clip]:
    """Have phrases spoken, or take them from the cache; interrupted, the same call goes on where it was.

    Parameters
    ----------
    phrases : iterable of str
        Words or sentences, English; or phonemes of espeak-ng between ``[[`` and ``]]``, which espeak-ng alone speaks.
    cache : Path
        Folder in which ``spoken`` is made: 16 kHz FLAC, named by a hash of the version of the program, the voice, the
        prosody and the text.
    per_phrase : int
        Utterances of each phrase, each with a voice and a prosody of its own.
    programs : sequence of str
        Of :data:`train.synthesis.SYNTHESISERS`.
    split : str
        ``"train"`` or ``"dev"``: they have no timbre in common.
    role : str
        Of the clips: ``"wake"`` for words, ``"speech"`` for anything else.
    seed : int
    workers : int, optional
        Programs that speak at the same time; all processors unless given.

    Returns
    -------
    list of Clip
        Of the corpus :data:`CORPUS`, in the order of the phrases; the voice is the speaker, e.g.
        ``espeak-ng:en-gb+f3``, the phrase is the label.

    Raises
    ------
    UsageError
        If no program is given, or one is unknown, is not installed or does not speak; phonemes without espeak-ng.
    DataError
        If the cache cannot be written.
    """
    if not programs:
        raise UsageError(f"got no synthesiser, expected at least one of {', '.join(SYNTHESISERS)}")
    phrases = list(dict.fromkeys(phrases))
    by_program = {program: voices(program, split) for program in programs}
    if "espeak-ng" not in by_program and any(phrase.startswith(_PHONEMES) for phrase in phrases):
        raise UsageError("phonemes are spoken by espeak-ng alone, and it was not asked for; add it to the synthesisers")
    drawn = [one for phrase in phrases for one in _drawn(phrase, by_program, per_phrase, seed, split)]
    # Threads do: each waits for a program.
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        speaking = pool.map(partial(_speak, cache=cache), drawn)
        try:
            for _ in tqdm(speaking, desc=f"speaking ({split})", total=len(drawn), unit="utterance", disable=None):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
    return [_clip(one, cache, split, role) for one in drawn]


def _clip(utterance: _Utterance, cache: Path, split: str, role: str) -> Clip:
    import soundfile

    file = utterance.file(cache)
    about: Any = soundfile.info(file)
    return Clip(
        path=file.relative_to(cache).as_posix(),
        file=file,
        corpus=CORPUS,
        speaker=utterance.voice,
        split=split,
        role=role,
        label=utterance.phrase,
        seconds=about.frames / about.samplerate,
        native_hz=SAMPLE_RATE_HZ,
        licence=LICENCE,
    )
