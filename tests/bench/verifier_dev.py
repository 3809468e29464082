"""How well words are heard with a verifier behind the wake network, on the dev split, in float and in int8.

    python tests/bench/verifier_dev.py --verifier build/models/verifier

The wake network of a bundle finds candidates at cut-offs that are moved down by --shift in log-odds, and the verifier
looks at each, by the device's own stages. Cut-offs of the verifier's score are chosen for each word on the recordings
that they are counted on, as 'vivavoce train cutoffs' does, for each number of false accepts in all of the long-form
speech, and again out of fold.
"""

import argparse
import sys
from pathlib import Path

from processes import ROOT, data_folder, write_result

SPEEDS = (0.88, 1.0, 1.13)
CONDITIONS = ("clean", "noise_10_db", "white_10_db")
FALSE_ACCEPTS = (0, 2)
STEP_S = 0.03


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument(
        "--verifier", type=Path, required=True, metavar="DIR", help="converted checkpoint of a verifier"
    )
    parser.add_argument(
        "--bundle", type=Path, default=ROOT / "edge" / "data" / "bundle", metavar="DIR", help="with the wake network"
    )
    parser.add_argument("--shift", type=float, default=3.0, metavar="X", help="log-odds [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "verifier_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    import soxr
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.events import SAMPLE_RATE_HZ
    from edge.interpreter import load_model
    from edge.sensitivity import moved_by
    from edge.stages import hearing
    from edge.verifier import Verifier
    from quantize.checkpoint import FLOAT_NAME, INT8_NAME, Checkpoint
    from quantize.convert import model_size
    from train.calibration import choose_word_cutoffs
    from train.corpus import data_hash, load_manifest, read_clip
    from train.cutoff_folds import out_of_fold
    from train.metrics import cluster_interval
    from train.paired_difference import hit_difference
    from train.simulator.levels import to_int16
    from train.wake_evaluation import in_condition
    from train.wake_traces import Trace, in_noise_floor

    checkpoint = Checkpoint.read(args.verifier, "verifier")
    spec = checkpoint.spec
    words = [word["id"] for word in spec["words"]]
    bundle = open_bundle(args.bundle)
    if [word.id for word in bundle.words] != words:
        parser.error(f"{args.bundle}: got other words than those of {args.verifier}, {', '.join(words)}")
    alone = [word.cutoff if bundle.verifier is None else bundle.verifier.alone[word.id] for word in bundle.words]
    candidates = [moved_by(cutoff, -args.shift) for cutoff in alone]
    refractory_s = bundle.wake.refractory_ms / 1000
    contents = {
        kind: (args.verifier / name).read_bytes() for kind, name in (("int8", INT8_NAME), ("float", FLOAT_NAME))
    }
    verifiers = {
        kind: Verifier(
            load_model(content, name=f"{args.verifier} ({kind})"),
            [1.0] * len(words),  # it looks, and is never sure: every look is kept
            candidates=candidates,
            delay_samples=spec["delay_ms"] * SAMPLE_RATE_HZ // 1000,
            refractory_samples=0,
        )
        for kind, content in contents.items()
    }

    clips = [clip for clip in load_manifest(args.data) if clip.split == "dev"]
    noises = [clip for clip in clips if clip.role == "noise"]
    said = [clip for clip in clips if clip.role == "wake" and clip.word in words]
    talkers, labels = [clip.talker for clip in said], [clip.word for clip in said]
    column = np.array([words.index(label) for label in labels])

    # What the wake network finds, and what each network makes of it; the wake network by itself beside them.
    heard = {name: {where: [] for where in (*CONDITIONS, "long", "other")} for name in ("alone", *verifiers)}
    found = {where: [] for where in (*CONDITIONS, "long", "other")}

    def hear(where: str, samples: np.ndarray) -> None:
        frontend, stage = hearing(bundle, candidates, None, refractory_ms=spec["again_ms"])
        features = frontend.push(samples)
        rows, hits = [], []
        for row in features:
            before = stage.runs
            hits += stage.push(row[None])
            if stage.runs != before:
                rows.append(stage.scores.astype(np.float32))
        seconds = samples.size / SAMPLE_RATE_HZ
        heard["alone"][where].append(Trace(np.array(rows, np.float32).reshape(-1, len(words)), STEP_S, seconds))
        found[where].append({hit.word for hit in hits})
        for kind, verifier in verifiers.items():
            verifier.reset()
            looks, at = [], 0
            for hit in hits:
                end = frontend.settings.heard_samples(hit.frame)
                looks += verifier.push(samples[at:end])
                at = max(at, end)
                verifier.offer(hit.word, end)
            looks += verifier.push(samples[at:]) + verifier.finish()
            scores = np.zeros((round(seconds / STEP_S) + 1, len(words)), np.float32)
            for look in looks:
                row = round(look.at / SAMPLE_RATE_HZ / STEP_S)
                scores[row, look.word] = max(scores[row, look.word], look.score)
            heard[kind][where].append(Trace(scores, STEP_S, seconds))
        n_looks[where] += len(hits)

    n_looks = dict.fromkeys((*CONDITIONS, "long", "other"), 0)
    for clip in tqdm(said, desc="words", unit="clip"):
        hear("clean", in_noise_floor(clip))
        for condition in CONDITIONS[1:]:
            hear(condition, in_condition(clip, condition, noises))
    streams = []
    for clip in tqdm([clip for clip in clips if clip.role == "longform"], desc="long-form", unit="stream"):
        for speed in SPEEDS:
            hear("long", to_int16(soxr.resample(read_clip(clip), SAMPLE_RATE_HZ, round(SAMPLE_RATE_HZ * speed))))
            streams.append(clip.path)
    for clip in tqdm([clip for clip in clips if clip.role == "speech"], desc="other speech", unit="clip"):
        hear("other", in_noise_floor(clip))

    def recall(hits: np.ndarray) -> dict[str, object]:
        def mean(chosen: np.ndarray) -> float:
            return float(np.mean([hits[chosen][column[chosen] == w].mean() for w in np.unique(column[chosen])]))

        low, high = cluster_interval(mean, [talkers])
        by_word = {word: float(hits[column == w].mean()) for w, word in enumerate(words)}
        return {"rate": mean(np.arange(hits.size)), "interval_95": [low, high], "by_word": by_word}

    hours = sum(one.seconds for one in heard["alone"]["long"]) / 3600
    body, hits_of = {}, {}
    for name, of_this in heard.items():
        positives = [[of_this["clean"][i] for i in np.flatnonzero(column == w)] for w in range(len(words))]
        people = [[talkers[i] for i in np.flatnonzero(column == w)] for w in range(len(words))]
        body[name] = {}
        for allowed in FALSE_ACCEPTS:
            chosen = choose_word_cutoffs(positives, of_this["long"], refractory_s=refractory_s, false_accepts=allowed)
            cutoffs = np.array([one.cutoff for one in chosen])
            above = {
                where: [one.scores.max(axis=0, initial=0.0) > cutoffs for one in some]
                for where, some in of_this.items()
            }
            hits = {where: np.array(above[where])[np.arange(column.size), column] for where in CONDITIONS}
            hits_of[name, allowed] = hits
            body[name][f"{allowed}_false_accepts"] = {
                "cutoffs": dict(zip(words, np.round(cutoffs, 4).tolist(), strict=True)),
                "recall": {where: recall(of_where) for where, of_where in hits.items()},
                "false_accepts_longform": sum(one.false_accepts for one in chosen),
                "wrong_words": {where: int(np.sum(above[where]) - hits[where].sum()) for where in CONDITIONS},
                "other_speech_accepted": int(np.sum(above["other"])),
            }
        body[name]["out_of_fold"] = out_of_fold(
            words, positives, people, of_this["long"], streams, refractory_s=refractory_s, per_hour=1.0
        )
    result = {
        "split": "dev",
        "data_hash": data_hash(args.data),
        "clips": len(said),
        "talkers": len(set(talkers)),
        "other_speech": len(found["other"]),
        "longform_hours": round(hours, 3),
        "speeds_of_long_form": SPEEDS,
        "bundle": bundle_hash(args.bundle),
        "shift": args.shift,
        "verifier": {
            **{key: checkpoint.record.get(key) for key in ("seed", "commit", "settings")},
            **{kind: model_size(f"model_{kind}.tflite", content) for kind, content in contents.items()},
        },
        "looks_per_hour_of_longform": round(n_looks["long"] / hours, 1),
        "candidates": {
            where: recall(np.array([w in one for w, one in zip(column, found[where], strict=True)]))
            for where in CONDITIONS
        },
        "heard": body,
        "int8_against_float": {
            f"{allowed}_false_accepts": {
                where: hit_difference(hits, hits_of["float", allowed][where], labels, talkers)
                for where, hits in hits_of["int8", allowed].items()
            }
            for allowed in FALSE_ACCEPTS
        },
    }  # fmt: skip
    write_result(args.out, "python tests/bench/verifier_dev.py", result)
    for name, one in body.items():
        for allowed in FALSE_ACCEPTS:
            of_this = one[f"{allowed}_false_accepts"]
            rates = "  ".join(f"{where} {rate['rate']:.3f}" for where, rate in of_this["recall"].items())
            print(
                f"{name:<6} {allowed} false accepts in {hours:.2f} h: {rates}  other {of_this['other_speech_accepted']}"
            )
    print(
        f"{result['looks_per_hour_of_longform']} looks an hour; candidates",
        *(f"{where} {one['rate']:.3f}" for where, one in result["candidates"].items()),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
