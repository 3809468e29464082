"""``vivavoce collect`` on a microphone: PortAudio records the monitor of a null sink that a synthesiser speaks into."""

import csv
import hashlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from e2e.virtual_microphone import RATE_HZ, Room, missing, room_for

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"espeak-ng": ["espeak-ng", "-w"], "flite": ["flite", "-o"]}

pytestmark = pytest.mark.slow


@pytest.fixture
def room(tmp_path_factory) -> Iterator[Room]:
    reason = missing() if any(shutil.which(tool) for tool in WORDS) else missing("espeak-ng")
    yield from room_for(tmp_path_factory, reason)


def speak(folder: Path, name: str, gain: float, *options: str) -> Path:
    """Let a synthesiser say the word, with the pause in front that the first samples of a player need."""
    tool = next(tool for tool in WORDS if shutil.which(tool))
    raw = folder / f"{name}-raw.wav"
    extra = options if tool == "espeak-ng" else ()
    text = ["hey house"] if tool == "espeak-ng" else ["-t", "hey house"]
    subprocess.run([*WORDS[tool], str(raw), *extra, *text], check=True, capture_output=True)
    x, rate_hz = soundfile.read(raw, dtype="float32")
    x = soxr.resample(x, rate_hz, RATE_HZ)
    x *= gain / np.abs(x).max()
    path = folder / f"{name}.wav"
    soundfile.write(path, np.concatenate((np.zeros(RATE_HZ * 6 // 10), x)), RATE_HZ, subtype="PCM_16")
    return path


def command(room: Room, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "collect", *options],
        cwd=ROOT, env={**room.environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def converse(process: subprocess.Popen[str], answer: Callable[[str], None]) -> tuple[list[str], str]:
    """Call `answer` with every line of the program as it comes; return all, and what it complained of."""
    lines = []
    with process:
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                answer(lines[-1])
            return lines, process.stderr.read()
        except BaseException:
            process.kill()
            raise


def test_words_and_replays_are_recorded_through_portaudio(room, tmp_path):
    # Said too softly first; then three voices, and pitches, as takes differ.
    said = [
        speak(tmp_path, "soft", 0.004),
        *(speak(tmp_path, f"said{i}", 0.3, "-p", str(40 + 15 * i), "-s", str(140 + 20 * i)) for i in range(3)),
    ]
    waiting = iter(said)
    played: list[Path] = []

    def person(line: str) -> None:
        if re.fullmatch(r'\d of 3: say "hey house" now', line):
            room.play(next(waiting))
        elif found := re.fullmatch(r" +(\S+\.wav) \(\d+ s\)", line):
            played.append(Path(found[1]))
        elif line.endswith("play it now"):
            room.play(played[-1])

    out = tmp_path / "out"
    process = command(
        room, "--word", "Hey House", "--out", str(out), "--takes", "3", "--speaker", "ann", "--room", "hall",
        "--device", "board", "--microphone", "pulse", "--loudspeaker", "phone", "--consent", "yes",
    )  # fmt: skip
    lines, complaint = converse(process, person)
    report = "\n".join([*lines, complaint])
    assert process.returncode == 0, report
    assert sum("again, please: too quiet" in line for line in lines) == 1, report
    assert "3 takes and 3 replays of 'ann'" in lines[-1], report

    with (out / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [
        *(f"live/ann/hey_house/00{i}.flac" for i in (1, 2, 3)),
        *(f"replay/phone/ann/hey_house/00{i}.flac" for i in (1, 2, 3)),
    ]
    for row in rows:
        content = (out / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        samples, rate_hz = soundfile.read(out / row["path"], dtype="int16")
        assert (rate_hz, samples.ndim) == (RATE_HZ, 1)
        assert (row["device"], row["room"], row["native_hz"]) == ("board", "hall", "16000")

    # What was said is in the takes, sample by sample: nothing was lost or resampled on the way.
    for row, path in zip(rows[:3], said[1:], strict=True):
        assert correlation(soundfile.read(out / row["path"])[0], word_of(path)) > 0.999, report
    # And each replay is that of its take: at the same place, and of no other.
    takes = [soundfile.read(out / row["path"])[0] for row in rows[:3]]
    for i, row in enumerate(rows[3:]):
        replay = soundfile.read(out / row["path"])[0]
        similar = [correlation(replay, word_of(path)) for path in said[1:]]
        assert int(np.argmax(similar)) == i
        assert similar[i] > 0.99
        assert replay.size == takes[i].size


def word_of(path: Path) -> np.ndarray:
    """Return what was said, without what is too soft to belong to a word."""
    samples = soundfile.read(path)[0]
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1]]


def correlation(heard: np.ndarray, word: np.ndarray) -> float:
    """Return the greatest correlation coefficient of a word and a part of what was heard."""
    size = heard.size + word.size
    dots = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(word, size)), size)[: heard.size - word.size]
    energy = np.convolve(heard**2, np.ones(word.size), "valid")[: dots.size]
    return float((dots / np.sqrt(energy * (word @ word) + 1e-12)).max())


def test_a_microphone_that_disappears_is_one_line_and_nothing_is_lost(room, tmp_path):
    word = speak(tmp_path, "said", 0.3)

    def person(line: str) -> None:
        if line.startswith("1 of 2"):
            room.play(word)
        elif line.startswith("2 of 2"):
            room.server.send_signal(signal.SIGKILL)

    out = tmp_path / "out"
    process = command(room, "--word", "hey house", "--out", str(out), "--takes", "2", "--consent", "yes")
    lines, complaint = converse(process, person)
    assert process.returncode == 2, (lines, complaint)
    # PortAudio may complain by itself, from its own thread, before.
    assert re.fullmatch(r"vivavoce: \S+: the microphone stopped: .*", complaint.splitlines()[-1]), complaint
    assert "Traceback" not in complaint
    assert (out / "live/speaker1/hey_house/001.flac").is_file()
    assert lines[-2].startswith("That did not go on. Kept: 1 takes")


def test_devices_are_listed_by_the_names_that_choose_them(room, tmp_path):
    listed = command(room, "--list-devices")
    output, complaint = listed.communicate(timeout=60)
    assert (listed.returncode, complaint) == (0, "")
    assert "pulse" in output
    wrong = command(room, "--word", "a b", "--out", str(tmp_path), "--consent", "yes", "--microphone", "no such one")
    output, complaint = wrong.communicate(timeout=60)
    assert wrong.returncode == 2
    assert re.fullmatch(r"vivavoce: microphone: no input has 'no such one' in its name, .*'pulse'.*\n", complaint)
