"""Speech from a synthesiser of Debian: for sample scenes and tests, never for training."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.events import SAMPLE_RATE_HZ

__all__ = ["SYNTHESISERS", "synthesise", "synthesiser_version"]

SYNTHESISERS = ("flite", "espeak-ng")
"""Programs that can speak; each is the name of its Debian package, too."""

_TIMEOUT_S = 60


def _split(voice: str) -> tuple[str, str]:
    program, _, name = voice.partition(":")
    if program not in SYNTHESISERS or not name or name.startswith("-"):
        raise UsageError(
            f"voice is {voice!r}, expected PROGRAM:NAME with a program of {', '.join(SYNTHESISERS)}, "
            "such as flite:slt or espeak-ng:en-gb"
        )
    return program, name


def _call(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = shutil.which(program)
    if found is None:
        raise UsageError(f"the synthesiser {program} is not installed here; install it with: apt-get install {program}")
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


def synthesiser_version(voice: str) -> str:
    """Return what the synthesiser of a voice says about its version, on one line.

    Raises
    ------
    UsageError
        If the voice names no known program, or the program is not installed.
    """
    done = _call(_split(voice)[0], "--version")
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    # flite begins with its copyright; espeak-ng ends with a path of this machine.
    line = next((line for line in lines if line.startswith("version:")), lines[0] if lines else "unknown")
    return line.removeprefix("version:").partition("  Data at")[0].strip()


def _refuse_unknown(voice: str) -> None:
    """Refuse a voice that is not there: flite takes it for a file name, or speaks with another voice."""
    program, name = _split(voice)
    if program == "flite":
        names = _call("flite", "-lv").stdout.partition(":")[2].split()
        if name not in names:
            raise UsageError(f"flite has no voice {name!r}; it has {', '.join(names) or 'none'}")


def synthesise(text: str, voice: str) -> npt.NDArray[np.float32]:
    """Speak a text.

    Parameters
    ----------
    text : str
        A word or a sentence, English.
    voice : str
        ``PROGRAM:NAME``: a program of :data:`SYNTHESISERS` and one of its voices, e.g. ``flite:slt``.

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
            done = _call(program, "-voice", name, "-t", text, "-o", str(file))
        else:
            done = _call(program, "-v", name, "-w", str(file), "--", text)
        try:
            samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError):
            samples, rate_hz = np.zeros((0, 1), np.float32), SAMPLE_RATE_HZ
    if done.returncode != 0 or not samples.any():
        said = done.stderr.strip() or f"exit code {done.returncode}, no sound"
        raise UsageError(f"{program} does not speak {text!r} as {name!r} ({said}); choose another --voice")
    mono: npt.NDArray[np.float32] = samples[:, 0]
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    return np.ascontiguousarray(mono, np.float32)
