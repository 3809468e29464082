"""The live demo with a verifier: it decides as the gate does, and shows what is listened to again."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="the demo in a browser needs websockets (the extra `web`)")

import soundfile
from live_web_house import LONG_S, SCENE, Sound, served
from verifier_bundle import with_verifier

from edge.bundle import DEFAULT_BUNDLE, Bundle, open_bundle, without_verifier
from edge.events import Decision, End, Wake
from edge.live_demo.listener import Listener
from edge.live_demo.state import State
from edge.live_web.engine import Engine
from edge.live_web.records import hello_record
from edge.live_web.what_if import Cutoffs
from edge.pipeline import Pipeline
from edge.sample_time import SAMPLE_RATE_HZ
from edge.stages import NEVER

WORD = 4
WORDS = 6
# Logits rise with what is heard: of the scene's two words the first looks are too early, and the next ones are not.
HESITANT = {"bias": [-74.0] * WORDS, "gain": 10.0, "candidate": 0.1}
EVENTS: dict[tuple[Path, int], list] = {}
PIECE = 480
"""Samples that the page pushes at a time."""


class Told:
    """A page that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def tell(self, record: dict[str, Any]) -> None:
        self.records.append(record)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return soundfile.read(SCENE, dtype="int16")[0]


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory):
    """Return a function that makes bundles, each once."""
    made: dict[str, Bundle] = {}

    def make(**settings) -> Bundle:
        key = json.dumps(settings, sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("bundle") / "verified"
            made[key] = open_bundle(with_verifier(DEFAULT_BUNDLE, folder, **settings))
        return made[key]

    return make


def events_of(bundle: Bundle, samples: np.ndarray) -> list:
    key = bundle.path, samples.size  # of the scene's beginnings, each once
    if key not in EVENTS:
        pipeline = Pipeline(bundle)
        EVENTS[key] = [event for event in (*pipeline.push(samples), *pipeline.finish()) if not isinstance(event, End)]
    return EVENTS[key]


def heard(listener: Listener, samples: np.ndarray, block: int = 1024) -> list:
    found = []
    for at in range(0, samples.size, block):
        found += listener.push(samples[at : at + block])
    return [*found, *listener.finish()]


def looks_of(listener: Listener, samples: np.ndarray) -> list[tuple[int, float]]:
    """Return when something was compared with the word's cut-off, and its score, as the page does it."""
    found = []
    for at in range(0, samples.size, PIECE):
        list(listener.push(samples[at : at + PIECE]))
        found.append((listener.state.heard_samples, listener.state.deciding[WORD]))
    list(listener.finish())
    return [*found, (listener.state.heard_samples, listener.state.deciding[WORD])]


@pytest.mark.parametrize("block", [1000, 200_000])
@pytest.mark.parametrize("settings", [{}, HESITANT, {"delay_ms": 0}, {"delay_ms": 105}, {"delay_ms": 1000}], ids=str)
def test_it_decides_what_a_pipeline_decides(bundle_of, scene, settings, block):
    bundle = bundle_of(**settings)
    events = events_of(bundle, scene)
    assert [type(event) for event in events] == [Wake, Decision] * 2
    assert heard(Listener(bundle), scene, block) == events


@pytest.mark.parametrize(("delay_ms", "block"), [(100, 320), (105, 400), (1000, 320)])
def test_it_decides_as_soon_as_a_pipeline_does(bundle_of, scene, delay_ms, block):
    bundle = bundle_of(delay_ms=delay_ms)
    pipeline, listener = Pipeline(bundle), Listener(bundle)
    found = 0
    for at in range(0, 5 * SAMPLE_RATE_HZ, block):
        piece = scene[at : at + block]
        events = list(pipeline.push(piece))
        assert list(listener.push(piece)) == events, f"in the block that ends at sample {at + block}"
        found += len(events)
    assert found == 2


def test_the_first_looks_of_the_scene_are_too_early(bundle_of, scene):
    """What the others rest on: without it they would compare words that are heard at the first look."""
    early = [event.decided_sample for event in events_of(bundle_of(candidate=0.1), scene) if isinstance(event, Wake)]
    late = [event.decided_sample for event in events_of(bundle_of(**HESITANT), scene) if isinstance(event, Wake)]
    assert len(early) == len(late) == 2
    assert all(before < after for before, after in zip(early, late, strict=True))


@pytest.mark.parametrize("cut", [7, 1599, 1601])
@pytest.mark.parametrize("mode", ["both", "wake"])
def test_what_still_waits_at_the_end_is_looked_at(bundle_of, scene, mode, cut):
    bundle = bundle_of()
    first = events_of(bundle, scene)[0].decided_sample
    until = scene[: first + cut]
    events = events_of(bundle, until)
    assert [type(event) for event in events] == [Wake, Decision]
    listener = Listener(bundle, mode=mode)
    found = heard(listener, until)
    if mode == "both":
        assert found == events
    else:
        assert [(one.word, one.score, one.decided_sample) for one in found] == [("snowboy", events[0].score, first)]
    assert len(listener.state.decisions) == 1


@pytest.mark.parametrize("block", [250, 200_000])
def test_wake_only_hears_at_the_same_moments(bundle_of, scene, block):
    bundle = bundle_of(**HESITANT)
    found = heard(Listener(bundle, mode="wake"), scene, block)
    wakes = [event for event in events_of(bundle, scene) if isinstance(event, Wake)]
    assert [(event.word, event.score, event.decided_sample) for event in found] == [
        (event.word, event.score, event.decided_sample) for event in wakes
    ]


def test_what_the_verifier_does_not_hear_is_not_heard(bundle_of, scene):
    bundle = bundle_of(cutoff=0.99)
    assert heard(Listener(bundle), scene) == events_of(bundle, scene) == []


def test_words_that_are_not_chosen_are_not_looked_at(bundle_of, scene):
    listener = Listener(bundle_of(), words=["alexa"])
    assert heard(listener, scene) == []
    assert not any(score for _, score in looks_of(Listener(bundle_of(), words=["alexa"]), scene))
    assert [score <= 1.0 for score in listener.state.marks] == [True, *[False] * 5]


def test_liveness_only_needs_no_verifier(bundle_of, scene):
    listener = Listener(bundle_of(), mode="liveness")
    assert heard(listener, scene) == []
    assert listener.state.candidates is None
    assert listener.state.marks == ()


@pytest.mark.parametrize("mode", ["both", "wake"])
@pytest.mark.parametrize("settings", [{}, {"delay_ms": 200}, {"delay_ms": 1000}], ids=str)
def test_two_seconds_of_sound_are_kept(bundle_of, scene, settings, mode):
    bundle = bundle_of(**settings)
    listener = Listener(bundle, mode=mode)
    listener.keeps_sound = True
    heard(listener, scene)
    assert len(listener.state.decisions) == 2
    for ruled in listener.state.decisions:
        # Where nothing is judged, all is kept that was heard when the verifier looked.
        end = ruled.at_sample + (bundle.verifier.delay_samples if mode == "wake" else 0)
        np.testing.assert_array_equal(ruled.sound, scene[max(0, end - 2 * SAMPLE_RATE_HZ) : end])


def test_a_stream_that_begins_again_has_no_candidates_of_before(bundle_of, scene):
    bundle = bundle_of()
    first = events_of(bundle, scene)[0].decided_sample
    listener = Listener(bundle)
    assert list(listener.push(scene[: first + 160])) == []
    listener.begin(SAMPLE_RATE_HZ)
    assert heard(listener, np.zeros(SAMPLE_RATE_HZ, np.int16)) == []


def test_bars_show_the_wake_network_and_where_the_verifier_listens(bundle_of, scene):
    bundle = bundle_of(candidate=0.25, cutoff=0.75)
    listener = Listener(bundle)
    shown, alone = listener.state, Listener(without_verifier(open_bundle())).state
    assert (shown.cutoffs, shown.marks) == ((0.75,) * WORDS, (0.25,) * WORDS)
    assert alone.marks == alone.cutoffs
    heard(listener, scene)
    # That of the verifier is 0.98, always.
    assert 0.0 < max(shown.scores) < 0.2


def test_looks_are_seen_in_the_block_in_which_they_fall(bundle_of, scene):
    bundle = bundle_of(cutoff=0.99, candidate=0.9)
    looks = looks_of(Listener(bundle), scene)
    seen = [(at, score) for at, score in looks if score]
    assert len(seen) >= 2
    assert {round(score, 2) for _, score in seen} == {0.98}
    assert looks[-1][1] == 0.0, "nothing waited for the end"


def test_a_look_at_the_end_is_seen_and_those_of_before_no_more(bundle_of, scene):
    bundle = bundle_of(cutoff=0.99, candidate=0.9)
    first = next(at for at, score in looks_of(Listener(bundle), scene) if score)
    *before, last = looks_of(Listener(bundle), scene[: first - PIECE])
    assert not any(score for _, score in before)
    assert last == (first - PIECE, pytest.approx(0.982, abs=0.001))


def test_the_highest_look_of_a_block_counts():
    shown = State(("hey", "you"), (0.5, NEVER), 0.6, 0.4, 40, candidates=(0.3, NEVER))
    shown.score(np.array([0.9, 0.0]))
    assert shown.deciding == (0.0, 0.0)
    for score in (0.2, 0.4, 0.3):
        shown.look(0, score)
    assert (shown.deciding, shown.scores) == ((0.4, 0.0), (0.9, 0.0))
    shown.hear(np.zeros(10, np.int16))
    assert shown.deciding == (0.0, 0.0)


def test_without_a_verifier_the_scores_decide():
    shown = State(("hey", "you"), (0.5, NEVER), 0.6, 0.4, 40)
    shown.score(np.array([0.9, 0.1]))
    shown.hear(np.zeros(10, np.int16))
    assert shown.deciding == shown.scores == (0.9, 0.1)


def test_other_cut_offs_of_the_page_are_those_of_the_verifier(bundle_of, scene):
    bundle = bundle_of(cutoff=0.99, candidate=0.9)
    gate = {"type": "what_if", "accept": bundle.liveness.accept_cutoff, "reject": bundle.liveness.reject_cutoff}
    with served(Listener(bundle), bundle, Sound(scene)) as house, house.open() as page:
        page.hear("source", lambda record: record["ended"])
        page.ask(**gate, words={"snowboy": 0.98})
        more = page.hear("what_if")["also_heard"]
        assert [(miss["word"], round(miss["score"], 2)) for miss in more] == [("snowboy", 0.98)] * 2
        # The wake network's score was higher, and does not count.
        page.ask(**gate, words={"snowboy": 0.983})
        assert page.hear("what_if")["also_heard"] == []


def test_a_lower_cut_off_of_the_wake_network_is_no_near_miss(bundle_of, scene):
    """Where the verifier hears the word at once, nothing was missed, whatever the wake network made of it before."""
    bundle = bundle_of(cutoff=0.5, candidate=0.9)
    gate = {"type": "what_if", "accept": bundle.liveness.accept_cutoff, "reject": bundle.liveness.reject_cutoff}
    with served(Listener(bundle), bundle, Sound(scene)) as house, house.open() as page:
        decided = [page.hear("decision")["decision"] for _ in range(2)]
        page.hear("source", lambda record: record["ended"])
        page.ask(**gate, words=dict.fromkeys((word.id for word in bundle.words), 0.0))
        assert page.hear("what_if")["also_heard"] == []
        page.ask(**gate, words={"snowboy": 0.99})
        changed = page.hear("what_if")["changed"]
        assert changed == {str(decision["id"]): "not heard" for decision in decided}


def test_a_look_at_the_end_of_a_file_may_be_a_near_miss(bundle_of, scene):
    bundle = bundle_of(cutoff=0.99, candidate=0.9)
    first = next(at for at, score in looks_of(Listener(bundle), scene) if score)
    listener = Listener(bundle)
    engine = Engine(listener, bundle, Sound(scene[: first - PIECE]))
    page = Told()
    engine.join(page)
    until = time.monotonic() + LONG_S
    while not any(record["type"] == "source" and record["ended"] for record in page.records):
        assert time.monotonic() < until
        engine.step()
    engine.what_if(page, Cutoffs(1.0, 0.0, {"snowboy": 0.98}))
    assert [miss["word"] for miss in page.records[-1]["also_heard"]] == ["snowboy"]


@pytest.mark.parametrize("verified", [True, False])
def test_a_page_is_told_of_marks_and_cut_offs(bundle_of, verified):
    bundle = bundle_of(candidate=0.25, cutoff=0.75) if verified else without_verifier(open_bundle())
    listener = Listener(bundle, words=["jarvis"])
    found = json.loads(json.dumps(hello_record(listener.state, bundle, listener.reference), allow_nan=False))
    assert found["listens_again"] is verified
    jarvis = next(entry for entry in found["words"] if entry["listened"])
    cutoff = bundle.word("jarvis").cutoff
    assert (jarvis["id"], jarvis["cutoff"], jarvis["mark"]) == ("jarvis", cutoff, 0.25 if verified else cutoff)
