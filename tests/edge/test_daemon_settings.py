import dataclasses
import re
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from edge.daemon_settings import Tables, load, needs_restart, rules_of
from edge.errors import UsageError, VivavoceError
from edge.plugins import SINKS, SOURCES, installed, sink_plugin
from edge.settings_example import commented_settings, field_notes


@pytest.fixture
def given(tmp_path):
    def write(text):
        path = tmp_path / "d.toml"
        path.write_text(text)
        return path

    return write


FILE = '[source]\nkind = "file"\npath = "x"\n'


def test_an_empty_file_is_a_device_with_one_microphone(given):
    settings = load(given(""))
    assert settings.source.kind == "microphone"
    assert settings.tables == Tables()
    assert (settings.reference, settings.sinks) == (None, {})
    assert settings.store.enabled
    assert settings.audio.keep == ()


def test_a_sink_is_of_the_kind_that_it_is_called_by_or_says(given):
    settings = load(given(FILE + '[sinks.socket]\npath = "/run/a"\n[sinks.second]\nkind = "socket"\npath = "/run/b"\n'))
    assert [(name, one.kind, one.settings.path) for name, one in settings.sinks.items()] == [
        ("socket", "socket", "/run/a"),
        ("second", "socket", "/run/b"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gaet = 1", r"d\.toml: gaet is unknown; did you mean gate\?"),
        ("suorce = 1", r"did you mean source\?"),
        ("[gate]\nunshure = 1", r"gate\.unshure is unknown; did you mean gate\.unsure\?"),
        ('[gate]\nunsure = "maybe"', r"gate\.unsure: got 'maybe', expected one of 'block', 'ask', 'pass'"),
        ("[gate.words.alexa]\ncutof = 0.1", r"gate\.words\.alexa\.cutof is unknown; did you mean .*\.cutoff"),
        ("source = 3", r"source: got 3, expected a table; write \[source\]"),
        ("[source]\nkind = 3", r"source\.kind: got 3, expected the name of a plug-in"),
        ('[source]\nkind = "fi1e"', r"source\.kind: got 'fi1e', expected .*; did you mean 'file'\?"),
        ('[source]\nkind = "file"', r"source: expected the name of a file as path"),
        (FILE + "repat = 3", r"source\.repat is unknown; did you mean source\.repeat"),
        ("[sinks]\nsocket = 3", r"sinks\.socket: got 3, expected a table"),
        ("[sinks.nobody]\n", r"sinks\.nobody\.kind: got 'nobody', expected"),
        ("[sinks.store]\n", r"sinks\.store: has a table of its own; write \[store\]"),
        ("pre_roll_s = 99", r"pre_roll_s: got 99, expected a number from 0 to 10"),
        ("words = 'alexa'", r"words: got 'alexa', expected an array"),
        ("[store]\nmax_mb = 0", r"store\.max_mb: got 0"),
        ("[[", "text that is not TOML"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(given, text, told):
    with pytest.raises(UsageError, match=told):
        load(given(text))


def test_words_are_found_by_phrase(given):
    bundle = open_bundle()
    word = bundle.words[0]
    rules = rules_of(load(given(f'words = ["{word.phrase.upper()}"]\npre_roll_s = 0.5\n' + FILE)))
    assert (rules.words, rules.pre_roll, rules.bundle) == ((word.id,), 8000, bundle)


@pytest.mark.parametrize(
    "text",
    [
        'words = ["nothing"]\n',
        '[gate.words."nothing"]\ncutoff = 0.5\n',
        'bundle = "/nowhere"\n',
        "[trust]\nrequire_signature = true\n",
        '[trust]\npublic_keys = ["/nowhere"]\n',
    ],
)
def test_rules_that_cannot_be_are_refused(given, text):
    settings = load(given(text if text.startswith("[") else text + FILE))
    with pytest.raises(VivavoceError):
        rules_of(settings)


def test_what_is_read_once_is_told_apart(given):
    old = load(given(FILE))
    new = load(given('words = ["alexa"]\n[gate]\nunsure = "ask"\n' + FILE + "repeat = 2\n[store]\nmax_mb = 9.0\n"))
    assert needs_restart(old, new) == ["store", "source"]
    assert needs_restart(old, old) == []


# ------------------------------------------------------------------------------------ the example


def test_the_example_is_a_file_without_settings(given):
    assert load(given(commented_settings())).tables == Tables()


def uncommented(text):
    """Return the entries of our own tables; those of plug-ins are tried one by one."""
    own, lines = True, []
    for line in text.splitlines():
        if match := re.match(r"# \[(\w+)", line):
            own = match[1] not in ("source", "reference", "sinks") and not line.startswith("# [gate.words")
            lines += [line[2:]] if own else []
        elif own and re.match(r"# \w+ = ", line):
            lines.append(line[2:])
    return "\n".join(lines)


def test_the_example_shows_every_default(given):
    text = uncommented(commented_settings())
    assert load(given(text)).tables == Tables()
    for field in dataclasses.fields(Tables):
        assert re.search(rf"^(\[{field.name}\]|{field.name} = )", text, re.MULTILINE) or field.name in (
            "source", "reference", "sinks",
        )  # fmt: skip


@pytest.mark.parametrize("group", [SOURCES, SINKS])
def test_every_plugin_is_explained(group):
    text = commented_settings()
    assert "cannot be loaded" not in text
    for name, point in installed(group).items():
        module = point.load()
        assert f'# kind = "{name}"' in text
        notes = field_notes(module.Settings)
        missing = [field.name for field in dataclasses.fields(module.Settings) if not notes.get(field.name)]
        assert not missing, f"{point.value}: fields without a docstring: {missing}"


def test_every_table_is_explained():
    for field in dataclasses.fields(Tables):
        kind = Tables.__dataclass_fields__[field.name].type
        if dataclasses.is_dataclass(kind):
            notes = field_notes(kind)
            assert all(notes.get(one.name) for one in dataclasses.fields(kind)), kind


def test_a_plugin_that_is_not_there_is_told(monkeypatch):
    with pytest.raises(
        UsageError, match=r"f: got 'x', expected the name of one that is installed; there are: .*socket"
    ):
        sink_plugin("x", "f")


def test_a_plugin_of_a_third_party_is_found(monkeypatch, given, tmp_path):
    import importlib
    import importlib.metadata
    import sys

    (tmp_path / "third.py").write_text(
        "from dataclasses import dataclass\nSUMMARY = 'x'\n@dataclass\nclass Settings:\n    colour: str = 'red'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    point = importlib.metadata.EntryPoint("lamp", "third", SINKS)
    monkeypatch.setattr("edge.plugins.installed", lambda group: {**installed(group), "lamp": point})
    settings = load(given(FILE + '[sinks.lamp]\ncolour = "blue"\n'))
    assert settings.sinks["lamp"].settings.colour == "blue"
    assert sys.modules.pop("third") is settings.sinks["lamp"].plugin
    assert Path(settings.sinks["lamp"].plugin.__file__).parent == tmp_path
