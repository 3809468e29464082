"""Processes that measure or are measured, each with a group of its own, so that what they start ends with them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

__all__ = ["end", "kill", "run_alone", "start"]

Call = Sequence[str | Path]


def start(
    call: Call, *, errors: int | IO[bytes], stdin: int, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process whose standard output is a pipe.

    Its group is another one than ours: an interrupt from the keyboard does not reach it, and is answered with
    :func:`end`.

    Raises
    ------
    OSError
        If it cannot be started.
    """
    return subprocess.Popen(
        call, stdin=stdin, stdout=subprocess.PIPE, stderr=errors, env=env, start_new_session=True
    )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with all that it started; nothing once :func:`end` has seen its end."""
    if process.returncode is None:  # until then nobody else can have its number
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> int:
    """Kill a process with all that it started, and return its exit code."""
    kill(process)
    return process.wait()


def run_alone(call: Call, *, timeout_s: float, env: Mapping[str, str] | None = None) -> tuple[int, bytes, bytes]:
    """Run a program without input.

    Returns
    -------
    int, bytes, bytes
        Its exit code, and what it wrote to standard output and standard error.

    Raises
    ------
    OSError
        If it cannot be started.
    subprocess.TimeoutExpired
        If it, or something that it started and that holds its output, has not ended by then; all of it is killed.
    """
    with start(call, errors=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env) as process:
        try:
            told, complaints = process.communicate(timeout=timeout_s)
        finally:
            end(process)
    return process.returncode, told, complaints
