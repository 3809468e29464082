"""How well the teacher that knows speech hears the words, and checkpoints of networks beside it, on the dev split.

    python tests/bench/wake_teacher.py --teacher build/teacher --checkpoint shipped=build/models/wake

Checkpoints run as they were trained, in float, before any conversion: what is compared is networks. For each, cut-offs
are chosen as 'vivavoce train cutoffs' does, on the recordings that they are counted on and again out of fold, and
differences to the first checkpoint are paired: both on the same clips, resampled by talker. The result names each
network by the hash of its weights, and says from its record how it was trained.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

from processes import ROOT, data_folder, write_result

NOISY = ("noise_10_db", "white_10_db")
TEACHER_SMOOTHING = 3
TEACHER = "teacher"


def named(given: Sequence[str]) -> dict[str, Path]:
    """Return the folders of checkpoints by name.

    Raises
    ------
    SystemExit
        If one has no name, that of another one, or the teacher's.
    """
    folders: dict[str, Path] = {}
    for one in given:
        name, _, path = one.partition("=")
        if not name or not path or name in folders or name == TEACHER:
            raise SystemExit(
                f"--checkpoint: got {one[:60]!r}, expected NAME=DIR, each name once, and not {TEACHER!r}; give another"
            )
        folders[name] = Path(path)
    return folders


def networks(checkpoints: Mapping[str, Any], teacher: Any) -> dict[str, Any]:
    """Return what each network is: hash of its weights, its words, and of its record seed, commit and settings.

    Parameters
    ----------
    checkpoints : mapping of str to train.new_word_checkpoint.WakeCheckpoint
    teacher : train.speech_teacher.SpeechTeacher

    Raises
    ------
    SystemExit
        If one hears other words than the first: nothing would be comparable.
    """
    first = next(iter(checkpoints))
    words = checkpoints[first].words
    for name, found in checkpoints.items():
        if found.words != words:
            raise SystemExit(
                f"{name}: got a network for {', '.join(found.words)}, expected one for {', '.join(words)}, as {first} "
                "is; give another"
            )
    if not set(words) <= set(teacher.words):
        raise SystemExit(
            f"{teacher.path}: got a teacher for {', '.join(teacher.words)}, expected {', '.join(words)} among them, as "
            f"{first} hears; give another"
        )

    def from_record(record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: record.get(name) for name in ("seed", "commit", "data_hash", "settings")}

    told = {
        name: {"sha256": found.sha256, "words": found.words, **from_record(found.record)}
        for name, found in checkpoints.items()
    }
    told[TEACHER] = {**teacher.identity, "words": teacher.words, **from_record(teacher.record)}
    return told


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--teacher", type=Path, required=True, metavar="DIR", help="of 'vivavoce train teacher'")
    parser.add_argument(
        "--checkpoint", action="append", required=True, metavar="NAME=DIR", help="of 'vivavoce train wake'; repeat it"
    )
    parser.add_argument("--false-accepts-per-hour", type=float, default=2.0, metavar="RATE")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "wake_teacher_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    from tqdm import tqdm

    from edge.errors import VivavoceError
    from edge.frontend import Frontend, quantise_features
    from edge.frontend_tables import FrontendSettings
    from edge.sample_time import SAMPLE_RATE_HZ
    from train.calibration import choose_word_cutoffs
    from train.corpus import data_hash, load_manifest
    from train.cutoff_folds import out_of_fold
    from train.metrics import cluster_interval
    from train.new_word_checkpoint import read_wake_checkpoint
    from train.paired_difference import hit_difference
    from train.speech_embedding import HOP_FRAMES, SpeechEmbedding
    from train.speech_teacher import read_speech_teacher
    from train.wake_embeddings import SCENE_HOP_FRAMES, quantised_embeddings
    from train.wake_evaluation import in_condition
    from train.wake_network import to_feature_units, training_form
    from train.wake_traces import BACKGROUND_SPEEDS, Trace, at_background_speeds, in_noise_floor
    from train.wake_training import REFRACTORY_MS, SMOOTHING_STEPS

    clips = [clip for clip in load_manifest(args.data) if clip.split == "dev"]
    noises = [clip for clip in clips if clip.role == "noise"]
    try:
        checkpoints = {name: read_wake_checkpoint(path) for name, path in named(args.checkpoint).items()}
        teacher, embedding = read_speech_teacher(args.teacher), SpeechEmbedding(args.teacher)
    except VivavoceError as error:
        raise SystemExit(str(error)) from error
    compared = networks(checkpoints, teacher)
    words = next(iter(checkpoints.values())).words
    frontend = FrontendSettings()
    said = [clip for clip in clips if clip.role == "wake" and clip.word in words]
    talkers, labels = [clip.talker for clip in said], [clip.word for clip in said]
    column = np.array([words.index(label) for label in labels])

    def smoothed(logits: np.ndarray, steps: int) -> np.ndarray:
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
        total = np.cumsum(np.concatenate([np.zeros((steps, scores.shape[1])), scores]), axis=0)
        counted = np.minimum(np.arange(1, len(scores) + 1), steps)[:, None]
        return ((total[steps:] - total[:-steps]) / counted).astype(np.float32)

    def by_teacher(samples: np.ndarray) -> Trace:
        logits = teacher.classifier.logits(quantised_embeddings(embedding, samples))
        logits = logits[:, [teacher.words.index(word) for word in words]]
        step_s = SCENE_HOP_FRAMES / (HOP_FRAMES * 12.5)
        return Trace(smoothed(logits, TEACHER_SMOOTHING), step_s, samples.size / SAMPLE_RATE_HZ)

    def by_checkpoint(found):
        forms = [training_form(found.shape, dropout=0.0, weights=weights) for weights in found.members]
        step_s = found.shape.stride_frames * frontend.step_ms / 1000

        def run(samples: np.ndarray) -> Trace:
            x = to_feature_units(quantise_features(Frontend(frontend).push(samples)))[None]
            logits = np.mean([form(x, training=False)[0].numpy() for form in forms], axis=0)
            return Trace(smoothed(logits, SMOOTHING_STEPS), step_s, samples.size / SAMPLE_RATE_HZ)

        return run

    hearers = {name: by_checkpoint(found) for name, found in checkpoints.items()} | {TEACHER: by_teacher}
    traces = {name: {"clean": [], "background": [], **{noise: [] for noise in NOISY}} for name in hearers}
    streams = []

    def hear(where: str, samples: np.ndarray) -> None:
        for name, run in hearers.items():
            traces[name][where].append(run(samples))

    for clip in tqdm(said, desc="words", unit="clip"):
        hear("clean", in_noise_floor(clip))
        for condition in NOISY:
            hear(condition, in_condition(clip, condition, noises))
    for clip in tqdm([clip for clip in clips if clip.role == "longform"], desc="long-form", unit="stream"):
        for samples in at_background_speeds(clip):
            hear("background", samples)
            streams.append(clip.path)

    def mean_recall(hits: np.ndarray, chosen: np.ndarray) -> float:
        return float(np.mean([hits[chosen][column[chosen] == word].mean() for word in np.unique(column[chosen])]))

    body, heard = {}, {}
    for name, of_this in traces.items():
        background = of_this["background"]
        hours = sum(one.seconds for one in background) / 3600
        positives = [[of_this["clean"][i] for i in np.flatnonzero(column == word)] for word in range(len(words))]
        chosen = choose_word_cutoffs(
            positives,
            background,
            refractory_s=REFRACTORY_MS / 1000,
            false_accepts=int(args.false_accepts_per_hour * hours),
        )
        cutoffs = np.array([one.cutoff for one in chosen])
        heard[name] = {
            where: np.array(
                [one.scores[:, w].max() > cutoffs[w] for one, w in zip(of_this[where], column, strict=True)]
            )
            for where in ("clean", *NOISY)
        }
        recall = {}
        for where, hits in heard[name].items():
            low, high = cluster_interval(lambda picked, hits=hits: mean_recall(hits, picked), [talkers])
            recall[where] = {
                "rate": mean_recall(hits, np.arange(hits.size)),
                "interval_95": [low, high],
                "by_word": {word: float(hits[column == at].mean()) for at, word in enumerate(words)},
            }
        body[name] = {
            "recall": recall,
            "false_accepts": sum(one.false_accepts for one in chosen),
            "hours": hours,
            "out_of_fold": out_of_fold(
                words,
                positives,
                [[talkers[i] for i in np.flatnonzero(column == word)] for word in range(len(words))],
                background,
                streams,
                refractory_s=REFRACTORY_MS / 1000,
                per_hour=args.false_accepts_per_hour,
            ),
        }
    base = next(iter(checkpoints))
    for name in body:
        if name != base:
            body[name][f"against_{base}"] = {
                where: hit_difference(hits, heard[base][where], labels, talkers) for where, hits in heard[name].items()
            }
    result = {
        "seed": 0,
        "split": "dev",
        "data_hash": data_hash(args.data),
        "clips": len(said),
        "talkers": len(set(talkers)),
        "speeds_of_long_form": BACKGROUND_SPEEDS,
        "false_accepts_per_hour": args.false_accepts_per_hour,
        "networks": compared,
        "heard": body,
    }
    write_result(args.out, shlex.join(["python", "tests/bench/wake_teacher.py", *sys.argv[1:]]), result)
    for name, one in body.items():
        rates = "  ".join(f"{where} {found['rate']:.3f}" for where, found in one["recall"].items())
        print(f"{name:<12} {rates}  false accepts {one['false_accepts']} in {one['hours']:.2f} h")
    return 0


if __name__ == "__main__":
    sys.exit(main())
