"""Fine-tuning one variant of a network, and converting and judging what came out; each only once.

A variant is a folder: a checkpoint, what ``vivavoce quantize convert`` adds to it, ``logits.npz`` (what both networks
say of the dev set) and, written last, ``measured.json``.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import DataError
from edge.interpreter import load_model
from edge.json_reading import parse_json
from train.atomic_file import put_bytes
from train.compression_awareness import aware, begin_ranges, pin_inputs, weights_within, zeros_kept
from train.compression_roles import Role
from train.compression_scores import Logits, parity
from train.compression_variants import Variant
from train.fitting import RunRecord, cosine_rate, fit, save_checkpoint, set_seed
from train.keras import tf_keras
from train.pruning import pattern_share, prunable, pruning_callback, strip
from train.resumption import claim
from train.run_clock import RunClock
from train.wake_network import saved_weights, weights_of

__all__ = ["compress", "convert", "environment", "given", "run_of"]

INT8_NAME = "model_int8.tflite"
FLOAT_NAME = "model_float.tflite"
_MEASURED = "measured.json"
_LOGITS = "logits.npz"
Judged = tuple[dict[str, Any], dict[str, Logits]]
_PRUNED_AFTER = 0.5
"""Share of the steps after which all that is pruned is zero; the rest repairs what that did."""


def run_of(role: Role, *, epochs: int, rate: float, seed: int, data_hash: str) -> dict[str, Any]:
    """Return what decides the weights of all variants: a variant that is there counts only if it is of the same run."""
    return {
        "from": role.start.sha256,
        "seed": seed,
        "data_hash": data_hash,
        "settings": {
            "epochs": epochs,
            "rate": rate,
            "examples": role.examples,
            "weight_decay": role.weight_decay,
            "kept": role.kept,
        },
    }


def compress(role: Role, variant: Variant, folder: Path, run: dict[str, Any]) -> Judged:
    """Make one variant, or read it if it is there.

    Parameters
    ----------
    role : Role
    variant : Variant
    folder : Path
        Holds a folder for each variant; that which `variant` begins with must be there.
    run : dict
        From :func:`run_of`.

    Returns
    -------
    figures : dict
        As :func:`given` returns them, with ``pattern_share``, ``epochs`` and ``fit_s``.
    logits : dict
        What the networks ``int8`` and ``float`` say of the dev set.

    Raises
    ------
    DataError
        If the folder holds another run, training diverges, or conversion refuses the network.
    """
    out = folder / variant.name
    trained = {**run, "variant": variant.name}
    claim(out / "resume", trained)
    done = _done(out, trained)
    if done is not None:
        return done
    with RunClock(out / "resume") as clock:
        clock.of(trained)
        return _fitted(role, variant, folder, trained, clock)


def _fitted(role: Role, variant: Variant, folder: Path, trained: dict[str, Any], clock: RunClock) -> Judged:
    out = folder / variant.name
    weights = (
        role.start.weights if variant.begins_with is None else saved_weights(folder / variant.begins_with / "model")
    )
    settings, seed = trained["settings"], trained["seed"]
    tf_keras.backend.clear_session()
    set_seed(seed)
    steps = settings["epochs"] * len(role.training)
    plain = role.network(weights)
    quantised = None
    if variant.aware:
        part = role.annotated(plain)
        quantised = aware(part, keep_zeros=variant.sparsity > 0)
        begin_ranges(quantised, part, role.calibration())
        pin_inputs(quantised, *role.input_range)
        model = role.around(quantised)
    elif variant.sparsity:
        model = prunable(
            plain,
            final_sparsity=variant.sparsity,
            begin_step=0,
            end_step=max(2, int(_PRUNED_AFTER * steps)),
            pattern=variant.pattern,
        )
    else:
        model = plain
    callbacks: tuple[Any, ...] = ()
    if variant.sparsity:
        callbacks = (pruning_callback(),) if quantised is None else (zeros_kept(quantised),)
    optimizer = tf_keras.optimizers.AdamW(cosine_rate(settings["rate"], steps), weight_decay=role.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    role.compile(model, optimizer)
    history = fit(
        model,
        role.training,
        epochs=settings["epochs"],
        resume=out / "resume",
        trained=trained,
        validation=role.validation,
        callbacks=callbacks,
    )
    if quantised is not None:
        pin_inputs(quantised, *role.input_range)
        found = weights_within(quantised)
    else:
        model = strip(model)
        found = weights_of(model)
    plain = role.network(found)
    device = role.device(model, found)
    # Before the checkpoint: what converts the network may need as much time again.
    fit_s = clock.told()["wall_s"]
    record = RunRecord(
        clock=clock,
        seed=seed,
        data_hash=trained["data_hash"],
        licences=role.start.record["licences"],
        settings={**role.start.settings, "compressed": {"variant": variant.name, "from": trained["from"], **settings}},
    )
    record.metrics = {**history, "pattern_share": pattern_share(plain), "fit_s": fit_s}
    save_checkpoint(out, device, role.representative(device), record, role.start.spec)
    convert(out, out)
    extra = {"pattern_share": pattern_share(plain), "epochs": history["epochs"], "fit_s": fit_s}
    return _judged(role, out, trained, extra)


def given(role: Role, folder: Path, run: dict[str, Any]) -> Judged:
    """Convert and judge the network as it was given.

    Returns
    -------
    figures : dict
        ``eer_int8``, ``eer_float`` and, of the wake network, a recall of each; ``parity`` (:func:`parity`); ``bytes``
        and ``gzip_bytes`` of the int8 file; ``zeros``, the share of zeros among its weights, and ``zeros_by_layer``.
    logits : dict
        What the networks ``int8`` and ``float`` say of the dev set.
    """
    trained = {"from": run["from"], "data_hash": run["data_hash"]}
    done = _done(folder, trained)
    if done is not None:
        return done
    convert(role.start.path, folder)
    return _judged(role, folder, trained, {})


def convert(checkpoint: Path, folder: Path) -> None:
    """Run ``vivavoce quantize convert``: folders are joined by files, and it checks what a device needs.

    Raises
    ------
    DataError
        With what it said, if it refuses the network.
    """
    command = [sys.executable, "-m", "edge", "quantize", "convert", str(checkpoint), "-o", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise DataError(
            f"{checkpoint}: the conversion ended with code {done.returncode} and said: "
            f"{said[-1].removeprefix('vivavoce: ')}"
        )


def environment() -> dict[str, str]:
    """Return the environment in which another process imports the packages that this one runs."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def _judged(role: Role, out: Path, trained: dict[str, Any], extra: dict[str, Any]) -> Judged:
    judge, everything = role.judge, np.arange(len(role.judge.clusters))
    logits: dict[str, Logits] = {}
    figures: dict[str, Any] = {}
    for kind, name, kernels in (("int8", INT8_NAME, judge.kernels), ("float", FLOAT_NAME, "auto")):
        model = load_model(out / name, runtime="litert", name=f"{out.name} {kind}", kernels=kernels)
        logits[kind] = judge.logits(model)
        figures[f"eer_{kind}"] = judge.equal_error(logits[kind], everything)
        figures |= {f"{what}_{kind}": value for what, value in judge.told(logits[kind]).items()}
    report = parse_json((out / "convert.json").read_bytes())
    sizes = report["models"]["int8"]
    figures |= {
        "parity": parity(logits["int8"], logits["float"]),
        "bytes": sizes["bytes"],
        "gzip_bytes": sizes["gzip_bytes"],
        "sha256": sizes["sha256"],
        "zeros": report["sparsity"],
        "zeros_by_layer": {entry["name"]: entry["zeros"] for entry in report["weights"]},
        **extra,
    }
    held = io.BytesIO()
    np.savez_compressed(held, **logits)  # type: ignore[arg-type]
    put_bytes(out / _LOGITS, held.getvalue())
    put_bytes(out / _MEASURED, (json.dumps({"run": trained, "figures": figures}, indent=1) + "\n").encode())
    return figures, logits


def _done(out: Path, trained: dict[str, Any]) -> Judged | None:
    """Return what was measured of this very run; None if there is nothing, or not all of it."""
    try:
        entry = parse_json((out / _MEASURED).read_bytes())
        if entry["run"] != json.loads(json.dumps(trained)) or not (out / INT8_NAME).is_file():
            return None
        with np.load(out / _LOGITS, allow_pickle=False) as file:
            return entry["figures"], {kind: file[kind] for kind in ("int8", "float")}
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
