"""docs/outputs.md: its settings can be read and name every entry, and its lines are those that are sent."""

import dataclasses
import json
import re
import tomllib
from pathlib import Path

import pytest

from edge.answers import Answer, Status
from edge.plugins import sink_plugin
from edge.quality import Quality
from edge.strict_toml import from_tables

PAGE = (Path(__file__).parents[2] / "docs" / "outputs.md").read_text()
# The section of Wyoming is told by those who know it.
TABLES = {
    kind: table
    for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for kind, table in tomllib.loads(block)["sinks"].items()
    if kind in ("socket", "command", "mqtt")
}


def test_every_kind_has_its_settings():
    assert set(TABLES) == {"socket", "command", "mqtt"}


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_settings_are_complete_and_the_defaults(kind):
    plugin = sink_plugin(kind, "page")
    settings = from_tables(plugin.Settings, TABLES[kind], "page", name=f"sinks.{kind}")
    fields = dataclasses.fields(plugin.Settings)
    assert set(TABLES[kind]) == {field.name for field in fields}
    for field in fields:
        if field.default is not dataclasses.MISSING:
            assert getattr(settings, field.name) == field.default, field.name


def test_the_lines_are_those_that_are_sent():
    lines = {}
    for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL):
        decoder = json.JSONDecoder()
        while block.strip():
            record, end = decoder.raw_decode(block.strip())
            lines[record["event"]] = record
            block = block.strip()[end:]
    answer = Answer(
        id="1m8aty12xm0df6sz",
        at_s=1.0,
        origin="source",
        word="w",
        phrase="w",
        action="pass",
        decision="accept",
        reasons=(),
        wake_score=0.0,
        live_probability=0.0,
        live_score=0.0,
        quality=Quality(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ()),
        start_sample=0,
        end_sample=0,
        decided_sample=0,
    )
    status = Status(at_s=0.0, source="listening", source_name="", muted=False, playing=False, words=(), bundle="1")
    assert list(lines["answer"]) == list(answer.to_dict())
    assert list(lines["answer"]["quality"]) == list(answer.to_dict()["quality"])
    assert list(lines["status"]) == list(status.to_dict())
    assert set(lines) == {"answer", "status", "audio", "audio_end"}
