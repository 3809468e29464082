"""The model card tells of the networks that there are, and of every cut-off whose it is."""

import json

import pytest
from verifier_bundle import with_verifier

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from quantize.card import card_with_limits, model_card
from quantize.scoring import scorer_of, word_cutoffs


@pytest.fixture
def folder(tmp_path):
    return with_verifier(DEFAULT_BUNDLE, tmp_path / "bundle", candidate=0.125, cutoff=0.625)


def card_of(manifest, roles):
    conversion = {"models": {"int8": {"bytes": 1234, "gzip_bytes": 321}}, "sparsity": 0.5}
    return model_card(manifest=manifest, conversions=dict.fromkeys(roles, conversion), provisional=False)


def test_three_networks_and_three_cutoffs_of_a_word(folder):
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    card = card_of(manifest, ("wake", "verifier", "liveness"))
    alone = next(word["cutoff"] for word in manifest["words"] if word["id"] == "alexa")
    for needed in (
        "Three networks",
        "listens again to each such candidate, 100 ms later",
        "| word | phrase | cut-off of the verifier | it listens from | cut-off without a verifier |\n",
        "\n|---|---|---|---|---|\n",
        f"| `alexa` | alexa | 0.625 | 0.125 | {alone:g} |",
        "| verifier | 1234 | 321 | 50% |",
    ):
        assert needed in card


def test_two_networks_and_one_cutoff(folder):
    manifest = {**json.loads((folder / MANIFEST_NAME).read_bytes()), "verifier": None, "training": {}}
    card = card_of(manifest, ("wake", "liveness"))
    assert "Two networks" in card
    assert "| word | phrase | cut-off |\n|---|---|---|\n| `alexa` | alexa | " in card
    assert "verifier" not in card
    assert "Networks were fitted on the split `train`, and cut-offs" in card


def test_the_embedding_of_the_verifier_was_not_fitted_on_train(folder):
    card = card_of(json.loads((folder / MANIFEST_NAME).read_bytes()), ("wake", "verifier", "liveness"))
    assert "on the split `train` (but not the speech embedding that the verifier begins with" in card


@pytest.mark.parametrize("judged", [False, True])
def test_the_section_of_results_is_true_whether_there_are_limits_or_not(folder, judged):
    card = card_of(json.loads((folder / MANIFEST_NAME).read_bytes()), ("wake", "verifier", "liveness")).encode()
    text = (card_with_limits(card, open_bundle(DEFAULT_BUNDLE).limits) if judged else card).decode()
    told = text.partition("\n## Results\n\n")[2].partition("\n\n")[0]
    assert "Where it was judged since, what it reached is below" in told
    assert ("## What it had to reach" in text.partition("\n## Results\n")[2]) == judged


def test_loudspeakers_that_are_mostly_accepted_are_not_made_little_of(folder):
    card = card_of(json.loads((folder / MANIFEST_NAME).read_bytes()), ("wake", "verifier", "liveness"))
    (bullet,) = [part for part in card.split("\n* ") if "even over the whole band" in part]
    assert "expect most of them to be accepted" in bullet
    assert "Languages in which its words were said: en." in card


def test_the_int8_wake_network_is_judged_by_itself(folder):
    """Its decisions are compared with those of other interpreters, and no verifier comes between."""
    own = open_bundle(folder).wake_cutoffs.values()
    scorer = scorer_of(folder, role="wake", form="int8", cutoffs=None, runtime=None)
    assert scorer.about["cutoffs"] == " ".join(f"{one:g}" for one in own)
    assert word_cutoffs(folder, None, []) == list(own)
