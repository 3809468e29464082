"""Speech-like clips of made-up talkers, and the same through something that has no bass."""

import numpy as np
import scipy.signal

from edge.endpoint import LOOK_BACK_SAMPLES
from train.baseline_models import Examples

RATE_HZ = 16_000
_SMALL = scipy.signal.butter(4, 700, "highpass", fs=RATE_HZ, output="sos")
_TILT = scipy.signal.butter(1, 150, fs=RATE_HZ)


def clip(talker: int, number: int, *, live: bool) -> np.ndarray:
    """Return a second of pulses through the formants of a talker; replayed, it is high-passed at 700 Hz."""
    voice, rng = np.random.default_rng([talker, 1]), np.random.default_rng([talker, number, 2])
    pitch_hz, stretch = voice.uniform(90, 220), voice.uniform(0.9, 1.15)
    phase = np.cumsum(pitch_hz * np.linspace(1.05, 0.9, RATE_HZ) * rng.uniform(0.95, 1.05) / RATE_HZ)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.003 * rng.standard_normal(RATE_HZ)
    formants_hz = stretch * rng.uniform((300, 900, 2200), (800, 2000, 3200))
    voiced = sum(scipy.signal.lfilter(*scipy.signal.iirpeak(f, 6, fs=RATE_HZ), pulses) for f in formants_hz)
    # A voice falls by 6 dB an octave on its way out of the mouth.
    voiced = scipy.signal.lfilter(*_TILT, voiced)
    x = voiced * np.hanning(RATE_HZ)
    if not live:
        x = scipy.signal.sosfilt(_SMALL, x)
    x = x / np.abs(x).max() * 10 ** (rng.uniform(-30, -3) / 20)
    return np.rint(32767 * x + rng.normal(0, 3, RATE_HZ)).clip(-32768, 32767).astype(np.int16)


def synthetic_word(seed: int) -> np.ndarray:
    """Two syllables, pulses through formants, with a hiss behind each; 0.3 s of silence on either side."""
    rng = np.random.default_rng(seed)
    parts = []
    for formants_hz in ((500, 1500, 2500), (300, 2200, 3000)):
        n = int(rng.uniform(0.15, 0.3) * 16000)
        pitch_hz = rng.uniform(90, 220) * np.linspace(1.0, 0.85, n)
        phase = np.cumsum(pitch_hz / 16000)
        pulses = np.diff(np.floor(phase), prepend=0.0) + 0.003 * rng.standard_normal(n)
        voiced = sum(scipy.signal.lfilter(*scipy.signal.iirpeak(f, 6, fs=16000), pulses) for f in formants_hz)
        hiss = scipy.signal.lfilter([1, -0.9], [1], rng.standard_normal(1600)) * 0.02
        parts += [voiced * np.hanning(n), hiss * np.hanning(1600)]
    word = np.concatenate(parts)
    return (0.5 * np.pad(word, 4800) / np.abs(word).max()).astype(np.float32)


def examples(talkers: range, each: int) -> Examples:
    """Return live and replayed clips in turn, of every talker as many."""
    rows = [(t, n, one) for t in talkers for n in range(each) for one in (True, False)]
    return Examples(
        [clip(t, n, live=one) for t, n, one in rows],
        np.array([one for _, _, one in rows]),
        np.array([f"t{t}" for t, _, _ in rows]),
    )


def whole(clips: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what was looked back on as part of a longer clip, in the form in which whole clips come."""
    n = len(clips["live"])
    tail = np.zeros((n, RATE_HZ // 2), np.int16)
    samples = np.concatenate((clips["audio"], tail), axis=1)
    # A detection comes at least 50 ms behind a word: no look back ends before the speech does.
    stop = clips["audio"].shape[1] - RATE_HZ // 20
    kept = {name: values for name, values in clips.items() if not name.startswith("audio")}
    where = {"speech_start": np.full(n, stop - RATE_HZ, np.int32), "speech_stop": np.full(n, stop, np.int32)}
    return {**kept, **where, "samples": samples.ravel(), "size": np.full(n, samples.shape[1], np.int32)}


def rendered(split: str, n: int, seed: int | str) -> dict[str, np.ndarray]:
    """Return clips in the form in which the simulator's renderings come."""
    rng = np.random.default_rng([*str(seed).encode(), n])
    first = {"train": 0, "dev": 100, "test": 200}[split]
    talkers = first + rng.integers(8, size=n)
    live = np.arange(n) % 2 == 0
    audio = np.zeros((n, LOOK_BACK_SAMPLES), np.int16)
    for i in range(n):
        audio[i, -RATE_HZ:] = clip(int(talkers[i]), int(rng.integers(1 << 30)), live=bool(live[i]))
    kinds = np.where(live, "none", np.where(rng.random(n) < 0.5, "phone", "tv"))
    kinds[1], kinds[3] = "phone", "tv"
    return {
        "audio": audio,
        "audio_size": np.full(n, RATE_HZ, np.int32),
        "live": live.astype(np.int8),
        "kind": kinds,
        "variant": np.where(live, "plain", "recorded"),
        "loudspeaker": np.where(live, "none", np.char.add(kinds, rng.integers(3, size=n).astype(str))),
        "room": rng.integers(6, size=n).astype(str),
        "talker": np.array([f"corpus/{t}" for t in talkers]),
        "television": (rng.random(n) < 0.2).astype(np.int8),
        "distance_m": rng.uniform(0.1, 4, n).astype(np.float32),
        "snr_db": rng.uniform(5, 40, n).astype(np.float32),
    }
