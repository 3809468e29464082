"""The tables hold the figures of the file."""

import json

import pytest

from train.micro_tables import operators_table, words_table


def _checked(kinds: int, arena: int, apart: float = 0.0, *, accepted: bool = True) -> dict:
    return {
        "operators": {f"KIND_{n}": n + 1 for n in range(kinds)},
        "runs": 100,
        "largest_difference_steps": {"state_out": 0.0, "logits": apart},
        "arena_bytes": arena,
        "accepted": accepted,
    }


@pytest.fixture
def folder(tmp_path):
    heard = {"both": 1200, "network_only": 3, "models_only": 0, "cutoff": 0.9631}
    body = {
        "bundle_sha256": "0123456789abcdef" * 4,
        "split": "dev",
        "networks": {"wake": _checked(5, 24_944), "liveness": _checked(8, 82_688, 110.0, accepted=False)},
        "esphome": {
            "clips": 1500,
            "words": {
                "alexa": _checked(11, 30_992) | heard,
                "jarvis": _checked(12, 31_000) | heard | {"both": 20, "models_only": 2, "cutoff": 0.9906},
            },
        },
    }
    (tmp_path / "operators.json").write_text(json.dumps(body))
    return tmp_path


def test_every_network_is_there_and_one_that_is_refused_is_said_to_be(folder):
    table = operators_table(folder)
    assert "Networks of the bundle `0123456789ab`, over" in table
    assert "\n| wake | 5 kinds | 24,944 | 0 in 100 runs | accepts it |\n" in table
    assert "\n| liveness | 8 kinds | 82,688 | 110 in 100 runs | **refuses it** |\n" in table
    assert table.endswith(
        "\n| a word for ESPHome, the largest of 2 | 12 kinds | 31,000 | 0 in 100 runs | accepts it |\n"
    )


def test_a_word_that_is_refused_is_not_hidden_by_a_larger_one(folder):
    body = json.loads((folder / "operators.json").read_text())
    body["esphome"]["words"]["alexa"] |= {"accepted": False}
    (folder / "operators.json").write_text(json.dumps(body))
    assert operators_table(folder).endswith("| 11 kinds | 30,992 | 0 in 100 runs | **refuses it** |\n")


def test_what_each_word_hears_is_there(folder):
    table = words_table(folder)
    assert table.startswith(
        "Over 1,500 clips of `dev` the models heard a word 1,220 of the 1,226 times that the wake network of the "
        "bundle did, and 2 times that it did not:\n"
    )
    assert "\n| `alexa` | 0.9631 | 1,200 | 3 | 0 |\n| `jarvis` | 0.9906 | 20 | 3 | 2 |\n" in table


@pytest.mark.parametrize("table", [operators_table, words_table])
def test_no_file_is_told(table, tmp_path):
    with pytest.raises(OSError, match=r"operators\.json"):
        table(tmp_path)
