"""Run the wake network by our own kernel, where it gives the integers of the interpreter.

The network runs 33 times a second for as long as a device is on, and the reference kernels of the interpreters, which
define its integers, are made to be read. The kernel (:mod:`edge.kernels.wake`) computes the same integers with less
than a tenth of the instructions. What it runs is read from the network's own file (:mod:`edge.wake_plan`), and proved
at every load: the interpreter and the kernel are given the same windows and states, and one integer that differs is
enough to leave the network to the interpreter.

``VIVAVOCE_WAKE`` overrides: ``interpreter`` runs the network there, for comparison; ``kernel`` refuses a network that
the kernel cannot run.
"""

import logging
import os
import time
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge import native
from edge.errors import ModelAbiError, UsageError
from edge.frontend import QUANTISED_FEATURES, quantise_features
from edge.frontend_tables import FEATURE_TOP
from edge.interpreter import Model, Runtime, TensorSpec, load_model
from edge.wake_plan import UnfitNetworkError, WakePlan, read_plan
from edge.wake_tables import build_tables

__all__ = [
    "PROOF_STEPS",
    "WAKE_VARIABLE",
    "Chosen",
    "CompiledNetwork",
    "Proof",
    "choose_wake_network",
    "load_wake_network",
    "prove",
]

WAKE_VARIABLE = "VIVAVOCE_WAKE"
"""Environment variable that says what runs the wake network: ``auto``, ``kernel`` or ``interpreter``."""

PROOF_STEPS = 24
"""Steps on which the kernel is compared with the interpreter at every load."""

_Runner = Literal["auto", "kernel", "interpreter"]

_RUNNERS: dict[str, _Runner] = {"": "auto", "auto": "auto", "kernel": "kernel", "interpreter": "interpreter"}

_log = logging.getLogger(__name__)


class Proof(NamedTuple):
    """On what the kernel was compared with the interpreter."""

    steps: int
    seconds: float
    """What it took, the reading of the network included."""


class CompiledNetwork:
    """A wake network that the kernel runs; made and proved by :func:`load_wake_network`.

    The state is held here, and updated in place. One thread may use it at a time.

    Parameters
    ----------
    plan : WakePlan
        What it computes.
    model : Model
        The same network in the interpreter, whose tensors it has.

    Attributes
    ----------
    name, runtime, inputs, outputs
        Those of the model.
    """

    def __init__(self, plan: WakePlan, model: Model) -> None:
        self.name: str = model.name
        self.runtime: Runtime = model.runtime
        self.inputs: dict[str, TensorSpec] = model.inputs
        self.outputs: tuple[TensorSpec, ...] = model.outputs
        tables = build_tables(plan)
        width, scratch = int(tables.scalars[2]), int(tables.scalars[7])
        self._width = plan.width
        self._state = np.empty((plan.state_rows, width), np.int8)
        row = np.zeros(scratch, np.int8)
        # Kept, because the kernel knows nothing but their addresses.
        self._arrays = (
            QUANTISED_FEATURES, self._state, tables.weights, tables.numbers, tables.scalars,
            np.zeros(scratch, np.int16), np.zeros(scratch, np.int32), row,
        )  # fmt: skip
        self._kernel = native.kernels().functions["wake_step"]
        self._logits = row[: plan.n_words]
        self._shape = model.inputs["features"].shape
        self._addresses = tuple(array.ctypes.data for array in self._arrays)
        self.bind(np.zeros(self._shape, np.uint16))
        self.reset()

    def bind(self, frames: npt.NDArray[np.uint16]) -> None:
        """Let every step from now on be shown what this array holds then.

        Parameters
        ----------
        frames : (1, n, channels) uint16
            Features, contiguous, at least as many frames as the network is shown; they are read where they lie.

        Raises
        ------
        ModelAbiError
            If it is another array.
        """
        _, context, channels = self._shape
        fits = frames.ndim == 3 and frames.shape[1] >= context and frames.shape[::2] == (1, channels)
        if not fits or frames.dtype != np.uint16 or not frames.flags.c_contiguous:
            raise ModelAbiError(
                f"{self.name}: the wake network: got {frames.dtype} {list(frames.shape)}, expected contiguous uint16 "
                f"[1, {context} or more, {channels}]; use a bundle made for this version"
            )
        self._frames = frames  # kept alive, as the kernel knows nothing but its address
        self._first, self._frame_bytes = int(frames.ctypes.data), int(frames.strides[1])

    def reset(self) -> None:
        """Forget everything that was shown."""
        self._state[:] = self.inputs["state"].zero_point

    def step(self, first: int = 0) -> npt.NDArray[np.int8]:
        """Run the network once.

        Parameters
        ----------
        first : int
            The first of the frames that it is shown; that the last of them is in the array is for the caller to see.

        Returns
        -------
        (words,) int8
            The logits; until the next step.
        """
        self._kernel(self._first + first * self._frame_bytes, *self._addresses)
        return self._logits

    @property
    def state(self) -> npt.NDArray[np.int8]:
        """What the network remembers, ``(1, rows, width) int8``: a copy, as the interpreter would return it."""
        return self._state[None, :, : self._width].copy()

    @state.setter
    def state(self, given: npt.NDArray[np.int8]) -> None:
        self._state[:, : self._width] = given[0]


class Chosen(NamedTuple):
    """What runs a wake network, and why."""

    network: Model | CompiledNetwork
    proof: Proof | None = None
    """Of the kernel."""
    unfit: str | None = None
    """What the kernel cannot run in the network, so that the interpreter does; none if it was not tried."""
    fault: str | None = None
    """In what the kernel differs from the interpreter, which it should not."""


def load_wake_network(content: bytes, *, name: str, runtime: str | None = None) -> Model | CompiledNetwork:
    """Make the wake network of a bundle ready to run: by the kernel if it can, else by the interpreter.

    Parameters
    ----------
    content : bytes
        The .tflite file.
    name : str
        What messages call it.
    runtime : {"litert", "tflite"}, optional
        As in :func:`edge.interpreter.load_model`.

    Returns
    -------
    Model or CompiledNetwork
        Both compute the integers of the reference kernels.

    Raises
    ------
    UsageError
        If ``VIVAVOCE_WAKE`` says something unknown.
    ModelAbiError
        If it asks for the kernel, and that cannot run the network.
    VivavoceError
        As :func:`edge.interpreter.load_model`, and :func:`edge.native.kernels`.
    """
    chosen = choose_wake_network(content, name=name, runtime=runtime)
    if chosen.unfit is not None:
        _log.debug("%s: run by the interpreter (%s)", name, chosen.unfit)
    if chosen.fault is not None:
        told = "%s: run by the interpreter, as the kernel differs from it (%s); run 'vivavoce doctor --warm'"
        _log.warning(told, name, chosen.fault)
    return chosen.network


def choose_wake_network(content: bytes, *, name: str, runtime: str | None = None) -> Chosen:
    """As :func:`load_wake_network`, which says nothing of why."""
    runner = _wanted_runner()
    # The reference kernels compute the same integers in every interpreter, and on a microcontroller; the fast ones
    # differ by a few steps, which a network that runs 33 times a second turns into other detections.
    model = load_model(content, runtime=runtime, name=name, kernels="reference")
    if runner == "interpreter":
        return Chosen(model)
    native.kernels()  # where they are compiled first, that is no part of the proof
    began = time.perf_counter()
    try:
        network = CompiledNetwork(_fitting(read_plan(content), model), model)
    except UnfitNetworkError as error:
        if runner == "kernel":
            raise ModelAbiError(
                f"{WAKE_VARIABLE}: got 'kernel', but the kernel cannot run {name}: {error}; unset the variable"
            ) from error
        return Chosen(model, unfit=str(error))
    fault = prove(network, model)
    if fault is not None:
        if runner == "kernel":
            raise ModelAbiError(
                f"{WAKE_VARIABLE}: got 'kernel', but on {name} it differs from {model.runtime}: {fault}; unset the "
                "variable, and make the kernels again with 'vivavoce doctor --warm'"
            )
        return Chosen(model, fault=fault)
    network.reset()
    return Chosen(network, proof=Proof(PROOF_STEPS, time.perf_counter() - began))


def prove(network: CompiledNetwork, model: Model, *, steps: int = PROOF_STEPS, seed: int = 0) -> str | None:
    """Compare every integer of kernel and interpreter: logits and next state.

    Parameters
    ----------
    network : CompiledNetwork
        Its window and state are others afterwards.
    model : Model
        The same network, in the interpreter.
    steps : int
        How often. Windows and states are random; every fourth is of extremes alone; and every second step goes on from
        the state before.
    seed : int

    Returns
    -------
    str or None
        The first difference; none if there is none.
    """
    draws = _Draws(seed)
    state = np.empty(model.inputs["state"].shape, np.int8)
    shown = np.empty(model.inputs["features"].shape, np.uint16)
    network.bind(shown)
    (logits_name,) = (spec.name for spec in model.outputs if spec.shape != state.shape)
    (state_name,) = (spec.name for spec in model.outputs if spec.shape == state.shape)
    for i in range(steps):
        shown[:] = (
            _of_two(draws, 0, 0xFFFF, shown.shape) if i % 4 == 3 else _sparse(draws, 0, FEATURE_TOP + 9, shown.shape)
        )
        if i % 2 == 0:
            drawn = _of_two(draws, -128, 127, state.shape) if i % 8 == 6 else _sparse(draws, -128, 128, state.shape)
            state = drawn.astype(np.int8)
            network.state = state
        expected: dict[str, npt.NDArray[Any]] = model.run({"features": quantise_features(shown), "state": state})
        logits = network.step()
        for what, got, wanted in (
            ("logits", logits, expected[logits_name][0]),
            ("state", network.state, expected[state_name]),
        ):
            if not np.array_equal(got, wanted):
                apart = int(np.count_nonzero(got != wanted))
                return f"{apart} of {wanted.size} numbers of the {what} in step {i}"
        state = expected[state_name]
    return None


class _Draws:
    """Numbers that look random: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) over a counter.

    A device draws none but for this proof, and ``numpy.random`` would take 2 MB of its memory for as long as it runs.
    """

    def __init__(self, seed: int) -> None:
        self._drawn = np.uint64(seed) << np.uint64(32)

    def shares(self, shape: tuple[int, ...] = (1,)) -> npt.NDArray[np.float64]:
        """Return shares from 0 on and below 1."""
        n = int(np.prod(shape))
        z = (self._drawn + np.arange(1, n + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        self._drawn += np.uint64(n)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        shares: npt.NDArray[np.float64] = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).reshape(shape) * np.float64(
            2.0**-53
        )
        return shares


def _of_two(draws: _Draws, low: int, high: int, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return two numbers, in shares that are random, too."""
    return np.where(draws.shares(shape) < draws.shares(), low, high)


def _sparse(draws: _Draws, low: int, high: int, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Return numbers from `low` on and below `high`, of which a random share is `low`.

    Of numbers that are large everywhere, half of the outputs of a layer are clamped whatever they are.
    """
    drawn = (low + draws.shares(shape) * (high - low)).astype(np.int64)
    return np.where(draws.shares(shape) < draws.shares(), low, drawn)


def _fitting(plan: WakePlan, model: Model) -> WakePlan:
    """See that the interpreter calls features and state what the plan does.

    Raises
    ------
    UnfitNetworkError
        If its tensors are others.
    """
    features, state = model.inputs.get("features"), model.inputs.get("state")
    if features is None or state is None or state.shape != (1, plan.state_rows, plan.width):
        raise UnfitNetworkError("its inputs are not features and state")
    if len(features.shape) != 3 or features.shape[0] != 1 or np.prod(features.shape) != plan.n_features:
        raise UnfitNetworkError(f"its features {list(features.shape)} are not frames of channels")
    if sorted(spec.shape for spec in model.outputs) != sorted([(1, plan.n_words), state.shape]):
        raise UnfitNetworkError("its outputs are not logits and state")
    return plan


def _wanted_runner() -> _Runner:
    runner = os.environ.get(WAKE_VARIABLE, "")
    if runner not in _RUNNERS:
        raise UsageError(f"{WAKE_VARIABLE}: got {runner!r}, expected auto, kernel or interpreter; correct or unset it")
    return _RUNNERS[runner]
