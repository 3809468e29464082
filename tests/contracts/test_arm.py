"""Counts of instructions: what is made of them, when they are called worse, and that the page quotes the file."""

import copy
import json

import pytest
from arm.figures import TOLERANCE, changes, figures, largest_change, page, with_tables, worse

from tests.contracts.conftest import ROOT


def regions():
    found = []
    for number in (0, 1, 2):
        # Round 0 warms up, and would spoil every mean.
        scale = 50 if number == 0 else 1
        found += [("hop.frontend", number, 300, scale * 300 * 40_000), ("step.wake", number, 10, scale * 10 * 900_000)]
        found += [("step.network", number, 10, scale * 10 * 500_000), ("decision", number, 8, scale * 8 * 15_000_000)]
        found += [
            (f"decision.{part}", number, 8, scale * 8 * 1_000_000)
            for part in ("span", "quality", "cues", "network", "gate")
        ]
        found += [
            (f"idle.speech.{who}", number, 1000, scale * 1000 * (1_000 + n))
            for who, n in (
                ("empty", 0), ("pipeline", 500_000), ("peer", 250_000), ("ring", 50_000), ("meter", 100_000),
                ("frontend", 50_000), ("wake", 200_000),
            )
        ]  # fmt: skip
    return found


@pytest.fixture
def found():
    return figures(regions())


def test_each_time_is_a_mean_without_the_first_round(found):
    assert found["hop"]["frontend"] == 40_000
    assert found["step"] == {"whole": 900_000, "network": 500_000}
    assert found["decision"]["whole"] == 15_000_000


def test_a_minute_leaves_out_what_counting_itself_costs(found):
    idle = found["idle"]["speech"]
    assert (idle["minute"], idle["peer_minute"], idle["ratio"]) == (500_000 * 6000, 250_000 * 6000, 2.0)
    assert idle["share"] == {"ring": 0.1, "meter": 0.2, "frontend": 0.1, "wake": 0.4, "rest": 0.2}


def test_equal_counts_are_not_worse(found):
    assert worse(found, copy.deepcopy(found)) == []
    assert largest_change(found, copy.deepcopy(found)) == 0


@pytest.mark.parametrize(("share", "told"), [(TOLERANCE - 0.001, 0), (TOLERANCE + 0.001, 1), (-0.5, 0)])
def test_more_than_the_tolerance_is_worse_and_less_work_never(found, share, told):
    now = copy.deepcopy(found)
    now["step"]["network"] = round(500_000 * (1 + share))
    lines = worse(found, now)
    assert len(lines) == told
    assert all("step, network" in line for line in lines)
    assert changes(found, now)["step, network"] == pytest.approx(share, abs=1e-4)


def test_what_the_peer_costs_is_nobodys_fault_here(found):
    now = copy.deepcopy(found)
    now["idle"]["speech"]["tens"]["peer"] = [2 * n for n in now["idle"]["speech"]["tens"]["peer"]]
    assert worse(found, now) == []


def test_the_page_quotes_the_file():
    results = json.loads((ROOT / "results" / "arm.json").read_bytes())["results"]
    text = (ROOT / "docs" / "arm.md").read_text(encoding="utf-8")
    assert page(results) in text
    assert with_tables(text, page(results)) == text


def test_a_page_without_a_place_for_tables_is_told():
    with pytest.raises(SystemExit, match="no place for the tables"):
        with_tables("text\n", "| a |")
