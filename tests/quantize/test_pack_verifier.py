"""A verifier in a bundle: packed beside the other networks, with the cut-offs of both stages."""

import json

import pytest

from edge.bundle import DEFAULT_BUNDLE, networks_of, open_bundle, without_verifier
from edge.errors import BundleError, DataError
from quantize.pack import pack
from tests.verifier_bundle import with_verifier

WORDS = [word.id for word in open_bundle(DEFAULT_BUNDLE).words]
LIVENESS = {"accept": 0.8, "reject": 0.3, "calibration": {"slope": 2.0, "offset": -1.0}}
CUTOFFS = {
    "words": {word: 0.9 + at / 100 for at, word in enumerate(WORDS)},
    "verifier": {word: {"candidate": 0.5 + at / 100, "cutoff": 0.7 + at / 100} for at, word in enumerate(WORDS)},
    "liveness": LIVENESS,
}


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    return with_verifier(DEFAULT_BUNDLE, tmp_path_factory.mktemp("verified") / "bundle", delay_ms=120, again_ms=300)


def packed(destination, verifier, cutoffs=None):
    path = None
    if cutoffs is not None:
        path = destination.parent / "cutoffs.json"
        path.write_text(json.dumps(cutoffs))
    return pack(DEFAULT_BUNDLE, DEFAULT_BUNDLE, destination, verifier=verifier, cutoffs=path)


def test_a_verifier_is_packed_with_the_cutoffs_of_both_stages(verified, tmp_path):
    report = packed(tmp_path / "bundle", verified, CUTOFFS)
    bundle = open_bundle(tmp_path / "bundle")
    part = bundle.verifier
    assert (part.delay_ms, part.again_ms) == (120, 300)
    assert part.candidates == {word: 0.5 + at / 100 for at, word in enumerate(WORDS)}
    assert part.alone == CUTOFFS["words"]
    assert [word.cutoff for word in bundle.words] == [0.7 + at / 100 for at in range(len(WORDS))]
    assert bundle.content("verifier.tflite") == open_bundle(verified).content("verifier.tflite")
    assert list(networks_of(bundle)) == ["wake", "verifier", "liveness"]
    assert not report["provisional"]
    assert "verifier" in bundle.content("MODEL_CARD.md").decode()


def test_without_its_verifier_a_bundle_hears_by_the_cutoffs_for_that(verified, tmp_path):
    packed(tmp_path / "bundle", verified, CUTOFFS)
    alone = without_verifier(open_bundle(tmp_path / "bundle"))
    assert alone.verifier is None
    assert {word.id: word.cutoff for word in alone.words} == CUTOFFS["words"]
    shipped = open_bundle(DEFAULT_BUNDLE)
    if shipped.verifier is None:
        assert without_verifier(shipped) is shipped


def test_without_cutoffs_those_of_the_verifier_are_provisional_too(verified, tmp_path):
    assert packed(tmp_path / "bundle", verified)["provisional"]
    bundle = open_bundle(tmp_path / "bundle")
    assert {word.cutoff for word in bundle.words} == set(bundle.verifier.candidates.values()) == {0.5}


def test_without_a_verifier_the_bundle_has_none(tmp_path):
    packed(tmp_path / "bundle", None, CUTOFFS)
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.verifier is None
    assert "verifier.tflite" not in bundle.files
    assert {word.id: word.cutoff for word in bundle.words} == CUTOFFS["words"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda cutoffs: cutoffs.pop("verifier"), "verifier: got no such entry"),
        (lambda cutoffs: cutoffs["verifier"].pop(WORDS[1]), f"verifier.{WORDS[1]}: got no such entry"),
        (lambda cutoffs: cutoffs["verifier"][WORDS[1]].pop("candidate"), f"verifier.{WORDS[1]}.candidate"),
        (lambda cutoffs: cutoffs["verifier"].update({WORDS[1]: 0.5}), f"verifier.{WORDS[1]}.candidate"),
    ],
)
def test_cutoffs_that_lack_something_are_refused(verified, tmp_path, change, told):
    cutoffs = json.loads(json.dumps(CUTOFFS))
    change(cutoffs)
    with pytest.raises(DataError, match=told):
        packed(tmp_path / "bundle", verified, cutoffs)
    assert not (tmp_path / "bundle").exists()


def test_a_cutoff_that_is_none_is_refused_when_the_bundle_is_opened(verified, tmp_path):
    cutoffs = json.loads(json.dumps(CUTOFFS))
    cutoffs["verifier"][WORDS[2]]["candidate"] = 1.5
    with pytest.raises(BundleError, match=rf"verifier.words.{WORDS[2]}.candidate: got 1.5"):
        packed(tmp_path / "bundle", verified, cutoffs)


def test_a_bundle_without_one_has_no_verifier_to_give(tmp_path):
    plain = tmp_path / "plain"
    packed(plain, None, CUTOFFS)
    with pytest.raises(DataError, match="verifier"):
        packed(tmp_path / "bundle", plain, CUTOFFS)
