"""Whether words are heard of people who were not trained on, over all recordings: leave-talkers-out cross-fit.

    python tests/bench/crossfit_wake.py --data DATA --embedding build/models/embedding/openwakeword/resources/models

The talkers of the words are divided into folds. For each fold a wake network and a verifier are trained anew without
its talkers, converted, and packed with cut-offs that are chosen on those talkers of dev who are left; then the fold's
recordings are heard, as on a device. Every recording of a known talker is so heard once, by networks that did not learn
from that talker. Talkers are those of the manifest: where one person has two names in it, both in the same split, the
other name may have been learned from. Trainings are shorter than those of the bundle that ships (--scenes, --epochs),
and shape and settings of the networks were chosen on all of dev: it tells what such a training gives for people at
large, and is no figure of that bundle. Intervals resample talkers, with networks as they are; long-form streams and
other speech are the same in each fold. Recordings of test are among those that are heard (and, in other folds, learned
from): nothing that ships is chosen by it, and no checkpoint of it may teach one that does.

Interrupted, the same call goes on with the fold that was under way; whoever begins or goes on is entered into the
ledger of the test split.
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
    # The default of a training in full remembers 2000 steps, of some 3000 that there are here.
    parser.add_argument("--ema", type=float, default=0.997, help="of the wake network [%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "crossfit_wake.json")
    args = parser.parse_args()
    if args.folds < 2:
        parser.error(f"--folds is {args.folds}, expected 2 or more")
    # The commands run in another folder than this one.
    args.data, args.embedding, args.work = (path.resolve() for path in (args.data, args.embedding, args.work))

    sys.path.insert(0, str(ROOT))
    from train.corpus import data_hash, load_manifest
    from train.results import open_test_split
    from train.speech_embedding import FILES

    for name in FILES:
        if not (args.embedding / name).is_file():
            parser.error(f"--embedding: {args.embedding / name} is not there; 'make models' fetches it")
    settings = {name: getattr(args, name) for name in ("seed", "folds", "scenes", "epochs", "ema")}
    hashed = data_hash(args.data)
    clips = [clip for clip in load_manifest(args.data) if clip.role == "wake"]
    talkers = folds_of(clips, args.folds)
    if not all((args.work / f"fold-{fold}" / "report.json").is_file() for fold in range(args.folds)):
        purpose = "leave-talkers-out cross-fit over all splits"
        open_test_split(ROOT / "results" / "test_ledger.json", purpose=purpose, data_hash=hashed)
    reports = []
    for fold in range(args.folds):
        reports.append(_heard(args, talkers, fold, settings | {"data_hash": hashed}))
        print(f"fold {fold}: {reports[-1]['wake']['mean_recall']}", flush=True)
    body = {"data_hash": hashed, "method": " ".join(__doc__.split("\n\n")[2].split()), **settings}
    write_result(args.out, "python tests/bench/crossfit_wake.py", body | summed_up(clips, talkers, reports))
    print(args.out.read_text())
    return 0


def summed_up(clips: list, talkers: dict[str, int], reports: list[dict]) -> dict:
    """Return recall over all recordings of known talkers, in each split, fold and of each talker, and false accepts.

    Raises
    ------
    SystemExit
        If a fold did not hear what it should have heard.
    """
    from train.wake_evaluation import recall_of

    known = [clip for clip in clips if clip.talker in talkers]
    for fold, report in enumerate(reports):
        paths = {clip.path for clip in known if talkers[clip.talker] == fold}
        heard = sum(word["clips"] for word in report["wake"]["recall"].values())
        if heard != len(paths) or not set(report["wake"]["missed"]) <= paths:
            raise SystemExit(f"fold {fold}: heard {heard} recordings, expected its own {len(paths)}; remove its folder")
    missed = {path for report in reports for path in report["wake"]["missed"]}

    def recall(chosen: list) -> dict:
        return recall_of(chosen, [[] if clip.path in missed else [(clip.word, 0.0)] for clip in chosen])

    by_talker = {
        talker: [sum(clip.path not in missed for clip in said), len(said)]
        for talker in sorted(talkers)
        if (said := [clip for clip in known if clip.talker == talker])
    }
    return {
        "talkers": len(by_talker),
        "recordings_of_unknown_talkers_left_out": len(clips) - len(known),
        **recall(known),
        "by_split": {
            split: recall([clip for clip in known if clip.split == split])["mean_recall"]
            for split in ("train", "dev", "test")
        },
        "talkers_of_whom_every_recording_was_heard": sum(heard == said for heard, said in by_talker.values()),
        "mean_over_talkers": round(sum(heard / said for heard, said in by_talker.values()) / len(by_talker), 4),
        "by_talker_heard_of": by_talker,
        "by_fold": [
            {
                "commit": report["commit"],
                "talkers": sum(of == fold for of in talkers.values()),
                "recall": {word: found["rate"] for word, found in report["wake"]["recall"].items()},
                "mean_recall": report["wake"]["mean_recall"],
                "cutoffs": report["cutoffs"],
                **{name: _counted(found) for name, found in report["wake"].items() if name.startswith("false_accepts")},
            }
            for fold, report in enumerate(reports)
        ],
    }


def _counted(found: dict) -> dict:
    """Return false accepts without each of them."""
    return {name: value for name, value in found.items() if name != "events"}


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
    """Make a data folder whose test split of the words are the talkers of a fold, and return it; nothing is copied.

    Recordings of unknown talkers are left out: who speaks may be whoever is heard.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in data.iterdir():
        beside = folder / entry.name
        if entry.name != "manifest.csv" and not beside.is_symlink():
            beside.symlink_to(entry.resolve())
    with (data / "manifest.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = list(reader), list(reader.fieldnames or ())
    rows = [row for row in rows if row["role"] != "wake" or _talker(row) in talkers]
    for row in rows:
        if row["role"] == "wake":
            held_out = talkers[_talker(row)] == fold
            row["split"] = "test" if held_out else "dev" if row["split"] == "dev" else "train"
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _talker(row: dict[str, str]) -> str:
    return f"{row['corpus']}/{row['speaker']}"


def _heard(args: argparse.Namespace, talkers: dict[str, int], fold: int, of: dict) -> dict:
    """Train, pack and listen, unless that is done; return what was found of the fold.

    Raises
    ------
    SystemExit
        If what was found is of other settings or data.
    """
    from edge.bundle import open_bundle
    from train.atomic_file import put_bytes
    from train.corpus import load_manifest
    from train.provenance import commit_hash
    from train.wake_evaluation import evaluate_wake

    folder = args.work / f"fold-{fold}"
    kept = folder / "report.json"
    if kept.is_file():
        report = json.loads(kept.read_text())
        if report["of"] != of:
            raise SystemExit(f"{kept}: is of {report['of']}, expected {of}; give another --work")
        return report
    commit = commit_hash()
    data = fold_folder(args.data, folder / "data", talkers, fold)
    shared = ("--data", data, "--cache", args.work / "cache", "--seed", args.seed)
    wake, verifier, bundle = (folder / name for name in ("wake", "verifier", "bundle"))
    size = ("--scenes", args.scenes, "--epochs", args.epochs, "--ema", args.ema)
    run("train", "wake", *shared, *size, "-o", wake)
    run("quantize", "convert", wake)
    record = wake / "record.json"
    run("train", "verifier", *shared, "--settings", record, "--embedding", args.embedding, "-o", verifier)
    run("quantize", "convert", verifier)
    parts = ("--wake", wake, "--verifier", verifier, "--liveness", ROOT / "edge" / "data" / "bundle")
    run("quantize", "pack", *parts, "-o", folder / "provisional")
    cutoffs = folder / "cutoffs.json"
    # Clips are those for the cut-offs of liveness, which are not asked here.
    run("train", "cutoffs", *shared, "--bundle", folder / "provisional", "--clips", 200, "-o", cutoffs)
    run("quantize", "pack", *parts, "--cutoffs", cutoffs, "-o", bundle)
    clips = [clip for clip in load_manifest(data) if clip.split == "test"]
    heard = evaluate_wake(open_bundle(bundle), clips, conditions=False)
    chosen = json.loads(cutoffs.read_text())["verifier"]
    report = {"of": of, "commit": commit, "cutoffs": chosen, "wake": heard}
    put_bytes(kept, json.dumps(report).encode())
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
