"""``vivavoce quantize parity``: how far an int8 network is from the float network that it was made of."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from edge.interpreter import Model

__all__ = ["SUMMARY", "compare", "configure", "run", "strays"]

SUMMARY = "compare an int8 network with its float twin, over recorded inputs"

_MAX_CLIPS = 20
"""Clips with another decision that are named for people."""

_EPILOG = """\
With --scores the files of 'vivavoce quantize scores' are compared, the first with each of the others: decisions clip by
clip, each made in an environment of its own. Without, two networks are run here on the samples of --data.

Each sample is given to both networks by itself; what an error does over a whole recording is told by
'vivavoce train evaluate'. Differences are in the unit of the output, the largest also in steps of the int8
output. Exit code 2, with one line on stderr behind the report, if the rms difference of an output exceeds
--max-rms, or if fewer decisions than --min-agreement are equal. The networks that ship measure 0.02 to 0.03, and 0.99.

example:
  vivavoce quantize parity model_float.tflite model_int8.tflite --data representative.npz --json
  vivavoce quantize parity --scores float.scores int8.scores int8_tflite.scores
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from edge.output import add_output_arguments

    parser.epilog = _EPILOG
    parser.add_argument("float", type=Path, nargs="?", metavar="FLOAT", help="model_float.tflite")
    parser.add_argument("int8", type=Path, nargs="?", metavar="INT8", help="model_int8.tflite")
    parser.add_argument("--data", type=Path, metavar="NPZ", help="inputs by name, first axis samples")
    parser.add_argument("--scores", type=Path, nargs="+", metavar="FILE", help="score files, two or more")
    parser.add_argument(
        "--cutoff", type=float, default=0.5, metavar="P", help="probability of a decision [%(default)s]"
    )
    parser.add_argument(
        "--max-rms",
        type=float,
        metavar="SHARE",
        help="rms difference that an output may have, as a share of the spread of its float values [as the task says]",
    )
    parser.add_argument(
        "--min-agreement",
        type=float,
        metavar="SHARE",
        help="share of equal decisions that an output must have [as the task says]",
    )
    parser.add_argument("--task", type=Path, metavar="FILE", help="task that holds both limits [that of what ships]")
    parser.add_argument("--interpreter", metavar="NAME", help="litert or tflite [the preferred one]")
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Compare two networks.

    Raises
    ------
    DataError
        If the int8 network strays from the float one; the report is printed before.
    """
    from edge.errors import DataError, UsageError
    from edge.interpreter import load_model
    from edge.output import columns, out
    from quantize.checkpoint import read_arrays
    from quantize.hard_limits import parity_limits

    if not 0.0 < args.cutoff < 1.0:
        raise UsageError(f"--cutoff: got {args.cutoff}, expected a probability between 0 and 1; correct it")
    max_rms, min_agreement = parity_limits(args.task)
    max_rms = max_rms if args.max_rms is None else args.max_rms
    min_agreement = min_agreement if args.min_agreement is None else args.min_agreement
    for name, value in (("--max-rms", max_rms), ("--min-agreement", min_agreement)):
        if not 0.0 <= value <= 1.0:
            raise UsageError(f"{name}: got {value}, expected a share between 0 and 1; correct it")
    if args.scores is not None:
        if args.float is not None or args.data is not None or len(args.scores) < 2:
            raise UsageError(
                f"--scores: got {len(args.scores)} files"
                + (" and networks or samples" if args.float is not None or args.data is not None else "")
                + ", expected two or more, and nothing else; correct the call"
            )
        return _run_on_scores(args, max_rms, min_agreement)
    if args.int8 is None or args.data is None:
        raise UsageError("got no two networks with --data, expected FLOAT INT8 --data NPZ, or --scores; see --help")
    report = compare(
        load_model(args.float, runtime=args.interpreter),
        load_model(args.int8, runtime=args.interpreter),
        read_arrays(args.data),
        cutoff=args.cutoff,
    )
    rows = [["output", "max", "mean", "rms", "steps", "agree"]]
    for name, entry in report["outputs"].items():
        agree = "-" if entry["agreement"] is None else entry["agreement"]
        rows.append(
            [
                name,
                *(entry[f"{kind}_difference"] for kind in ("max", "mean", "rms")),
                entry["max_steps"],
                agree,
            ]
        )
    out(args).event({"event": "parity", **report}, "\n".join(columns(rows)))
    strayed = strays(report["outputs"], max_rms=max_rms, min_agreement=min_agreement)
    if strayed:
        raise DataError(
            f"{args.int8}: strays from {args.float}: {'; '.join(strayed)}; calibrate with more representative inputs, "
            "or look for a layer whose range is badly used"
        )
    return 0


def _run_on_scores(args: argparse.Namespace, max_rms: float, min_agreement: float) -> int:
    """Compare score files."""
    from edge.errors import DataError
    from edge.output import columns, out
    from quantize.decisions import compare_files

    report = compare_files(args.scores)
    rows = [["file", "score", "max", "rms", "spread", "agree"]]
    lines, faults = [], []
    for entry in report["compared"]:
        for name, output in entry["outputs"].items():
            figures = (output[f"{kind}_difference"] for kind in ("max", "rms"))
            rows.append([entry["file"], name, *figures, output["spread"], entry["agreement"]])
        for clip in entry["differing"][:_MAX_CLIPS]:
            lines.append(f"{entry['file']}  {clip['id']}: {clip['decisions'][1]}, not {clip['decisions'][0]}")
        if len(entry["differing"]) > _MAX_CLIPS:
            lines.append(f"{entry['file']}  and {len(entry['differing']) - _MAX_CLIPS} more; --json has all of them")
        strayed = strays(entry["outputs"], max_rms=max_rms, min_agreement=min_agreement)
        if not entry["agreement"] >= min_agreement:
            strayed.append(f"got {entry['agreement']:.3f} of the decisions equal, expected at least {min_agreement:g}")
        if strayed:
            faults.append(f"{entry['file']}: strays from {args.scores[0]}: {'; '.join(strayed)}")
    out(args).event({"event": "decisions", **report}, "\n".join((*columns(rows), *lines)))
    if faults:
        raise DataError(f"{'; '.join(faults)}; look at the clips that differ")
    return 0


def strays(outputs: "Mapping[str, Mapping[str, Any]]", *, max_rms: float, min_agreement: float) -> list[str]:
    """Say which outputs of a report are further from their float twin than allowed.

    Parameters
    ----------
    outputs : mapping
        As :func:`compare` returns it.
    max_rms : float
        Largest rms difference, as a share of the spread of the float output. The unit of an output is that of its
        network; the spread makes one limit fit all.
    min_agreement : float
        Smallest share of equal decisions; of outputs that decide nothing only the difference counts.

    Returns
    -------
    list of str
        A clause for each excess; empty if there is none.
    """
    found = []
    for name, entry in outputs.items():
        # Written so that a difference that is no number strays.
        if not entry["rms_difference"] <= max_rms * entry["spread"]:
            found.append(
                f"{name}: got an rms difference of {entry['rms_difference']:.3g} over a spread of "
                f"{entry['spread']:.3g}, expected at most {max_rms:g} of it"
            )
        if entry["agreement"] is not None and not entry["agreement"] >= min_agreement:
            found.append(
                f"{name}: got {entry['agreement']:.3f} of the decisions equal, expected at least {min_agreement:g}"
            )
    return found


def compare(
    as_float: "Model",
    as_int8: "Model",
    data: "Mapping[str, npt.NDArray[np.float32]]",
    *,
    cutoff: float = 0.5,
) -> dict[str, Any]:
    """Run both networks over the same samples and compare what they say.

    Parameters
    ----------
    as_float, as_int8 : Model
        With the same names and shapes.
    data : mapping of str to (n, ...) float32
        Samples of each input, without the batch axis.
    cutoff : float
        Probability above which an output counts as a decision.

    Returns
    -------
    dict
        ``samples``, ``cutoff``, ``interpreter``, and for each of ``outputs``: ``max_difference``,
        ``mean_difference``, ``rms_difference`` (absolute, in the unit of the output), ``max_steps`` (the
        largest in steps of the int8 output), ``spread`` (standard deviation of the float output),
        ``agreement`` (share of equal decisions, where sigmoid(output) is compared with the cut-off) and
        ``disagreements``; the last two are None for a state, which decides nothing.

    Raises
    ------
    ModelAbiError
        If the second network is not the int8 form of the first.
    DataError
        If the samples are not those of the networks' inputs.
    """
    import numpy as np

    from edge.errors import DataError
    from edge.interpreter import check_abi, dequantise, quantise

    check_abi(
        as_int8,
        inputs={name: (spec.shape, (np.int8,)) for name, spec in as_float.inputs.items()},
        outputs=[(spec.shape, (np.int8,)) for spec in as_float.outputs],
    )
    given = {name: array.shape[1:] for name, array in data.items()}
    expected = {name: spec.shape[1:] for name, spec in as_float.inputs.items()}
    if given != expected:
        raise DataError(f"samples: got {given}, expected {expected}; give the representative.npz of the network")
    n = len(next(iter(data.values())))
    pairs = _pairs(as_float, as_int8)
    said = {
        one.name: (np.empty((n, *one.shape), np.float32), np.empty((n, *one.shape), np.float32)) for one, _ in pairs
    }
    for i in range(n):
        sample = {name: array[i : i + 1] for name, array in data.items()}
        exact = as_float.run(sample)
        coarse = as_int8.run({name: quantise(x, as_int8.inputs[name]) for name, x in sample.items()})
        for one, other in pairs:
            said[one.name][0][i] = exact[one.name]
            said[one.name][1][i] = dequantise(coarse[other.name], other)
    logit_cutoff = float(np.log(cutoff / (1 - cutoff)))
    states = {spec.shape for spec in as_float.inputs.values()}
    outputs = {}
    for one, other in pairs:
        exact_all, coarse_all = said[one.name]
        difference = np.abs(exact_all - coarse_all)
        agree = None if one.shape in states else (exact_all > logit_cutoff) == (coarse_all > logit_cutoff)
        outputs[one.name] = {
            "max_difference": float(difference.max()),
            "mean_difference": float(difference.mean()),
            "rms_difference": float(np.sqrt(np.mean(difference**2))),
            "max_steps": float(difference.max() / other.scale),
            "spread": float(exact_all.std()),
            "agreement": None if agree is None else float(agree.mean()),
            "disagreements": None if agree is None else int(np.count_nonzero(~agree)),
        }
    return {"samples": n, "cutoff": cutoff, "interpreter": as_int8.runtime, "outputs": outputs}


def _pairs(as_float: "Model", as_int8: "Model") -> list[Any]:
    """Pair the outputs of two networks: by name where both have it, else by shape."""
    by_name = {spec.name: spec for spec in as_int8.outputs}
    by_shape = {spec.shape: spec for spec in as_int8.outputs}
    return [(spec, by_name.get(spec.name, by_shape[spec.shape])) for spec in as_float.outputs]
