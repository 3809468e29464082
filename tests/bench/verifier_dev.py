"""How well words are heard with a verifier behind the wake network, on the dev split, in int8 and in float.

    python tests/bench/verifier_dev.py --verifier build/models/verifier

The wake network of a bundle finds candidates at cut-offs that are moved in log-odds, and the verifier looks at each, by
the device's own stages. Its one cut-off for all words is chosen on the recordings that it is counted on, for each
number of false accepts in all of the long-form speech; and again out of fold, with the margin that 'vivavoce train
cutoffs' would add. The wake network alone is beside it, with a cut-off for each word.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from processes import ROOT, data_folder, write_result

CONDITIONS = ("clean", "noise_10_db", "white_10_db")
PLACES = (*CONDITIONS, "longform", "other_speech")
FALSE_ACCEPTS = (0, 2, 5)
OTHER_SHIFTS = (-2.0, -4.0)


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
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "verifier_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.interpreter import load_model
    from edge.sample_time import SAMPLE_RATE_HZ
    from edge.sensitivity import moved_by
    from edge.stages import hearing
    from edge.verifier import Verifier
    from quantize.checkpoint import FLOAT_NAME, INT8_NAME, Checkpoint
    from quantize.convert import model_size
    from train.calibration import choose_common_cutoff, choose_word_cutoffs
    from train.corpus import data_hash, load_manifest
    from train.cutoff_folds import out_of_fold
    from train.metrics import cluster_interval
    from train.paired_difference import hit_difference
    from train.task import load_task
    from train.wake_evaluation import in_condition
    from train.wake_traces import BACKGROUND_SPEEDS, Trace, at_background_speeds, in_noise_floor, wake_trace
    from train.word_cutoffs import CANDIDATE_SHIFT, MARGINS

    checkpoint = Checkpoint.read(args.verifier, "verifier")
    spec = checkpoint.spec
    words = [word["id"] for word in spec["words"]]
    bundle = open_bundle(args.bundle)
    if [word.id for word in bundle.words] != words:
        parser.error(f"{args.bundle}: got other words than those of {args.verifier}, {', '.join(words)}")
    alone = [word.cutoff if bundle.verifier is None else bundle.verifier.alone[word.id] for word in bundle.words]
    refractory_s, per_hour = bundle.wake.refractory_ms / 1000, load_task().cutoffs.false_accepts_per_hour
    contents = {
        name: (args.verifier / file).read_bytes() for name, file in (("int8", INT8_NAME), ("float", FLOAT_NAME))
    }

    def verifier(kind: str) -> Verifier:
        nothing = [1.0] * len(words)  # it looks, and is never sure: every look is kept
        delay = spec["delay_ms"] * SAMPLE_RATE_HZ // 1000
        model = load_model(contents[kind], name=f"{args.verifier} ({kind})")
        return Verifier(model, nothing, candidates=nothing, delay_samples=delay, refractory_samples=0)

    networks = {kind: verifier(kind) for kind in contents}
    cascades = {
        **{kind: (CANDIDATE_SHIFT, networks[kind]) for kind in networks},
        **{f"int8_at_{shift:g}": (shift, networks["int8"]) for shift in OTHER_SHIFTS},
    }

    clips = [clip for clip in load_manifest(args.data) if clip.split == "dev"]
    noises = [clip for clip in clips if clip.role == "noise"]
    said = [clip for clip in clips if clip.role == "wake" and clip.word in words]
    talkers, labels = [clip.talker for clip in said], [clip.word for clip in said]
    column = np.array([words.index(label) for label in labels])

    traces = {name: {where: [] for where in PLACES} for name in ("alone", *cascades)}
    candidates = {name: {where: [] for where in PLACES} for name in cascades}

    def hear(where: str, samples: np.ndarray) -> None:
        by_wake = wake_trace(bundle, samples)
        traces["alone"][where].append(by_wake)
        found = {}
        for name, (shift, network) in cascades.items():
            if shift not in found:
                frontend, stage = hearing(
                    bundle, [moved_by(one, shift) for one in alone], None, refractory_ms=spec["again_ms"]
                )
                hits = stage.push(frontend.push(samples))
                found[shift] = [(hit.word, frontend.settings.heard_samples(hit.frame)) for hit in hits]
            candidates[name][where].append([word for word, _ in found[shift]])
            network.reset()
            looks, at = [], 0
            for word, end in found[shift]:
                looks += network.push(samples[at:end])
                network.offer(word, end)
                at = end
            looks += network.push(samples[at:]) + network.finish()
            scores = np.zeros((round(by_wake.seconds / by_wake.step_s) + 1, len(words)), np.float32)
            for look in looks:
                scores[round(look.at / SAMPLE_RATE_HZ / by_wake.step_s), look.word] = look.score
            traces[name][where].append(Trace(scores, by_wake.step_s, by_wake.seconds))

    for clip in tqdm(said, desc="words", unit="clip"):
        hear("clean", in_noise_floor(clip))
        for condition in CONDITIONS[1:]:
            hear(condition, in_condition(clip, condition, noises))
    streams = []
    for clip in tqdm([clip for clip in clips if clip.role == "longform"], desc="long-form", unit="stream"):
        for samples in at_background_speeds(clip):
            hear("longform", samples)
            streams.append(clip.path)
    for clip in tqdm([clip for clip in clips if clip.role == "speech"], desc="other speech", unit="clip"):
        hear("other_speech", in_noise_floor(clip))
    hours = sum(one.seconds for one in traces["alone"]["longform"]) / 3600

    def recall(hits: np.ndarray) -> dict[str, object]:
        def mean(chosen: np.ndarray) -> float:
            return float(np.mean([hits[chosen][column[chosen] == w].mean() for w in np.unique(column[chosen])]))

        low, high = cluster_interval(mean, [talkers])
        by_word = {word: float(hits[column == w].mean()) for w, word in enumerate(words)}
        return {"rate": mean(np.arange(hits.size)), "interval_95": [low, high], "by_word": by_word}

    of_word = [np.flatnonzero(column == w) for w in range(len(words))]
    people = [[talkers[i] for i in chosen] for chosen in of_word]
    body, hits_of = {}, {}
    for name, of_this in traces.items():
        positives = [[of_this["clean"][i] for i in chosen] for chosen in of_word]
        choose = choose_word_cutoffs if name == "alone" else choose_common_cutoff
        body[name] = {}
        for allowed in FALSE_ACCEPTS:
            chosen = choose(positives, of_this["longform"], refractory_s=refractory_s, false_accepts=allowed)
            cutoffs = np.array([one.cutoff for one in chosen])
            above = {
                where: np.array([one.scores.max(axis=0, initial=0.0) > cutoffs for one in some])
                for where, some in of_this.items()
            }
            hits = {where: above[where][np.arange(column.size), column] for where in CONDITIONS}
            hits_of[name, allowed] = hits
            body[name][f"{allowed}_false_accepts"] = {
                "cutoffs": dict(zip(words, np.round(cutoffs, 4).tolist(), strict=True)),
                "recall": {where: recall(of_where) for where, of_where in hits.items()},
                "false_accepts_longform": sum(one.false_accepts for one in chosen),
                "wrong_words": {where: int(above[where].sum() - hits[where].sum()) for where in CONDITIONS},
                "other_speech_accepted": int(above["other_speech"].sum()),
            }
        for margin in (0.0,) if name == "alone" else MARGINS:
            told = out_of_fold(
                words, positives, people, of_this["longform"], streams,
                refractory_s=refractory_s, per_hour=per_hour,
                choose=choose if name == "alone" else partial(choose, margin=margin),
            )  # fmt: skip
            if told is None or told["false_accepts"]["per_hour"] <= per_hour:
                break
        body[name]["out_of_fold"] = {"margin": margin, **(told or {})}
    result = {
        "split": "dev",
        "data_hash": data_hash(args.data),
        "clips": len(said),
        "talkers": len(set(talkers)),
        "other_speech": len(traces["alone"]["other_speech"]),
        "longform_hours": round(hours, 3),
        "speeds_of_longform": BACKGROUND_SPEEDS,
        "bundle": bundle_hash(args.bundle),
        "candidate_shift": CANDIDATE_SHIFT,
        "seed": checkpoint.record.get("seed"),
        "verifier": {
            **{key: checkpoint.record.get(key) for key in ("commit", "settings")},
            **{kind: model_size(f"model_{kind}.tflite", content) for kind, content in contents.items()},
        },
        "candidates": {
            name: {
                "shift": cascades[name][0],
                "looks_per_hour_of_longform": round(sum(map(len, of_this["longform"])) / hours, 1),
                "recall": {
                    where: recall(np.array([w in one for w, one in zip(column, of_this[where], strict=True)]))
                    for where in CONDITIONS
                },
            }
            for name, of_this in candidates.items()
            if name != "float"
        },
        "heard": body,
        "int8_against_float": {
            f"{allowed}_false_accepts": {
                where: hit_difference(hits, hits_of["float", allowed][where], labels, talkers)
                for where, hits in hits_of["int8", allowed].items()
            }
            for allowed in FALSE_ACCEPTS
        },
    }
    write_result(args.out, "python tests/bench/verifier_dev.py", result)
    for name, one in body.items():
        for allowed in FALSE_ACCEPTS:
            of_this = one[f"{allowed}_false_accepts"]
            rates = "  ".join(f"{where} {rate['rate']:.3f}" for where, rate in of_this["recall"].items())
            print(f"{name:<10} {allowed} false accepts in {hours:.2f} h: {rates}")
        beyond = one["out_of_fold"]
        if "false_accepts" in beyond:
            print(
                f"{name:<10} out of fold, margin {beyond['margin']}: recall {beyond['mean_recall']['rate']:.3f}, "
                f"{beyond['false_accepts']['per_hour']:.2f} false accepts an hour"
            )
    for name, one in result["candidates"].items():
        rates = "  ".join(f"{where} {rate['rate']:.3f}" for where, rate in one["recall"].items())
        print(f"{name:<10} {one['looks_per_hour_of_longform']} looks an hour, of candidates {rates}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
