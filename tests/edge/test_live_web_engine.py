"""What listens behind the page: when it does, what all pages see of it, and what is left for one that comes again."""

import io
import time
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the demo in a browser needs websockets (the extra `web`)")

import soundfile
from live_web_house import LONG_S, SCENE, Sound, served

from edge.bundle import open_bundle
from edge.capture import Block, Gap, Opened
from edge.errors import AudioError, UsageError
from edge.live_demo.listener import Listener
from edge.live_web.browser_source import BrowserMicrophone
from edge.live_web.engine import Engine


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture(scope="module")
def scene():
    return soundfile.read(SCENE, dtype="int16")[0]


class Told:
    """A page that keeps what it is told."""

    def __init__(self) -> None:
        self.records = []

    def tell(self, record) -> None:
        self.records.append(record)

    def of(self, kind):
        return [record for record in self.records if record["type"] == kind]


def until(engine, done):
    end = time.monotonic() + LONG_S
    while not done():
        assert time.monotonic() < end, "it did not come to that"
        engine.step()


def test_nothing_is_heard_while_no_page_is_open(bundle, scene):
    source = Sound(scene, live=True, waits=True)
    listener = Listener(bundle)
    engine = Engine(listener, bundle, source)
    for _ in range(3):
        engine.step()
    assert source.opened == 0
    page = Told()
    engine.join(page)
    until(engine, lambda: listener.state.heard_samples > 0)
    engine.leave(page)
    heard = listener.state.heard_samples
    for _ in range(3):
        engine.step()
    assert listener.state.heard_samples == heard
    assert (source.opened, source.closed) == (1, 1)
    engine.join(page)
    until(engine, lambda: listener.state.heard_samples > heard)
    assert source.opened == 2
    engine.leave(page)
    assert source.closed == 2


def test_a_page_that_comes_again_has_the_history(bundle, scene):
    listener = Listener(bundle)
    with served(listener, bundle, Sound(scene)) as house:
        with house.open() as page:
            assert page.hear("hello")["history"] == []
            told = [page.hear("decision")["decision"], page.hear("decision")["decision"]]
            page.hear("source", lambda record: record["ended"])
        with house.open() as page:
            hello = page.hear("hello")
            assert hello["history"] == told
            assert [entry["id"] for entry in hello["history"]] == [1, 2]
            assert hello["columns"]
            page.ask(type="what_if", accept=1, reject=1)
            # The sound begins again for the page, and may have been decided on once more by now.
            changed = {key: verdict for key, verdict in page.hear("what_if")["changed"].items() if int(key) <= 2}
            assert changed == {str(entry["id"]): "reject" for entry in told if entry["verdict"] != "reject"}
            page.ask(type="clear")
            assert page.hear("history")["history"] == []


def test_sound_is_kept_only_where_it_is_asked_for_and_forgotten_when_it_is_not(bundle, scene):
    with served(Listener(bundle), bundle, Sound(scene)) as house, house.open() as page:
        page.hear("source", lambda record: record["ended"])
        assert house.get(f"{house.path}audio/1.wav")[0] == 404
        page.ask(type="keep", on=True)
        page.ask(type="source", kind="server")
        number = page.hear("decision", lambda record: record["decision"]["kept"])["decision"]["id"]
        status, headers, content = house.get(f"{house.path}audio/{number}.wav")
        assert (status, headers["Content-Type"]) == (200, "audio/wav")
        sound, rate = soundfile.read(io.BytesIO(content), dtype="int16")
        assert rate == 16_000
        assert sound.size == 32_000
        assert sound.tobytes() in scene.tobytes()
        page.ask(type="keep", on=False)
        assert not any(entry["kept"] for entry in page.hear("history")["history"])
        assert house.get(f"{house.path}audio/{number}.wav")[0] == 404


def test_the_microphone_of_a_page_is_heard_and_goes_with_it(bundle, scene):
    # The other page is read from late: without a limit it takes meanwhile what comes, and answers pings.
    with served(Listener(bundle), bundle) as house, house.open(max_queue=None) as other:
        with house.open() as page:
            page.ask(type="source", kind="browser", rate_hz=16_000)
            page.hear("source", lambda record: record["yours"])
            for at in range(0, scene.size, 3200):
                page.socket.send(scene[at : at + 3200].tobytes())
                page.hear("state")
            assert other.hear("decision")["decision"]["id"] == 1
        other.hear("source", lambda record: record["kind"] == "none")
        assert other.hear("state")["note"] == "the page whose microphone was used is gone"


def test_without_a_source_of_the_server_none_can_be_used(bundle):
    engine = Engine(Listener(bundle), bundle, None, note="no microphone")
    page = Told()
    engine.join(page)
    assert page.of("hello")[0]["server"] is None
    assert page.of("state")[-1]["note"] == "no microphone"
    with pytest.raises(UsageError, match="the server has no source"):
        engine.use_server()


def test_it_is_over_where_the_source_ended_and_nobody_has_looked_for_a_while(bundle, scene):
    now = [0.0]
    engine = Engine(Listener(bundle), bundle, Sound(scene[:16_000]), clock=lambda: now[0])
    page = Told()
    assert not engine.over(0.0)
    engine.join(page)
    until(engine, lambda: any(record["ended"] for record in page.of("source")))
    now[0] = 100.0
    assert not engine.over(5.0), "somebody looks"
    engine.leave(page)
    assert not engine.over(5.0)
    now[0] = 105.0
    assert engine.over(5.0)
    engine.join(page)
    assert not engine.over(5.0)


def test_a_microphone_that_nobody_reads_holds_the_newest_sound_only():
    microphone = BrowserMicrophone(16_000)
    for i in range(70):
        microphone.push(np.full(1600, i, np.int16).tobytes())
    microphone.close()
    sound = np.concatenate(list(microphone.blocks()))
    assert microphone.overflows == 20
    assert sound.size == 80_000
    assert sound[0] == 20
    assert sound[-1] == 69


class Faulty(Sound):
    """A microphone that another program has, until it lets go of it.

    Its sound never stops: pages are told 15 times a second whether there is any, and a scene at once may be heard
    between two of these times.
    """

    busy = True

    def blocks(self):
        if self.busy:
            raise AudioError(f"{self.name}: cannot be opened; stop what else uses it")
        while True:
            time.sleep(0.01)
            yield self._samples[:1024]


def test_whether_sound_comes_is_told_and_why_not(bundle, scene):
    source = Faulty(scene, live=True, waits=True)
    engine = Engine(Listener(bundle), bundle, source)
    page = Told()
    engine.join(page)
    until(engine, lambda: page.of("state")[-1]["note"])
    state = page.of("state")[-1]
    assert state["note"] == "sound of a test: cannot be opened; stop what else uses it"
    assert state["source"].startswith("lost, tried again in ")
    assert state["hears"] is False
    source.busy = False
    until(engine, lambda: page.of("state")[-1]["hears"])
    state = page.of("state")[-1]
    assert (state["source"], state["note"]) == ("sound of a test", "")
    engine.use_nothing("")
    until(engine, lambda: not page.of("state")[-1]["hears"])
    engine.leave(page)


def test_that_sound_was_lost_is_told_for_ten_seconds_of_it(bundle):
    second = np.zeros(16_000, np.int16)
    listener = Listener(bundle)
    engine = Engine(listener, bundle, None)
    items = deque([Opened("sound", 16_000), Gap(480, "too slow"), *[Block(second)] * 10])
    capture = SimpleNamespace(take=lambda timeout_s: items.popleft())
    while len(items) > 1:
        engine._take(capture)
    assert listener.state.note == "too slow: 480 samples are lost"
    engine._take(capture)
    assert listener.state.note == ""
