"""``vivavoce train ablate``: what each part of a training earns."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train without each part in turn, and tell on dev what it earns"

_EPILOG = """\
Trains the base, then each change of --study, with the small budget stated there and the same seed, and last the base
once more with another seed: a part that changes no more than that has earned nothing, whatever the interval. Intervals
resample the talkers of dev, and both trainings are judged on the same resamples. The test split is not opened.

Writes to DIR a folder for each training, and to --results ablation_NETWORK.json and ablation_NETWORK.md, a table.
Interrupted, the same command goes on; a training that is done is not done again.

example:
  vivavoce train ablate wake --data ../shared/data --only no_specaugment no_pruning -o build/ablation/wake
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.study_options import add_study_options

    parser.epilog = _EPILOG
    add_study_options(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these changes [all]")


def run(args: argparse.Namespace) -> int:
    """Train all, and write the table."""
    from edge.errors import UsageError
    from train.study_options import check_study_options, learner_of, plan_of

    check_study_options(args)

    import json
    import sys

    from tqdm import tqdm

    from train.ablation import ablation_table, against_base, seed_difference, verdict
    from train.atomic_file import put_bytes
    from train.corpus import data_hash
    from train.fitting import checked_out
    from train.results import write_result
    from train.studies import Study
    from train.study_file import AGAIN, BASE

    plan = plan_of(args)
    unknown = sorted(set(args.only or ()) - set(plan.changes))
    if unknown:
        raise UsageError(f"--only: got {unknown[0]!r}, expected changes of {args.study}: {', '.join(plan.changes)}")
    chosen = {name: change for name, change in plan.changes.items() if not args.only or name in args.only}
    if not chosen:
        raise UsageError(f"{args.study}: {args.network}: got no changes, expected some to try; add some")
    checked_out(args.out)
    hashed = data_hash(args.data)
    study = Study(learner_of(args, plan.dev), args.out, data_hash=hashed)
    runs = {BASE: (plan.base, args.seed), **{name: (change.settings, args.seed) for name, change in chosen.items()}}
    runs[AGAIN] = (plan.base, args.seed + 1)
    told = {BASE: "base", **{name: change.told for name, change in chosen.items()}, AGAIN: "base, another seed"}
    outcomes = {}
    for name, (settings, seed) in tqdm(runs.items(), desc="ablation", unit="training"):
        tqdm.write(f"{name}: {told[name]}", file=sys.stderr)
        outcomes[name] = study.train(name, settings, seed)
    apart = against_base(study.learner, outcomes)
    entries = {
        name: {
            "told": told[name],
            **one.to_dict(),
            **({} if name not in apart else {"against_base": apart[name]}),
            **({} if name in (BASE, AGAIN) else {"verdict": verdict(one, apart)}),
        }
        for name, one in outcomes.items()
    }
    body = {
        "network": args.network,
        "metric": study.learner.metric,
        "budget": plan.budget,
        "base": plan.base.to_dict(),
        "dev": study.learner.dev,
        "points_of_another_seed": seed_difference(apart),
        "trainings": entries,
    }
    results = args.results or args.out
    write_result(results / f"ablation_{args.network}.json", {"ablation": body}, data_hash=hashed, seed=args.seed)
    said = (
        f"{study.learner.metric[0].upper()}{study.learner.metric[1:]}. Each training had a budget of "
        f"{json.dumps(plan.budget)}, far less than a training in full: what earns nothing here may do so there."
    )
    table = ablation_table(list(outcomes.values()), told, apart, said)
    put_bytes(results / f"ablation_{args.network}.md", table.encode())
    print(table, end="")
    return 0
