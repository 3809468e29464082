"""The engine for more than one machine: an Apache Beam pipeline whose elements are the numbers of shards.

The pipeline lives in a process of its own, which can be ended at any time with all the workers that it has here. Beam's
runner on one machine does not come back when one of its workers is killed: it waits for it forever.
"""

import contextlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from edge.errors import DataError, UsageError
from train.engines.beam_driver import Task
from train.engines.beam_runner import is_beams_own
from train.engines.beam_worker import NOTE, REPORT, STOP, Note, machine_name
from train.engines.work import Lost, Make, Report, Watch

__all__ = ["LOG", "run_round"]

LOG = "beam.log"
"""What Beam says, in the folder of the shards."""
_POLL_S = 0.2
_PATIENCE_S = 10.0


def run_round(
    make: Make, indices: Sequence[int], workers: int, options: tuple[str, ...], folder: Path, watch: Watch
) -> list[Lost]:
    """Make shards by a pipeline. Where a worker on this machine dies, the pipeline is ended.

    Parameters
    ----------
    make : callable
        Picklable by name: workers import its module.
    indices : sequence of int
    workers : int
        Processes, where the runner is Beam's own on this machine.
    options : tuple of str
        For Beam's ``PipelineOptions``.
    folder : Path
        Seen by every worker under this path.
    watch : Watch

    Returns
    -------
    list of Lost
        What was not made.

    Raises
    ------
    UsageError
        If Beam does not understand its options.
    Exception
        The first error of a worker, as it was raised there; the pipeline is ended.
    """
    folder = folder.resolve()
    try:
        run_folder = Path(tempfile.mkdtemp(prefix=f".run-{machine_name()}-{os.getpid()}-", dir=folder))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written to ({error.strerror}); finished shards are kept") from error
    try:
        with _driver(Task(pickle.dumps(make), tuple(indices), run_folder, workers, options), folder) as driver:
            return _Round(run_folder, set(indices), watch, is_beams_own(options)).follow(driver, folder)
    finally:
        # For workers on other machines, which go on without us until they look.
        with contextlib.suppress(OSError):
            (run_folder / STOP).touch()
        shutil.rmtree(run_folder, ignore_errors=True)


@contextlib.contextmanager
def _driver(task: Task, folder: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """Start the process of the pipeline; end it, and every process that it started."""
    # Workers are programs that are started anew, and import what this process can import.
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    driver = subprocess.Popen(
        [sys.executable, "-m", "train.engines.beam_driver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
        # Ctrl-C is for us to deal with.
        start_new_session=True,
    )
    assert driver.stdin is not None
    assert driver.stdout is not None
    assert driver.stderr is not None
    log = threading.Thread(target=_keep_log, args=(driver.stderr, folder / LOG), daemon=True)
    log.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            driver.stdin.write(pickle.dumps(task))
            driver.stdin.flush()
        yield driver
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        # What else a runner has started may still hold the other end.
        log.join(_PATIENCE_S)
        driver.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            driver.stdin.close()


def _keep_log(stream: IO[bytes], path: Path) -> None:
    """Append what Beam says to a file, as far as there is room: Beam itself stands still where it cannot write."""
    with stream:
        for line in stream:
            with contextlib.suppress(OSError), path.open("ab") as file:
                file.write(line)


class _Round:
    """One pipeline, followed through the files of its workers."""

    def __init__(self, run_folder: Path, waiting: set[int], watch: Watch, look_after_workers: bool) -> None:
        self._folder = run_folder
        self._waiting = waiting
        self._watch = watch
        # Runners of clusters replace workers themselves.
        self._look_after_workers = look_after_workers
        self._workers: set[str] = set()

    def follow(self, driver: "subprocess.Popen[bytes]", folder: Path) -> list[Lost]:
        while True:
            ended = driver.poll() is not None
            dead = self._look()
            if ended or dead:
                break
            time.sleep(_POLL_S)
        if not self._waiting:
            return []
        lost = [Lost(index, f"its worker ({worker}) died", died=True) for worker, index in dead.items()]
        died = {one.index for one in lost}
        cause = "a worker of the pipeline died" if dead else self._why(driver, folder)
        lost += [Lost(index, cause, died=False) for index in sorted(self._waiting - died)]
        for one in [one for one in lost if one.died] or lost[:1]:
            self._watch.lost(one)
        return lost

    def _look(self) -> dict[str, int]:
        """Take note of new workers and reports; return the workers of this machine that died, and their shards."""
        notes: list[Path] = []
        for path in sorted(self._folder.iterdir()):
            kind, _, rest = path.name.partition(",")
            if kind == NOTE:
                notes.append(path)
            elif kind == REPORT and int(rest) in self._waiting:
                report = pickle.loads(path.read_bytes())
                assert isinstance(report, Report)
                if report.error is not None:
                    raise report.error
                self._waiting.discard(report.index)
                self._watch.finished(report)
        dead: dict[str, int] = {}
        for path in notes:
            _, pid, machine = path.name.split(",")
            here = machine == machine_name()
            worker = f"pid {pid}" if here else f"pid {pid} on {machine}"
            if worker not in self._workers:
                self._workers.add(worker)
                self._watch.begun(worker)
            # Of a process that has ended, all files are there: begun and no report means that it died meanwhile.
            ended = here and self._look_after_workers and not _alive(int(pid))
            note = Note.read(path)
            if note is not None and note.error:
                raise DataError(note.error)
            if ended and note is not None and not (self._folder / f"{REPORT},{note.index}").exists():
                dead[worker] = note.index
        return dead

    def _why(self, driver: "subprocess.Popen[bytes]", folder: Path) -> str:
        """Say why a pipeline has ended without all of its shards.

        Raises
        ------
        UsageError
            If it did not begin, because of its options.
        """
        assert driver.stdout is not None
        said = driver.stdout.read().decode(errors="replace")
        fault = json.loads(said) if said.startswith("{") else {"failed": f"its process ended ({driver.returncode})"}
        if "usage" in fault:
            raise UsageError(f"--beam-options: {fault['usage']}")
        if "failed" not in fault:
            return f"the pipeline ended, and they are not in {folder}: every machine must see it under this path"
        # The traceback of a worker, and in its last line the step at which Beam was.
        line = fault["failed"].strip().splitlines()[-1].partition(" [while running")[0]
        return f"the pipeline failed ({line[:200]}; see {folder / LOG})"


def _alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended, and that nobody has asked about yet, does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        return True
