"""Counts of instructions: what is made of them, when they are called worse, and that the page quotes the file."""

import copy
import json

import pytest
from arm.figures import TOLERANCE, changes, figures, largest_change, page, with_tables, worse
from arm.outcomes import MADE_BY, outcomes_page
from junit import file_of, folder_of, outcomes

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


def test_a_look_of_the_verifier_is_counted_where_there_is_one(found):
    looks = [
        (name, number, 8, 8 * count * (50 if number == 0 else 1))
        for number in (0, 1, 2)
        for name, count in (("look", 9_000_000), ("look.features", 2_000_000), ("look.network", 6_000_000))
    ]
    verified = figures(regions() + looks)
    assert verified["look"] == {"whole": 9_000_000, "features": 2_000_000, "network": 6_000_000}
    assert "| look of the verifier | 9,000 |" in page({"cortex-a72": {"litert": verified}})
    assert "look" not in found
    assert "look" not in page({"cortex-a72": {"litert": found}})
    now = copy.deepcopy(verified)
    now["look"]["whole"] *= 2
    assert worse(verified, now) == [f"look, whole: +100.0%, allowed {TOLERANCE:+.1%}"]
    assert worse(found, now) == []


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


# ------------------------------------------------------------------------------------------------ tests on the boards

REPORT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.edge.test_ring" name="test_a" />
<testcase classname="tests.edge.test_ring.TestMore" name="test_b"><failure message="x">y</failure></testcase>
<testcase classname="tests.edge.test_gate" name="test_c[1]"><skipped message="no /here/data" /></testcase>
<testcase classname="tests.edge.test_gate" name="test_c[2]"><skipped message="no /here/data" /></testcase>
<testcase classname="tests.edge.test_gate" name="test_d"><error message="x">y</error></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def came(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    return outcomes(tmp_path / "report.xml", root="/here", by=file_of)


def test_outcomes_are_counted_by_file_with_every_failure_and_every_reason(came):
    assert came == {
        "total": {"passed": 1, "skipped": 2, "failed": 2},
        "failures": ["test_gate::test_d", "test_ring::test_b"],
        "skips": {"no ./data": 2},
        "groups": {
            "test_ring": {"passed": 1, "skipped": 0, "failed": 1},
            "test_gate": {"passed": 0, "skipped": 2, "failed": 1},
        },
    }


def test_outcomes_are_counted_by_folder(tmp_path, came):
    found = outcomes(tmp_path / "report.xml", root="/here", by=folder_of)
    assert found == came | {"groups": {"edge": came["total"]}}


def test_outcomes_of_several_boards_are_one_table(came):
    other = came | {"total": {"passed": 5, "skipped": 0, "failed": 0}, "skips": {}}
    text = outcomes_page({"cortex-a53": {"litert": came, "tflite": other}})
    assert text.splitlines() == [
        "| tests | A53, litert | A53, tflite |", "|---|---|---|", "| passed | 1 | 5 |", "| skipped | 2 | 0 |",
        "| failed | 2 | 0 |", "", "Skipped were:", "", "* no ./data (2 on A53 with litert)",
    ]  # fmt: skip


def test_the_page_quotes_the_outcomes_and_none_is_a_failure():
    results = json.loads((ROOT / "results" / "arm_tests.json").read_bytes())["results"]
    text = (ROOT / "docs" / "arm.md").read_text(encoding="utf-8")
    assert with_tables(text, outcomes_page(results), made_by=MADE_BY) == text
    assert {of["total"]["failed"] for by in results.values() for of in by.values()} == {0}
