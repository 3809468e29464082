"""The process that holds a Beam pipeline, as :mod:`train.engines.beam` starts it.

It reads one pickled :class:`Task` from its standard input, and writes one line of JSON to its standard output: what
went wrong, or nothing. It ends, with the workers that it started, when its standard input is closed.
"""

import json
import logging
import os
import pickle
import signal
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from train.engines.beam_runner import is_beams_own
from train.engines.beam_worker import work

__all__ = ["Task", "main"]


@dataclass(frozen=True, slots=True)
class Task:
    """A pipeline.

    Parameters
    ----------
    make : bytes
        A pickled :data:`train.engines.work.Make`: pickled by name, whatever Beam would do with a function.
    indices : tuple of int
    run_folder : Path
        Where workers leave what they tell.
    workers : int
        Processes, where the runner is Beam's own on this machine.
    options : tuple of str
    """

    make: bytes
    indices: tuple[int, ...]
    run_folder: Path
    workers: int
    options: tuple[str, ...]


def main() -> int:
    """Run the pipeline that standard input describes."""
    task: Task = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_follow_parent, daemon=True).start()
    # Nothing else may get into the one line.
    answer = os.dup(1)
    os.dup2(2, 1)
    threading.excepthook = partial(_fail_with_worker, answer)
    fault: dict[str, str] = {}
    try:
        runner, options = _set_up(task)
        _run(task, runner, options)
    except _OptionsError as error:
        fault = {"usage": str(error)}
    except Exception as error:
        logging.getLogger(__name__).exception("the pipeline failed")
        fault = {"failed": f"{type(error).__name__}: {error}"}
    _answer(answer, fault)
    return 0


def _answer(answer: int, fault: dict[str, str]) -> None:
    os.write(answer, json.dumps(fault).encode())
    # Not the way through atexit: threads of Beam wait for workers that may be gone.
    os._exit(0)


def _fail_with_worker(answer: int, args: threading.ExceptHookArgs) -> None:
    """End where a thread fails that waits for a worker: Beam goes on, and waits for the worker's answer forever."""
    logging.getLogger(__name__).error("a thread failed: %s", args.exc_value)
    if isinstance(args.exc_value, RuntimeError) and "Worker subprocess" in str(args.exc_value):
        _answer(answer, {"failed": str(args.exc_value)})


class _OptionsError(Exception):
    """Options that Beam does not understand."""


def _set_up(task: Task) -> tuple[Any, Any]:
    """Return Beam's runner and options."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
    from apache_beam.runners.runner import create_runner

    words = list(task.options)
    heard = _Complaints()
    logging.getLogger().addHandler(heard)
    try:
        PipelineOptions(words).get_all_options(display_warnings=True)
        own = is_beams_own(words)
        # Not DirectRunner, which may hand a pipeline to Prism, a program in Go that is downloaded first.
        runner = FnApiRunner() if own else create_runner(PipelineOptions(words).view_as(StandardOptions).runner)
    except SystemExit as error:
        raise _OptionsError("got an option without the value that it needs; see the log") from error
    except (ValueError, ImportError, AttributeError) as error:
        raise _OptionsError(str(error)) from error
    finally:
        logging.getLogger().removeHandler(heard)
    if heard.discarded:
        raise _OptionsError(heard.discarded)
    if own:
        words += ["--direct_running_mode=multi_processing", f"--direct_num_workers={task.workers}"]
    return runner, PipelineOptions(words)


class _Complaints(logging.Handler):
    """Hears what Beam says of options that it does not know, and would leave out."""

    discarded = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the complaint."""
        text = record.getMessage()
        if "unparse" in text.lower():
            self.discarded = self.discarded or text


def _run(task: Task, runner: Any, options: Any) -> None:
    import apache_beam as beam

    pipeline = beam.Pipeline(runner=runner, options=options)
    # Without the reshuffle all shards would stay in one bundle, on one worker.
    _ = (
        pipeline
        | beam.Create(list(task.indices))
        | beam.Reshuffle()
        | "make" >> beam.Map(partial(work, make=task.make, run_folder=str(task.run_folder)))
    )
    pipeline.run().wait_until_finish()


def _follow_parent() -> None:
    """End, with all workers of this machine, when the parent has closed our standard input, or has died."""
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
