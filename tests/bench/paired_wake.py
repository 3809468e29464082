"""One word by our network and by microWakeWord's, on the same clips: recall, false accepts, and their differences.

    make bench-paired
    python tests/bench/paired_wake.py --peer-python .venv-peers/bin/python

Every recording of "alexa" of the split is heard as it is and in each condition of 'vivavoce train evaluate', recordings
of the other words as they are, and the long-form streams whole. All of it is written as WAV files once; the peer hears
them in a Python of its own and leaves a file of scores, which is joined here, trial by trial. Both have the cut-offs
that they come with. ``--split test`` opens the test split, and enters that into the ledger.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from processes import ROOT, data_folder, write_result

sys.path.insert(0, str(ROOT))

PEER_PROGRAM = ROOT / "tests" / "bench" / "paired_wake_peer.py"
WORD = "alexa"
AS_IS = "as_they_are"
ONE_UTTERANCE_S = 1.0
"""Reports of the peer at most so far apart are one: its programs wait for a while after each, as ours does."""


class Trial(NamedTuple):
    """One sound that both hear.

    Attributes
    ----------
    name : str
        Of its file, without suffix.
    what : str
        ``word``, ``other`` (another word) or ``longform``.
    condition : str
    talker, label, path : str
        Who speaks, what is said, and the recording.
    seconds : float
    """

    name: str
    what: str
    condition: str
    talker: str
    label: str
    path: str
    seconds: float


def sounds(clips: Sequence[Any]) -> Iterator[tuple[Trial, Any]]:
    """Yield trials with their samples, ``(n,) int16``, 16 kHz.

    Parameters
    ----------
    clips : sequence of train.clip.Clip
        Of one split, all roles.
    """
    from train.corpus import read_clip
    from train.simulator.levels import to_int16
    from train.wake_evaluation import CONDITIONS, in_condition
    from train.wake_traces import in_noise_floor

    noises = [clip for clip in clips if clip.role == "noise"]
    for number, clip in enumerate(clips):

        def trial(what: str, condition: str, samples: Any, clip: Any = clip, number: int = number) -> tuple[Trial, Any]:
            seconds = samples.size / 16000
            name = f"{number:05d}-{condition}"
            return Trial(name, what, condition, clip.talker, clip.label, clip.path, seconds), samples

        if clip.role == "wake":
            what = "word" if clip.label == WORD else "other"
            yield trial(what, AS_IS, in_noise_floor(clip))
            if what == "word":
                for condition in CONDITIONS:
                    yield trial(what, condition, in_condition(clip, condition, noises))
        elif clip.role == "longform":
            yield trial("longform", AS_IS, to_int16(read_clip(clip)))


def utterances(times: Sequence[float]) -> list[float]:
    """Return the first of each run of reports that lie at most a second apart, s."""
    found: list[float] = []
    last = None
    for time in sorted(times):
        if last is None or time - last > ONE_UTTERANCE_S:
            found.append(time)
        last = time
    return found


def joined(trials: Sequence[Trial], scores: Mapping[str, Any], where: str) -> dict[str, list[float]]:
    """Return the reports of the peer by trial, s.

    Raises
    ------
    SystemExit
        If its scores are of other trials or another word: nothing would be paired.
    """
    names, found, word = {trial.name for trial in trials}, scores.get("trials", {}), scores.get("word")
    if word != WORD or found.keys() != names:
        known = len(names & found.keys())
        raise SystemExit(
            f"{where}: got scores of {word!r} in {len(found)} trials, of which {known} are among the {len(names)} that "
            f"were made; expected {WORD!r} in each of them; run it again"
        )
    return {name: utterances(found[name]["times_s"]) for name in found}


def figures(
    trials: Sequence[Trial], ours: Mapping[str, Sequence[float]], peer: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Return recalls in every condition and false accepts, of both, and their differences.

    Parameters
    ----------
    trials : sequence of Trial
    ours, peer : mapping
        By name of the trial, when the word was reported, s.
    """
    import numpy as np

    from train.metrics import cluster_interval, poisson_upper, rate_interval
    from train.paired_difference import hit_difference

    def recall(hits: Any, talkers: Sequence[str]) -> dict[str, Any]:
        low, high = (
            cluster_interval(lambda chosen: float(hits[chosen].mean()), [talkers])
            if hits.any() and not hits.all()
            else rate_interval(int(hits.sum()), hits.size)
        )
        return {"rate": float(hits.mean()), "interval_95": [low, high]}

    conditions: dict[str, Any] = {}
    said = [trial for trial in trials if trial.what == "word"]
    for condition in dict.fromkeys(trial.condition for trial in said):
        some = [trial for trial in said if trial.condition == condition]
        talkers = [trial.talker for trial in some]
        heard = [np.array([bool(of[trial.name]) for trial in some], bool) for of in (ours, peer)]
        difference = hit_difference(heard[0], heard[1], [WORD] * len(some), talkers)
        conditions[condition] = {
            "clips": len(some),
            "talkers": len(set(talkers)),
            "ours": recall(heard[0], talkers),
            "peer": recall(heard[1], talkers),
            "ours_minus_peer": difference["difference"],
            "interval_95": difference["interval_95"],
            "ours_only": difference["one_only"],
            "peer_only": difference["other_only"],
        }
    streams, others = ([trial for trial in trials if trial.what == what] for what in ("longform", "other"))
    hours = sum(trial.seconds for trial in streams) / 3600

    def false(of: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        events = [{"path": t.path, "heard_s": round(at, 2)} for t in streams for at in of[t.name]]
        return {
            "longform": len(events),
            "per_hour": len(events) / hours if hours else None,
            "upper_95_per_hour": poisson_upper(len(events), hours) if hours else None,
            "other_words": sum(bool(of[trial.name]) for trial in others),
            "events": events,
        }

    return {
        "recall": conditions,
        "false_accepts": {
            "hours": round(hours, 3),
            "other_words_clips": len(others),
            "ours": false(ours),
            "peer": false(peer),
        },
    }


def main() -> int:
    """Measure, write the result and print it."""
    from train.options import add_split_options

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--peer-python", default=os.environ.get("VIVAVOCE_PEER_PYTHON"), help="with pymicro-wakeword")
    parser.add_argument("--bundle", type=Path, help="bundle to measure [the one that ships]")
    add_split_options(parser)
    parser.add_argument("-o", "--out", type=Path, help="where to write [results/paired_wake_SPLIT.json]")
    args = parser.parse_args()
    if not args.peer_python:
        parser.error("expected VIVAVOCE_PEER_PYTHON or --peer-python: a Python with pymicro-wakeword")

    import soundfile
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.sample_time import SAMPLE_RATE_HZ
    from train.corpus import data_hash, load_manifest
    from train.results import open_test_split
    from train.wake_evaluation import detections

    bundle, hashed = open_bundle(args.bundle), data_hash(args.data)
    if WORD not in [word.id for word in bundle.words]:
        raise SystemExit(f"{bundle.path}: got no word {WORD!r}, expected it, as the peer has it; give another bundle")
    # Before the split is opened: a peer that does not start must not cost an opening.
    subprocess.run([args.peer_python, "-c", "import pymicro_wakeword"], check=True)
    if args.split == "test":
        open_test_split(args.ledger, purpose="tests/bench/paired_wake.py", bundle=bundle.path, data_hash=hashed)
    clips = [clip for clip in load_manifest(args.data) if clip.split == args.split]
    trials: list[Trial] = []
    ours: dict[str, list[float]] = {}
    every_word = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for trial, samples in tqdm(sounds(clips), desc="trials", unit="trial"):
            soundfile.write(folder / f"{trial.name}.wav", samples, SAMPLE_RATE_HZ, subtype="PCM_16")
            found = detections(bundle, samples)
            every_word += len(found) if trial.what == "longform" else 0
            ours[trial.name] = [at for word, at in found if word == WORD]
            trials.append(trial)
        scores = folder / "peer.json"
        subprocess.run([args.peer_python, str(PEER_PROGRAM), name, str(scores)], check=True)
        told = json.loads(scores.read_text())
    body = {
        "seed": 0,
        "split": args.split,
        "data_hash": hashed,
        "bundle_sha256": bundle_hash(bundle.path),
        "versions": told["versions"],
        "method": (
            f"the word '{WORD}' by both, at the cut-offs that they come with, on the same samples: recordings between "
            "stretches of noise at their own floor, as they are and in the conditions of 'vivavoce train evaluate'; "
            "every trial begins with a new model; heard: at least one report; reports of the peer at most a second "
            "apart are one; differences are paired, and talkers are resampled. Our cut-offs were chosen on dev: "
            "there false accepts flatter ours. What the peer's network was trained on is not known here"
        ),
        "results": {
            **figures(trials, ours, joined(trials, told, str(PEER_PROGRAM.name))),
            "ours_longform_all_words": every_word,
        },
    }
    out = args.out or ROOT / "results" / f"paired_wake_{args.split}.json"
    write_result(out, f"python tests/bench/paired_wake.py --split {args.split}", body)
    for condition, entry in body["results"]["recall"].items():  # type: ignore[index]
        low, high = entry["interval_95"]
        print(
            f"{condition}: ours {100 * entry['ours']['rate']:.1f} %, peer {100 * entry['peer']['rate']:.1f} %, "
            f"difference {100 * entry['ours_minus_peer']:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
            f"{entry['clips']} clips"
        )
    false = body["results"]["false_accepts"]  # type: ignore[index]
    for who in ("ours", "peer"):
        print(
            f"false accepts, {who}: {false[who]['longform']} in {false['hours']} h of long-form speech, "
            f"{false[who]['other_words']} of {false['other_words_clips']} recordings of other words"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
