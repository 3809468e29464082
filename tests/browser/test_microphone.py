"""The microphone of the browser, from a WAV file that Chromium's fake device plays once."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
SLOW_MS = 60_000
RATE_HZ = 48_000
TAKES = {"accept": (0.8, 4.4), "reject": (4.9, 9.0)}
"""Of the sample scene, s: the word said in the room, and played by a loudspeaker."""


def take(verdict: str) -> np.ndarray:
    scene, rate_hz = soundfile.read(ROOT / "edge" / "data" / "scene.flac", dtype="float32")
    start, end = (round(second * rate_hz) for second in TAKES[verdict])
    return scene[start:end]


def likeness(heard: np.ndarray, sent: np.ndarray) -> float:
    """Return the highest correlation of what was heard with any stretch of what was sent."""
    heard = heard - heard.mean()
    n = 1 << (heard.size + sent.size).bit_length()
    products = np.fft.irfft(np.fft.rfft(sent, n) * np.conj(np.fft.rfft(heard, n)), n)[: sent.size - heard.size + 1]
    powers = np.convolve(sent**2, np.ones(heard.size), mode="valid")
    return float(np.max(products / np.sqrt(powers * np.sum(heard**2))))


@pytest.mark.slow
@pytest.mark.parametrize("verdict", TAKES)
def test_what_the_browser_hears_is_judged(serve, chromium, watched, tmp_path, verdict):
    from scipy.signal import resample_poly

    sent = take(verdict)
    # The device starts to play before the page listens, so that the word is late in the file.
    quiet = np.resize(sent[: int(0.5 * 16_000)], 3 * 16_000)
    sent = np.concatenate([quiet, sent, quiet]).astype(np.float64)
    wav = tmp_path / "take.wav"
    soundfile.write(wav, resample_poly(sent, RATE_HZ // 16_000, 1), RATE_HZ, subtype="PCM_16")
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(16_000, np.int16), 16_000)
    with serve(silence) as address, chromium(heard=wav) as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("body[data-connected=true]")
        page.get_by_role("switch").click()
        page.get_by_label("This browser").click()
        page.wait_for_selector("#history li", timeout=SLOW_MS)
        assert page.locator("#verdict").get_attribute("data-verdict") == verdict
        assert page.locator("#trouble").is_hidden()
        sound = tmp_path / "heard.wav"
        number = page.locator("#history li").first.get_attribute("data-id")
        sound.write_bytes(context.request.get(f"{address}audio/{number}.wav").body())
        heard, rate_hz = soundfile.read(sound)
        assert rate_hz == 16_000
        assert likeness(heard, sent) > 0.9
        assert wrong == []
