"""Speech from a synthesiser of Debian: for sample scenes, tests, and the bank of :mod:`train.spoken`."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.sample_time import SAMPLE_RATE_HZ

__all__ = ["PLAIN", "SYNTHESISERS", "Prosody", "phonemes", "synthesise", "synthesiser_version", "variants"]

SYNTHESISERS = ("flite", "espeak-ng")
"""Programs that can speak; each is the name of its Debian package, too."""

_TIMEOUT_S = 60
_USUAL_WPM = 175  # how fast espeak-ng speaks if it is not told, and about how fast the voices of flite do


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a text is spoken. What a synthesiser cannot vary is left as it is: flite:rms has one pitch."""

    pitch: int = 50
    """0 to 99, as espeak-ng counts: 50 is the voice's own, a step of 50 about an octave."""
    speed_wpm: int = _USUAL_WPM
    """Words a minute."""
    gap: int = 0
    """Pause between words beyond the usual one, 10 ms at 175 words a minute."""


PLAIN = Prosody()
"""As the voice speaks by itself."""


def _split(voice: str) -> tuple[str, str]:
    program, _, name = voice.partition(":")
    if program not in SYNTHESISERS or not name or name.startswith("-"):
        raise UsageError(
            f"voice is {voice!r}, expected PROGRAM:NAME with a program of {', '.join(SYNTHESISERS)}, "
            "such as flite:slt or espeak-ng:en-gb"
        )
    return program, name


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"the synthesiser {program} is not installed here; install it with: apt-get install {program}")
    return found


def _call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = _found(program)
    try:
        return subprocess.run(
            [found, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{found}: cannot be run ({error}); install the package {program} again") from error


@lru_cache
def _listed(found: str, option: str) -> str:
    """Return what a program, named by its path, says about itself: asked for once, not with every utterance."""
    done = _call(found, option)
    return done.stdout + done.stderr


def _asked(program: str, option: str) -> str:
    return _listed(_found(program), option)


def synthesiser_version(voice: str) -> str:
    """Return what the synthesiser of a voice says about its version, on one line.

    Raises
    ------
    UsageError
        If the voice names no known program, or the program is not installed.
    """
    lines = [line.strip() for line in _asked(_split(voice)[0], "--version").splitlines() if line.strip()]
    # flite begins with its copyright; espeak-ng ends with a path of this machine.
    line = next((line for line in lines if line.startswith("version:")), lines[0] if lines else "unknown")
    return line.removeprefix("version:").partition("  Data at")[0].strip()


def _flite_voices() -> list[str]:
    return _asked("flite", "-lv").partition(":")[2].split()


def variants() -> list[str]:
    """Return the variants that this espeak-ng has, ``f3`` in ``espeak-ng:en-gb+f3``: timbres that any accent takes.

    Raises
    ------
    UsageError
        If espeak-ng is not installed.
    """
    lines = _asked("espeak-ng", "--voices=variant").splitlines()
    return [line.partition("!v/")[2].partition("  ")[0].strip() for line in lines if "!v/" in line]


def _refuse_unknown(voice: str) -> None:
    """Refuse a voice that is not there: flite takes it for a file name, or either speaks with another voice."""
    program, name = _split(voice)
    if program == "flite":
        if name not in _flite_voices():
            raise UsageError(f"flite has no voice {name!r}; it has {', '.join(_flite_voices()) or 'none'}")
        return
    variant = name.partition("+")[2]
    if variant and variant not in variants():
        raise UsageError(f"espeak-ng has no variant {variant!r}; it has {', '.join(variants()) or 'none'}")


def phonemes(text: str, voice: str = "espeak-ng:en-us") -> str:
    """Return how espeak-ng says a text, in its own phoneme mnemonics: ``dZ'A@vIs`` for "jarvis".

    Between ``[[`` and ``]]`` it takes them as input.

    Raises
    ------
    UsageError
        If espeak-ng is not installed or has no such voice.
    """
    _refuse_unknown(voice)
    done = _call("espeak-ng", "-q", "-x", "-v", _split(voice)[1], "--", text)
    if done.returncode != 0:
        raise UsageError(f"espeak-ng does not read {text!r} ({done.stderr.strip()}); choose another voice")
    return " ".join(done.stdout.split())


def synthesise(text: str, voice: str, prosody: Prosody = PLAIN) -> npt.NDArray[np.float32]:
    """Speak a text.

    Parameters
    ----------
    text : str
        A word or a sentence, English.
    voice : str
        ``PROGRAM:NAME``: a program of :data:`SYNTHESISERS` and one of its voices, e.g. ``flite:slt``.
    prosody : Prosody

    Returns
    -------
    float32 array, shape (n,)
        Mono at 16 kHz, full scale 1; the same for the same version of the program.

    Raises
    ------
    UsageError
        If the program is not installed, has no such voice, or does not speak.
    """
    import soundfile
    import soxr

    program, name = _split(voice)
    _refuse_unknown(voice)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        if program == "flite":
            settings = (
                f"duration_stretch={_USUAL_WPM / prosody.speed_wpm}",
                f"f0_shift={2 ** ((prosody.pitch - 50) / 50)}",
            )
            said = [word for setting in settings for word in ("--setf", setting)] if prosody != PLAIN else []
            done = _call(program, "-voice", name, *said, "-t", text, "-o", str(file))
        else:
            said = (
                ["-p", str(prosody.pitch), "-s", str(prosody.speed_wpm), "-g", str(prosody.gap)]
                if prosody != PLAIN
                else []
            )
            done = _call(program, "-v", name, *said, "-w", str(file), "--", text)
        try:
            samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError):
            samples, rate_hz = np.zeros((0, 1), np.float32), SAMPLE_RATE_HZ
    if done.returncode != 0 or not samples.any():
        told = done.stderr.strip() or f"exit code {done.returncode}, no sound"
        raise UsageError(f"{program} does not speak {text!r} as {name!r} ({told}); choose another --voice")
    mono: npt.NDArray[np.float32] = samples[:, 0]
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return np.ascontiguousarray(mono, np.float32)
