"""How far ``make models`` makes the bundle again that ships: both heard on dev, clip by clip.

    git clone . build/again && make -C build/again models DATA=$PWD/../shared/data
    python tests/bench/made_again.py --made build/again

No processor rounds as another one does, and a network that learned for an hour holds other weights for it: what can be
asked is whether it answers alike. Both bundles chose their cut-offs on these recordings, among others. How long it took
is told by the files, from the first to the last: where the making was interrupted, the pauses are in it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder, write_result

ROLES = ("wake", "verifier", "liveness")


def main() -> int:
    """Measure both, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--made", type=Path, required=True, metavar="DIR", help="checkout in which 'make models' has run"
    )
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=Path("build/cache"), help="rendered clips [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "made_again_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.errors import DataError
    from train.corpus import data_hash, load_manifest
    from train.frozen_set import N_CLIPS, heard_of, render_set, told

    try:
        made = made_by(args.made)
    except DataError as error:
        parser.error(f"--made {error}")
    shipped, again = open_bundle(), open_bundle(args.made / "edge/data/bundle")
    recordings = [clip for clip in load_manifest(args.data) if clip.split == "dev"]
    rendered = render_set(args.data, "dev", args.cache, n=N_CLIPS)
    clips = heard_of(rendered)
    body = {
        "split": "dev",
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(shipped.path),
        "again_sha256": bundle_hash(again.path),
        "made": made,
        "same_bytes": {role: networks(shipped)[role] == networks(again)[role] for role in ROLES},
        "wake": of_words(shipped, again, recordings),
        "liveness": {"set": told(rendered, args.data, "dev"), **of_liveness(shipped, again, clips)},
    }
    write_result(args.out, "python tests/bench/made_again.py --made DIR", body)
    words, simulated = body["wake"], body["liveness"]
    for name in ("shipped", "again"):
        recall, figures = words[name]["mean_recall"]["rate"], simulated[name]["all"]
        print(
            f"{name:<8} recall {100 * recall:.1f} %, {words[name]['false_accepts_longform']['count']} false accepts; "
            f"liveness EER {100 * figures['eer']:.1f} %"
        )
    print(
        f"{made['elapsed_s'] / 3600:.2f} h from the first file to the last; of {simulated['clips']} clips "
        f"{simulated['same_answer']} got the same answer"
    )
    return 0


def made_by(checkout: Path) -> dict[str, Any]:
    """Return how the bundle of a checkout was made: by what commit, seeds and settings, and how long it took."""
    from edge.errors import DataError
    from edge.json_reading import parse_json

    work, last = checkout / "build/models", checkout / "edge/data/bundle/manifest.json"
    first = work / "embedding"
    records = {}
    for role in ROLES:
        path = work / role / "record.json"
        if not path.is_file():
            raise DataError(f"{path}: there is none, expected a checkout in which 'make models' has run; run it")
        records[role] = parse_json(path.read_text())
    # What is older than the networks is the bundle that came with the checkout.
    if last.stat().st_mtime < max((work / role / "record.json").stat().st_mtime for role in ROLES):
        raise DataError(f"{last}: is older than the networks, expected it to be made of them; let 'make models' finish")
    kept = ("commit", "seed", "data_hash", "wall_s", "sessions", "machine", "versions")
    return {
        "elapsed_s": round(last.stat().st_mtime - first.stat().st_mtime),
        "records": {role: {key: record[key] for key in kept if key in record} for role, record in records.items()},
    }


def networks(bundle: Any) -> dict[str, bytes]:
    """Return the networks of a bundle, by role."""
    from edge.bundle import networks_of

    return {role: bundle.content(name) for role, name in networks_of(bundle).items()}


def of_words(shipped: Any, again: Any, recordings: list[Any]) -> dict[str, Any]:
    """Return what both bundles hear of the words, and how far that differs."""
    from train.paired_difference import recall_differences
    from train.wake_evaluation import evaluate_wake, words_and_noises

    said, _ = words_and_noises(shipped, recordings)
    heard = {name: evaluate_wake(bundle, recordings) for name, bundle in (("shipped", shipped), ("again", again))}
    return {**heard, "again_less_shipped": recall_differences(heard["again"], heard["shipped"], said)}


def of_liveness(shipped: Any, again: Any, clips: dict[str, Any]) -> dict[str, Any]:
    """Return what both bundles say of simulated clips, and how far that differs."""
    import numpy as np

    from edge.gate import Gate
    from train.liveness_evaluation import judge_audio
    from train.liveness_report import clusters_of
    from train.liveness_slices import figures_of, slices
    from train.paired_difference import error_differences

    chosen = slices(clips)
    out: dict[str, Any] = {}
    scores, answers = {}, {}
    for name, bundle in (("shipped", shipped), ("again", again)):
        evidence = judge_audio(bundle, clips)
        gate = Gate(bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff)
        answers[name] = np.array([gate.rule(one).decision for one in evidence])
        scores[name] = np.array([one.score for one in evidence])
        accepted = answers[name] == "accept"
        out[name] = {
            where: figures_of(those, clips, scores=scores[name], accepted=accepted) for where, those in chosen.items()
        }
    return {
        **out,
        "again_less_shipped": error_differences(
            scores["again"], scores["shipped"], clips["live"].astype(bool), clusters_of(clips), chosen
        ),
        "clips": len(clips["live"]),
        "same_answer": int((answers["shipped"] == answers["again"]).sum()),
    }


if __name__ == "__main__":
    sys.exit(main())
