from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from edge.errors import DataError, UsageError
from edge.strict_toml import Within, from_tables, load_tables, overlaid


@dataclass(frozen=True)
class Part:
    share: Annotated[float, Within(0.0, 1.0)]
    count: int = 3


@dataclass(frozen=True)
class Whole:
    name: str
    pair: Annotated[tuple[float, float], Within(-1.0, 1.0)]
    part: Part
    parts: dict[str, Part]
    many: tuple[int, ...] = ()
    mode: Literal["fast", "slow"] = "fast"
    corner: Annotated[float, Within(1.0, 9.0)] | None = None
    on: bool = False

    def __post_init__(self) -> None:
        if self.pair[0] > self.pair[1]:
            raise ValueError("pair falls")


GOOD = {"name": "a", "pair": [0, 0.5], "part": {"share": 1}, "parts": {"x": {"share": 0.5, "count": 4}}}


def test_tables_become_what_the_dataclasses_say():
    whole = from_tables(Whole, {**GOOD, "many": [1, 2], "mode": "slow", "corner": 2, "on": True}, "f")
    assert whole == Whole("a", (0.0, 0.5), Part(1.0), {"x": Part(0.5, 4)}, (1, 2), "slow", 2.0, on=True)
    assert type(whole.pair[0]) is float


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"nmae": 1}, "f: nmae is unknown; did you mean name?"),
        ({"zzz": 1}, "f: zzz is unknown; known are name, pair, part, parts, many, mode, corner, on"),
        ({"part": {"shaer": 1}}, "f: part.shaer is unknown; did you mean part.share?"),
        ({"parts": {"x": {"shaer": 1}}}, "f: parts.x.shaer is unknown; did you mean parts.x.share?"),
        ({"part": {}}, "f: part.share is missing; give a number from 0 to 1"),
        ({"part": {"share": 2}}, "f: part.share: got 2, expected a number from 0 to 1"),
        ({"part": {"share": "1"}}, "f: part.share: got '1', expected a number from 0 to 1"),
        ({"part": {"share": True}}, "f: part.share: got True, expected a number from 0 to 1"),
        ({"part": {"share": float("nan")}}, "f: part.share: got nan, expected a number from 0 to 1"),
        ({"part": {"share": 1, "count": 2.0}}, "f: part.count: got 2.0, expected a whole number"),
        ({"part": 7}, "f: part: got 7, expected a table"),
        ({"parts": []}, "f: parts: got [], expected a table"),
        ({"parts": {"x": 1}}, "f: parts.x: got 1, expected a table"),
        ({"pair": [0.0]}, "f: pair: got [0.0], expected an array of 2, each a number from -1 to 1"),
        ({"pair": [0.0, 3.0]}, "f: pair[1]: got 3.0, expected a number from -1 to 1"),
        ({"pair": [0.5, 0.0]}, "f: settings: pair falls"),
        ({"many": [1, "2"]}, "f: many[1]: got '2', expected a whole number"),
        ({"mode": "medium"}, "f: mode: got 'medium', expected one of 'fast', 'slow'"),
        ({"corner": 0}, "f: corner: got 0, expected a number from 1 to 9"),
        ({"on": 1}, "f: on: got 1, expected true or false"),
        ({"name": list(range(99))}, "f: name: got list of 99 entries, expected text"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(entries: dict, message: str):
    with pytest.raises(DataError) as caught:
        from_tables(Whole, {**GOOD, **entries}, "f", error=DataError)
    assert str(caught.value) == message


def test_entries_are_laid_over_others_table_by_table():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    assert overlaid(base, {"a": {"y": [3]}, "c": {"z": 1}}) == {"a": {"x": 1, "y": [3]}, "b": 2, "c": {"z": 1}}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 2}


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", b"a = [" * 5000, b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "f.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"f\.toml: got text that is not TOML"):
        load_tables(tmp_path / "f.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        load_tables(tmp_path)


@dataclass(frozen=True)
class Choice:
    device: str | Annotated[int, Within(0, 9)] = ""
    latency: Literal["low", "high"] | Annotated[float, Within(0.5, 2.0)] = "low"


def test_of_several_types_the_one_that_fits_is_taken():
    assert from_tables(Choice, {"device": 3, "latency": 1}, "f") == Choice(3, 1.0)
    assert from_tables(Choice, {"device": "3", "latency": "high"}, "f") == Choice("3", "high")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"device": 10}, "f: device: got 10, expected text, or a whole number from 0 to 9"),
        ({"device": True}, "f: device: got True, expected text, or a whole number from 0 to 9"),
        ({"latency": "mid"}, "f: latency: got 'mid', expected one of 'low', 'high', or a number from 0.5 to 2"),
        ({"latency": 3.0}, "f: latency: got 3.0, expected one of 'low', 'high', or a number from 0.5 to 2"),
    ],
)
def test_what_fits_none_of_several_types_is_told_with_all(entries, message):
    with pytest.raises(UsageError) as caught:
        from_tables(Choice, entries, "f")
    assert str(caught.value) == message
