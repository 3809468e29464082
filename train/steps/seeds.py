"""``vivavoce train seeds``: one training with several seeds, mean and spread."""

import argparse

__all__ = ["SUMMARY", "configure", "run"]

SUMMARY = "train with several seeds, and tell mean and spread on dev"

_EPILOG = """\
Trains with the seeds N, N + 1, ... (--seed N), in full unless options say otherwise, on the same renderings (of seed
N), and judges all on the same dev set. Each training leaves a checkpoint, DIR/seed-N, as 'vivavoce train wake' and
'liveness' do. To pick the best of them on dev is to fit the seed: what counts is the mean. The test split is not
opened.

Writes seeds_NETWORK.json and seeds_NETWORK.md to --results. Interrupted, the same command goes on.

examples:
  vivavoce train seeds liveness --data ../shared/data --seed 2 -o build/seeds/liveness
  vivavoce train seeds wake --data ../shared/data --settings build/search/wake/best_wake.json -o build/seeds/wake
  vivavoce train seeds wake --data ../shared/data --teacher build/models/wake -o build/seeds/taught
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from train.study_options import add_study_options
    from train.training_options import add_settings_options
    from train.wake_options import add_teacher_options

    parser.epilog = _EPILOG
    add_study_options(parser, plan=False)
    add_settings_options(parser)
    add_teacher_options(parser)
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many [%(default)s]")


def run(args: argparse.Namespace) -> int:
    """Train with each seed, and write mean and spread."""
    from edge.errors import UsageError
    from train.study_options import check_study_options, learner_of
    from train.wake_options import check_teachers

    check_study_options(args, seeds=2)
    taught = {"teachers": args.teacher, "speech_teacher": args.speech_teacher} if args.network == "wake" else {}
    if not taught and (args.teacher or args.speech_teacher):
        raise UsageError(
            f"{args.network}: got teachers, expected none: they teach a wake network alone; leave them out"
        )
    check_teachers(args)

    from tqdm import tqdm

    from train.atomic_file import put_bytes
    from train.corpus import data_hash
    from train.fitting import checked_out
    from train.recorded_settings import recorded_liveness, recorded_wake
    from train.results import write_result
    from train.seed_spread import seed_spread, seed_table
    from train.studies import Study
    from train.study_learners import LEARNERS
    from train.training_options import given_settings

    recorded = {"wake": recorded_wake, "liveness": recorded_liveness}[args.network]
    given = given_settings(args, recorded=recorded)
    settings = LEARNERS[args.network].settings.from_dict(given, str(args.settings or "options"))
    checked_out(args.out)
    hashed = data_hash(args.data)
    study = Study(learner_of(args, settings, checkpoints=True, **taught), args.out, data_hash=hashed)
    outcomes = [
        study.train(f"seed-{seed}", settings, seed)
        for seed in tqdm(range(args.seed, args.seed + args.seeds), desc="seeds", unit="training")
    ]
    spread = seed_spread(outcomes)
    body = {
        "network": args.network,
        "metric": study.learner.metric,
        "settings": settings.to_dict(),
        "dev": study.learner.dev,
        **study.learner.taught_by,
        "rendering_seed": args.seed,
        **spread,
        "trainings": [one.to_dict() for one in outcomes],
    }
    results = args.results or args.out
    write_result(results / f"seeds_{args.network}.json", {"seeds": body}, data_hash=hashed, seed=args.seed)
    table = seed_table(outcomes, spread)
    put_bytes(results / f"seeds_{args.network}.md", table.encode())
    print(table, end="")
    return 0
