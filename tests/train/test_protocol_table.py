"""The table holds the figures of the file."""

import json

import pytest

from train.protocol_table import protocol_table


def _figures(eer: float) -> dict:
    return {"eer": eer, "eer_interval_95": [eer - 0.1, eer + 0.1], "bpcer": 0.05, "apcer": 0.5}


@pytest.fixture
def folder(tmp_path):
    clips = {"live": 10, "replay": 12, "talkers": 3, "loudspeakers": 4, "rooms": 5}
    body = {
        "split": "dev",
        "ladder": {"seen": {"clips": clips, "baselines": {"f70": _figures(0.3), "void": _figures(0.2)}}},
        "kinds_left_out": {
            "tv left out": {"clips": clips, "baselines": {"f70": _figures(0.45), "void": _figures(0.4)}}
        },
        "two_rooms": {
            "void": {"one_room": 0.9, "two_rooms": 0.88, "difference": -0.02, "difference_interval_95": [-0.05, 0.01]}
        },
        "probes": {
            "clips": clips,
            "judged": {"level": {**_figures(0.49), "at_chance": True, "leaks": [{"eer": 0.01}, {"eer": 0.07}]}},
            "strata": {
                "level, first room": {"clips": {"live": 7, "replay": 8}, "at_chance": None, "sees": None},
                "level, no first room": {
                    **_figures(0.47),
                    "at_chance": True,
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


def test_every_figure_is_there(folder):
    table = protocol_table(folder)
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


def test_distances_that_were_not_judged_are_told(folder):
    body = json.loads((folder / "protocol.json").read_text())
    body["probes"]["alike"] = None
    (folder / "protocol.json").write_text(json.dumps(body))
    assert "(Kolmogorov-Smirnov; not judged, there are too few clips): level 0.031" in protocol_table(folder)


def test_no_file_is_told(tmp_path):
    with pytest.raises(OSError, match=r"protocol\.json"):
        protocol_table(tmp_path)
