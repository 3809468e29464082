"""How often a device wakes on its own voice with the own-playback guard and without, and what the guard costs people.

    python tests/bench/own_playback.py --split dev     # chooses the cut-off; the default writes both splits

Every scene (``playback_scenes.py``) runs through the gate as in the daemon: the guard is asked when a decision about
the word falls, about the span that the pipeline gave, with as much of the reference as had come by then. Where the wake
network does not hear the word, the guard is asked about where it lies, 0.3 s after its end: other networks may hear it.
The cut-off is the lowest, in steps of 0.01, that blocks at most 3 % of the words of dev that people said over playback,
heard or not, from 10 dB above it to 5 dB below.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder

LIVE_BLOCKED = 0.03
CHOSEN_OVER_DB = -5.0
BINS_DB = ((-10, -5), (-5, 0), (0, 5), (5, 10))
COUNTS = {"own": 200, "apart": 80, "live": 480, "silent": 60, "foreign": 80}
HEARD_WITHIN_S = 0.4
ASKED_AFTER_S = 0.3
BLOCK = 320


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rooms [%(default)s]")
    parser.add_argument("--split", choices=("dev", "both"), default="both", help="dev: prints only [%(default)s]")
    parser.add_argument("--ledger", type=Path, default=ROOT / "results" / "test_ledger.json", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "own_playback.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import json

    import numpy as np
    from playback_scenes import RANGES

    from edge.bundle import open_bundle
    from edge.playback_guard import GuardSettings
    from train.corpus import data_hash
    from train.results import open_test_split, write_result
    from train.simulator.recipe import shipped_recipe

    bundle = open_bundle()
    dev = measure(args, "dev", bundle)
    live = [row["coherence"] for row in dev if row.get("live_over_playback_db", -np.inf) >= CHOSEN_OVER_DB]
    grid = np.round(np.arange(0.5, 1.0, 0.01), 2)
    cutoff = float(next(c for c in grid if np.mean(np.array(live) >= c) <= LIVE_BLOCKED))
    print(f"cut-off on dev: {cutoff}; the shipped one: {GuardSettings().cutoff}")
    body: dict[str, Any] = {
        "made_by": "python tests/bench/own_playback.py",
        "what": "simulated scenes; shares are of words that the wake network heard, except where it says *said*",
        "settings": {
            "scenes": COUNTS, "ranges": RANGES, "simulator_recipe": shipped_recipe().hash,
            "cutoff_rule": f"blocks at most {LIVE_BLOCKED:g} of live words of dev, {CHOSEN_OVER_DB:g} dB or more",
        },
        "cutoff": cutoff,
        "dev": figures(dev, cutoff),
    }  # fmt: skip
    hashed = data_hash(args.data)
    if args.split == "both":
        open_test_split(args.ledger, purpose="own_playback.py", data_hash=hashed, bundle=bundle.path)
        body["test"] = figures(measure(args, "test", bundle), cutoff)
        write_result(args.out, body, data_hash=hashed, seed=args.seed, bundle=bundle.path)
    print(json.dumps(body["test" if args.split == "both" else "dev"], indent=1))
    return 0


def measure(args: argparse.Namespace, split: str, bundle: Any) -> list[dict[str, Any]]:
    """Return a row for every scene: what is known of it, whether its word was heard, what gate and guard said of it."""
    from playback_scenes import Playing, recordings
    from tqdm import tqdm

    from edge.pipeline import Pipeline

    clips, simulator = recordings(args.data, split, args.cache)
    words = {word.id for word in bundle.words}
    playing = Playing([clip for clip in clips if clip.word in words], simulator)
    pipeline = Pipeline(bundle)
    todo = [(kind, number) for kind, count in COUNTS.items() for number in range(count)]
    return [
        judged(playing.scene(kind, number, args.seed), pipeline, args.seed + number)
        for kind, number in tqdm(todo, desc=f"scenes of {split}", unit="scene")
    ]


def judged(scene: Any, pipeline: Any, seed: int) -> dict[str, Any]:
    """Run a scene, and return its row."""
    import numpy as np

    from edge.events import Decision, Wake
    from edge.playback_guard import GuardSettings, PlaybackGuard
    from edge.sample_time import SAMPLE_RATE_HZ

    guard = PlaybackGuard(GuardSettings())
    coming = scene.blocks(np.random.default_rng(seed))
    block, at = next(coming, (None, 0))
    near, patience = (round(s * SAMPLE_RATE_HZ) for s in (HEARD_WITHIN_S, ASKED_AFTER_S))
    wake = unheard = None

    def ask(start: int, stop: int, decision: str | None) -> dict[str, Any]:
        began = time.thread_time()
        found = guard.judge(start, stop)
        return scene.conditions | {
            "heard": decision is not None, "decision": decision, "coherence": found.coherence,
            "took_s": time.thread_time() - began, "delay_error_s": abs(found.delay_s - scene.conditions["delay_s"]),
        }  # fmt: skip

    pipeline.reset()
    for now in range(0, scene.heard.size, BLOCK):
        heard = scene.heard[now : now + BLOCK]
        guard.push(heard)
        while block is not None and at <= now + heard.size:
            guard.push_reference(block, at)
            block, at = next(coming, (None, 0))
        for event in pipeline.push(heard):
            if isinstance(event, Wake):
                of_word = event.start_sample < scene.stop + near and event.end_sample > scene.start - near
                wake = event if of_word and event.word == scene.conditions["word"] else None
            elif isinstance(event, Decision) and wake is not None:
                return ask(wake.start_sample, wake.end_sample, event.decision)
        if unheard is None and now >= scene.stop + patience:
            unheard = ask(scene.start, scene.stop, None)
    assert unheard is not None
    return unheard


def figures(rows: list[dict[str, Any]], cutoff: float) -> dict[str, Any]:
    """Return what is reported of a split."""
    import numpy as np
    from rates import share

    def of(kind: str, *, said: bool = False, **limits: tuple[float, float]) -> list[dict[str, Any]]:
        chosen = [row for row in rows if row["kind"] == kind and (said or row["heard"])]
        for name, (low, high) in limits.items():
            chosen = [row for row in chosen if low <= row[name] < high]
        return chosen

    def rate(chosen: list[dict[str, Any]], hit: Any) -> dict[str, Any]:
        ways = [[row["talker"] for row in chosen], [row["loudspeaker"] for row in chosen]]
        if len(set(ways[1])) < 2:
            ways.pop()
        return share(np.array([bool(hit(row)) for row in chosen], bool), ways)

    def own(row: dict[str, Any]) -> bool:
        return float(row["coherence"]) >= cutoff

    def accepted(row: dict[str, Any]) -> bool:
        return bool(row["decision"] == "accept")

    def passed(chosen: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "wake_alone": rate(chosen, lambda row: True),
            "wake_and_guard": rate(chosen, lambda row: not own(row)),
            "gate": rate(chosen, accepted),
            "gate_and_guard": rate(chosen, lambda row: accepted(row) and not own(row)),
        }

    live = {
        f"{low} to {high} dB": {
            "said_blocked": rate(of("live", said=True, live_over_playback_db=(low, high)), own),
            "blocked": rate(chosen := of("live", live_over_playback_db=(low, high)), own),
            "accepted_by_gate": rate(chosen, accepted),
            "accepted_by_gate_and_guard": rate(chosen, lambda row: accepted(row) and not own(row)),
        }
        for low, high in BINS_DB
    }
    everything = of("own", said=True)
    errors = np.array([row["delay_error_s"] for row in everything])
    took = np.array([row["took_s"] for row in rows if np.isfinite(row["delay_error_s"])])
    quantiles = (0.05, 0.5, 0.95)
    return {
        "own_voice_passed": passed(of("own")),
        "own_voice_said_passed": rate(of("own", said=True), lambda row: not own(row)),
        "own_voice_passed_in_noise": {
            f"{low:g} to {high:g} dB": rate(of("own", snr_db=(low, high)), lambda row: not own(row))
            for low, high in ((5.0, 10.0), (10.0, 20.0), (20.0, 40.0))
        },
        "own_voice_apart_passed": passed(of("apart")),
        "live_over_playback_blocked": rate(of("live"), own),
        "live_over_playback": live,
        "live_in_silence_blocked": rate(of("silent"), own),
        "foreign_blocked": rate(of("foreign"), own),
        "coherence_quantiles": {
            kind: [round(float(q), 3) for q in np.quantile([row["coherence"] for row in of(kind)], quantiles)]
            for kind in COUNTS
        },
        "delay_found_within_30_ms": rate(everything, lambda row: row["delay_error_s"] < 0.03),
        "delay_error_median_ms": round(1e3 * float(np.median(errors)), 3),
        "judgement_ms": {
            "median": round(1e3 * float(np.median(took)), 2),
            "p95": round(1e3 * float(np.quantile(took, 0.95)), 2),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
