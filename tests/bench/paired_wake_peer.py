"""What microWakeWord hears in WAV files, run by the Python that has pymicro-wakeword.

    python paired_wake_peer.py FOLDER SCORES

FOLDER holds WAV files, 16 kHz mono of 16 bits, each a trial of the name of the file. Writes SCORES, JSON: by trial the
highest score, and the times up to which the peer had heard when it reported the word, s. The model is new for every
trial. Imports nothing that this Python might lack.
"""

import importlib.metadata
import json
import sys
import wave
from pathlib import Path

RATE_HZ = 16000
BLOCK = 160
WORD = "alexa"


def hear(path: Path) -> "tuple[float, list[float]]":
    """Return the highest score of one file, and the times of the reports, s."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    word, features = MicroWakeWord.from_builtin(Model(WORD)), MicroWakeWordFeatures()
    highest, times, blocks = 0.0, [], 0
    with wave.open(str(path)) as file:
        while len(block := file.readframes(BLOCK)) == 2 * BLOCK:
            blocks += 1
            for frame in features.process_streaming(block):
                # process_streaming() says no more than whether this is above the cut-off.
                score = word.process_streaming_prob(frame)
                if score is None:
                    raise SystemExit(f"{path}: pymicro-wakeword lost its model, expected a score")
                highest = max(highest, score)
                if score > word.probability_cutoff:
                    times.append(blocks * BLOCK / RATE_HZ)
    return highest, times


def main(folder: Path, scores: Path) -> None:
    """Hear all files of the folder, and write the scores."""
    files = sorted(folder.glob("*.wav"))
    trials = {}
    for number, path in enumerate(files, 1):
        highest, times = hear(path)
        trials[path.stem] = {"score": highest, "times_s": times}
        if number % 100 == 0:
            print(f"pymicro-wakeword: {number} of {len(files)} trials", file=sys.stderr, flush=True)
    head = {
        "word": WORD,
        "engine": "pymicro-wakeword",
        "versions": {name: importlib.metadata.version(name) for name in ("pymicro-wakeword", "pymicro-features")},
    }
    scores.write_text(json.dumps({**head, "trials": trials}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
