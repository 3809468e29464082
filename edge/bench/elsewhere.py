"""Measure with the Python of another environment, which has another interpreter: in turn with what is measured here.

The other environment runs a process of its own (:func:`serve`), which measures one repetition whenever it is told to.
Both talk in lines of JSON: what is to be measured, what there is, and then a number for every repetition that is
answered by what it measured.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from edge.bench.machine import environment
from edge.bench.networks import benches_here, float_twin, usable_runtimes
from edge.bench.processes import end, kill, start
from edge.bench.received import lacks_of_greeting, lacks_of_round, shape
from edge.bench.stages import FORMAT, Round, WakeRunner
from edge.bundle import Bundle, open_bundle
from edge.bundle_identity import bundle_hash
from edge.errors import DataError, UsageError, VivavoceError
from edge.event_story import safe
from edge.json_reading import parse_json

__all__ = ["BenchElsewhere", "Elsewhere", "serve"]

_TIMEOUT_S = 120.0
"""Longest time to an answer: on a slow board kernels are compiled before the first."""
_LONGEST = 1 << 24
"""Of an answer, bytes."""
_MOST_TOLD = 300
"""Of what it complains of, characters."""
_REMEDY = "name the Python of an environment in which this version of vivavoce is installed, with an interpreter"


class Elsewhere:
    """A process of another environment that measures.

    Parameters
    ----------
    python : Path
        Its Python.
    bundle : Bundle
    floats : Path, optional
        Folder of the checkpoints whose float networks are measured, too.
    cores, threads : sequence of int
        As for :class:`edge.bench.stages.Bench`.
    known : sequence of str
        Interpreters that are measured already, and are left out.

    Attributes
    ----------
    benches : list of BenchElsewhere
    environment : dict
        As :func:`edge.bench.machine.environment` describes it.

    Raises
    ------
    UsageError
        If it cannot be run, has another version of vivavoce, or has no other interpreter.
    DataError
        If it ends, gives no answer, or none that can be used.
    """

    def __init__(
        self,
        python: Path,
        bundle: Bundle,
        *,
        floats: Path | None = None,
        cores: Sequence[int] = (),
        threads: Sequence[int] = (),
        known: Sequence[str] = (),
    ) -> None:
        self._python, self._threads, self._known = python, threads, known
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        # Without the folder that the call is made in: what is installed there is to be measured.
        call: list[str | Path] = [python, "-P", "-c", f"from {__name__} import serve; serve()"]
        try:
            self._process = start(call, errors=self._complaints, stdin=subprocess.PIPE)
        except OSError as error:
            self._complaints.close()
            raise UsageError(f"{python}: cannot be started ({error.strerror}), expected a Python; {_REMEDY}") from error
        task = {
            "bundle": str(bundle.path.resolve()),
            "floats": None if floats is None else str(floats.resolve()),
            "cores": list(cores),
            "threads": list(threads),
            "known": list(known),
        }
        try:
            found = self.ask(task)
            self._check(found, bundle)
        except BaseException:
            self.close()
            raise
        self.environment: dict[str, Any] = found["environment"]
        self.benches = [BenchElsewhere(self, number, *names) for number, names in enumerate(found["benches"])]
        self._shapes: dict[int, object] = {}

    def ask(self, question: object) -> dict[str, Any]:
        """Send a line, and return the object that the next line of the answer is.

        Raises
        ------
        DataError
            If there is none.
        UsageError
            If it is a fault that the other one tells of.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        # Ending it is what ends the wait for a line.
        watch = threading.Timer(_TIMEOUT_S, kill, (process,))
        watch.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # it may have said why before it went
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
            line = process.stdout.readline(_LONGEST)
        finally:
            watch.cancel()
        if not line:
            self._gone()
        try:
            found = parse_json(line)
        except ValueError as error:
            raise DataError(f"{self._python}: got a line that is not JSON ({error}); {_REMEDY}") from error
        if not isinstance(found, dict):
            raise DataError(f"{self._python}: got JSON of another kind, expected an object; {_REMEDY}")
        if "fault" in found:
            raise UsageError(f"{self._python}: {_line(str(found['fault']))}")
        return found

    def once(self, number: int) -> Round:
        """Measure one of the benches once.

        Raises
        ------
        DataError, UsageError
            As :meth:`ask`; and if it is no measurement, or another one than those before.
        """
        found = self.ask(number)
        if (what := lacks_of_round(found, self._threads)) is not None:
            raise DataError(f"{self._python}: got something else than a measurement ({what}); {_REMEDY}")
        one = cast(Round, found)
        if self._shapes.setdefault(number, shape(one)) != shape(one):
            raise DataError(
                f"{self._python}: got other measurements or decisions than before, expected the same ones; "
                "measure again"
            )
        return one

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._complaints):
            with contextlib.suppress(BrokenPipeError):  # something may still be to be written
                pipe.close()

    def _check(self, found: dict[str, Any], bundle: Bundle) -> None:
        if found.get("format") != FORMAT:
            raise UsageError(
                f"{self._python}: got vivavoce that writes {found.get('format')!r:.40}, expected {FORMAT!r}; {_REMEDY}"
            )
        if (what := lacks_of_greeting(found, known=self._known)) is not None:
            raise DataError(f"{self._python}: got something else than what it measures ({what}); {_REMEDY}")
        theirs, ours = (one["versions"].get("vivavoce") for one in (found["environment"], environment()))
        if theirs != ours:
            raise UsageError(
                f"{self._python}: got vivavoce {theirs or 'that is not installed'} there, expected "
                f"{ours or 'what is not installed'} as here; {_REMEDY}"
            )
        if found.get("bundle_sha256") != bundle_hash(bundle.path):
            raise DataError(f"{bundle.path}: got another bundle in {self._python}, expected the same; leave it alone")
        if not found["benches"]:
            raise UsageError(
                f"{self._python}: got no interpreter that is not measured already, expected another one; "
                "leave it out, or install one there: pip install 'vivavoce[tflite]'"
            )

    def _gone(self) -> NoReturn:
        code = end(self._process)
        self._complaints.seek(0)
        told = self._complaints.read().decode(errors="replace").strip().splitlines()
        how = _line(told[-1]) if told else f"it ended with code {code}, or gave no answer in {_TIMEOUT_S:.0f} s"
        raise DataError(f"{self._python}: cannot measure there ({how}); {_REMEDY}")


def _line(text: str) -> str:
    """Return what somebody else says as a line that a terminal shows, and does not act on."""
    return safe(" ".join(text.split())[:_MOST_TOLD])


class BenchElsewhere:
    """One interpreter there, measured as :class:`edge.bench.stages.Bench` is here."""

    def __init__(self, there: Elsewhere, number: int, interpreter: str, numbers: str, wake_run_by: WakeRunner) -> None:
        self.interpreter, self.numbers = interpreter, numbers
        self.wake_run_by: WakeRunner = wake_run_by
        self._there, self._number = there, number

    def once(self) -> Round:
        """Measure everything once."""
        return self._there.once(self._number)


def serve() -> None:
    """Measure for somebody else, who tells what on standard input, until that ends."""
    # Whatever libraries print goes elsewhere: the other one reads lines of JSON.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(value: object) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    task = json.loads(sys.stdin.readline())
    try:
        bundle = open_bundle(task["bundle"])
        floats = None if task["floats"] is None else float_twin(bundle, Path(task["floats"]))
        runtimes = [runtime for runtime in usable_runtimes(bundle) if runtime not in task["known"]]
        benches = benches_here(bundle, runtimes, floats=floats, cores=task["cores"], threads=task["threads"])
        answer(
            {
                "format": FORMAT,
                "environment": environment(),
                "bundle_sha256": bundle_hash(bundle.path),
                "benches": [[bench.interpreter, bench.numbers, bench.wake_run_by] for bench in benches],
            }
        )
        for line in sys.stdin:
            answer(benches[int(line)].once())
    except VivavoceError as error:
        answer({"fault": str(error)})
