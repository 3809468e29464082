"""``vivavoce quantize convert``: from a float network to one of 8-bit integers, checked.

Full integer quantisation after training, with the scheme of Jacob et al. [1]_: one scale and zero point a
tensor, one scale an output channel for weights. Inputs and outputs are integers, too; no floating-point
tensor is left.

A streaming network gives its state back as an output, and the device feeds it in again byte for byte. That
is right only if both ends mean the same by a byte. Slices and concatenations cannot change a scale, so the
converter gives one scale to a state, to all that is joined to it and to what is cut from it; here it is
checked that it did.

References
----------
.. [1] B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
   Inference", CVPR 2018.
"""

import argparse
import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge.interpreter import Model
    from quantize.checkpoint import Checkpoint

__all__ = ["SUMMARY", "configure", "convert", "inspect_network", "model_size", "run"]

SUMMARY = "convert the float network of a checkpoint to 8-bit integers"

_EPILOG = """\
Writes, into the checkpoint unless -o names another folder:
  model_int8.tflite    the network that devices run
  model_float.tflite   its float twin, for comparisons
  convert.json         sizes (raw and gzip), share of zero weights, scales

Next: vivavoce quantize parity, vivavoce quantize pack

example:
  vivavoce quantize convert build/models/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="folder that 'vivavoce train' wrote")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="folder to write to [the checkpoint]")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Convert one checkpoint."""
    from edge.output import out

    report = convert(args.checkpoint, args.out, progress=lambda line: sys.stderr.write(line + "\n"))
    lines = [
        f"{kind:<6} {entry['file']}  {entry['bytes']} bytes, {entry['gzip_bytes']} compressed"
        for kind, entry in report["models"].items()
    ]
    lines.append(f"zeros  {report['sparsity']:.1%} of the weights")
    out(args).event({"event": "converted", **report}, "\n".join(lines))
    return 0


def convert(
    checkpoint: Path,
    destination: Path | None = None,
    *,
    progress: Callable[[str], object] = lambda line: None,
) -> dict[str, Any]:
    """Convert the network of a checkpoint, check what came out, and write it.

    Parameters
    ----------
    checkpoint : pathlib.Path
        Folder with ``model/``, ``representative.npz``, ``spec.json`` and ``record.json``.
    destination : pathlib.Path, optional
        Where to write; by default into the checkpoint. Another folder gets the descriptions, too.
    progress : callable, optional
        Told what is being done, a line each.

    Returns
    -------
    dict
        What ``convert.json`` holds.

    Raises
    ------
    MissingExtraError
        If TensorFlow is not installed.
    DataError
        If the checkpoint is incomplete, its representative data are not those of its network, the converted
        network is not what its role needs, or it cannot be written.
    """
    from edge.errors import DataError
    from edge.files import write_whole
    from quantize.checkpoint import CONVERSION_NAME, FLOAT_NAME, INT8_NAME, Checkpoint, read_arrays

    source = Checkpoint.read(checkpoint)
    data = _pinned(source, read_arrays(checkpoint / "representative.npz"))
    destination = checkpoint if destination is None else destination
    tf = _tensorflow()
    saved = checkpoint / "model"
    _check_inputs(tf, saved, data)
    rows = len(next(iter(data.values())))
    with _quiet_warnings():
        progress(f"converting {saved} to float")
        as_float = _converter(tf, saved).convert()
        progress(f"converting {saved} to int8, ranges from {rows} samples")
        converter = _converter(tf, saved)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _samples(data)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        as_int8 = converter.convert()
    network = inspect_network(as_int8)
    if network["float_tensors"]:
        raise DataError(
            f"{saved}: got float tensors after conversion ({', '.join(network['float_tensors'])}), "
            "expected integers only; replace the layers that make them"
        )
    model = _check_role(source, as_int8)
    report = {
        "role": source.role,
        "record_sha256": source.record_sha256,
        "converter": f"tensorflow {tf.__version__}",
        "representative_samples": rows,
        "models": {"int8": model_size(INT8_NAME, as_int8), "float": model_size(FLOAT_NAME, as_float)},
        "inputs": {spec.name: _quantisation(spec) for spec in model.inputs.values()},
        "outputs": {spec.name: _quantisation(spec) for spec in model.outputs},
        "operators": network["operators"],
        "sparsity": network["sparsity"],
        "weights": network["weights"],
    }
    files = {
        FLOAT_NAME: as_float,
        INT8_NAME: as_int8,
        # Last: it says by its hashes that the others are there, and of which training.
        CONVERSION_NAME: (json.dumps(report, indent=1) + "\n").encode(),
    }
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if destination.resolve() != checkpoint.resolve():
            for name in ("spec.json", "record.json"):
                shutil.copyfile(checkpoint / name, destination / name)
        for name, content in files.items():
            write_whole(destination / name, lambda file, content=content: file.write(content))
    except OSError as error:
        raise DataError(
            f"{destination}: the converted network cannot be written there ({error.strerror}); free some space or give "
            "another folder, and convert again"
        ) from error
    return report


def inspect_network(content: bytes) -> dict[str, Any]:
    """Look into a converted network.

    Parameters
    ----------
    content : bytes
        A .tflite file.

    Returns
    -------
    dict
        ``operators``: how often each is used; ``float_tensors``: names; ``weights``: for each constant int8
        tensor with two axes or more its ``name``, ``shape`` and share of ``zeros``; ``sparsity``: share of
        zeros over all of them.
    """
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    floats = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.FLOAT64)
    operators: Counter[str] = Counter()
    weights: list[dict[str, Any]] = []
    float_tensors: list[str] = []
    zeros = total = 0
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            # Codes beyond 127 are in the newer of the two fields.
            operators[names[max(code.builtinCode, code.deprecatedBuiltinCode)]] += 1
        for tensor in graph.tensors:
            name = tensor.name.decode()
            if tensor.type in floats:
                float_tensors.append(name)
            held = model.buffers[tensor.buffer].data
            if tensor.type == schema.TensorType.INT8 and held is not None and len(tensor.shape) >= 2:
                values = np.frombuffer(bytes(held), np.int8)
                none = int(np.count_nonzero(values == 0))
                zeros, total = zeros + none, total + values.size
                shape = [int(size) for size in tensor.shape]
                weights.append({"name": name, "shape": shape, "zeros": round(none / values.size, 4)})
    return {
        "operators": dict(sorted(operators.items())),
        "float_tensors": float_tensors,
        "weights": weights,
        "sparsity": round(zeros / total, 4) if total else 0.0,
    }


# ------------------------------------------------------------------------------------------ TensorFlow


def _tensorflow() -> Any:
    """Import TensorFlow, told to be quiet and to use the Keras that the network was made with."""
    from edge.errors import MissingExtraError

    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("conversion (TensorFlow)", "train")
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow

    return tensorflow


def _check_inputs(tf: Any, saved: Path, data: "dict[str, npt.NDArray[np.float32]]") -> None:
    """Check that there are samples for each input of a network, and for nothing else."""
    from edge.errors import DataError

    try:
        signature = tf.saved_model.load(str(saved)).signatures["serving_default"]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{saved}: got no SavedModel with a signature 'serving_default' "
            f"({type(error).__name__}: {error}), expected one; train the network again"
        ) from error
    wanted = {name: tuple(spec.shape)[1:] for name, spec in signature.structured_input_signature[1].items()}
    given = {name: array.shape[1:] for name, array in data.items()}
    if wanted != given:
        raise DataError(
            f"{saved.parent / 'representative.npz'}: got {_shapes(given)}, expected {_shapes(wanted)} as the "
            "network's inputs are, behind an axis of samples; train the network again"
        )


def _pinned(source: "Checkpoint", data: "dict[str, npt.NDArray[np.float32]]") -> "dict[str, npt.NDArray[np.float32]]":
    """Make samples reach exactly the ranges that the specification fixes.

    One element of one sample at each end is enough for the input itself. Whole samples of extreme values
    would also stretch the ranges of everything behind it, and so nearly double the rounding errors.
    """
    from edge.errors import DataError

    ranges = source.spec.get("ranges", {})
    for name, (low, high) in ranges.items():
        if name not in data or not low < high:
            raise DataError(
                f"{source.path / 'spec.json'}: ranges.{name}: got {low} to {high}, expected a range "
                f"of one of the inputs {', '.join(data)}; train the network again"
            )
        pinned = data[name].clip(low, high)
        pinned[0].flat[0], pinned[-1].flat[-1] = low, high
        data = {**data, name: pinned}
    return data


def _shapes(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in sorted(shapes.items())) or "nothing"


def _converter(tf: Any, saved: Path) -> Any:
    return tf.lite.TFLiteConverter.from_saved_model(str(saved))


def _samples(data: "dict[str, npt.NDArray[np.float32]]") -> "Iterator[dict[str, npt.NDArray[np.float32]]]":
    """Yield one sample at a time with its batch axis, by name: with two inputs, an order would be a guess."""
    for i in range(len(next(iter(data.values())))):
        yield {name: array[i : i + 1] for name, array in data.items()}


@contextlib.contextmanager
def _quiet_warnings() -> Iterator[None]:
    """Hide what the converter warns of about itself: it says that its own interpreter is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# -------------------------------------------------------------------------------------------- checks


def _check_role(source: "Checkpoint", content: bytes) -> "Model":
    """Check that a converted network is what the device expects of its role."""
    from edge.interpreter import load_model

    model = load_model(content, runtime="litert", name=str(source.path))
    if source.role == "wake":
        _check_wake(source, model)
    elif source.role == "verifier":
        _check_verifier(source, model)
    else:
        from edge.cues import CueSettings
        from edge.liveness import LivenessStage

        LivenessStage(model, CueSettings.from_dict(source.spec["cues"]), slope=1.0, offset=0.0)
    return model


def _check_wake(source: "Checkpoint", model: "Model") -> None:
    from edge.errors import DataError
    from edge.frontend import FEATURE_SCALE, FEATURE_ZERO_POINT
    from edge.frontend_tables import FrontendSettings
    from edge.wake import WakeStage, takes_features

    spec = source.spec
    data = source.path / "representative.npz"
    # Before the stage says the same of the model: here it is the samples that have to be mended.
    features = model.inputs.get("features")
    if features is not None and not takes_features(features):
        raise DataError(
            f"{data}: features: got values that lead to {features}, expected scale {FEATURE_SCALE:.6g}, zero "
            f"point {FEATURE_ZERO_POINT}; the samples must reach from 0 to exactly {255 * FEATURE_SCALE:.6g}"
        )
    WakeStage(
        model,
        [0.5] * len(spec["words"]),
        channels=FrontendSettings.from_dict(spec["frontend"]).channels,
        stride_frames=spec["stride_frames"],
        context_frames=spec["context_frames"],
        smoothing_steps=spec["smoothing_steps"],
        refractory_frames=0,
    )
    state = model.inputs["state"]
    back = next(spec for spec in model.outputs if spec.shape == state.shape)
    if back[1:] != state[1:] or state.zero_point != -128:
        raise DataError(
            f"{data}: state: got {state} for the input and {back} for the output, expected the same twice, "
            "with zero point -128; the samples must reach from 0 to the ceiling of the network's activations"
        )


def _check_verifier(source: "Checkpoint", model: "Model") -> None:
    from edge.errors import DataError
    from edge.log_mel import samples_of_mel_frames
    from edge.verifier import Verifier

    spec = source.spec
    nothing = [1.0] * len(spec["words"])
    verifier = Verifier(model, nothing, candidates=nothing, delay_samples=0, refractory_samples=0)
    if verifier.stretch_samples != samples_of_mel_frames(spec["frames"]):
        raise DataError(
            f"{source.path / 'spec.json'}: frames: got {spec['frames']}, expected those of the network's input 'mel', "
            f"{model.inputs['mel'].shape[1]}; train the network again"
        )


# -------------------------------------------------------------------------------------------- report


def _quantisation(spec: Any) -> dict[str, Any]:
    return {
        "shape": list(spec.shape),
        "dtype": str(spec.dtype),
        "scale": spec.scale,
        "zero_point": spec.zero_point,
    }


def model_size(name: str, content: bytes) -> dict[str, Any]:
    """Return the name, sizes and sha256 of a network, as ``convert.json`` has them."""
    return {
        "file": name,
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
