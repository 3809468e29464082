"""Run a program on the emulated board and read what its marked regions counted."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emulator import QEMU, run_guest

__all__ = ["Region", "qemu_version", "run_counted"]


class Region(NamedTuple):
    """What lay between two marks."""

    name: str
    round: int
    """From 0; what a program does for the first time is round 0, which is not counted."""
    units: int
    """How often it did what is counted: hops, steps, decisions."""
    instructions: int


def run_counted(
    guest: Path, arguments: Sequence[str], *, cpu: str, environment: dict[str, str], runtime: str = "litert"
) -> tuple[list[Region], dict[str, Any]]:
    """Run a guest once.

    Parameters
    ----------
    guest : Path
        A script that prints one JSON object, whose ``regions`` are those of ``guest_marks.Regions``.
    arguments : sequence of str
    cpu : str
        One of ``emulator.CPUS``.
    environment : dict of str to str
    runtime : str
        One of ``emulator.RUNTIMES``.

    Returns
    -------
    regions : list of Region
        In the order in which they were begun.
    said : dict
        What else it printed.

    Raises
    ------
    SystemExit
        If it fails, or a region was begun and never ended.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "counts"
        done = run_guest(
            guest, *arguments, cpu=cpu, runtime=runtime, environment=environment, counts=file, capture=True
        )
        if done.returncode:
            raise SystemExit(f"{guest.name} on {cpu}: exit code {done.returncode}\n{done.stderr.strip()}")
        counted = dict(map(int, line.split()) for line in file.read_text().splitlines())
    said: dict[str, Any] = json.loads(done.stdout)
    told = said.pop("regions")
    if sorted(counted) != list(range(len(told))):
        raise SystemExit(f"{guest.name} on {cpu}: got counts of {len(counted)} regions, expected {len(told)}")
    regions = [Region(one["name"], one["round"], one["units"], counted[label]) for label, one in enumerate(told)]
    return regions, said


def qemu_version() -> str:
    """Return the version of the emulator, as it names itself."""
    told = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return told.removeprefix("qemu-aarch64 version ")
