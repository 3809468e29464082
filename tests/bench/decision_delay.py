"""How long after the end of a word the gate answers: time in the sound, which no machine makes shorter.

    python tests/bench/decision_delay.py

Each recording of a word stands between stretches of noise at its own floor, as it does where recall is measured. The
end of the word is found in the whole recording, and not by what the device knew when it heard the word. What a machine
adds by computing is measured by ``tests/bench/frontend.py`` (``decision``), and is less than a millisecond.
"""

import argparse
import sys
from pathlib import Path

from processes import ROOT, data_folder, write_result

PERCENTILES = (50, 95, 99)


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "decision_delay_dev.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.endpoint import speech_span
    from edge.events import Decision
    from edge.pipeline import Pipeline
    from edge.sample_time import SAMPLE_RATE_HZ
    from train.corpus import data_hash, load_manifest
    from train.metrics import cluster_interval
    from train.wake_traces import in_noise_floor

    bundle = open_bundle()
    pipeline = Pipeline(bundle)
    ids = [word.id for word in bundle.words]
    clips = [
        clip for clip in load_manifest(args.data) if (clip.role, clip.split) == ("wake", "dev") and clip.word in ids
    ]
    delays, talkers = [], []
    for clip in tqdm(clips, desc="words", unit="clip"):
        samples = in_noise_floor(clip)
        end = speech_span(samples).stop
        pipeline.reset()
        # The first, if the word is heard twice.
        for event in (*pipeline.push(samples), *pipeline.finish()):
            if isinstance(event, Decision) and event.word == clip.word:
                delays.append((event.decided_sample - end) / SAMPLE_RATE_HZ)
                talkers.append(clip.talker)
                break
    taken = np.array(delays)

    def percentile(chosen: "np.ndarray", q: int) -> float:
        return float(np.percentile(taken[chosen], q))

    figures: dict[str, object] = {"min": round(float(taken.min()), 4), "max": round(float(taken.max()), 4)}
    for q in PERCENTILES:
        low, high = cluster_interval(lambda chosen, q=q: percentile(chosen, q), [talkers])
        figures[f"p{q}"] = round(percentile(np.arange(taken.size), q), 4)
        figures[f"p{q}_interval_95"] = [round(low, 4), round(high, 4)]
    body = {
        "split": "dev",
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(bundle.path),
        "method": (
            "recordings of the words of dev between stretches of noise at their own floor; from the end of the word, "
            "by its energy in the whole recording, to the first decision about it, in time of the sound; negative "
            "where the decision comes before the word has died away; intervals resample talkers"
        ),
        "results": {"clips": len(clips), "decisions": len(delays), "talkers": len(set(talkers)), "delay_s": figures},
    }
    write_result(args.out, "python tests/bench/decision_delay.py", body)
    print(f"{len(delays)} decisions on {len(clips)} recordings, s after the end of the word: {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
