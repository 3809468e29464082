"""``vivavoce train compress``: ways to make a trained network smaller, compared on equal terms."""

import argparse
import os
from pathlib import Path

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "compare pruning, quantisation after training and quantisation-aware training of a network"

_EPILOG = """\
Fine-tunes the network of a checkpoint, for the same epochs on the same data with the same seed, as:
  dense         nothing pruned, quantised after training
  magnitude50   50 % of the weights pruned by magnitude, quantised after training
  magnitude80   80 %, likewise
  two_of_four   2 of every 4 weights pruned, likewise
  qat           nothing pruned, quantisation-aware training
  pqat          quantisation-aware training that keeps the zeros of magnitude50, whose epochs it has besides its own
Each is converted by 'vivavoce quantize convert' and measured: equal error rate on simulated dev (int8 and float),
sizes, zeros that remain, int8 against float, and speed in turns within one process on LiteRT, and on tflite-runtime
where --other-python names a Python that has it. The data are those that the checkpoint was trained on, from --cache if
they are there. What wins is chosen on dev: measure it on test with 'vivavoce train evaluate'.

Writes DIR/compression_NETWORK.json and .md, and for each variant a checkpoint, DIR/NAME, that can be packed.
Interrupted, the same command goes on; a variant that is done is not run again.

example:
  vivavoce train compress liveness --from build/models/liveness --data ../shared/data -o build/compress/liveness
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.compression_variants import VARIANTS
    from train.options import add_shared_options

    parser.epilog = _EPILOG
    parser.add_argument("network", choices=("liveness", "wake"), help="which network the checkpoint holds")
    parser.add_argument(
        "--from",
        dest="checkpoint",
        type=Path,
        required=True,
        metavar="CHECKPOINT",
        help="folder that 'vivavoce train liveness' or 'wake' wrote",
    )
    add_shared_options(parser, rendered="examples")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="where to write the figures and the table, if not to --out"
    )
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="passes of each variant [%(default)s]")
    parser.add_argument(
        "--rate", type=float, default=5e-4, metavar="X", help="peak learning rate of each variant [%(default)s]"
    )
    parser.add_argument("--examples", type=int, metavar="N", help="clips or scenes to fine-tune on [all]")
    parser.add_argument(
        "--dev-examples", type=int, default=3_000, metavar="N", help="clips or scenes to measure on [%(default)s]"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=tuple(VARIANTS),
        metavar="NAME",
        help="only these, dense, and what they begin with [all]",
    )
    parser.add_argument(
        "--other-python",
        metavar="FILE",
        default=os.environ.get("VIVAVOCE_TFLITE_PYTHON"),
        help="a Python with tflite-runtime [what VIVAVOCE_TFLITE_PYTHON says]",
    )


def run(args: argparse.Namespace) -> int:
    """Make, measure and compare the variants."""
    from edge.errors import UsageError
    from train.options import check_folders

    for option in ("epochs", "examples", "dev_examples"):
        value = getattr(args, option)
        least = 1 if option == "epochs" else 2
        if value is not None and value < least:
            raise UsageError(f"--{option.replace('_', '-')}: got {value}, expected at least {least}; give more")
    if not 0 < args.rate < 1:
        raise UsageError(f"--rate: got {args.rate}, expected a number between 0 and 1; correct it")
    check_folders(args, "out", "results", "cache")
    if args.out.resolve() == args.checkpoint.resolve():
        raise UsageError(f"--out: got {args.out}, the checkpoint itself, expected another folder; give one")

    import sys

    from tqdm import tqdm

    from train.atomic_file import put_bytes
    from train.compression import INT8_NAME, compress, environment, given, run_of
    from train.compression_report import RULE, differences, table, winner
    from train.compression_roles import ROLES
    from train.compression_speed import speed_of
    from train.compression_variants import GIVEN, chosen_variants
    from train.corpus import data_hash
    from train.engines.choice import engine_from
    from train.results import write_result

    hashed = data_hash(args.data)
    role = ROLES[args.network](
        args.checkpoint,
        args.data,
        args.cache,
        examples=args.examples,
        dev_examples=args.dev_examples,
        seed=args.seed,
        engine=engine_from(args),
    )
    trained = run_of(role, epochs=args.epochs, rate=args.rate, seed=args.seed, data_hash=hashed)
    variants = chosen_variants(args.variants)
    figures, logits = {}, {}
    for variant in tqdm(variants, desc="variants", unit="variant"):
        tqdm.write(f"{variant.name}: {variant.told}", file=sys.stderr)
        figures[variant.name], logits[variant.name] = compress(role, variant, args.out, trained)
    figures[GIVEN], logits[GIVEN] = given(role, args.out / GIVEN, trained)

    files = [args.out / name / INT8_NAME for name in figures]
    pythons = {"litert": sys.executable} | ({"tflite": args.other_python} if args.other_python else {})
    interpreters = {}
    for entry in figures.values():
        entry["speed"] = {}
    for interpreter, python in pythons.items():
        interpreters[interpreter], timed = speed_of(
            files, interpreter=interpreter, kernels=role.judge.kernels, python=python, environment=environment()
        )
        for entry, one in zip(figures.values(), timed, strict=True):
            entry["speed"][interpreter] = one
    for name, apart in differences(logits, role.judge.equal_error, role.judge.clusters).items():
        figures[name]["against_dense"] = apart
    body = {
        "network": args.network,
        "what": "simulated dev, on which the winner was chosen; each variant fine-tuned alike from one checkpoint",
        "from": {
            "sha256": role.start.sha256,
            "commit": role.start.record.get("commit"),
            "sparsity": role.start.record.get("metrics", {}).get("sparsity"),
        },
        "settings": {
            **trained["settings"],
            "dev_examples": len(role.judge.clusters),
            "variants": {variant.name: variant.told for variant in variants},
        },
        "interpreters": {**interpreters, "kernels": role.judge.kernels},
        "rule": RULE,
        "winner": winner(figures),
        "variants": figures,
    }
    results = args.results or args.out
    write_result(results / f"compression_{args.network}.json", body, data_hash=hashed, seed=args.seed)
    told = table(body)
    put_bytes(results / f"compression_{args.network}.md", told.encode())
    print(told, end="")
    return 0
