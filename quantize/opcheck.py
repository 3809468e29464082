"""``vivavoce quantize opcheck``: whether a network runs on microcontrollers, and says the same there."""

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["SUMMARY", "check", "configure", "run"]

SUMMARY = "check that networks run on microcontrollers: operators, equal outputs, memory"

_RUNS = 100
_EPILOG = """\
For each network:
  operators   those that the resolver of TensorFlow Lite for Microcontrollers, or of ESPHome's component, does not have
  outputs     over random inputs, beside the reference kernels of the interpreter here; states are fed back, as on a
  device
  arena       memory for the tensors, bytes, counted with the pointers of this machine (fewer on 32 bits)
What is to run in ESPHome needs the operators of its resolver (--resolver esphome); a bundle's own networks need not.
Exit code 2, with one line on stderr for each network, if an operator is missing or an output differs by more than
--max-steps.

example:
  vivavoce quantize opcheck build/models/wake
  vivavoce quantize opcheck --resolver esphome build/models/esphome/alexa.tflite
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument(
        "networks", nargs="+", type=Path, metavar="CHECKPOINT|BUNDLE|TFLITE", help="what holds the networks"
    )
    parser.add_argument(
        "--resolver", default="tflite-micro", metavar="NAME", help="tflite-micro or esphome [%(default)s]"
    )
    parser.add_argument("--runs", type=int, default=_RUNS, metavar="N", help="runs that are compared [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random inputs [%(default)s]")
    parser.add_argument(
        "--max-steps", type=int, default=1, metavar="N", help="steps by which an output may differ [%(default)s]"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Check every network; the others are still checked where one is at fault."""
    import hashlib

    from edge.cli import process_files
    from edge.errors import DataError, UsageError
    from edge.output import out
    from quantize.resolvers import RESOLVERS

    if args.resolver not in RESOLVERS:
        raise UsageError(f"--resolver: got {args.resolver!r}, expected one of: {', '.join(RESOLVERS)}; correct it")
    for option, value, least in (
        ("--runs", args.runs, 1),
        ("--max-steps", args.max_steps, 0),
        ("--seed", args.seed, 0),
    ):
        if value < least:
            raise UsageError(f"{option}: got {value}, expected at least {least}; correct it")
    networks = {name: content for path in args.networks for name, content in _networks(path)}
    output = out(args)

    def one(name: str) -> None:
        found = check(networks[name], name=name, resolver=args.resolver, runs=args.runs, seed=args.seed)
        apart = max(found["largest_difference_steps"].values())
        output.event(
            {"event": "opcheck", "file": name, "sha256": hashlib.sha256(networks[name]).hexdigest(), **found},
            f"{name}  {sum(found['operators'].values())} operators of {len(found['operators'])} kinds, "
            f"arena {found['arena_bytes']} bytes, outputs at most {apart:g} steps apart in {found['runs']} runs",
        )
        # Written so that a difference that is no number is one.
        if not apart <= args.max_steps:
            steps = "; ".join(f"{role} {value:g}" for role, value in found["largest_difference_steps"].items())
            raise DataError(
                f"{name}: outputs of tflite-micro differ from the reference by {steps} steps, expected at most "
                f"{args.max_steps}; look for an operator that the two compute differently "
                "(a RELU6 of its own keeps the scale of its input there), or allow more with "
                "--max-steps"
            )

    return process_files(networks, one)


def check(content: bytes, *, name: str, resolver: str, runs: int = _RUNS, seed: int = 0) -> dict[str, Any]:
    """Check one network.

    Parameters
    ----------
    content : bytes
        A .tflite file, with one output or several.
    name : str
        What messages call it.
    resolver : str
        A key of :data:`quantize.resolvers.RESOLVERS`.
    runs : int
        How often it is run, one run after the other: what it keeps in itself or in ``state`` goes on.
    seed : int
        Of the inputs, which are uniform over their range.

    Returns
    -------
    dict
        ``resolver``, ``operators`` (how often each is used), ``runs``, ``largest_difference_steps`` (by output, in its
        quantisation steps; in its unit for one of real numbers) and ``arena_bytes``.

    Raises
    ------
    MissingExtraError
        If tflite-micro is not installed.
    DataError
        If it is no network, has operators that the resolver does not, too many variables for ESPHome, or does not run.
    """
    import numpy as np

    from edge.errors import DataError, MissingExtraError
    from edge.interpreter import load_model

    # Looked at before the import below, which needs what only comes with these.
    if None in map(importlib.util.find_spec, ("flatbuffers", "ai_edge_litert", "tflite_micro")):
        raise MissingExtraError("TensorFlow Lite for Microcontrollers", "micro")
    from quantize.graph import Graph
    from quantize.micro import MicroModel
    from quantize.resolvers import ESPHOME_MAX_VARIABLES, missing_operators

    graph = Graph(content, name=name)
    names = graph.operator_names()
    operators = {kind: names.count(kind) for kind in sorted(set(names))}
    if missing := missing_operators(operators, resolver):
        raise DataError(
            f"{name}: operators: got {', '.join(missing)}, expected only those of the resolver of {resolver}; make the "
            "network without them"
        )
    variables = sum(graph.kind(op) == "VAR_HANDLE" for op in graph.main.operators)
    if resolver == "esphome" and variables > ESPHOME_MAX_VARIABLES:
        raise DataError(
            f"{name}: got {variables} variables, expected at most {ESPHOME_MAX_VARIABLES} in ESPHome; join them"
        )
    reference, micro = (
        load_model(content, runtime="litert", name=name, kernels="reference"),
        MicroModel(content, name=name),
    )
    order_in, order_out = _order(graph, reference.inputs, [spec.name for spec in reference.outputs])
    specs = {spec.name: spec for spec in reference.outputs}
    fed = {"state": next(role for role in specs if specs[role].shape == reference.inputs["state"].shape)} if (
        "state" in reference.inputs
    ) else {}  # fmt: skip
    rng = np.random.default_rng(seed)
    apart = dict.fromkeys(specs, 0.0)
    given = {role: _silence(spec) for role, spec in reference.inputs.items()}
    theirs = dict(given)
    for _ in range(runs):
        for role, spec in reference.inputs.items():
            if role not in fed:
                given[role] = theirs[role] = _drawn(spec, rng)
        said = reference.run(given)
        found = dict(zip(order_out, micro.run([theirs[role] for role in order_in], len(order_out)), strict=True))
        for role in specs:
            far = np.abs(said[role].astype(np.float64) - found[role].reshape(said[role].shape).astype(np.float64))
            apart[role] = max(apart[role], float(far.max()))
        for role, source in fed.items():
            # Each its own: what differs is fed back, too.
            given[role], theirs[role] = said[source], found[source].reshape(said[source].shape)
    return {
        "resolver": resolver,
        "operators": operators,
        "runs": runs,
        "largest_difference_steps": apart,
        "arena_bytes": micro.arena_bytes(),
    }


def _networks(path: Path) -> list[tuple[str, bytes]]:
    """Return the networks of a checkpoint, of a bundle, or the file itself, with the names that messages use."""
    from edge.bundle import open_bundle
    from edge.bundle_manifest import MANIFEST_NAME
    from edge.errors import DataError
    from quantize.checkpoint import INT8_NAME

    if (path / MANIFEST_NAME).is_file():
        bundle = open_bundle(path)
        return [(str(path / part.file), bundle.content(part.file)) for part in (bundle.wake, bundle.liveness)]
    file = path / INT8_NAME if path.is_dir() else path
    try:
        return [(str(file), file.read_bytes())]
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read ({error.strerror}), expected a bundle, a .tflite file, or a checkpoint that "
            "'vivavoce quantize convert' converted; check the path"
        ) from error


def _order(graph: Any, inputs: Any, outputs: list[str]) -> tuple[list[str], list[str]]:
    """Return the roles of inputs and outputs in the order of the file, which is that of tflite-micro."""
    signatures = graph.model.signatureDefs or []
    if len(signatures) != 1:
        # The interpreter reads them in that order, too, where nothing else names them.
        return list(inputs), outputs
    place = {int(end.tensorIndex): end.name.decode() for end in (*signatures[0].inputs, *signatures[0].outputs)}
    return [place[int(i)] for i in graph.main.inputs], [place[int(i)] for i in graph.main.outputs]


def _silence(spec: Any) -> "npt.NDArray[Any]":
    import numpy as np

    return np.full(spec.shape, spec.zero_point, spec.dtype)


def _drawn(spec: Any, rng: "np.random.Generator") -> "npt.NDArray[Any]":
    import numpy as np

    if spec.dtype.kind == "f":
        return rng.random(spec.shape).astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    return rng.integers(limits.min, limits.max, spec.shape, endpoint=True).astype(spec.dtype)
