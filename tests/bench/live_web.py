"""The live page through a browser's microphone: words that people said, and the same recordings played by loudspeakers.

    python tests/bench/live_web.py

For every pair Chromium is started anew, with a fake microphone that plays one WAV in real time: the live take, then
its replay. The page sends what it hears, the server listens for the words and judges, and the decisions are read off
the page. Beside it, ``vivavoce run`` hears the same WAVs without a browser, and once more what the server received: so
it is seen what a difference comes from. Every take counts, those in which no word was heard, too.
"""

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from processes import ROOT, data_folder, versions

sys.path.insert(0, str(ROOT))

from live_web_pairs import LABELS, Decided, Scene, agreement, became_of, choose_pairs, found_in, scene_of

from edge.sample_time import SAMPLE_RATE_HZ

CHROMIUM = "/usr/bin/chromium"
DEVICE_HZ = 44_100
"""Of Chromium's fake microphone, which changes other rates itself."""
BEHIND_S = 3.0
"""Heard behind the end of a WAV, which the fake microphone does not repeat; the page tells whole seconds."""
ALIKE = 0.9
SLOW_MS = 60_000
WAYS = ("browser", "without_browser", "received_again")
PROCESSING = ("echoCancellation", "autoGainControl", "noiseSuppression")
WATCH = """(() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    document.body.dataset.microphone = JSON.stringify(stream.getAudioTracks()[0].getSettings());
    return stream;
  };
})()"""
"""Run before the page's own code: lets it be known how the browser's microphone was opened."""
SHOWN = """all => all.map((one) => ({
  id: one.dataset.id,
  verdict: one.dataset.verdict,
  word: one.querySelector(".word").firstChild.textContent,
  live: one.querySelector(".figures").textContent.match(/live ([0-9.]+)/)?.[1] ?? null,
}))"""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the page, and yield its address; what it hears is kept in a folder."""
    silence = folder / "silence.wav"
    written(silence, np.zeros(SAMPLE_RATE_HZ, np.int16), SAMPLE_RATE_HZ)
    command = [sys.executable, str(ROOT / "tests" / "bench" / "live_web_server.py"), str(folder), str(silence)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start; its message is above")
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def through_browser(playwright: Any, address: str, wav: Path, scene: Scene) -> dict[str, Any]:
    """Let a browser hear a WAV; return what the page showed, and how its microphone was opened."""
    import soundfile

    browser = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={wav}%noloop",
        ],
    )
    try:
        context = browser.new_context(reduced_motion="reduce")
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-connected=true][data-mode]")
        page.locator("#clear").evaluate("button => button.click()")  # what earlier pages heard, if anything
        page.wait_for_selector("#history:empty", state="attached")
        if page.locator("#keep").get_attribute("aria-checked") != "true":
            page.locator("#keep").click()
        page.get_by_label("This browser").click()
        page.wait_for_selector("body[data-microphone]", timeout=SLOW_MS)
        seconds = scene.samples.size / SAMPLE_RATE_HZ + BEHIND_S
        before, until = heard_s(page), time.monotonic() + seconds + SLOW_MS / 1000
        while heard_s(page) - before < seconds:
            if time.monotonic() > until:
                raise SystemExit(
                    f"{wav}: the server hears no more; the page says: {page.locator('#origin').inner_text()}"
                )
            page.wait_for_timeout(500)
        shown = page.locator("#history li").evaluate_all(SHOWN)[::-1]
        for one in shown:
            answer = context.request.get(f"{address}audio/{one['id']}.wav")
            one["sound"] = soundfile.read(io.BytesIO(answer.body()))[0]
        return {"shown": shown, "microphone": json.loads(page.locator("body").get_attribute("data-microphone"))}
    finally:
        browser.close()


def heard_s(page: Any) -> float:
    """Return how much sound the server has listened to, as the page tells, s."""
    return float(re.match(r"[0-9]+", page.locator("#heard").inner_text())[0])


def decided_by_run(wav: Path) -> list[Decided]:
    """Return the decisions of ``vivavoce run``."""
    command = [sys.executable, "-m", "edge", "run", "--json", str(wav)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        Decided(round(event["decided_s"] * SAMPLE_RATE_HZ), event["word"], event["decision"], event["live_probability"])
        for event in map(json.loads, done.stdout.splitlines())
        if event["event"] == "decision"
    ]


def written(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """Write a WAV and return its path."""
    import soundfile

    soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    return path


def compared(received: np.ndarray, wide: np.ndarray, scene: Scene) -> tuple[list[dict[str, float]], float]:
    """Find each take in what the server received, both at the rate of the device.

    Returns
    -------
    list of dict
        Of each take: ``correlation``, ``gain_db`` by which it was received louder than sent, and ``at_ms``, the time in
        what was received at which the WAV starts by this take: the same for both, if nothing was lost between them.
    float
        That of the first, s.
    """
    found = []
    for span in scene.spans:
        start, stop = (edge * DEVICE_HZ // SAMPLE_RATE_HZ for edge in span)
        at, alike, gain = found_in(wide[start:stop], received)
        found.append(
            {
                "correlation": round(alike, 4),
                "gain_db": round(-20 * float(np.log10(max(gain, 1e-9))), 2),
                "at_ms": round(1000 * (at - start) / DEVICE_HZ, 2),
            }
        )
    return found, found[0]["at_ms"] / 1000


def measured(playwright: Any, address: str, folder: Path, scene: Scene, ids: dict[str, str]) -> dict[str, Any]:
    """Let a browser hear one pair, and ``vivavoce run`` without one; return what each decided of both takes."""
    import soxr

    wide = np.clip(soxr.resample(scene.samples / 32768.0, SAMPLE_RATE_HZ, DEVICE_HZ, quality="VHQ"), -1, 1)
    wav = written(folder / "pair.wav", wide, DEVICE_HZ)
    seen = through_browser(playwright, address, wav, scene)
    raw = max(folder.glob("*.raw"), key=lambda path: int(path.stem.partition("_")[0]))
    rate_hz = int(raw.stem.partition("_")[2])
    received = np.frombuffer(raw.read_bytes(), "<i2")
    takes, late_s = compared(soxr.resample(received / 32768.0, rate_hz, DEVICE_HZ, quality="VHQ"), wide, scene)
    shown = []
    for one in seen["shown"]:
        # The sound that is kept of a decision ends with it.
        at = found_in(one["sound"], scene.samples / 32768.0)[0] + one["sound"].size
        live = None if one["live"] is None else float(one["live"])
        shown.append(Decided(at, ids.get(one["word"], one["word"]), one["verdict"], live))
    again = decided_by_run(written(folder / "received.wav", received, rate_hz))
    decided = {
        "browser": shown,
        "without_browser": decided_by_run(wav),
        "received_again": [one._replace(at=one.at - round(late_s * SAMPLE_RATE_HZ)) for one in again],
    }
    return {
        "received_hz": rate_hz,
        "processing": {name: seen["microphone"].get(name, "unknown") for name in PROCESSING},
        "received": dict(zip(LABELS, takes, strict=True)),
        "load_average": round(os.getloadavg()[0], 2),
        "decided": {way: became_of(decisions, scene) for way, decisions in decided.items()},
    }


def summed_up(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures over all pairs."""
    from train.metrics import rate_interval

    ways: dict[str, Any] = {}
    for way in WAYS:
        for label in LABELS:
            takes = [row["decided"][way][label] for row in rows]
            accepted = sum(take["outcome"] == "accept" for take in takes)
            ways.setdefault(way, {})[label] = {
                **Counter(take["outcome"] for take in takes),
                "accepted_interval_95": [round(bound, 3) for bound in rate_interval(accepted, len(takes))],
                "heard_as_another_word": sum(
                    any(word != row["word"] for word in take["words"]) for row, take in zip(rows, takes, strict=True)
                ),
                "heard_more_than_once": sum(len(take["words"]) > 1 for take in takes),
            }
        ways[way]["decisions_of_no_take"] = sum(row["decided"][way]["of_no_take"] for row in rows)
    received = [take for row in rows for take in row["received"].values()]
    alike = [take["correlation"] for take in received]
    loads = [row["load_average"] for row in rows]
    lost_ms = [round(abs(row["received"]["live"]["at_ms"] - row["received"]["replay"]["at_ms"]), 2) for row in rows]
    return {
        "pairs": len(rows),
        "outcomes": ways,
        "browser_beside_run": agreement([row["decided"] for row in rows], "browser", "without_browser"),
        "browser_beside_run_on_what_it_received": agreement(
            [row["decided"] for row in rows], "browser", "received_again"
        ),
        "received": {
            "takes": len(received),
            f"correlation_over_{ALIKE}": sum(value > ALIKE for value in alike),
            "correlation": {"lowest": min(alike), "median": round(float(np.median(alike)), 4)},
            "gain_db": [min(take["gain_db"] for take in received), max(take["gain_db"] for take in received)],
            "most_lost_between_takes_ms": max(lost_ms),
            "hz": sorted({row["received_hz"] for row in rows}),
            "processing_off": sum(set(row["processing"].values()) == {False} for row in rows),
        },
        "load_average": {"lowest": min(loads), "median": round(float(np.median(loads)), 2), "highest": max(loads)},
    }


def main() -> int:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with a manifest.csv [%(default)s]")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "cache", help="rendered clips [%(default)s]")
    parser.add_argument("--pairs", type=int, default=40, metavar="N", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of pairs [%(default)s]")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "results" / "live_web.json")
    args = parser.parse_args()

    from playwright.sync_api import sync_playwright
    from tqdm import tqdm

    from edge.bundle import open_bundle
    from train.corpus import data_hash, load_manifest
    from train.frozen_set import render_set, told
    from train.results import write_result

    bundle = open_bundle()
    ids = {word.phrase: word.id for word in bundle.words}
    words = {clip.path: clip.word for clip in load_manifest(args.data) if clip.role == "wake"}
    rendered = render_set(args.data, "dev", args.cache)
    starts = np.concatenate([[0], np.cumsum(rendered["size"], dtype=np.int64)])
    pairs = choose_pairs(
        rendered, {path for path, word in words.items() if word in ids.values()}, args.pairs, args.seed
    )
    rows = []
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as address, sync_playwright() as playwright:
        for row in tqdm(pairs, desc="pairs", unit="pair"):
            scene = scene_of(
                (rendered["samples"][starts[i] : starts[i + 1]], int(rendered["speech_start"][i]))
                for i in (row, row + 1)
            )
            known = {
                "frozen_row": row,
                "word": words[str(rendered["source"][row])],
                "talker": str(rendered["talker"][row]),
                "loudspeaker": str(rendered["loudspeaker"][row + 1]),
            }
            rows.append(known | measured(playwright, address, Path(name), scene, ids))
    body = {
        "made_by": "python tests/bench/live_web.py",
        "what": (
            "words of dev, each as it is said in a simulated room and as a simulated loudspeaker replays it; accept: "
            "a decision of the take opened the gate; intervals take pairs as independent"
        ),
        "frozen_set": told(rendered, args.data, "dev"),
        **summed_up(rows),
        "packages": versions(sys.executable, "playwright", "websockets", "soxr"),
        "chromium": chromium_version(),
        "each": rows,
    }
    write_result(args.out, body, data_hash=data_hash(args.data), seed=args.seed, bundle=bundle.path)
    print(json.dumps({name: value for name, value in body.items() if name != "each"}, indent=1))
    return 0


def chromium_version() -> str:
    """Return what Chromium says that it is."""
    done = subprocess.run([CHROMIUM, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
