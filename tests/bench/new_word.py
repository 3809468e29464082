r"""How well a word is heard that a wake network was not trained with: one of those that ship, left out of the trunk.

    vivavoce train wake --data DATA --without jarvis -o build/models/wake_without_jarvis
    python tests/bench/new_word.py --data DATA --wake build/models/wake_without_jarvis --phrase jarvis \
        --verifier build/models/verifier --embedding build/openwakeword/openwakeword/resources/models

The word is added as ``vivavoce train word`` does, from recordings, from synthesised speech alone, and from both; each
time the network is converted to 8-bit integers, and runs as on a device. Recall is measured on the recordings of the
word in the split, at the lowest cut-off with at most so many false accepts on long-form speech: that of dev at three
speeds, and that of train that the word was not trained on. With a verifier the same again for its scores, where the
wake network offers candidates as 'vivavoce train cutoffs' has it. A verifier that knows the word is taken without it:
what is added shares no weights with what was there.
"""

import argparse
import sys
import time
from pathlib import Path

from processes import ROOT, data_folder, write_result

FALSE_ACCEPTS = (0, 1, 3)
FIGURES = ("recall", "recall_with_verifier", "candidates", "wall_s")
MORE_SHIFTS = (-4.0, -5.0)
"""By how much else the log-odds of a candidate's cut-off are moved."""
WAYS = ("recorded", "synthesised", "recorded and synthesised")


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rendered scenes [%(default)s]")
    parser.add_argument("--wake", type=Path, required=True, help="checkpoint that was trained without the word")
    parser.add_argument("--verifier", type=Path, help="checkpoint of a verifier; without one the wake network decides")
    parser.add_argument("--embedding", type=Path, help="folder of the speech embedding that it was trained with")
    parser.add_argument("--phrase", required=True, help="the word, e.g. jarvis")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="recordings of the word [%(default)s]")
    parser.add_argument(
        "--recordings", type=int, default=50, help="of the word in train, evenly over talkers [%(default)s]"
    )
    parser.add_argument("--utterances", type=int, default=400, help="synthesised [%(default)s]")
    parser.add_argument("--from", dest="made_of", nargs="+", choices=WAYS, default=list(WAYS), help="[all]")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "new_word", help="trainings, which go on there [%(default)s]"
    )
    parser.add_argument("--first-block", type=int, help="see 'vivavoce train word'")
    parser.add_argument("--epochs", type=int, help="see 'vivavoce train word'")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "new_word.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from dataclasses import replace

    from edge.bundle import without_verifier
    from train.corpus import data_hash
    from train.new_word import WordSettings
    from train.new_word_checkpoint import read_wake_checkpoint
    from train.new_word_recordings import at_most, find_recordings, talkers
    from train.new_word_verifier import check_verifier, read_verifier_checkpoint
    from train.results import open_test_split
    from train.synthesis import SYNTHESISERS
    from train.word_cutoffs import CANDIDATE_SHIFT

    checkpoint = read_wake_checkpoint(args.wake)
    if args.phrase.replace(" ", "_") in checkpoint.words:
        parser.error(f"{args.wake} was trained with {args.phrase!r}; give one that was not")
    verifier = None
    if args.verifier is not None:
        if args.embedding is None:
            parser.error("--verifier is given without --embedding, expected both; give the folder of the embedding")
        verifier = _without(read_verifier_checkpoint(args.verifier), checkpoint.words)
        check_verifier(verifier, args.embedding, checkpoint.words)
    chosen = {k: v for k in ("first_block", "epochs") if (v := getattr(args, k)) is not None}
    settings = replace(WordSettings(), **chosen)
    recorded = at_most(
        find_recordings(args.data, args.phrase, args.cache, licence="as the manifest says"),
        args.recordings,
        seed=args.seed,
    )
    if args.split == "test":
        open_test_split(
            ROOT / "results" / "test_ledger.json", purpose=f"new word {args.phrase}", data_hash=data_hash(args.data)
        )
    background = None
    results = {}
    for way in args.made_of:
        began = time.monotonic()
        programs = SYNTHESISERS if "synthesised" in way else ()
        said = recorded if "recorded" in way else []
        folder = args.work / f"{args.phrase.replace(' ', '_')}-{way.replace(' ', '_')}"
        learnt, bundle = _made(args, checkpoint, verifier, said, programs, settings, folder)
        wall_s = time.monotonic() - began
        if background is None:
            background = _background(args.data)
        figures = _measured(args, without_verifier(bundle), background)
        del figures["looks_per_hour"]
        if bundle.verifier is not None:
            least = figures["recall"][f"at_most_{FALSE_ACCEPTS[-1]}"]["cutoff"]
            by_shift = {
                shift: _measured(args, _offering(bundle, least, shift), background)
                for shift in (CANDIDATE_SHIFT, *MORE_SHIFTS)
            }
            figures["recall_with_verifier"] = by_shift[CANDIDATE_SHIFT]["recall"]
            figures["candidates"] = {
                f"{shift:g}": {
                    "looks_per_hour_of_longform": one["looks_per_hour"],
                    f"recall_at_most_{FALSE_ACCEPTS[-1]}": one["recall"][f"at_most_{FALSE_ACCEPTS[-1]}"]["rate"],
                }
                for shift, one in by_shift.items()
            }
        results[way] = {
            "recordings": len(said), "recorded_talkers": len(talkers(said)),
            "synthesised": args.utterances if programs else 0,
            "wall_s": round(wall_s, 1), **figures, "settings": learnt.settings,
        }  # fmt: skip
        print(way, {key: of for key, of in results[way].items() if key in FIGURES}, flush=True)
    body = {
        "phrase": args.phrase,
        "split": args.split,
        "seed": args.seed,
        "data_hash": data_hash(args.data),
        "trunk": {"words": checkpoint.words, "settings": checkpoint.record["settings"]},
        "method": " ".join(__doc__.split("\n\n")[-1].split()),
        "results": results,
    }
    write_result(args.out, "python tests/bench/new_word.py", body)
    return 0


def _made(args, checkpoint, known, said, programs, settings, folder):
    from edge.bundle import open_bundle
    from quantize.convert import convert
    from quantize.pack import pack
    from train.new_word_learning import append_word, learn_word
    from train.new_word_verifier import append_to_verifier

    learnt = learn_word(
        checkpoint, args.phrase, recorded=said, programs=programs, utterances=args.utterances, data=args.data,
        cache=args.cache, resume=folder / "resume", settings=settings, seed=args.seed,
    )  # fmt: skip
    append_word(checkpoint, learnt, args.data, folder / "wake", {}, seed=args.seed)
    convert(folder / "wake")
    verifier = None
    if known is not None:
        verifier = folder / "verifier"
        append_to_verifier(
            known, learnt, embedding=args.embedding, data=args.data, cache=args.cache, out=verifier, seed=args.seed,
        )  # fmt: skip
        convert(verifier)
    pack(folder / "wake", ROOT / "edge" / "data" / "bundle", folder / "bundle", verifier=verifier)
    return learnt, open_bundle(folder / "bundle")


def _without(verifier, words):
    """Return a verifier for these words alone, in their order."""
    from dataclasses import replace

    from train.embedding_words import EmbeddingWords

    *layers, head, bias = verifier.classifier.weights
    kept = [verifier.words.index(word) for word in words]
    spec = {**verifier.spec, "words": [verifier.spec["words"][number] for number in kept]}
    return replace(verifier, spec=spec, classifier=EmbeddingWords((*layers, head[:, kept], bias[kept])))


def _offering(bundle, cutoff, shift):
    """Return a bundle whose wake network offers candidates of the new word alone, by its cut-off for that."""
    from dataclasses import replace

    from edge.sensitivity import moved_by

    *others, added = (word.id for word in bundle.words)
    offered = {**dict.fromkeys(others, 1.0), added: moved_by(cutoff, shift)}
    return replace(bundle, verifier=replace(bundle.verifier, candidates=offered))


def _background(data):
    from train.corpus import load_manifest, read_clip
    from train.new_word_scenes import held_out_streams
    from train.simulator.levels import to_int16
    from train.wake_traces import at_background_speeds

    dev = [clip for clip in load_manifest(data) if (clip.role, clip.split) == ("longform", "dev")]
    return [
        *(samples for clip in dev for samples in at_background_speeds(clip)),
        *(to_int16(read_clip(clip)) for clip in held_out_streams(data)),
    ]


def _measured(args, bundle, background):
    from dataclasses import replace

    import numpy as np
    from tqdm import tqdm

    from train.calibration import choose_common_cutoff, choose_word_cutoffs
    from train.corpus import load_manifest
    from train.metrics import cluster_interval
    from train.wake_traces import in_noise_floor, trace

    ids = [word.id for word in bundle.words]
    number = ids.index(args.phrase.replace(" ", "_"))
    clips = [clip for clip in load_manifest(args.data) if clip.split == args.split]
    said = [clip for clip in clips if clip.role == "wake" and clip.word == ids[number]]
    others = [clip for clip in clips if clip.role == "wake" and clip.word != ids[number]]

    def score(samples, number=number):
        whole = trace(bundle, samples)
        return replace(whole, scores=whole.scores[:, number : number + 1])

    traced = [score(in_noise_floor(clip)) for clip in tqdm(said, desc=args.split, unit="clip")]
    wrong = [score(in_noise_floor(clip)) for clip in tqdm(others, desc="other words", unit="clip")]
    heard = [score(samples) for samples in tqdm(background, desc="long-form", unit="stream")]
    hours = sum(one.seconds for one in heard) / 3600
    refractory_s = bundle.wake.refractory_ms / 1000
    choose = choose_word_cutoffs if bundle.verifier is None else choose_common_cutoff
    recall = {}
    for allowed in FALSE_ACCEPTS:
        at = choose([traced], heard, refractory_s=refractory_s, false_accepts=allowed)[0]
        hits = np.array([one.scores.max(initial=0) > at.cutoff for one in traced])
        recall[f"at_most_{allowed}"] = {
            "rate": float(hits.mean()),
            "interval_95": list(cluster_interval(lambda i, h=hits: float(h[i].mean()), [[c.talker for c in said]])),
            "cutoff": round(at.cutoff, 4),
            "false_accepts": at.false_accepts,
            "on_other_words": sum(bool(one.scores.max(initial=0) > at.cutoff) for one in wrong),
        }
    return {
        "clips": len(said), "talkers": len({clip.talker for clip in said}), "other_words": len(others),
        "longform_hours": round(hours, 3), "recall": recall,
        "looks_per_hour": round(sum(np.count_nonzero(one.scores) for one in heard) / hours, 1),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
