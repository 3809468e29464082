"""The microphone of the browser, from a WAV file that Chromium's fake device plays once."""

from contextlib import contextmanager
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


HEARD = "body:has(#source-text:text-is('microphone of the browser')):has(input[value=browser]:checked)"
SLOW_START = """(() => {
  const add = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async function (...given) {
    document.body.dataset.starts = "";
    await new Promise((go) => document.addEventListener("keydown", go, { once: true }));
    return add.apply(this, given);
  };
})()"""
"""The microphone does not start before a key is pressed."""
SOCKETS = """(() => {
  const Own = WebSocket;
  window.WebSocket = class extends Own {
    constructor(...given) {
      super(...given);
      document.addEventListener("keydown", () => this.close(), { once: true });
    }
  };
})()"""
"""The connection is lost when a key is pressed."""


@pytest.fixture
def silent(tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16_000, np.int16), 16_000)
    return path


def heard_on(page) -> None:
    """Wait until a second more was heard."""
    page.wait_for_selector(HEARD, timeout=SLOW_MS)
    before = page.locator("#heard").inner_text()
    page.wait_for_selector(f"#heard:not(:text-is('{before}'))", timeout=SLOW_MS)
    page.wait_for_selector(HEARD, timeout=SLOW_MS)


@contextmanager
def starting(serve, chromium, watched, silent):
    """Open a page whose microphone is asked for, and starts with the next key; yield it, and what goes wrong on it."""
    with serve(silent) as address, chromium(heard=silent) as context:
        context.add_init_script(SLOW_START)
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("#again:not([hidden])", timeout=SLOW_MS)
        page.get_by_label("This browser").click()
        page.wait_for_selector("body[data-starts]")
        yield page, wrong


def test_what_the_server_tells_while_the_microphone_starts_does_not_end_it(serve, chromium, watched, silent):
    with starting(serve, chromium, watched, silent) as (page, wrong):
        page.get_by_role("switch").click()
        page.wait_for_selector("#keep[aria-checked=true]")
        assert page.locator("input[value=browser]").is_checked()
        page.keyboard.press("Shift")
        heard_on(page)
        assert page.locator("#trouble").is_hidden()
        assert wrong == []


def test_who_chooses_another_source_while_the_microphone_starts_gets_that(serve, chromium, watched, silent):
    with starting(serve, chromium, watched, silent) as (page, wrong):
        page.get_by_text("Off", exact=True).click()
        page.keyboard.press("Shift")
        page.wait_for_timeout(500)
        assert page.locator("input[value=none]").is_checked()
        assert page.locator("#source-text").inner_text() == "off"
        assert wrong == []


def test_the_microphone_is_heard_again_after_the_connection_was_lost(serve, chromium, silent):
    with serve(silent) as address, chromium(heard=silent) as context:
        context.add_init_script(SOCKETS)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#again:not([hidden])", timeout=SLOW_MS)
        page.get_by_label("This browser").click()
        heard_on(page)
        page.keyboard.press("Shift")
        page.wait_for_selector("#banner:not([hidden])")
        heard_on(page)
        assert page.locator("#banner").is_hidden()


def test_sound_that_does_not_start_is_told(serve, chromium, silent):
    with serve(silent) as address, chromium(heard=silent) as context:
        context.add_init_script("AudioContext.prototype.resume = () => new Promise(() => {})")
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-connected=true]")
        page.get_by_label("This browser").click()
        page.wait_for_selector("#trouble:not([hidden])", timeout=SLOW_MS)
        assert page.locator("#trouble").inner_text().startswith("The sound of this browser does not start.")
        assert not page.locator("input[value=browser]").is_checked()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("NotFoundError", "The browser finds no microphone. Connect one and choose it again, or "),
        ("NotReadableError", "The microphone cannot be opened: another program may have it. End that program and "),
        ("AbortError", "The microphone cannot be used (of a test). Choose it again, or "),
    ],
)
def test_a_microphone_that_the_browser_cannot_open_is_told(serve, chromium, watched, silent, fault, told):
    with serve(silent) as address, chromium(heard=silent) as context:
        context.add_init_script(
            f"MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException('of a test', '{fault}'))"
        )
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("body[data-connected=true]")
        page.get_by_label("This browser").click()
        page.wait_for_selector("#trouble:not([hidden])")
        assert page.locator("#trouble").inner_text().startswith(told)
        assert page.locator("#trouble").inner_text().endswith("or take the sound of this device.")
        assert not page.locator("input[value=browser]").is_checked()
        assert wrong == []
