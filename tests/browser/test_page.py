"""The page in Chromium, on the sample scene: a word that is said, and the same word from a loudspeaker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the demo in a browser needs websockets (the extra `web`)")

from live_web_house import SCENE, Sound, served
from verifier_bundle import with_verifier

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.errors import AudioError
from edge.live_demo.listener import Listener

ROOT = Path(__file__).resolve().parents[2]
VERDICTS = "#history li"
SLOW_MS = 60_000
"""The scene lasts nine seconds; a busy machine takes longer."""
MARKS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 3);
  const near = (i, colour) => colour.every((value, c) => Math.abs(data[i + c] - value) < 3);
  const found = { accept: false, reject: false };
  for (let i = 0; i < data.length; i += 4) {
    if (near(i, [0x12, 0x73, 0x3b])) found.accept = true;
    if (near(i, [0xb3, 0x26, 0x1e])) found.reject = true;
  }
  return found;
}"""
"""Whether the spectrogram has marks in the colours of the verdicts, on a light page."""


def both_decided(page) -> list[str]:
    page.wait_for_selector(f"{VERDICTS} + li", timeout=SLOW_MS)
    return page.locator(VERDICTS).evaluate_all("all => all.map(one => one.dataset.verdict).reverse()")


def test_file_is_judged_and_shown(serve, chromium, watched):
    with serve() as address, chromium() as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("#verdict[data-verdict=accept]", timeout=SLOW_MS)
        assert page.locator("#verdict-word").inner_text() == "Open"
        assert both_decided(page) == ["accept", "reject"]
        assert page.locator("#verdict-word").inner_text() == "Shut"
        assert page.locator("#announced").inner_text().startswith("Shut. snowboy: ")
        assert wrong == []


@pytest.mark.slow
def test_page_has_no_serious_findings_of_axe(serve, chromium, watched):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    sizes = [(1280, 900), (390, 844)]
    with serve() as address, chromium(bypass_csp=True, reduced_motion="reduce") as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        both_decided(page)
        findings = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width, height in sizes:
                page.set_viewport_size({"width": width, "height": height})
                page.locator("#word-details").evaluate("details => { details.open = true; }")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                for found in axe.run(page).response["violations"]:
                    if found["impact"] in ("serious", "critical"):
                        nodes = [node["target"] for node in found["nodes"]]
                        findings.append((scheme, width, found["id"], nodes, found["nodes"][0]["failureSummary"]))
        assert findings == []
        assert wrong == []


def test_page_says_from_where_on_a_verifier_listens_again(serve, chromium, watched, tmp_path):
    folder = with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle", candidate=0.25, cutoff=0.75)
    with serve("--bundle", folder, SCENE) as address, chromium() as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        assert both_decided(page) == ["accept", "reject"]
        told = "score; from the mark on it listens again, and that decides"
        assert page.locator("#words-told").inner_text() == told
        meter = page.get_by_role("meter", name="Score of snowboy")
        assert page.locator(f"#{meter.get_attribute('aria-describedby')}").inner_text() == told
        assert meter.locator(".mark").evaluate("mark => mark.style.left") == "25%"
        assert page.locator("#words li[data-over=true]").count() <= 1
        page.locator("#word-details summary").click()
        assert page.locator("#again-told").is_visible()
        slider = page.get_by_role("slider", name="snowboy")
        assert slider.get_attribute("aria-valuetext") == "0.75"
        # The verifier is as sure of both of them.
        slider.focus()
        for _ in range(24):
            slider.press("ArrowRight")
        page.get_by_text("2 of 2 decisions would change: 2 would be not heard.").wait_for()
        assert wrong == []


def test_microphone_that_is_denied_is_told_and_the_server_goes_on(serve, chromium, watched):
    with serve() as address, chromium() as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("input[value=server]:checked")
        page.get_by_label("This browser").click()
        page.wait_for_selector("#trouble:not([hidden])")
        told = page.locator("#trouble").inner_text()
        assert told == (
            "The browser may not use a microphone. Allow it at the symbol beside the address and choose it again, or "
            "take the sound of this device."
        )
        assert page.locator("input[value=server]").is_checked()
        assert both_decided(page) == ["accept", "reject"]
        assert wrong == []


def test_page_says_what_to_do_where_the_device_has_no_microphone(serve, chromium, watched):
    listed = [sys.executable, "-m", "edge", "live", "--list-devices"]
    if "no input is there" not in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True).stdout:
        pytest.skip("needs a device without a microphone, with PortAudio")
    with serve("--liveness-only") as address, chromium() as context:
        page = context.new_page()
        wrong = watched(page)
        page.goto(address)
        page.wait_for_selector("#banner:not([hidden])")
        assert page.locator("#banner").inner_text().startswith("Microphone: no input is there, expected at least one")
        assert page.locator("#banner").inner_text().endswith("or choose the microphone of the browser on the page.")
        assert page.locator("#verdict-word").inner_text() == "Not listening"
        assert page.locator("#verdict-why").inner_text() == "Nothing is heard. Choose where the sound comes from."
        assert page.locator("input[value=server]").is_disabled()
        page.get_by_label("This browser").click()
        page.wait_for_selector("#trouble:not([hidden])")
        assert (
            page.locator("#trouble")
            .inner_text()
            .endswith("Allow it at the symbol beside the address and choose it again.")
        )
        assert wrong == []


def test_page_says_that_the_connection_is_lost(serve, chromium):
    with chromium() as context:
        page = context.new_page()
        with serve() as address:
            page.goto(address)
            page.wait_for_selector("body[data-connected=true]")
            assert page.locator("#banner").is_hidden()
        page.wait_for_selector("#banner:not([hidden])")
        assert "No connection to vivavoce" in page.locator("#banner").inner_text()
        assert page.locator("#source-text").inner_text() == "not connected"


def test_page_too_many_is_told_so_and_goes_on_once_another_is_closed(serve, chromium, watched):
    with serve() as address, chromium() as context:
        pages = [context.new_page() for _ in range(8)]
        for page in pages:
            page.goto(address)
            page.wait_for_selector("body[data-connected=true]")
        ninth = context.new_page()
        wrong = watched(ninth)
        ninth.goto(address)
        ninth.wait_for_selector("#banner:not([hidden])")
        assert ninth.locator("#banner").inner_text() == (
            "Too many pages of vivavoce are open. Close one of them, and this one goes on by itself."
        )
        pages[0].close()
        ninth.wait_for_selector("body[data-connected=true]", timeout=SLOW_MS)
        assert ninth.locator("#banner").is_hidden()
        assert wrong == []


def test_decision_that_somebody_chose_stays_until_they_choose_the_newest(serve, chromium):
    with serve() as address, chromium() as context:
        page = context.new_page()
        page.goto(address)
        both_decided(page)
        page.get_by_role("button", name="Show decision 1,").click()
        assert page.locator("#verdict-word").inner_text() == "Open"
        page.wait_for_selector("#again:not([hidden])", timeout=SLOW_MS)
        page.locator("#again").click()
        page.wait_for_selector("#history li[data-id='3']", timeout=SLOW_MS)
        assert page.locator("#history li[data-id='1']").get_attribute("data-shown") == "true"
        page.get_by_role("button", name="Show decision 3,").click()
        page.wait_for_selector("#history li[data-id='4'][data-shown=true]", timeout=SLOW_MS)


def test_decisions_are_marked_again_after_the_page_is_loaded_again(serve, chromium):
    with serve() as address, chromium(color_scheme="light") as context:
        page = context.new_page()
        page.goto(address)
        assert page.locator("#spectrogram").evaluate(MARKS) == {"accept": False, "reject": False}
        both_decided(page)
        page.reload()
        both_decided(page)
        page.wait_for_timeout(500)  # the picture is drawn fifteen times a second
        assert page.locator("#spectrogram").evaluate(MARKS) == {"accept": True, "reject": True}


class Busy(Sound):
    """A microphone that another program has."""

    def blocks(self):
        raise AudioError("USB: cannot be opened, expected a microphone that is free; stop what else uses it")


def test_microphone_of_the_device_that_is_busy_is_told_in_full(chromium, watched):
    bundle = open_bundle()
    source = Busy(np.zeros(160, np.int16), live=True)
    with served(Listener(bundle), bundle, source) as house, chromium() as context:
        page = context.new_page()
        wrong = watched(page)
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(house.server.address)
        page.wait_for_selector("#banner:not([hidden])")
        assert page.locator("#banner").inner_text() == (
            "USB: cannot be opened, expected a microphone that is free; stop what else uses it."
        )
        assert page.locator("#source-text").inner_text().startswith("lost, tried again in ")
        assert page.locator("#verdict-word").inner_text() == "Not listening"
        assert page.locator("#dot").get_attribute("data-on") == "false"
        assert wrong == []
