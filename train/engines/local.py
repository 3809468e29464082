"""The engine that is always there: processes of this machine.

:class:`concurrent.futures.ProcessPoolExecutor` is not used because a worker that is killed takes the whole pool with it
without saying which one it was, Ctrl-C waits for the shards that were begun, and workers outlive a killed parent.
"""

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import cast

from train.engines.work import Lost, Make, Report, Watch, attempt, peak_mb

__all__ = ["make_here", "run_round"]

_IN_A_ROW = 5
"""Workers that die one after the other, none with a shard finished, before a round gives up."""
_PATIENCE_S = 5.0


def make_here(make: Make, indices: Sequence[int], watch: Watch) -> None:
    """Make shards one after the other in this process; the first error ends it."""
    for index in indices:
        watch.finished(Report(index, make(index), peak_mb()))


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    index: int


def run_round(make: Make, indices: Sequence[int], workers: int, watch: Watch) -> list[Lost]:
    """Make shards in processes of their own, one shard at a time in each; a process that dies is replaced.

    Parameters
    ----------
    make : callable
        Picklable.
    indices : sequence of int
    workers : int
        Processes at a time. They are spawned, because numba and TensorFlow do not survive a fork.
    watch : Watch

    Returns
    -------
    list of Lost
        What was not made.

    Raises
    ------
    Exception
        The first error of a worker, as it was raised there; the others are stopped.
    """
    waiting = deque(indices)
    crew: dict[Connection, _Worker] = {}
    lost: list[Lost] = []
    in_a_row = 0
    try:
        while crew or (waiting and in_a_row < _IN_A_ROW):
            while waiting and len(crew) < workers and in_a_row < _IN_A_ROW:
                connection, process = _start(make)
                crew[connection] = _Worker(process, -1)
                watch.begun(f"pid {process.pid}")
                _give(connection, crew[connection], waiting.popleft())
            for connection in cast(list[Connection], wait(list(crew))):
                worker = crew[connection]
                report = _receive(connection)
                if report is None:
                    in_a_row += 1
                    lost.append(_bury(worker))
                    watch.lost(lost[-1])
                elif report.error is not None:
                    raise report.error
                else:
                    in_a_row = 0
                    watch.finished(report)
                    if waiting:
                        _give(connection, worker, waiting.popleft())
                        continue
                    _dismiss(connection, worker)
                connection.close()
                del crew[connection]
    finally:
        _stop(crew)
    return lost + [Lost(index, "workers died one after the other", died=False) for index in waiting]


def _start(make: Make) -> tuple[Connection, SpawnProcess]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(make, theirs), daemon=True)
    # Ctrl-C goes to all processes of a terminal. The parent decides: a worker takes over the mask, and never sees it,
    # even while it imports. The tracker, which the first start would start, unblocks the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # The worker has the only other end: when it dies, ours tells.
    theirs.close()
    return ours, process


def _give(connection: Connection, worker: _Worker, index: int) -> None:
    worker.index = index
    # If it has died meanwhile, the next wait() tells.
    with contextlib.suppress(OSError):
        connection.send(index)


def _receive(connection: Connection) -> Report | None:
    """Return what a worker says; nothing if it died, in the middle of a word or before."""
    try:
        report = connection.recv()
    except (EOFError, OSError):
        return None
    assert isinstance(report, Report)
    return report


def _bury(worker: _Worker) -> Lost:
    _end(worker.process)
    code = worker.process.exitcode or 0
    how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    return Lost(worker.index, f"its worker (pid {worker.process.pid}) {how}", died=True)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _dismiss(connection: Connection, worker: _Worker) -> None:
    with contextlib.suppress(OSError):
        connection.send(None)
    _end(worker.process)


def _stop(crew: dict[Connection, _Worker]) -> None:
    """Stop workers in the middle of what they do."""
    for worker in crew.values():
        worker.process.terminate()
    for connection, worker in crew.items():
        _end(worker.process)
        connection.close()


def _end(process: SpawnProcess) -> None:
    """Wait for a process that is about to end, but not forever."""
    process.join(_PATIENCE_S)
    if process.is_alive():
        process.kill()
        process.join()


def _serve(make: Make, connection: Connection) -> None:
    """Make shards until there are no more; the life of a worker."""
    # The parent ends its workers by SIGTERM; as an exception, so that a file that is being written is removed.
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    while True:
        try:
            index = connection.recv()
        except EOFError:
            return
        if index is None:
            return
        connection.send(attempt(make, index))


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _follow_parent() -> None:
    """End with the parent, so that a run that is begun again has the machine to itself."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
