"""Run a program on the emulated board, read what its marked regions counted, and write what came of it."""

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from emulator import QEMU, run_guest

__all__ = ["Region", "run_counted", "write_result"]


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


def write_result(out: Path, script: str, commit: str, body: dict[str, Any]) -> None:
    """Write a file of results: what was found, and by what, on which commit and machine.

    Parameters
    ----------
    out : Path
    script : str
        Path of the script, from the root of the checkout.
    commit : str
        That of the code when the run began.
    body : dict
    """
    from train.atomic_file import put_bytes
    from train.provenance import machine

    version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    head = {
        "made_by": shlex.join(["python", script, *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit,
        "machine": machine(),
        "qemu": version.removeprefix("qemu-aarch64 version "),
    }
    put_bytes(out, (json.dumps(head | body, indent=1) + "\n").encode())
