"""Many hours of sound through the installed daemon: whether memory stays flat, and no sample is lost.

    python tests/bench/soak.py --hours 26

An hour of sound is mixed once from recordings of the dev split: words at different levels, other speech, pauses of room
noise. The daemon, ``vivavoce daemon`` in a process of its own, is given it as raw samples on standard input again and
again, as fast as it takes them, with the event store, the metrics and the replay memory at work. While it runs its
resident memory, descriptors and threads are looked at; at the end every sample must have been counted, and each hour
but the first must have been answered like the one before, at the same samples.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from processes import ROOT, data_folder, write_result

RATE_HZ = 16_000
MIX_S = 3600
LOOK_AUDIO_S = 300
LONGEST_S = 20
WARM_UP_H = 8.0
"""Until the store has grown to its limit (six hours here), the pages of it that are held grow with it."""

SETTINGS = """
[source]
kind = "pipe"

[memory]
enabled = true
window_h = 0.5

[store]
enabled = true
path = "{folder}/events.sqlite"
max_mb = 8

[metrics]
enabled = true
port = {port}

[sinks.socket]
path = "{folder}/answers.sock"
"""


def mixed(data: Path, seconds: int, seed: int):
    """Return the sound ``(n,) int16``, and how many words are in it."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from train.corpus import load_manifest, read_clip

    random = np.random.default_rng(seed)
    clips = [clip for clip in load_manifest(data) if clip.split == "dev"]
    words = [clip for clip in clips if clip.role == "wake"]
    other = [clip for clip in clips if clip.role != "wake"]
    sound = random.normal(0, 12, seconds * RATE_HZ)
    at, n = RATE_HZ, 0
    while True:
        is_word = random.random() < 0.5
        clip = (words if is_word else other)[random.integers(len(words if is_word else other))]
        x = read_clip(clip).astype(np.float64)
        # Of long recordings another part each time.
        start = random.integers(max(1, x.size - LONGEST_S * RATE_HZ))
        x = x[start : start + LONGEST_S * RATE_HZ]
        x *= 32767 * 10 ** (random.uniform(-36, -6) / 20) / max(1e-9, np.abs(x).max())
        if at + x.size + 2 * RATE_HZ > sound.size:
            break
        sound[at : at + x.size] += x
        n += is_word
        at += x.size + round(random.uniform(0.6, 3.0) * RATE_HZ)
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16), n


def looked_at(pid: int) -> dict[str, int]:
    """Return what the kernel says of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {
        "rss_kb": int(said["VmRSS"].split()[0]),
        "threads": int(said["Threads"]),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
    }


class Listener(threading.Thread):
    """Takes every line of the socket sink."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.answers: list[dict] = []

    def run(self) -> None:
        with socket.socket(socket.AF_UNIX) as connection:
            while True:
                try:
                    connection.connect(str(self._path))
                    break
                except OSError:
                    time.sleep(0.1)
            for line in connection.makefile("r", encoding="utf-8"):
                record = json.loads(line)
                if record["event"] == "answer":
                    self.answers.append(record)


def metrics(port: int) -> dict[str, float]:
    """Return the metrics without labels."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")
    return {name: float(value) for name, value in pairs}


def slope(hours: list[float], values: list[float]) -> dict[str, float]:
    """Return the least-squares slope per hour of sound, and its 95 % interval by blocks of the residuals' spread."""
    import numpy as np

    x, y = np.array(hours), np.array(values)
    a, b = np.polyfit(x, y, 1)
    residual = y - (a * x + b)
    error = float(np.sqrt(np.sum(residual**2) / max(1, x.size - 2) / np.sum((x - x.mean()) ** 2)))
    return {"per_hour": float(a), "low": float(a) - 1.96 * error, "high": float(a) + 1.96 * error}


def main() -> int:
    """Run it, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--hours", type=float, default=26.0, help="hours of sound [%(default)s]")
    parser.add_argument("--mix-s", type=int, default=MIX_S, help="length of the mix, s [%(default)s]")
    parser.add_argument("--vivavoce", default=str(Path(sys.executable).with_name("vivavoce")), help="the command")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "soak.json")
    args = parser.parse_args()

    from tqdm import tqdm

    sound, words = mixed(args.data, args.mix_s, seed=1)
    from train.corpus import data_hash

    passes = max(2, round(args.hours * 3600 / args.mix_s))
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        folder = Path(name)
        (folder / "daemon.toml").write_text(SETTINGS.format(folder=folder, port=port))
        log = open(folder / "log", "wb")  # noqa: SIM115
        daemon = subprocess.Popen(
            [args.vivavoce, "daemon", "--config", str(folder / "daemon.toml"), "--log", "warning"],
            stdin=subprocess.PIPE,
            stderr=log,
        )
        assert daemon.stdin is not None
        listener = Listener(folder / "answers.sock")
        listener.start()
        looks: list[dict[str, float]] = []
        fed = 0
        began = time.monotonic()
        try:
            with tqdm(total=passes * sound.size // RATE_HZ, unit="s", desc="sound", mininterval=5) as bar:
                for _ in range(passes):
                    for at in range(0, sound.size, RATE_HZ):
                        piece = sound[at : at + RATE_HZ]
                        daemon.stdin.write(piece.tobytes())
                        fed += piece.size
                        bar.update(piece.size // RATE_HZ)
                        if fed // RATE_HZ % LOOK_AUDIO_S == 0:
                            looks.append({"hours": fed / RATE_HZ / 3600, **looked_at(daemon.pid)})
            deadline = time.monotonic() + 60
            while (
                round((said := metrics(port)).get("vivavoce_audio_seconds_total", 0) * RATE_HZ) != fed
                and time.monotonic() < deadline
            ):
                time.sleep(0.5)
            store_mb = sum(path.stat().st_size for path in folder.glob("events.sqlite*")) / 1e6
            daemon.stdin.close()
            code = daemon.wait(60)
        finally:
            daemon.kill()
            log.close()
        wall_s = time.monotonic() - began
        told = (folder / "log").read_text()
    by_pass: dict[int, list[tuple]] = {}
    for answer in listener.answers:
        number, place = divmod(answer["decided_sample"], sound.size)
        by_pass.setdefault(number, []).append((place, answer["word"], answer["decision"], answer["live_score"]))
    differing = [number for number in range(2, passes) if by_pass.get(number) != by_pass.get(1)]
    settled = [look for look in looks if look["hours"] >= min(WARM_UP_H, args.hours / 4)]
    hours = [look["hours"] for look in settled]
    rss = slope(hours, [look["rss_kb"] for look in settled])
    noise_kb = max(look["rss_kb"] for look in settled) - min(look["rss_kb"] for look in settled)
    body = {
        "data_hash": data_hash(args.data),
        "method": __doc__.split("\n\n", 2)[2].replace("\n", " ").strip(),
        "results": {
            "audio_h": round(fed / RATE_HZ / 3600, 3),
            "wall_s": round(wall_s),
            "times_real_time": round(fed / RATE_HZ / wall_s, 1),
            "words_in_the_mix": words,
            "answers": len(listener.answers),
            "passes": passes,
            "passes_that_differ": differing,
            "samples_fed": fed,
            "samples_counted": round(said["vivavoce_audio_seconds_total"] * RATE_HZ),
            "samples_dropped": round(said["vivavoce_audio_dropped_seconds_total"] * RATE_HZ),
            "rss_kb_first": looks[0]["rss_kb"],
            "rss_kb_last": looks[-1]["rss_kb"],
            "rss_kb_spread_settled": noise_kb,
            "rss_kb_per_hour": {name: round(value, 2) for name, value in rss.items()},
            "descriptors": sorted({look["descriptors"] for look in settled}),
            "threads": sorted({look["threads"] for look in settled}),
            "store_mb": round(store_mb, 2),
            "exit_code": code,
            "log_lines": len(told.splitlines()),
        },
        "looks": looks[:: max(1, len(looks) // 60)],
    }
    write_result(args.out, "python tests/bench/soak.py", body)
    print(json.dumps(body["results"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
