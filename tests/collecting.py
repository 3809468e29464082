"""What the tests of ``vivavoce collect`` share: a call with a scripted person, and what it left in the folder."""

import argparse
import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from scripted_person import word

from edge.cli import Parser
from edge.collector import Collector
from edge.commands.collect import configure
from edge.terminal import Terminal

__all__ = [
    "WORDS",
    "Person",
    "collect",
    "collect_in_a_process",
    "content_of",
    "holds",
    "options",
    "rows_of",
]

HERE = Path(__file__).parent

WORDS = [word(seed) for seed in range(6)]

_ARGUMENTS = ("--word", "hey house", "--takes", "3", "--speaker", "ann", "--consent", "yes")


class Person(io.StringIO):
    """Somebody who types; to the program a terminal."""

    def isatty(self) -> bool:
        return True


def options(out: Path, *more: str) -> argparse.Namespace:
    parser = Parser("vivavoce collect")
    configure(parser)
    return parser.parse_args([*_ARGUMENTS, "--out", str(out), *more])


def collect(scene, out: Path, *more: str, typed: str | None = None) -> int:
    """Hold the dialogue; with `typed`, with a person at a terminal."""
    reader = io.StringIO() if typed is None else Person(typed)
    return Collector(options(out, *more), Terminal(reader, scene), lambda _: scene).run()


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def holds(samples: np.ndarray, said: np.ndarray) -> bool:
    """Whether what was said is in a recording, but for the noise of the room."""
    size = samples.size + said.size
    dots = np.fft.irfft(np.fft.rfft(samples, size) * np.conj(np.fft.rfft(said, size)), size)
    at = int(np.argmax(dots[: samples.size - said.size + 1]))
    return bool(np.abs(samples[at : at + said.size].astype(int) - said).max() < 40)


_PROCESS = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from edge.cli import Parser
from edge.output import report_error
from edge.commands.collect import configure, run
from edge.errors import VivavoceError
from scripted_person import Scene, word
{prepare}
shown = sys.stdout
class Tee:
    isatty = lambda self: False
    flush = shown.flush
    def write(self, text):
        shown.write(text)
        scene.write(text)
sys.stdout = Tee()
parser = Parser("vivavoce collect")
configure(parser)
try:
    run(parser.parse_args(sys.argv[1:]), lambda _: scene)
except VivavoceError as error:
    report_error(error)
    sys.exit(2)
"""


def collect_in_a_process(prepare: str, out: Path) -> subprocess.CompletedProcess[str]:
    """Hold the dialogue in a process that may be killed; the code `prepare` makes its ``scene``."""
    return subprocess.run(
        [sys.executable, "-c", _PROCESS.format(prepare=prepare), str(HERE), *_ARGUMENTS, "--out", str(out)],
        cwd=HERE.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
