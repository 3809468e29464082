"""Whether words are heard of people who were not trained on, over all recordings: leave-talkers-out cross-fit.

    python tests/bench/crossfit_wake.py --data DATA --embedding build/openwakeword/openwakeword/resources/models

The talkers of the words are divided into folds. For each fold a wake network and a verifier are trained anew without
its talkers, converted, and packed with cut-offs that are chosen on those talkers of dev who are left; then the fold's
recordings are heard, as on a device. Every recording of a known talker is so heard once, by networks that never heard
who speaks. Trainings are shorter than those of the bundle that ships (--scenes, --epochs): it tells what such a
training gives for people at large, and is no figure of that bundle. Recordings of test are among those that are heard
(and, in other folds, learned from); nothing that ships is chosen by it.

Interrupted, the same call goes on.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from processes import ROOT, data_folder, write_result

LEAST_TRAIN, LEAST_DEV = 3, 1
"""Talkers of each word that must be left to learn from, and to choose cut-offs on."""


def main() -> int:
    """Train and measure all folds, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--embedding", type=Path, required=True, help="folder of the speech embedding")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "crossfit", help="trainings [%(default)s]")
    parser.add_argument("--folds", type=int, default=3, help="[%(default)s]")
    parser.add_argument("--scenes", type=float, default=0.3, help="see 'vivavoce train wake' [%(default)s]")
    parser.add_argument("--epochs", type=int, default=16, help="of the wake network [%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "crossfit_wake.json")
    args = parser.parse_args()
    if args.folds < 2:
        parser.error(f"--folds is {args.folds}, expected 2 or more")

    sys.path.insert(0, str(ROOT))
    from train.corpus import data_hash, load_manifest
    from train.results import open_test_split
    from train.wake_evaluation import recall_of

    hashed = data_hash(args.data)
    open_test_split(
        ROOT / "results" / "test_ledger.json", purpose="leave-talkers-out cross-fit over all splits", data_hash=hashed
    )
    talkers = folds_of([clip for clip in load_manifest(args.data) if clip.role == "wake"], args.folds)
    said, found, false = [], [], []
    for fold in range(args.folds):
        folder = args.work / f"fold-{fold}"
        data = fold_folder(args.data, folder / "data", talkers, fold)
        report = _heard(args, data, folder)
        missed = set(report["missed"])
        of_fold = [c for c in load_manifest(data) if (c.role, c.split) == ("wake", "test")]
        said += of_fold
        found += [[] if clip.path in missed else [(clip.word, 0.0)] for clip in of_fold]
        false.append({name: one for name, one in report.items() if name.startswith("false_accepts")})
        print(f"fold {fold}: {report['mean_recall']}", flush=True)
    total = recall_of(said, found)
    body = {
        "seed": args.seed,
        "data_hash": hashed,
        "method": " ".join(__doc__.split("\n\n")[2].split()),
        "settings": {"folds": args.folds, "scenes": args.scenes, "epochs": args.epochs},
        "recordings_of_unknown_talkers_left_out": sum(
            clip.role == "wake" and clip.talker not in talkers for clip in load_manifest(args.data)
        ),
        **total,
        "false_accepts": [
            {
                "longform": {key: one["false_accepts_longform"][key] for key in ("count", "hours")},
                "other_words": {key: one["false_accepts_other_words"][key] for key in ("count", "clips")},
                "other_speech": {key: one["false_accepts_other_speech"][key] for key in ("count", "clips")},
            }
            for one in false
        ],
    }
    write_result(args.out, "python tests/bench/crossfit_wake.py", body)
    print(json.dumps({"mean_recall": body["mean_recall"], "false_accepts": body["false_accepts"]}, indent=1))
    return 0


def folds_of(words: list, folds: int) -> dict[str, int]:
    """Return the fold of each known talker: within each split, whoever said most goes where least has been said so far.

    Raises
    ------
    SystemExit
        If a fold leaves a word too few talkers.
    """
    counts = Counter((clip.split, clip.talker) for clip in words if clip.speaker not in ("", "many", "unknown"))
    out: dict[str, int] = {}
    filled: Counter[tuple[str, int]] = Counter()
    total: Counter[int] = Counter()
    for (split, talker), count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        out[talker] = min(range(folds), key=lambda fold: (filled[split, fold], total[fold], fold))
        filled[split, out[talker]] += count
        total[out[talker]] += count
    for fold in range(folds):
        for word in sorted({clip.word for clip in words}):
            left = [clip for clip in words if clip.word == word and out.get(clip.talker) != fold]
            dev = {clip.talker for clip in left if clip.split == "dev"}
            train = {clip.talker for clip in left if clip.split != "dev"}
            if len(dev) < LEAST_DEV or len(train) < LEAST_TRAIN:
                raise SystemExit(
                    f"fold {fold}, {word}: got {len(train)} talkers to learn from and {len(dev)} of dev, expected "
                    f"{LEAST_TRAIN} and {LEAST_DEV}; give other --folds"
                )
    return out


def fold_folder(data: Path, folder: Path, talkers: dict[str, int], fold: int) -> Path:
    """Make a data folder whose test split of the words are the talkers of a fold, and return it; nothing is copied."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in data.iterdir():
        beside = folder / entry.name
        if entry.name != "manifest.csv" and not beside.is_symlink():
            beside.symlink_to(entry.resolve())
    with (data / "manifest.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or ())
    for row in rows:
        if row["role"] == "wake":
            held_out = talkers.get(f"{row['corpus']}/{row['speaker']}") == fold
            row["split"] = "test" if held_out else "dev" if row["split"] == "dev" else "train"
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _heard(args: argparse.Namespace, data: Path, folder: Path) -> dict:
    """Train, pack and listen, each unless it is done; return what was found of the fold."""
    from edge.bundle import open_bundle
    from train.corpus import load_manifest
    from train.wake_evaluation import evaluate_wake

    kept = folder / "report.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    of = ("--data", data, "--cache", folder / "cache", "--seed", args.seed)
    wake, verifier, bundle = (folder / name for name in ("wake", "verifier", "bundle"))
    size = ("--scenes", args.scenes)
    run("train", "wake", *of, *size, "--epochs", args.epochs, "-o", wake)
    run("quantize", "convert", wake)
    run("train", "verifier", *of, "--settings", wake / "record.json", "--embedding", args.embedding, "-o", verifier)
    run("quantize", "convert", verifier)
    parts = ("--wake", wake, "--verifier", verifier, "--liveness", ROOT / "edge" / "data" / "bundle")
    run("quantize", "pack", *parts, "-o", folder / "provisional")
    cutoffs = folder / "cutoffs.json"
    run("train", "cutoffs", *of, "--bundle", folder / "provisional", "--clips", 200, "-o", cutoffs)
    run("quantize", "pack", *parts, "--cutoffs", cutoffs, "-o", bundle)
    clips = [clip for clip in load_manifest(data) if clip.split == "test"]
    report = evaluate_wake(open_bundle(bundle), clips, conditions=False)
    kept.write_text(json.dumps(report))
    return report


def run(*arguments: object) -> None:
    """Run the command, or end with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"vivavoce {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr[-2000:]}"
        )


if __name__ == "__main__":
    sys.exit(main())
