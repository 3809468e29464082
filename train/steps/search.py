"""``vivavoce train search``: better settings, looked for within a budget."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "search settings of a training with Optuna: resumable, within a budget, chosen on dev"

_EPILOG = """\
Draws settings from the space in --study, trains each with the small budget stated there and the same seed, and ranks
them by the error on dev. The first trial has the settings as they are. A tree-structured Parzen estimator draws; what
is worse than the median at the same epoch is stopped early. The test split is not opened.

Writes to DIR: search.db (Optuna's storage) and a folder for each trial; to --results: search_NETWORK.json with all
trials, search_NETWORK.html with what mattered, and best_NETWORK.json, settings for 'vivavoce train NETWORK
--settings': all of the best trial, those of --set included, but its budget (how much is rendered, epochs, and the mean
of weights, which is by steps). The best of many on the clips that it was chosen on is flattered: train it in full, with
several seeds, before it counts.
Interrupted, or with a larger --trials or --budget, the same command goes on.

examples:
  vivavoce train search liveness --data ../shared/data --trials 30 --budget 120 -o build/search/liveness
  vivavoce train seeds liveness --data ../shared/data --settings build/search/liveness/best_liveness.json -o build/best
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.study_options import add_study_options

    parser.epilog = _EPILOG
    add_study_options(parser)
    parser.add_argument(
        "--trials", type=int, default=30, metavar="N", help="in all, those of earlier calls included [%(default)s]"
    )
    parser.add_argument(
        "--budget", type=float, metavar="MINUTES", help="of training, earlier calls included; no trial begins behind it"
    )


def run(args: argparse.Namespace) -> int:
    """Search, and write what was found."""
    import importlib.util

    from edge.errors import DataError, MissingExtraError, UsageError
    from train.study_options import check_study_options, learner_of, plan_of

    check_study_options(args, trials=1)
    if args.budget is not None and not 0 < args.budget < float("inf"):
        raise UsageError(f"--budget: got {args.budget:g}, expected minutes above 0; give some")

    if importlib.util.find_spec("optuna") is None:  # an installation that is older than this step
        raise MissingExtraError("Optuna", "train")

    import json
    import sys
    from dataclasses import asdict

    from tqdm import tqdm

    from train.atomic_file import put_bytes
    from train.corpus import data_hash
    from train.fitting import checked_out
    from train.results import write_result
    from train.search import Search
    from train.studies import Study
    from train.study_file import in_full
    from train.study_page import search_page

    plan = plan_of(args)
    if not plan.space:
        raise UsageError(f"{args.study}: {args.network}: got an empty space, expected settings to search; add some")
    checked_out(args.out)
    hashed = data_hash(args.data)
    study = Study(learner_of(args, plan.dev), args.out, data_hash=hashed)
    search = Search(study, plan, seed=args.seed)
    with tqdm(total=args.trials, initial=len(search.finished()), desc="search", unit="trial") as bar:

        def note(line: str) -> None:
            tqdm.write(line, file=sys.stderr)
            bar.n = min(args.trials, len(search.finished()))
            bar.refresh()

        search.run(args.trials, budget_minutes=args.budget, note=note)

    trials = search.told()
    whole = [trial for trial in trials if trial["state"] == "complete"]
    if not whole:
        raise DataError(
            f"{args.out}: got no trial that was trained to its end, expected one; give more --budget, or lower rates "
            f"in {args.study}"
        )
    best = min(whole, key=lambda trial: (trial["error"], trial["number"]))
    found = {
        "network": args.network,
        "what": f"{study.learner.metric}; chosen on dev, with a budget of {json.dumps(plan.budget)} a trial",
        "metric": study.learner.metric,
        "budget": plan.budget,
        "base": plan.base.to_dict(),
        "dev": study.learner.dev,
        "space": {name: asdict(dimension) for name, dimension in plan.space.items()},
        "sampler": search.sampler,
        "pruner": search.pruner,
        "minutes": round(search.minutes(), 1),
        "best": best,
        "importances": search.importances(),
        "trials": trials,
    }
    results = args.results or args.out
    write_result(results / f"search_{args.network}.json", {"search": found}, data_hash=hashed, seed=args.seed)
    title = f"Search of the {args.network} network"
    put_bytes(results / f"search_{args.network}.html", search_page(found, title).encode())
    full = in_full(plan.base, best["settings"])
    put_bytes(results / f"best_{args.network}.json", (json.dumps(full.to_dict(), indent=1) + "\n").encode())
    low, high = best["interval_95"]
    print(
        f"best of {len(trials)} trials ({len(whole)} to their end, {search.minutes():.0f} min): "
        f"trial {best['number']}, {100 * best['error']:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
    )
    print(
        f"best_{args.network}.json has the settings of this trial, but "
        + ", ".join(f"{name} {full.to_dict()[name]}" for name in plan.base.budget)
        + ", as a training in full has them"
    )
    return 0
