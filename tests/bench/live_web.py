"""The live page through a browser's microphone: clips of dev that were said, and their replays by loudspeakers.

    python tests/bench/live_web.py

Pairs are the first of the frozen set of dev whose live clip and simulated replay come from one recording. Chromium's
fake microphone plays them one after another, in real time; the page sends what it hears, and the server, which listens
without a word, judges. The sound that is kept of a decision is found again in what was played: by this, a decision
belongs to a clip, and it is known how much the path through the browser changes the sound.
"""

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from processes import ROOT, data_folder, versions, write_result

RATE_HZ = 16_000
DEVICE_HZ = 48_000
LEAD_S = 4.0
GAP_S = 0.5
"""Noise of the clip itself, before it and after it."""


def pairs_of(rendered: dict, count: int) -> list[tuple[int, int]]:
    """Return rows of live clips and of replays from the same recording."""
    first: dict[tuple[str, int], int] = {}
    found = []
    for row, (source, live) in enumerate(zip(rendered["source"], rendered["live"], strict=True)):
        first.setdefault((str(source), int(live)), row)
        other = first.get((str(source), 1 - int(live)))
        if other is not None and first[str(source), int(live)] == row:
            found.append((row, other) if live else (other, row))
        if len(found) == count:
            break
    return found


def sent_of(clips: list[np.ndarray], leads: list[int]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Put clips one after another; return the sound and where each of them is."""
    parts, spans, at = [np.zeros(round(LEAD_S * RATE_HZ))], [], round(LEAD_S * RATE_HZ)
    for clip, lead in zip(clips, leads, strict=True):
        quiet = np.resize(clip[: max(lead, 160)], round(GAP_S * RATE_HZ))
        piece = np.concatenate([quiet, clip, quiet])
        spans.append((at, at + piece.size))
        parts.append(piece)
        at += piece.size
    return np.concatenate([*parts, np.zeros(2 * RATE_HZ)]), spans


def found_in(heard: np.ndarray, sent: np.ndarray) -> tuple[int, float]:
    """Return where the end of a stretch lies in what was sent, and its correlation with it."""
    n = 1 << (heard.size + sent.size).bit_length()
    products = np.fft.irfft(np.fft.rfft(sent, n) * np.conj(np.fft.rfft(heard, n)), n)[: sent.size - heard.size + 1]
    sums = np.concatenate([[0.0], np.cumsum(sent**2)])
    powers = np.maximum(sums[heard.size :] - sums[: -heard.size], 1e-6)
    like = products / np.sqrt(powers * max(float(np.sum(heard**2)), 1e-12))
    best = int(np.argmax(like))
    return best + heard.size, float(like[best])


def listen(wav: Path, seconds: float, silence: Path) -> list[tuple[str, np.ndarray]]:
    """Return verdicts and their sound, oldest first."""
    import io

    import soundfile
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "edge", "live", str(silence), "--liveness-only", "--web", "--port", "0"]
    served = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", served.stdout.readline())[0]
        with sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={wav}%noloop",
                ],
            )
            context = browser.new_context(reduced_motion="reduce")
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("body[data-connected=true]")
            page.get_by_role("switch").click()
            page.get_by_label("This browser").click()
            heard: dict[int, tuple[str, np.ndarray]] = {}
            ends_s = time.monotonic() + seconds + 3
            while time.monotonic() < ends_s:
                # The page remembers the last decisions only, and so does who serves their sound.
                page.wait_for_timeout(5000)
                shown = page.locator("#history li").evaluate_all(
                    "all => all.map(one => [one.dataset.id, one.dataset.verdict])"
                )
                for number, verdict in shown:
                    if int(number) not in heard:
                        body = context.request.get(f"{address}audio/{number}.wav").body()
                        heard[int(number)] = (verdict, soundfile.read(io.BytesIO(body))[0])
            browser.close()
        return [heard[number] for number in sorted(heard)]
    finally:
        served.send_signal(signal.SIGINT)
        served.wait(20)


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rendered clips [%(default)s]")
    parser.add_argument("--pairs", type=int, default=20, metavar="N", help="[%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "live_web.json")
    args = parser.parse_args()

    sys.path.insert(0, str(ROOT))
    import soundfile
    from scipy.signal import resample_poly

    from train.frozen_set import render_set, told

    rendered = render_set(args.data, "dev", args.cache)
    pairs = pairs_of(rendered, args.pairs)
    starts = np.concatenate([[0], np.cumsum(rendered["size"], dtype=np.int64)])
    rows = [row for pair in pairs for row in pair]
    clips = [rendered["samples"][starts[row] : starts[row + 1]] / 32768.0 for row in rows]
    sent, spans = sent_of(clips, [int(rendered["speech_start"][row]) for row in rows])
    seconds = sent.size / RATE_HZ
    print(f"{len(pairs)} pairs, {seconds:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wav, silence = Path(folder, "pairs.wav"), Path(folder, "silence.wav")
        soundfile.write(wav, np.clip(resample_poly(sent, DEVICE_HZ // RATE_HZ, 1), -1, 1), DEVICE_HZ, subtype="PCM_16")
        soundfile.write(silence, np.zeros(RATE_HZ, np.int16), RATE_HZ)
        heard = listen(wav, seconds, silence)

    verdicts: dict[int, str] = {}
    likenesses = []
    for verdict, sound in heard:
        end, likeness = found_in(sound, sent)
        likenesses.append(likeness)
        place = next((i for i, (start, stop) in enumerate(spans) if start < end <= stop), None)
        if place is not None:
            verdicts.setdefault(rows[place], verdict)  # the first, where a clip has two
    body = {
        "pairs": len(pairs),
        "played_s": round(seconds, 1),
        "frozen_set": told(rendered, args.data, "dev"),
        "live": Counter(verdicts.get(live, "none") for live, _ in pairs),
        "replay": Counter(verdicts.get(replay, "none") for _, replay in pairs),
        "decisions": len(heard),
        "correlation": {"lowest": round(min(likenesses), 4), "median": round(float(np.median(likenesses)), 4)},
        "packages": versions(sys.executable, "playwright", "websockets", "soxr"),
    }
    write_result(args.out, "tests/bench/live_web.py", body)
    print(args.out.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
