"""How often the replay memory knows a recording again, and how often it takes a person's new word for a repetition.

    python tests/bench/replay_memory.py --split dev     # chooses the cut-off; the default writes both splits

Repetitions are heard in simulated homes (``repeat_scenes.py``). A person who says the word again does so at the same
place, to the same microphone; only noise and level differ, and the take. Pairs of files that hold one recording (their
waveforms correlate by more than 0.9) are no two takes, and are left out. The cut-off is one step above the lowest, in
steps of 0.005, at which no other take of dev is a hit. The two other ways to know a word again are measured on dev.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any

from processes import ROOT, data_folder

STEP = 0.005
SAME_RECORDING = 0.9
DRIFTS_PPM = (100.0, 300.0, 1000.0)
ENTRIES = (10, 50, 100)
TAIL = 0.05
SNR_BINS_DB = ((10.0, 15.0), (15.0, 25.0), (25.0, 40.1))


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rooms [%(default)s]")
    parser.add_argument("--split", choices=("dev", "both"), default="both", help="dev: prints only [%(default)s]")
    parser.add_argument("--ledger", type=Path, default=ROOT / "results" / "test_ledger.json", help="[%(default)s]")
    parser.add_argument("--recordings", type=int, default=100, help="of each split that are repeated [%(default)s]")
    parser.add_argument("--pairs", type=int, default=250, help="of other takes, at most, of each split [%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "replay_memory.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import json

    from repeat_scenes import RANGES

    from edge.replay_memory import MemorySettings
    from train.corpus import data_hash
    from train.results import open_test_split, write_result
    from train.simulator.recipe import shipped_recipe

    dev = hearings(args, "dev")
    found = {kind: similarities(pairs) for kind, pairs in dev.items()}
    cutoff = lowest_without(found["said again"], STEP) + STEP
    print(f"cut-off on dev: {cutoff:.3f}; the shipped one: {MemorySettings().cutoff}")
    body: dict[str, Any] = {
        "made_by": "python tests/bench/replay_memory.py",
        "what": "simulated homes; a person who says the word again does so at the same place, to the same microphone",
        "settings": {
            "ranges": RANGES, "simulator_recipe": shipped_recipe().hash, "same_recording": SAME_RECORDING,
            "recordings": args.recordings, "pairs": args.pairs,
            "cutoff_rule": f"{STEP:g} above the lowest at which no other take of dev is a hit",
        },
        "cutoff": round(cutoff, 3),
        "dev": figures(dev, found, cutoff),
        "other_ways_on_dev": others(dev),
        "cost": cost(dev),
    }  # fmt: skip
    hashed = data_hash(args.data)
    if args.split == "both":
        open_test_split(args.ledger, purpose="replay_memory.py", data_hash=hashed)
        test = hearings(args, "test")
        body["test"] = figures(test, {kind: similarities(pairs) for kind, pairs in test.items()}, cutoff)
        write_result(args.out, body, data_hash=hashed, seed=args.seed)
    print(json.dumps({key: body[key] for key in body if key not in ("settings", "made_by")}, indent=1))
    return 0


def lowest_without(values: Any, step: float) -> float:
    """Return the lowest multiple of a step that no value reaches."""
    import numpy as np

    return float((np.floor(np.max(values) / step) + 1) * step)


def hearings(args: argparse.Namespace, split: str) -> dict[str, list[dict[str, Any]]]:
    """Return, for each kind of second hearing, pairs of words as the device hands them over."""
    import numpy as np
    from playback_scenes import recordings
    from repeat_scenes import Home
    from tqdm import tqdm

    from train.liveness_scenes import generator

    clips, simulator = recordings(args.data, split, args.cache)
    rng = generator(f"repeated {split}", args.seed, 0)
    takes = other_takes(clips)
    takes = [takes[i] for i in sorted(rng.permutation(len(takes))[: args.pairs])]
    repeated = [clips[i] for i in sorted(rng.permutation(len(clips))[: args.recordings])]
    pairs: dict[str, list[dict[str, Any]]] = {}

    def enter(kind: str, first: Any, second: Any, clip: Any, **known: Any) -> None:
        row = {"first": first, "second": second, "talker": clip.talker, **known}
        pairs.setdefault(kind, []).append(row)

    for number, clip in enumerate(tqdm(repeated, desc=f"repetitions of {split}", unit="recording")):
        home = Home(simulator, args.seed, number)
        sound, recording = home.programme(clip), home.recorded(clip)
        spoken = home.heard(sound, home.mouth(0), {"clock_ppm": 0.0})
        player = home.loudspeaker(1)
        assert player.loudspeaker is not None
        name = player.loudspeaker.name
        replay = home.heard(recording, player, conditions := {})
        enter("spoken, then replayed", spoken, replay, clip, loudspeaker=name, snr_db=conditions["snr_db"])
        noisy = home.heard(recording, player, {"snr_db": 10.0})
        enter("spoken, then replayed in noise of 10 dB", spoken, noisy, clip, loudspeaker=name)
        moved = home.heard(recording, home.moved(player, 0))
        enter("replayed, then replayed at another place", replay, moved, clip, loudspeaker=name)
        second = home.loudspeaker(0)
        enter("replayed, then by another loudspeaker", replay, home.heard(recording, second), clip, loudspeaker=name)
        tv = home.loudspeaker(1, ("tv",))
        assert tv.loudspeaker is not None
        enter("broadcast twice", home.heard(sound, tv), home.heard(sound, tv), clip, loudspeaker=tv.loudspeaker.name)
        for ppm in DRIFTS_PPM if number % 2 == 0 else ():
            drifted = home.heard(recording, player, {"clock_ppm": ppm})
            enter(f"replayed {ppm:g} ppm too slowly", spoken, drifted, clip, loudspeaker=name)
    for number, (one, other) in enumerate(tqdm(takes, desc=f"other takes of {split}", unit="pair")):
        home = Home(simulator, args.seed, 100_000 + number)
        mouth, player = home.mouth(0), home.loudspeaker(1)
        heard = [home.heard(home.programme(clip), mouth) for clip in (one, other)]
        enter("said again", *heard, one)
        enter("said again", *reversed(heard), one)
        enter("another take replayed", heard[0], home.heard(home.recorded(other), player), one)
    for number in tqdm(range(args.recordings), desc=f"other talkers of {split}", unit="pair"):
        home = Home(simulator, args.seed, 200_000 + number)
        mouth = home.mouth(0)
        one = clips[int(rng.integers(len(clips)))]
        same = [clip for clip in clips if clip.word == one.word and clip.talker != one.talker]
        other = same[int(rng.integers(len(same)))]
        enter("said by another", *(home.heard(home.programme(clip), mouth) for clip in (one, other)), one)
    assert all(np.ndim(pair["first"]) == 1 for rows in pairs.values() for pair in rows)
    return pairs


def other_takes(clips: list[Any]) -> list[tuple[Any, Any]]:
    """Return the pairs of recordings of one word by one talker, but for those that are one recording."""
    import numpy as np

    from train.corpus import read_clip

    groups: dict[tuple[str, str], list[Any]] = {}
    for clip in clips:
        groups.setdefault((clip.talker, clip.word), []).append(clip)

    def alike(one: Any, other: Any) -> float:
        a, b = read_clip(one), read_clip(other)
        size = 1 << (a.size + b.size).bit_length()
        together = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
        return float(np.abs(together).max() / np.sqrt(np.sum(a * a) * np.sum(b * b)))

    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    return [pair for pair in pairs if alike(*pair) <= SAME_RECORDING]


def similarities(pairs: list[dict[str, Any]]) -> Any:
    """Return the similarity of every pair, as the memory gives it."""
    import numpy as np

    from edge.replay_memory import MemorySettings, ReplayMemory

    found = []
    for pair in pairs:
        memory = ReplayMemory(MemorySettings(enabled=True))
        memory.add(pair["first"], 0.0)
        found.append(memory.match(pair["second"], 60.0).similarity)
    return np.array(found)


def figures(pairs: dict[str, list[dict[str, Any]]], found: dict[str, Any], cutoff: float) -> dict[str, Any]:
    """Return what is reported of a split."""
    import numpy as np
    from rates import share

    caught: dict[str, Any] = {}
    false: dict[str, Any] = {}
    for kind, rows in pairs.items():
        ways = [[row["talker"] for row in rows]]
        if "loudspeaker" in rows[0]:
            ways.append([row["loudspeaker"] for row in rows])
        into = caught if "loudspeaker" in rows[0] else false
        into[kind] = share(found[kind] >= cutoff, ways) | {"median_similarity": round(float(np.median(found[kind])), 3)}
    snr_db = np.array([row["snr_db"] for row in pairs["spoken, then replayed"]])
    by_noise = {}
    for low, high in SNR_BINS_DB:
        chosen = (snr_db >= low) & (snr_db < high)
        talkers = [row["talker"] for row, one in zip(pairs["spoken, then replayed"], chosen, strict=True) if one]
        by_noise[f"{low:g} to {high:.0f} dB"] = share(found["spoken, then replayed"][chosen] >= cutoff, [talkers])
    again = np.asarray(found["said again"])
    over = float(np.quantile(again, 1.0 - TAIL))
    excess = float(np.mean(again[again > over] - over))
    extrapolated = TAIL * float(np.exp(-max(0.0, cutoff - over) / excess))
    bound = false["said again"]["interval_95"][1]
    return {
        "caught": caught,
        "caught_by_noise_of_the_replay": by_noise,
        "false_hits_per_entry": false,
        "said_again": {
            "highest_similarity": round(float(again.max()), 3),
            "extrapolated_rate": float(f"{extrapolated:.2g}"),
            "extrapolation": f"exponential tail above the {1 - TAIL:g} quantile",
            "false_hit_in_a_home": {
                f"{n} entries of the same talker and word": {
                    "extrapolated": round(1.0 - (1.0 - extrapolated) ** n, 5),
                    "upper_bound_of_interval": round(1.0 - (1.0 - bound) ** n, 4),
                }
                for n in ENTRIES
            },
        },
    }


def others(pairs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return how many repetitions other ways know again at cut-offs chosen by the same rule."""
    import numpy as np
    from spectral_fingerprints import METHODS

    kinds = [kind for kind, rows in pairs.items() if "loudspeaker" in rows[0] and "ppm" not in kind]
    result: dict[str, Any] = {}
    for name, method in METHODS.items():

        def alike(rows: list[dict[str, Any]], method: Any = method) -> Any:
            return np.array([method.similarity(*map(method.features, (row["first"], row["second"]))) for row in rows])

        # One order of each pair: these two ways are the same in both.
        cutoff = lowest_without(alike(pairs["said again"][::2]), STEP) + STEP
        result[name] = {"cutoff": round(cutoff, 3)} | {
            kind: round(float(np.mean(alike(pairs[kind]) >= cutoff)), 4) for kind in kinds
        }
    return result


def cost(pairs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what a full memory takes."""
    import numpy as np

    from edge.fingerprint import fingerprint, whitened
    from edge.replay_memory import MemorySettings, ReplayMemory

    words = [row["first"] for row in pairs["spoken, then replayed"]]
    sizes = [len(one.bits) for word in words if (one := fingerprint(whitened(word))) is not None]
    memory = ReplayMemory(MemorySettings(enabled=True))
    while len(memory) < MemorySettings().entries:
        for word in words:
            memory.add(word, 0.0)
    took = []
    for word in words[:50]:
        began = time.perf_counter()
        memory.match(word, 60.0)
        took.append(time.perf_counter() - began)
    return {
        "bytes_a_word": {"median": int(np.median(sizes)), "max": max(sizes)},
        "words_without_fingerprint": len(words) - len(sizes),
        "match_ms": {"entries": len(memory), "median": round(1e3 * float(np.median(took)), 1)},
    }


if __name__ == "__main__":
    sys.exit(main())
