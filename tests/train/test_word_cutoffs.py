"""Cut-offs of words: of the wake network alone, of candidates, and of the verifier."""

import numpy as np
import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle, without_verifier
from edge.pipeline import Pipeline
from edge.sensitivity import moved_by
from edge.sources import FileSource
from tests.verifier_bundle import with_verifier
from train.wake_evaluation import detections
from train.wake_traces import trace, wake_trace
from train.word_cutoffs import CANDIDATE_SHIFT, Heard, choose_cutoffs

SCENE = DEFAULT_BUNDLE.parent / "scene.flac"


@pytest.fixture(scope="module")
def scene():
    return np.concatenate(list(FileSource(SCENE).blocks()))


@pytest.fixture(scope="module")
def plain():
    return without_verifier(open_bundle(DEFAULT_BUNDLE))


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    # What it hears is louder in speech than in a pause, so that looks differ.
    folder = tmp_path_factory.mktemp("verified") / "bundle"
    return open_bundle(with_verifier(DEFAULT_BUNDLE, folder, bias=[-9.0] * 6, gain=1.3, candidate=0.3))


def test_a_trace_without_a_verifier_is_that_of_the_wake_network(plain, scene):
    assert np.array_equal(trace(plain, scene).scores, wake_trace(plain, scene).scores)


def test_a_trace_holds_the_scores_of_looks_where_their_candidates_were(verified, scene):
    found, of_wake = trace(verified, scene), wake_trace(verified, scene)
    assert found.step_s == of_wake.step_s
    rows, words = np.nonzero(found.scores)
    assert rows.size >= 2
    cutoffs = [verified.verifier.candidates[word.id] for word in verified.words]
    for row, word in zip(rows, words, strict=True):
        near = of_wake.scores[max(0, row - 4) : row + 2, word]
        assert near.max() > cutoffs[word]


def test_detections_are_those_of_the_pipeline(verified, scene):
    pipeline = Pipeline(verified)
    pipeline.reset()
    events = [*pipeline.push(scene), *pipeline.finish()]
    wakes = [(event.word, event.decided_sample / 16_000) for event in events if type(event).__name__ == "Wake"]
    assert wakes
    assert detections(verified, scene) == wakes


def heard(scene, plain):
    words = [[scene] if word.id == "snowboy" else [] for word in plain.words]
    noise = np.random.default_rng(0).standard_normal(160_000)
    return Heard(words, [["a"] * len(some) for some in words], [(noise * 300).astype(np.int16)] * 2, ["x", "y"])


def test_without_a_verifier_there_are_no_candidates(plain, scene):
    chosen = choose_cutoffs(plain, heard(scene, plain), per_hour=1.0)
    assert chosen.verified == chosen.candidates == []
    assert chosen.deciding is chosen.alone


def test_candidates_lie_below_the_cutoffs_of_the_wake_network_where_the_verifier_is_judged(verified, plain, scene):
    said = []
    chosen = choose_cutoffs(verified, heard(scene, plain), per_hour=1.0, progress=said.append)
    alone = choose_cutoffs(plain, heard(scene, plain), per_hour=1.0).alone
    assert chosen.alone == alone
    assert chosen.candidates == [moved_by(one.cutoff, CANDIDATE_SHIFT) for one in alone]
    assert chosen.deciding is chosen.verified
    assert [one.clips for one in chosen.verified] == [one.clips for one in alone]
    assert len(said) == 2
