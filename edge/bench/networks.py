"""Which networks are measured, and with what: the interpreters that work here, int8, and float where there is some."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.bench.stages import Bench
from edge.bundle import Bundle, networks_of
from edge.errors import DataError, MissingExtraError, UsageError
from edge.files import read_file
from edge.interpreter import Runtime, load_model

__all__ = ["benches_here", "float_twin", "usable_runtimes"]

_RUNTIMES: tuple[Runtime, ...] = ("litert", "tflite")
_FLOAT_NAME = "model_float.tflite"
"""What ``vivavoce quantize convert`` calls the float network of a checkpoint."""


def usable_runtimes(bundle: Bundle, asked: Sequence[Runtime] = ()) -> tuple[Runtime, ...]:
    """Return the interpreters that work here, of those that were asked for or of both.

    Raises
    ------
    MissingExtraError, UsageError
        If one that was asked for does not work, or none does.
    """
    found: list[Runtime] = []
    faults: list[MissingExtraError | UsageError] = []
    for runtime in asked or _RUNTIMES:
        try:
            load_model(bundle.content(bundle.liveness.file), runtime=runtime)
            found.append(runtime)
        except (MissingExtraError, UsageError) as error:
            faults.append(error)
    if faults and (asked or not found):
        raise faults[0]
    return tuple(found)


def float_twin(bundle: Bundle, checkpoints: Path) -> Bundle:
    """Return a bundle that differs from another one in its networks alone: they are the float ones.

    Parameters
    ----------
    bundle : Bundle
    checkpoints : Path
        Folder with the checkpoints ``wake`` and ``liveness``, and ``verifier`` where the bundle has one, converted.

    Raises
    ------
    DataError
        If a network is not there.
    UsageError
        If it is not of floats.
    """
    contents, networks = dict(bundle.contents), networks_of(bundle)
    for role, name in networks.items():
        path = checkpoints / role / _FLOAT_NAME
        try:
            contents[name] = read_file(path)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}), expected the float network of a checkpoint; name the "
                f"folder of the checkpoints {', '.join(networks)}, converted with 'vivavoce quantize convert'"
            ) from error
        kinds = {str(spec.dtype) for spec in load_model(contents[name], name=str(path)).inputs.values()}
        if kinds != {np.dtype(np.float32).name}:
            raise UsageError(
                f"{path}: got inputs of {', '.join(sorted(kinds))}, expected float32; convert the checkpoint again "
                "with 'vivavoce quantize convert'"
            )
    return replace(bundle, contents=contents)


def benches_here(
    bundle: Bundle,
    runtimes: Sequence[Runtime],
    *,
    floats: Bundle | None = None,
    cores: Sequence[int] = (),
    threads: Sequence[int] = (),
) -> list[Bench]:
    """Make ready what is measured in this process: int8 and float side by side, for each interpreter.

    Parameters are those of :class:`edge.bench.stages.Bench`.

    Raises
    ------
    ModelAbiError
        If a float network is for other words or cues than the bundle.
    """
    twins = {"int8": bundle} if floats is None else {"int8": bundle, "float32": floats}
    return [
        Bench(twin, runtime, numbers=numbers, cores=cores, threads=threads)
        for runtime in runtimes
        for numbers, twin in twins.items()
    ]
