"""Whatever is claimed to be unseen and is shared ends in one line."""

import numpy as np
import pytest

from edge.errors import DataError
from train.leak_check import CLAIMS, check_unseen, shared_things

ALL = ("talkers", "loudspeakers", "rooms")


def clips(prefix: str, **columns: list[str]) -> dict[str, np.ndarray]:
    """Return two clips in which everything has the prefix, but for what is given."""
    named = ("source", "talker", "loudspeaker", "brand", "room", "first_room", "noise")
    rows = {name: [f"{prefix}-{name}-{i}" for i in range(2)] for name in named}
    return {name: np.array(values) for name, values in {**rows, **columns}.items()}


def test_sets_apart_pass_and_are_counted():
    found = check_unseen("x", clips("a"), clips("b"), ALL)
    assert found["rooms"] == {"fitted": 4, "measured": 4, "shared": 0}
    assert set(found) == {thing for things in CLAIMS.values() for thing in things}


@pytest.mark.parametrize(
    ("column", "value", "claim", "thing"),
    [
        ("talker", "a-talker-0", "talkers", "talkers"),
        ("loudspeaker", "a-loudspeaker-1", "loudspeakers", "loudspeakers"),
        ("brand", "a-brand-0", "loudspeakers", "brands"),
        ("room", "a-room-0", "rooms", "rooms"),
        ("room", "a-first_room-0", "rooms", "rooms"),
        ("first_room", "a-room-1", "rooms", "rooms"),
        ("noise", "a-noise-0", "rooms", "backgrounds"),
    ],
)
def test_what_is_shared_is_refused_where_it_is_claimed(column, value, claim, thing):
    fitted, measured = clips("a"), clips("b", **{column: ["b", value]})
    with pytest.raises(DataError, match=rf"^all unseen: 1 of \d {thing} were fitted on, too, e\.g\. '{value}'") as told:
        check_unseen("all unseen", fitted, measured, ALL)
    assert "\n" not in str(told.value)
    others = [other for other in ALL if other != claim]
    assert check_unseen("others", fitted, measured, others)[thing]["shared"] == 1


@pytest.mark.parametrize("unseen", [(), ALL])
def test_recordings_are_never_shared_whatever_is_claimed(unseen):
    with pytest.raises(DataError, match="recordings were fitted on"):
        check_unseen("seen", clips("a"), clips("b", source=["b", "a-source-0"]), unseen)


def test_the_same_audio_under_two_names_is_the_same_recording():
    sha256 = {"a-source-0": "abc", "b-source-1": "abc", "a-source-1": "", "b-source-0": ""}
    with pytest.raises(DataError, match="1 of 1 audio were fitted on"):
        check_unseen("seen", clips("a"), clips("b"), (), sha256=sha256)
    # What has no hash says nothing.
    assert shared_things(clips("a"), clips("b"), {"a-source-1": "", "b-source-0": ""})["audio"]["shared"] == []


def test_what_is_no_thing_is_not_shared():
    columns = {
        "loudspeaker": ["none", "x"], "brand": ["", ""], "first_room": ["none", "none"], "noise": ["generated", "none"],
    }  # fmt: skip
    one, other = clips("a", **columns), clips("b", **{**columns, "loudspeaker": ["none", "y"]})
    found = check_unseen("x", one, other, ALL)
    assert (found["loudspeakers"]["fitted"], found["brands"]["fitted"], found["backgrounds"]["measured"]) == (1, 0, 0)


def test_an_unknown_claim_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="cannot claim"):
        check_unseen("x", clips("a"), clips("b"), ("words",))
