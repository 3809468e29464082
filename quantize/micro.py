"""Run a network by TensorFlow Lite for Microcontrollers on this machine, and measure the memory that it takes."""

import contextlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, MissingExtraError
from quantize.graph import Graph

__all__ = ["MicroModel"]

_ARENA_BYTES = 64 << 20
"""Much more than a network for microcontrollers needs: with too little the interpreter does not always fail cleanly."""

_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


class MicroModel:
    """A network that is ready to run; it keeps its variables from run to run.

    Parameters
    ----------
    content : bytes
        A .tflite file.
    name : str
        What messages call it.

    Raises
    ------
    MissingExtraError
        If tflite-micro is not installed.
    DataError
        If it is no network, or one that the interpreter does not take.
    """

    def __init__(self, content: bytes, *, name: str) -> None:
        if importlib.util.find_spec("tflite_micro") is None:
            raise MissingExtraError("TensorFlow Lite for Microcontrollers", "micro")
        from tflite_micro import runtime

        # Looked at before: the interpreter trusts a file, and takes the process down with a damaged one.
        Graph(content, name=name)
        self.name = name
        with _heard() as said:
            try:
                self._interpreter = runtime.Interpreter.from_bytes(content, arena_size=_ARENA_BYTES)
            except (RuntimeError, ValueError) as error:
                raise self._fault(error, said) from error

    def run(self, inputs: Sequence[npt.NDArray[Any]], outputs: int = 1) -> list[npt.NDArray[Any]]:
        """Run the network once.

        Parameters
        ----------
        inputs : sequence of array
            In the order of the file.
        outputs : int
            How many it has.

        Returns
        -------
        list of array
            Outputs in the order of the file; the caller owns them.

        Raises
        ------
        DataError
            If the interpreter gives up.
        """
        with _heard() as said:
            try:
                for at, value in enumerate(inputs):
                    self._interpreter.set_input(value, at)
                self._interpreter.invoke()
                return [np.array(self._interpreter.get_output(at)) for at in range(outputs)]
            except (RuntimeError, ValueError, TypeError) as error:
                raise self._fault(error, said) from error

    def arena_bytes(self) -> int:
        """Return how many bytes of its arena the network has taken; it must have run.

        Counted with the reference kernels and the pointers of this machine: on 32 bits the tables are smaller, and
        kernels
        that were written for a processor may want room of their own.

        Raises
        ------
        DataError
            If the interpreter does not tell.
        """
        with _heard() as said:
            self._interpreter.print_allocations()
            told = _TOTAL.search(_text(said))
        if told is None:
            raise DataError(
                f"{self.name}: tflite-micro tells no size of the arena, expected one on stderr; install the version of "
                "constraints/train.txt"
            )
        return int(told[1])

    def _fault(self, error: Exception, said: IO[bytes] | None) -> DataError:
        # What the interpreter prints says more than what it raises.
        lines = (line.strip() for line in _text(said).splitlines())
        told = "; ".join(dict.fromkeys(line for line in lines if line)) or str(error)
        return DataError(
            f"{self.name}: tflite-micro does not run the network ({told[:300]}), expected one that it can; look what "
            "'vivavoce quantize opcheck' says of its operators"
        )


def _text(said: IO[bytes] | None) -> str:
    if said is None:
        return ""
    said.seek(0)
    return said.read().decode(errors="replace")


@contextlib.contextmanager
def _heard() -> Iterator[IO[bytes] | None]:
    """Keep what the interpreter prints off stderr; hand out the file that it goes to, None where stderr is closed."""
    try:
        stderr = os.dup(2)
    except OSError:
        yield None
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield held
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
