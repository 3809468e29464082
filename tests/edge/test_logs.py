import json
import logging
import re
import subprocess
import sys

import pytest

from edge.logs import journal_priority

PROGRAM = """
import logging
from edge.logs import begin_logging
begin_logging("info")
log = logging.getLogger("edge.test")
log.debug("nothing")
log.warning("two\\nlines")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("a fault")
"""


def run(**environment):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=True
    ).stderr.splitlines()


def test_people_read_time_level_and_place(root_environment):
    lines = run(**root_environment)
    assert len(lines) == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING edge\.test: two \| lines", lines[0])
    assert "ERROR   edge.test: a fault | Traceback" in lines[1]
    assert lines[1].endswith("ZeroDivisionError: division by zero")


def test_the_journal_reads_a_priority(root_environment):
    lines = run(**root_environment, JOURNAL_STREAM="8:1")
    assert lines[0] == "<4>edge.test: two | lines"
    assert lines[1].startswith("<3>edge.test: a fault")


def test_programs_read_an_object_a_line(root_environment):
    code = PROGRAM.replace('("info")', '("info", as_json=True)')
    code += '\nlog.info("answer %s", 1, extra={"record": {"id": "x"}})\n'
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=root_environment, check=True
    )
    first, fault, answer = map(json.loads, done.stderr.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("warning", "edge.test", "two\nlines")
    assert "ZeroDivisionError" in fault["traceback"]
    assert (answer["message"], answer["record"]) == ("answer 1", {"id": "x"})


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2), (35, 4)],
)
def test_levels_are_those_of_syslog(level, priority):
    assert journal_priority(level) == priority


@pytest.fixture
def root_environment():
    from pathlib import Path

    return {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"}
