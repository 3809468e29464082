"""edge.cli: faults, exit codes, and the two levels of commands."""

import argparse
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from edge import cli
from edge.errors import AudioError, MissingExtraError
from edge.output import add_output_arguments


def use_commands(monkeypatch, **commands):
    table = {name: (lambda command=command: command) for name, command in commands.items()}
    monkeypatch.setattr(cli, "installed_commands", lambda: table)


def command(run, configure=lambda parser: None, summary="does something"):
    return SimpleNamespace(SUMMARY=summary, configure=configure, run=run)


class TestProcessFiles:
    def test_a_failure_is_told_and_the_others_are_processed(self, capsys):
        seen = []

        def handle(file):
            seen.append(file)
            if file == "b.wav":
                raise AudioError("holds no\naudio; record it again")

        assert cli.process_files(["a.wav", "b.wav", "c.wav"], handle) == 2
        assert seen == ["a.wav", "b.wav", "c.wav"]
        assert capsys.readouterr().err == "vivavoce: b.wav: holds no audio; record it again\n"

    def test_nothing_fails(self, capsys):
        assert cli.process_files(["a.wav"], lambda file: None) == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize("name", ["b.wav", "two  blanks.wav", "line\nbreak.wav"])
    def test_the_file_name_is_not_repeated(self, name, capsys):
        def handle(file):
            raise AudioError(f"{file}: holds no audio")

        cli.process_files([name], handle)
        assert capsys.readouterr().err == f"vivavoce: {' '.join(name.split())}: holds no audio\n"

    def test_what_is_missing_for_all_files_is_told_once(self):
        def handle(file):
            raise MissingExtraError("an interpreter", "litert")

        with pytest.raises(MissingExtraError):
            cli.process_files(["a.wav", "b.wav"], handle)

    def test_a_bug_is_not_hidden(self):
        def handle(file):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            cli.process_files(["a.wav"], handle)


class TestMain:
    def test_the_exit_code_is_that_of_the_command(self, monkeypatch):
        use_commands(monkeypatch, none=command(lambda args: None), two=command(lambda args: 2))
        assert cli.main(["none"]) == 0
        assert cli.main(["two"]) == 2

    def test_only_the_chosen_command_is_loaded(self, monkeypatch):
        def explode():
            raise AssertionError("loaded although it was not asked for")

        monkeypatch.setattr(cli, "installed_commands", lambda: {"a": lambda: command(lambda args: 0), "b": explode})
        assert cli.main(["a"]) == 0

    def test_an_error_is_one_line_and_exit_code_2(self, monkeypatch, capsys):
        def run(args):
            raise AudioError("no\nsound")

        use_commands(monkeypatch, run=command(run))
        assert cli.main(["run"]) == 2
        assert capsys.readouterr() == ("", "vivavoce: no sound\n")

    def test_a_wrong_option_is_exit_code_2(self, monkeypatch, capsys):
        use_commands(monkeypatch, run=command(lambda args: 0))
        with pytest.raises(SystemExit) as left:
            cli.main(["run", "--nonsense"])
        assert left.value.code == 2
        assert "vivavoce run: error: unrecognized arguments: --nonsense" in capsys.readouterr().err

    def test_options_cannot_be_abbreviated(self, monkeypatch, capsys):
        use_commands(monkeypatch, run=command(lambda args: 0, add_output_arguments))
        with pytest.raises(SystemExit):
            cli.main(["run", "--js"])
        assert "unrecognized arguments" in capsys.readouterr().err

    def test_interrupted(self, monkeypatch):
        def run(args):
            raise KeyboardInterrupt

        use_commands(monkeypatch, run=command(run))
        assert cli.main(["run"]) == 130

    def test_a_broken_command_does_not_hide_the_others(self, monkeypatch, capsys):
        def broken():
            raise ImportError("no module named sausage")

        monkeypatch.setattr(
            cli,
            "installed_commands",
            lambda: {"broken": broken, "good": lambda: command(lambda args: 0, summary="is fine")},
        )
        assert cli.main([]) == 0
        listing = capsys.readouterr().out
        assert "broken  (cannot be loaded: no module named sausage)" in listing
        assert "good    is fine" in listing

    def test_steps_have_their_own_defaults_and_see_the_outer_options(self, monkeypatch):
        seen = {}

        def step_arguments(parser):
            parser.add_argument("--level", default="step")

        def group_arguments(parser):
            parser.add_argument("--level", default="group")
            parser.add_argument("--outer", type=int, default=0)
            cli.add_commands(parser, {"step": lambda: command(seen_by_step, step_arguments)})

        def seen_by_step(args):
            seen.update(vars(args))
            return 3

        use_commands(monkeypatch, group=command(cli.run_chosen, group_arguments))
        assert cli.main(["group", "--outer", "7", "step"]) == 3
        assert (seen["outer"], seen["level"]) == (7, "step")

    @pytest.mark.parametrize(
        ("before", "behind", "told"),
        [
            ([], [], (False, "step", [])),
            (["--json"], [], (True, "step", [])),
            ([], ["--json"], (True, "step", [])),
            (["--level", "said", "--key", "a"], [], (False, "said", ["a"])),
            (["--level", "said", "--key", "a"], ["--level", "again", "--key", "b"], (False, "again", ["b"])),
        ],
    )
    def test_what_is_said_before_a_step_holds_unless_it_is_said_again(self, monkeypatch, before, behind, told):
        seen = []

        def arguments(level):
            def configure(parser):
                parser.add_argument("--json", action="store_true")
                parser.add_argument("--level", default=level)
                parser.add_argument("--key", action="append", default=[])
                if level == "group":
                    cli.add_commands(parser, {"step": lambda: command(run, arguments("step"))})

            return configure

        def run(args):
            seen.append((args.json, args.level, args.key))

        use_commands(monkeypatch, group=command(cli.run_chosen, arguments("group")))
        assert cli.main(["group", *before, "step", *behind]) == 0
        assert seen == [told]

    def test_the_guard_speaks_before_missing_arguments_do_but_not_before_help(self, monkeypatch, capsys):
        def guard():
            raise MissingExtraError("training", "train")

        def group_arguments(parser):
            required = argparse.ArgumentParser.add_argument
            step = command(lambda args: 0, lambda below: required(below, "--data", required=True))
            cli.add_commands(parser, {"step": lambda: step}, guard=guard)

        use_commands(monkeypatch, group=command(cli.run_chosen, group_arguments))
        assert cli.main(["group", "step"]) == 2
        assert "vivavoce[train]" in capsys.readouterr().err
        with pytest.raises(SystemExit) as left:
            cli.main(["group", "step", "--help"])
        assert left.value.code == 0


PRINTS_FOREVER = """
import sys
from types import SimpleNamespace
from edge import cli
from edge.output import Output
def run(args):
    while True:
        Output(as_json=True).event({"event": "wake"})
command = SimpleNamespace(SUMMARY="", configure=lambda parser: None, run=run)
cli.installed_commands = lambda: {"run": lambda: command}
sys.exit(cli.main(["run"]))
"""


def test_a_reader_that_goes_away_ends_the_program_quietly():
    with subprocess.Popen(
        [sys.executable, "-c", PRINTS_FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b'{"event": "wake"}\n'
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141


def test_a_file_name_that_is_not_utf8_can_be_printed():
    code = """
import sys
from edge import cli
cli.installed_commands = lambda: {}
cli.main([])
print(sys.argv[1])
"""
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-c", code.encode(), b"ni\xf1o.wav"],
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rb"ni\udcf1o.wav" in done.stdout
