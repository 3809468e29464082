"""From the end of a word to the line on the socket, through a microphone and the installed daemon, in real time.

    python tests/bench/daemon_latency.py

Words of the dev split are played one after another into a null sink of PulseAudio, whose monitor is the microphone of
the daemon. A second recorder, in this process, hears the same monitor: it says at what time the last sample of each
word could be read from the sound system. The end of a word is found by its energy in the whole recording. The time from
there to the arrival of the answer holds everything: what the decision waits for, buffers, computing, bus and socket.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from processes import ROOT, data_folder, write_result

sys.path.insert(0, str(ROOT / "tests" / "e2e"))

RATE_HZ = 16_000
BEFORE_S = 1
PAUSE_S = 0.6
PERCENTILES = (50, 95, 99)
SETTINGS = """
[source]
kind = "microphone"
device = "pulse"
latency = "low"

[sinks.socket]
path = "{folder}/answers.sock"
"""


class Recorder:
    """What the sound system gives, and when."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.times: list[tuple[int, float]] = []
        self._frames = 0

    def take(self, data, frames, _time, _status) -> None:
        self._frames += frames
        self.times.append((self._frames, time.monotonic()))
        self.pieces.append(bytes(data))

    def when(self, sample: int) -> float:
        """Return when a sample could be read, monotonic clock, s."""
        import bisect

        place = bisect.bisect_left(self.times, (sample + 1, 0.0))
        return self.times[place][1]


class Listener(threading.Thread):
    """Takes every line of the socket sink, and the time."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.answers: list[tuple[float, dict]] = []
        self.listening = threading.Event()

    def run(self) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            while True:
                try:
                    connection.connect(str(self._path))
                    break
                except OSError:
                    time.sleep(0.05)
            for line in connection.makefile("r", encoding="utf-8"):
                now = time.monotonic()
                record = json.loads(line)
                if record["event"] == "answer":
                    self.answers.append((now, record))
                elif record["source"] == "listening":
                    self.listening.set()


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--words", type=int, default=230, help="words that are played [%(default)s]")
    parser.add_argument("--vivavoce", default=str(Path(sys.executable).with_name("vivavoce")), help="the command")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "daemon_latency.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import numpy as np
    import soundfile
    from virtual_microphone import Room

    from edge.bundle import open_bundle
    from edge.bundle_identity import bundle_hash
    from edge.endpoint import speech_span
    from train.corpus import data_hash, load_manifest
    from train.metrics import cluster_interval
    from train.wake_traces import in_noise_floor

    bundle = open_bundle()
    ids = [word.id for word in bundle.words]
    clips = [
        clip for clip in load_manifest(args.data) if (clip.role, clip.split) == ("wake", "dev") and clip.word in ids
    ]
    order = np.random.default_rng(1).permutation(len(clips))
    chosen = [clips[order[i % len(clips)]] for i in range(args.words)]
    pieces, ends = [np.random.default_rng(2).normal(0, 8, 2 * RATE_HZ).round().astype(np.int16)], []
    n = pieces[0].size
    for clip in chosen:
        samples = in_noise_floor(clip)
        span = speech_span(samples)
        start = max(0, span.start - BEFORE_S * RATE_HZ)
        samples = samples[start : span.stop + RATE_HZ]
        ends.append(n + span.stop - start)
        pause = np.random.default_rng(n).normal(0, 8, round(PAUSE_S * RATE_HZ)).round().astype(np.int16)
        pieces += [samples, pause]
        n += samples.size + pause.size
    sound = np.concatenate(pieces)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o700)
        room = Room(folder)
        soundfile.write(folder / "words.wav", sound, RATE_HZ, subtype="PCM_16")
        (folder / "daemon.toml").write_text(SETTINGS.format(folder=folder))
        import os

        os.environ.update(room.environment)
        import sounddevice

        log = open(folder / "daemon.log", "wb")  # noqa: SIM115
        daemon = subprocess.Popen(
            [args.vivavoce, "daemon", "--config", str(folder / "daemon.toml")], env=room.environment, stderr=log
        )
        listener = Listener(folder / "answers.sock")
        listener.start()
        recorder = Recorder()
        stream = sounddevice.RawInputStream(
            samplerate=RATE_HZ, channels=1, dtype="int16", device="pulse", latency="low", callback=recorder.take
        )
        try:
            with stream:
                player = room.play(folder / "words.wav")
                print(f"playing {sound.size / RATE_HZ:.0f} s", file=sys.stderr)
                player.wait()
                time.sleep(1.0)
            daemon.terminate()
            code = daemon.wait(20)
        finally:
            daemon.kill()
            room.close()
            log.close()
        told = (folder / "daemon.log").read_text()
    heard = np.frombuffer(b"".join(recorder.pieces), np.int16)
    offset = place_of(sound[ends[0] - RATE_HZ // 2 : ends[0] + RATE_HZ // 2], heard) - (ends[0] - RATE_HZ // 2)
    delays, of_sound, talkers = [], [], []
    for clip, end in zip(chosen, ends, strict=True):
        at = recorder.when(end + offset)
        for now, answer in listener.answers:
            if answer["word"] == clip.word and -0.5 < now - at < 1.5:
                delays.append(now - at)
                of_sound.append((answer["decided_sample"] - answer["end_sample"]) / RATE_HZ)
                talkers.append(clip.talker)
                break
    taken = np.array(delays)

    def figures(values: "np.ndarray") -> dict[str, object]:
        found: dict[str, object] = {}
        for q in PERCENTILES:
            low, high = cluster_interval(lambda rows, q=q: float(np.percentile(values[rows], q)), [talkers])
            found[f"p{q}"] = round(float(np.percentile(values, q)), 4)
            found[f"p{q}_interval_95"] = [round(low, 4), round(high, 4)]
        return found

    body = {
        "data_hash": data_hash(args.data),
        "bundle_sha256": bundle_hash(bundle.path),
        "method": __doc__.split("\n\n", 2)[2].replace("\n", " ").strip(),
        "results": {
            "words_played": len(chosen),
            "answers": len(delays),
            "talkers": len(set(talkers)),
            "after_the_words_end_s": figures(taken),
            "of_it_waited_for_in_the_sound_s": figures(np.array(of_sound)),
            # The first moment of a player may be lost.
            "bit_exact": bool(np.array_equal(heard[offset + RATE_HZ : offset + sound.size], sound[RATE_HZ:])),
            "exit_code": code,
            "warnings": [line for line in told.splitlines() if " WARNING " in line or " ERROR " in line],
        },
    }
    write_result(args.out, "python tests/bench/daemon_latency.py", body)
    print(json.dumps(body["results"], indent=1))
    return 0


def place_of(pattern, sound) -> int:
    """Return where a pattern best fits into a sound."""
    import numpy as np

    size = 1 << int(np.ceil(np.log2(sound.size + pattern.size)))
    spectrum = np.fft.rfft(sound.astype(np.float64), size) * np.conj(np.fft.rfft(pattern.astype(np.float64), size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: sound.size]))


if __name__ == "__main__":
    sys.exit(main())
