"""What README and docs say about the program, compared with the program."""

import json
import re
import shlex
from dataclasses import fields

import pytest

from edge.cli import main
from edge.events import Decision, End, Wake
from edge.gate import UNSURE_FLAGS, Gate
from edge.liveness import LivenessScore
from edge.quality import FLAGS, Quality

DOCUMENTS = (
    "README.md",
    "docs/architecture.md",
    "docs/daemon.md",
    "docs/events.md",
    "docs/monitor.md",
    "docs/threats.md",
    "docs/training.md",
    "docs/update.md",
)
STEPLESS = ("run", "features", "doctor", "collect", "daemon", "install-service", "events", "label", "live", "bench")
"""Commands whose second word is no command; of ``events`` some are."""


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def code_words(text):
    return re.findall(r"`([a-z_0-9]+)`", text)


def between(text, start, end):
    assert text.count(start) == 1, start
    return text.partition(start)[2].partition(end)[0]


def test_fields_of_quality(readme):
    named = code_words(between(readme, "`quality` holds `snr_db`", "\n\n"))
    assert ["snr_db", *named] == [field.name for field in fields(Quality)]


def test_reasons(readme):
    quality = Quality(30.0, -20.0, 0.0, 0.6, 7000.0, -10.0, ())
    gate = Gate(0.7, 0.3)
    decided = [gate.rule(LivenessScore(p, 0.0, quality)).reasons for p in (0.9, 0.1, 0.5)]
    assert code_words(between(readme, "\nReasons:", "\n\n")) == [*(reason for (reason,) in decided), *UNSURE_FLAGS]


def test_flags(readme):
    told = between(readme, "\nFlags of `quality`: the same five", "\n\n")
    assert [*UNSURE_FLAGS, *code_words(told)] == list(FLAGS)


def test_keys_of_events(readme):
    table = between(readme, "| event | field | meaning |\n|---|---|---|\n", "\n\n")
    told: dict[str, set[str]] = {}
    event = ""
    for row in table.splitlines():
        first, named = row.split("|")[1:3]
        event = first.strip(" `") or event
        told.setdefault(event, set()).update(code_words(named))
    events = (Wake("w", 0.9, 0, 1, 2), Decision("w", "accept", 0.9, ("live",), 1, 2), End(3, ()))
    public = {event["event"]: set(event) for event in (one.to_dict() for one in events)}
    assert {name: told["all"] | told[name] for name in public} == {n: {"file"} | keys for n, keys in public.items()}


@pytest.mark.parametrize("what", ["wake", "liveness"])
def test_keys_of_scores(what, readme, root, capsys):
    told = between(readme, f"* `score {what}`: `", "`;")
    assert main(["score", what, "--json", str(root / "edge/data/scene.flac")]) == 0
    found = json.loads(capsys.readouterr().out)
    top = re.sub(r"\{ID: .*\}\}", "", told.replace("\n", " "))
    assert set(re.findall(r'"(\w+)"', top)) == set(found)


def command_lines(root):
    for name in DOCUMENTS:
        text = (root / name).read_text(encoding="utf-8")
        for block in re.findall(r"```\n(.*?)```", text, flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                # What a command does stands behind it, after a gap.
                said = re.search(r"(?:^|\| )vivavoce (.*)", line)
                if said:
                    yield name, shlex.split(re.split(r"\s{4,}(?!--)", said[1])[0])


def test_command_lines_exist(root, capsys):
    """Every command of the documents is there, with all of its options."""
    seen = 0
    for name, words in command_lines(root):
        # A command with steps may also work without one: calibrate.
        command = words[:1] if words[0] in STEPLESS or words[1].startswith("-") else words[:2]
        with pytest.raises(SystemExit) as left:
            main([*command, "--help"])
        text = capsys.readouterr().out
        assert left.value.code == 0, (name, command)
        assert text.startswith(f"usage: vivavoce {' '.join(command)} "), (name, command)
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", text), (name, command, option)
        seen += 1
    assert seen > 10


def test_commands_in_running_text_exist(root, capsys):
    for name in DOCUMENTS:
        for words in re.findall(
            r"`vivavoce ([a-z-]+(?: [a-z][a-z-]+)?)[^`]*`", (root / name).read_text(encoding="utf-8")
        ):
            with pytest.raises(SystemExit) as left:
                main([*words.split(), "--help"])
            assert left.value.code == 0, (name, words)
            command = words.split()[0] if words.startswith("label ") else words
            assert capsys.readouterr().out.startswith(f"usage: vivavoce {command} "), (name, words)
