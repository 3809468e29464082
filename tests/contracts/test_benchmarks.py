"""The table of machines is what the command makes of the files beside it, and they are what the schema says."""

import json
import re

import pytest

from edge.bench.comparing import read
from edge.bench.stages import STAGES
from edge.cli import main


@pytest.fixture(scope="module")
def folder(root):
    return root / "docs/benchmarks"


@pytest.fixture(scope="module")
def machines(folder):
    return sorted((folder / "machines").glob("*.json"))


def test_there_is_a_machine(machines):
    assert machines


def test_the_table_is_what_the_command_prints(folder, machines, capsys):
    assert main(["bench", "--table", *map(str, machines)]) == 0
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- table machines -->") == 1
    told = text.partition("<!-- table machines -->")[2].partition("<!-- end of table -->")[0]
    assert told.strip() == capsys.readouterr().out.strip()


def test_the_files_have_the_entries_of_the_schema(folder, machines):
    schema = json.loads((folder / "schema.json").read_text(encoding="utf-8"))
    for path in machines:
        found = read(path)
        assert set(found) == set(schema["properties"]), path
        for run in found["runs"]:
            assert set(run) == set(schema["properties"]["runs"]["items"]["properties"]), path


def test_every_stage_is_explained(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    told = text.partition("| stage | one measurement |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\w+) \|", told, re.MULTILINE) == list(STAGES)
