"""The table holds the figures of the file."""

import json

import pytest

from train.protocol_table import protocol_table

BUNDLE = "0123456789abcdef" * 4


def _figures(eer: float) -> dict:
    return {"eer": eer, "eer_interval_95": [eer - 0.1, eer + 0.1], "bpcer": 0.05, "apcer": 0.5}


@pytest.fixture
def folder(tmp_path):
    clips = {"live": 10, "replay": 12, "talkers": 3, "loudspeakers": 4, "rooms": 5}
    body = {
        "split": "dev",
        "bundle_sha256": BUNDLE,
        "ladder": {"seen": {"clips": clips, "baselines": {"f70": _figures(0.3), "void": _figures(0.2)}}},
        "kinds_left_out": {
            "tv left out": {"clips": clips, "baselines": {"f70": _figures(0.45), "void": _figures(0.4)}}
        },
        "two_rooms": {
            "void": {"one_room": 0.9, "two_rooms": 0.88, "difference": -0.02, "difference_interval_95": [-0.05, 0.01]},
            "bundle": {"one_room": 0.7, "two_rooms": 0.7, "difference": 0.0, "difference_interval_95": [-0.01, 0.01]},
        },
        "probes": {
            "clips": clips,
            "judged": {
                "level": {**_figures(0.49), "at_chance": True, "sees": True, "leaks": [{"eer": 0.01}, {"eer": 0.07}]}
            },
            "strata": {
                "level, first room": {"clips": {"live": 7, "replay": 8}, "at_chance": None, "sees": None},
                "level, no first room": {
                    **_figures(0.47),
                    "at_chance": True,
                    "sees": True,
                    "allowed": 0.08,
                    "leaks": [{"eer": 0.03}],
                    "clips": {"live": 3, "replay": 4},
                },
            },
            "limits": {"most_off_chance": 0.05, "most_on_leak": 0.1, "most_distance": 0.06},
            "alike": True,
            "distances": {"level": {"a": 0.02, "b": 0.031}, "silence": {"a": 0.04}},
        },
    }
    (tmp_path / "protocol.json").write_text(json.dumps(body))
    return tmp_path


@pytest.fixture
def table(folder):
    """Return a function that changes the probes and makes the table."""

    def make(change=None):
        body = json.loads((folder / "protocol.json").read_text())
        if change:
            change(body["probes"])
        (folder / "protocol.json").write_text(json.dumps(body))
        return protocol_table(folder, BUNDLE)

    return make


def test_every_figure_is_there(folder):
    table = protocol_table(folder, BUNDLE)
    assert (
        "| unseen | live + replayed | talkers / loudspeakers / rooms | f70 | void |\n|---|---|---|---|---|\n" in table
    )
    assert "| seen | 10 + 12 | 3 / 4 / 5 | 30.0 % (20.0-40.0) | 20.0 % (10.0-30.0) |" in table
    assert "| tv left out | 10 + 12 | 3 / 4 / 5 | 45.0 % (35.0-55.0) | 40.0 % (30.0-50.0) |" in table
    assert "| void | 90.0 % | 88.0 % | -2.0 (-5.0 to +1.0) |" in table
    assert "| level | 49.0 % (39.0-59.0) | 7.0 % |" in table
    assert "| level, no first room | 47.0 % (37.0-57.0) | 3.0 % |" in table
    assert "| level, first room | not judged: 7 + 8 clips | |" in table
    assert "within 5 points of chance, at most 10 % on every leak" in table
    assert "(Kolmogorov-Smirnov; at most 0.06): level 0.031, silence 0.040." in table
    assert "**simulated** replays of dev" in table
    assert "| bundle | 70.0 % | 70.0 % | +0.0 (-1.0 to +1.0) |" in table
    assert "left out: this" not in table
    assert table.endswith("\n\nNone of the checks that were judged failed.\n")


def test_what_was_measured_of_another_bundle_is_left_out_and_said_to_be(folder):
    table = protocol_table(folder, "f" * 64)
    assert "| void | 90.0 % | 88.0 % |" in table
    assert "| bundle |" not in table
    assert "The bundle is left out: this was measured of another one (`0123456789ab`) than the one that ships." in table


def test_distances_that_were_not_judged_are_told(table):
    told = table(lambda probes: probes.update(alike=None, distances={"level": {"a": 0.2}}))
    assert "(Kolmogorov-Smirnov; not judged, there are too few clips): level 0.200" in told
    assert "failed**" not in told


def test_a_distance_that_is_too_large_has_failed(table):
    told = table(lambda probes: probes.update(alike=False, distances={"level": {"a": 0.02, "b": 0.06147}}))
    assert told.endswith(
        "\n\n**One of these checks failed**: the distance of level (b) is 0.0615, 0.0015 more than the 0.06 that are "
        "allowed.\n"
    )


def test_every_check_that_failed_is_named_with_what_is_allowed(table):
    def change(probes):
        probes["judged"]["level"] |= {"eer": 0.44, "at_chance": False}
        probes["strata"]["level, no first room"] |= {
            "eer": 0.6, "at_chance": False, "sees": False, "leaks": [{"eer": 0.125}]
        }  # fmt: skip

    told = table(change).splitlines()[-1]
    assert told.startswith("**3 of these checks failed**: ")
    assert "the EER of level is 6.00 points off chance, 1.00 points more than the 5 that are allowed" in told
    assert "level, no first room is 10.00 points off chance, 2.00 points more than the 8 that are allowed" in told
    assert "level, no first room on a leak is 12.50 %, 2.50 points more than the 10 that are allowed" in told


def test_no_file_is_told(tmp_path):
    with pytest.raises(OSError, match=r"protocol\.json"):
        protocol_table(tmp_path, BUNDLE)
