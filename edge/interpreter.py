"""Run a network: by LiteRT where it is installed, else by its predecessor tflite-runtime.

Nothing above this module knows which of the two runs. Tensors are named by *role*: by the names in the
model's signature (``features``, ``state``, ``cues``), not by those of its graph.

On the wake network a call costs about 2 us for the tensors and, on x86-64, 2.4 us (LiteRT) or 18 us
(tflite-runtime) for the network. Copying tensors in and out was measured against views into the interpreter's
memory: views take half as long again, because one has to be made anew for every call (one that is kept may
point to memory that has been moved).
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import BundleError, MissingExtraError, ModelAbiError, UsageError
from edge.model_check import check_whole

__all__ = [
    "INTERPRETER_VARIABLE",
    "Model",
    "Operators",
    "Runtime",
    "TensorSpec",
    "check_abi",
    "dequantise",
    "installed_runtimes",
    "load_model",
    "quantise",
]

Runtime = Literal["litert", "tflite"]
"""LiteRT (``ai-edge-litert``), or its predecessor ``tflite-runtime``."""

Operators = Literal["auto", "builtin", "reference"]
"""Which code runs the operators.

``auto``
    What the interpreter chooses: XNNPACK where it can.
``builtin``
    The interpreter's own optimised kernels, without XNNPACK.
``reference``
    The plain kernels that define the operators, 1.5 to 40 times slower.

They round ties differently, which adds up to a few steps over a network, and to more over one that keeps a state. The
reference kernels compute the same integers in both interpreters.
"""

_RESOLVERS: dict[Operators, str] = {
    "auto": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}

INTERPRETER_VARIABLE = "VIVAVOCE_INTERPRETER"
"""Environment variable that names the interpreter (a :data:`Runtime`) where the caller names none."""

_PACKAGES: dict[Runtime, str] = {"litert": "ai_edge_litert", "tflite": "tflite_runtime"}
"""The import packages, the preferred one first."""

_CHATTER = b"INFO: "
"""How lines begin that the interpreters print for their own developers."""

_stderr_lock = threading.Lock()

Wanted = tuple[Sequence[int], Collection[npt.DTypeLike]]
"""What a tensor must be: its shape, and the types of which it may have one."""


class TensorSpec(NamedTuple):
    """What a tensor of a model is."""

    name: str
    """Its role."""
    shape: tuple[int, ...]
    """Its shape, the batch axis included."""
    dtype: np.dtype[Any]
    """Type of its elements."""
    scale: float
    """Value of one quantisation step; 0 for a tensor that is not quantised."""
    zero_point: int
    """The integer that stands for 0."""

    def __str__(self) -> str:
        """Return type, shape and quantisation, as error messages show them."""
        steps = f", scale {self.scale:.6g}, zero point {self.zero_point}" if self.scale else ""
        return f"{self.dtype} {list(self.shape)}{steps}"


# ------------------------------------------------------------------------------------------ running


class Model:
    """A network that is ready to run; made by :func:`load_model`.

    One thread may use it at a time. A streaming network of this project gets its state as an input and returns the
    next one, so that nothing is held between runs; of a network that keeps state in variables of its own, the
    interpreter holds it, and only a new :class:`Model` forgets it.

    Attributes
    ----------
    name : str
        What messages call it, usually its file.
    runtime : {"litert", "tflite"}
        Which interpreter runs it.
    inputs : dict of str to TensorSpec
        By role.
    outputs : tuple of TensorSpec
        In no particular order.
    """

    __slots__ = ("_feeds", "_fetches", "_interpreter", "inputs", "name", "outputs", "runtime")

    def __init__(self, interpreter: Any, name: str, runtime: Runtime) -> None:
        inputs, outputs = _details(interpreter)
        self.name = name
        self.runtime = runtime
        self.inputs = {role: _spec(role, detail) for role, detail in inputs.items()}
        self.outputs = tuple(_spec(role, detail) for role, detail in outputs.items())
        self._interpreter = interpreter
        self._feeds = tuple((role, int(detail["index"])) for role, detail in inputs.items())
        self._fetches = tuple((role, int(detail["index"])) for role, detail in outputs.items())

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run the network once.

        Parameters
        ----------
        inputs : mapping of str to array
            Every input by role, with exactly the shape and type of its :class:`TensorSpec`.

        Returns
        -------
        dict of str to array
            Every output by role, in the raw type of the model; the caller owns the arrays.

        Raises
        ------
        ModelAbiError
            If the inputs are not those of the model, or the interpreter gives up.
        """
        interpreter = self._interpreter
        try:
            for role, index in self._feeds:
                interpreter.set_tensor(index, inputs[role])
            # Looked at last, as it can only be wrong when everything else is right.
            if len(inputs) != len(self._feeds):
                raise KeyError(*inputs.keys() - self.inputs.keys())
            interpreter.invoke()
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            got = "; ".join(
                f"{role} {value.dtype} {list(value.shape)}"
                if isinstance(value, np.ndarray)
                else f"{role} {type(value).__name__}"
                for role, value in inputs.items()
            )
            expected = "; ".join(f"{role} {spec}" for role, spec in self.inputs.items())
            raise ModelAbiError(
                f"{self.name}: the network cannot be run: got {got or 'no input'}; expected {expected} "
                f"({type(error).__name__}: {error}); use a bundle made for this version"
            ) from error
        return {role: interpreter.get_tensor(index) for role, index in self._fetches}


def load_model(
    source: str | os.PathLike[str] | bytes,
    *,
    runtime: str | None = None,
    name: str | None = None,
    threads: int = 1,
    kernels: Operators = "auto",
) -> Model:
    """Make a network ready to run.

    Parameters
    ----------
    source : path or bytes
        A .tflite file, or its content. Content that was verified should be handed over as it is: a file could
        have changed since.
    runtime : {"litert", "tflite"}, optional
        Which interpreter; by default what the environment variable ``VIVAVOCE_INTERPRETER`` says, else the
        first that is installed, LiteRT before tflite-runtime.
    name : str, optional
        What error messages call the model; by default the path.
    threads : int, optional
        More than one thread only costs time with networks as small as these.
    kernels : {"auto", "builtin", "reference"}, optional
        Which code runs the operators; see :data:`Operators`.

    Returns
    -------
    Model

    Raises
    ------
    MissingExtraError
        If no interpreter is installed, or not the one that was asked for.
    UsageError
        If the name of the interpreter is unknown, or the installed one cannot work.
    BundleError
        If the file cannot be read.
    ModelAbiError
        If it holds no network, or one that this interpreter is too old for.
    """
    if isinstance(source, bytes):
        content, name = source, name or "model"
    else:
        name = name or os.fspath(source)
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            reason = error.strerror
            raise BundleError(f"{name}: the model cannot be read ({reason}); check the path") from error
    chosen = _choose(runtime)
    module = _import(chosen)
    resolver = getattr(module.OpResolverType, _RESOLVERS[kernels])
    try:
        if chosen == "tflite":
            # It would follow an offset beyond the end, and take the process with it.
            check_whole(content)
        with _without_chatter():
            # The interpreter keeps a reference to the content and reads the weights from there.
            interpreter = module.Interpreter(
                model_content=content, num_threads=threads, experimental_op_resolver_type=resolver
            )
            interpreter.allocate_tensors()
        return Model(interpreter, name, chosen)
    except (ValueError, RuntimeError, KeyError) as error:
        raise ModelAbiError(
            f"{name}: {_PACKAGES[chosen]} cannot load the model: got {len(content)} bytes, expected a "
            f"TensorFlow Lite network ({error}); use a bundle made for this version, or convert it again"
        ) from error


# -------------------------------------------------------------------------------- roles and integers


class _HasTensors(Protocol):
    """What a network says about itself, whoever runs it: see :class:`Model`."""

    name: str
    inputs: dict[str, TensorSpec]
    outputs: tuple[TensorSpec, ...]


def check_abi(
    model: _HasTensors,
    *,
    inputs: Mapping[str, Wanted],
    outputs: Sequence[Wanted],
    feedback: Collection[str] = (),
) -> None:
    """Check that the tensors of a model are the ones that its role needs.

    Parameters
    ----------
    model : Model
        Or what has the same attributes.
    inputs : mapping of str to (shape, types)
        Every input by name.
    outputs : sequence of (shape, types)
        Every output, in any order: outputs are told apart by their shapes.
    feedback : collection of str, optional
        Inputs that are fed the output of the same shape, byte for byte; both must mean the same by a byte.

    Raises
    ------
    ModelAbiError
        If an input or output is missing, is one too many, or has another shape or type; if an integer tensor
        has no single scale; if the two ends of a feedback are quantised differently.
    """

    def fault(what: str, got: object, expected: object) -> ModelAbiError:
        return ModelAbiError(
            f"{model.name}: {what}: got {got}, expected {expected}; use a model that was made for this role and version"
        )

    if set(model.inputs) != set(inputs):
        raise fault("inputs", ", ".join(sorted(model.inputs)) or "none", ", ".join(sorted(inputs)))
    for name, wanted in inputs.items():
        if not _is(model.inputs[name], wanted):
            raise fault(f"input '{name}'", model.inputs[name], _say(wanted))
    left = list(model.outputs)
    for wanted in outputs:
        match = next((spec for spec in left if _is(spec, wanted)), None)
        if match is None:
            break
        left.remove(match)
    if len(model.outputs) != len(outputs) or left:
        raise fault(
            "outputs",
            "; ".join(str(spec) for spec in model.outputs),
            "; ".join(_say(wanted) for wanted in outputs),
        )
    for spec in (*model.inputs.values(), *model.outputs):
        if spec.dtype.kind in "iu" and not spec.scale > 0:
            raise fault(f"quantisation of '{spec.name}'", f"{spec} without a scale", "one scale for the whole tensor")
    for name in feedback:
        given = model.inputs[name]
        if not any(spec[1:] == given[1:] for spec in model.outputs):
            back = "; ".join(str(spec) for spec in model.outputs if spec.shape == given.shape)
            raise fault(f"the output that is fed back to '{name}'", back or "none", given)


def quantise(values: npt.ArrayLike, spec: TensorSpec) -> npt.NDArray[Any]:
    """Turn real numbers into what a tensor holds.

    Parameters
    ----------
    values : array_like of float
        Finite numbers in the unit of the network.
    spec : TensorSpec
        The tensor; numbers for one that is not quantised only change their type.

    Returns
    -------
    array of ``spec.dtype``
        ``round(values / scale) + zero_point``, saturated.
    """
    if not spec.scale:
        return np.asarray(values, spec.dtype)
    limits = np.iinfo(spec.dtype)
    steps = np.rint(np.asarray(values, np.float32) / np.float32(spec.scale)) + spec.zero_point
    integers: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(spec.dtype)
    return integers


def dequantise(integers: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[np.float32]:
    """Turn what a tensor holds into real numbers.

    Parameters
    ----------
    integers : array of ``spec.dtype``
    spec : TensorSpec
        The tensor; numbers from one that is not quantised stay as they are.

    Returns
    -------
    array of float32
        ``(integers - zero_point) * scale``, in the unit of the network.
    """
    values = integers.astype(np.float32)
    if not spec.scale:
        return values
    return (values - np.float32(spec.zero_point)) * np.float32(spec.scale)


def _is(spec: TensorSpec, wanted: Wanted) -> bool:
    shape, types = wanted
    return spec.shape == tuple(shape) and any(spec.dtype == kind for kind in types)


def _say(wanted: Wanted) -> str:
    shape, types = wanted
    return f"{' or '.join(np.dtype(kind).name for kind in types)} {list(shape)}"


# ------------------------------------------------------------------------------------- interpreters


def installed_runtimes() -> dict[str, str]:
    """Return the interpreters that are installed, the preferred one first: distribution and version."""
    found = {}
    for package in _PACKAGES.values():
        distribution = package.replace("_", "-")
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[distribution] = importlib.metadata.version(distribution)
    return found


def _choose(asked: str | None) -> Runtime:
    """Return the interpreter to use; the caller's wish goes before the user's, and that before ours."""
    source = "interpreter"
    if asked is None:
        asked, source = os.environ.get(INTERPRETER_VARIABLE) or None, INTERPRETER_VARIABLE
    if asked is None:
        for runtime, package in _PACKAGES.items():
            if importlib.util.find_spec(package) is not None:
                return runtime
        raise MissingExtraError("an interpreter for the networks", "litert")
    if asked not in _PACKAGES:
        raise UsageError(f"{source}: got {asked!r}, expected one of: {', '.join(_PACKAGES)}; correct or leave it out")
    if importlib.util.find_spec(_PACKAGES[asked]) is None:
        raise MissingExtraError(f"the interpreter {_PACKAGES[asked]}", asked)
    return asked


def _import(runtime: Runtime) -> ModuleType:
    if runtime == "tflite":
        # Both faults would otherwise show as riddles: the import succeeds, and the first call fails.
        if int(np.__version__.partition(".")[0]) >= 2:
            raise UsageError(
                f"tflite_runtime: got NumPy {np.__version__}, expected a version below 2, for which it was "
                "built; install one of: pip install 'vivavoce[litert]' or pip install 'vivavoce[tflite]'"
            )
        if "tensorflow" in sys.modules:
            raise UsageError(
                "tflite_runtime: got a process that has imported TensorFlow, with which it cannot share one; "
                "use LiteRT here: pip install 'vivavoce[litert]'"
            )
    package = _PACKAGES[runtime]
    try:
        return importlib.import_module(f"{package}.interpreter")
    except ImportError as error:
        raise UsageError(
            f"{package}: the interpreter is installed but cannot be imported ({error}); "
            f"install it again: pip install --force-reinstall 'vivavoce[{runtime}]'"
        ) from error


def _details(interpreter: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return what the interpreter knows of each input and each output, by role."""
    signatures = interpreter.get_signature_list()
    if len(signatures) == 1:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        # The runner is dropped on return: while one lives, the interpreter refuses to run.
        return dict(runner.get_input_details()), dict(runner.get_output_details())
    return (
        {_role(detail["name"]): detail for detail in interpreter.get_input_details()},
        {_role(detail["name"]): detail for detail in interpreter.get_output_details()},
    )


def _role(tensor: str) -> str:
    """Return ``features`` for ``serving_default_features:0``; for models without a signature."""
    name, _, number = tensor.rpartition(":")
    return (name if name and number == "0" else tensor).removeprefix("serving_default_")


def _spec(role: str, detail: dict[str, Any]) -> TensorSpec:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    return TensorSpec(role, shape, np.dtype(detail["dtype"]), float(scale), int(zero_point))


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep the interpreters' notes to their developers off stderr, which is for our one-line messages.

    They come from C++, which has no switch for them, so file descriptor 2 leads into memory for the
    millisecond that a model takes to load. Everything else that arrives there, from whichever thread, is
    printed right after. Where stderr is closed, or the system has no such files, nothing is held back.
    """
    with _stderr_lock:
        try:
            stderr = os.dup(2)
        except OSError:
            yield
            return
        try:
            held = os.memfd_create("stderr")
        except (AttributeError, OSError):
            os.close(stderr)
            yield
            return
        os.dup2(held, 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            with open(held, "rb") as file:
                file.seek(0)
                lines = [line for line in file if not line.startswith(_CHATTER)]
            os.close(stderr)
            if lines:
                with contextlib.suppress(OSError):
                    os.write(2, b"".join(lines))
