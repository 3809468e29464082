"""The model card tells of the networks that there are, and of every cut-off whose it is."""

import json

import pytest
from verifier_bundle import with_verifier

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from quantize.card import model_card
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


def test_the_int8_wake_network_is_judged_by_itself(folder):
    """Its decisions are compared with those of other interpreters, and no verifier comes between."""
    own = open_bundle(folder).wake_cutoffs.values()
    scorer = scorer_of(folder, role="wake", form="int8", cutoffs=None, runtime=None)
    assert scorer.about["cutoffs"] == " ".join(f"{one:g}" for one in own)
    assert word_cutoffs(folder, None, []) == list(own)
