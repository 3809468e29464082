"""What the steps of sensitivity buy and cost: recall and false accepts of the words at each, on the dev split.

    python tests/bench/sensitivity.py

The cut-offs of the bundle were chosen on these recordings: the step ``normal`` looks better here than it is, and the
others are measured without having been chosen by anything. Long-form speech is heard at three speeds, as where the
cut-offs were chosen.
"""

import argparse
import sys
from pathlib import Path

from processes import ROOT, data_folder, write_result


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "sensitivity_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.sensitivity import SENSITIVITIES, tuned
    from train.corpus import data_hash, load_manifest
    from train.metrics import cluster_interval
    from train.wake_traces import (
        BACKGROUND_SPEEDS,
        at_background_speeds,
        count_detections,
        in_noise_floor,
        trace,
    )

    bundle = open_bundle()
    clips = load_manifest(args.data)
    said = [clip for clip in clips if (clip.role, clip.split) == ("wake", "dev")]
    said = [clip for clip in said if clip.word in {word.id for word in bundle.words}]
    order = [word.id for word in bundle.words]
    highest = np.array(
        [
            trace(bundle, in_noise_floor(clip)).scores[:, order.index(clip.word)].max()
            for clip in tqdm(said, desc="words")
        ]
    )
    other = [clip for clip in clips if (clip.role, clip.split) == ("longform", "dev")]
    background = [
        trace(bundle, samples) for clip in tqdm(other, desc="long-form") for samples in at_background_speeds(clip)
    ]
    hours = sum(one.seconds for one in background) / 3600
    talkers = [clip.talker for clip in said]
    steps = {}
    for name, shift in SENSITIVITIES.items():
        cutoffs = [word.cutoff for word in tuned(bundle, name).words]
        hits = highest > np.array([cutoffs[order.index(clip.word)] for clip in said])
        by_word = {word: round(float(hits[[clip.word == word for clip in said]].mean()), 4) for word in order}
        low, high = cluster_interval(lambda chosen, hits=hits: float(hits[chosen].mean()), [talkers])
        count = sum(
            count_detections(background, i, cutoff, bundle.wake.refractory_ms / 1000)
            for i, cutoff in enumerate(cutoffs)
        )
        steps[name] = {
            "shift_log_odds": shift,
            "recall": {
                "rate": round(float(hits.mean()), 4),
                "interval_95": [round(low, 4), round(high, 4)],
                "by_word": by_word,
            },
            "false_accepts": {"count": count, "hours": round(hours, 3), "per_hour": round(count / hours, 2)},
        }
    body = {
        "split": "dev",
        "bundle_sha256": bundle_hash(bundle.path),
        "data_hash": data_hash(args.data),
        "clips": len(said),
        "talkers": len(set(talkers)),
        "speeds_of_long_form": BACKGROUND_SPEEDS,
        "steps": steps,
    }
    write_result(args.out, "python tests/bench/sensitivity.py", body)
    for name, one in steps.items():
        accepts = one["false_accepts"]["count"]
        print(f"{name:<8} recall {one['recall']['rate']:.3f}  false accepts {accepts} in {hours:.2f} h")
    return 0


if __name__ == "__main__":
    sys.exit(main())
