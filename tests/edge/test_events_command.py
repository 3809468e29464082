"""``vivavoce events``: found, explained, followed, and deleted so that nothing of it is left in any file."""

import datetime
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from event_makers import AT_S, answer, passed, sound, status, unjudged

from edge.cli import main
from edge.event_reading import EventReader, Selection
from edge.event_store import EventStore, StoreSettings
from edge.health import Health
from edge.kept_audio import AudioSettings
from edge.moments import moment
from edge.policy import REASONS
from edge.sinks.store import StoreSink

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.sqlite3"


def filled(path, *messages):
    with EventStore(path) as store:
        for message in messages:
            store.add(message)
    return messages


@pytest.fixture
def events(capsys, path):
    def run(*arguments):
        code = main(["events", "--store", str(path), *arguments])
        done = capsys.readouterr()
        return code, done.out, done.err

    return run


def one_line(text):
    return text.count("\n") == 1 and text.startswith("vivavoce: ")


# ------------------------------------------------------------------------------------------ moments


@pytest.mark.parametrize(
    ("text", "ago_s"),
    [("90 s", 90), ("30min", 1800), ("2 h", 7200), ("1.5 hours", 5400), ("3 D", 259_200), ("1 week", 604_800)],
)
def test_spans_before_now(text, ago_s):
    assert moment(text) == pytest.approx(time.time() - ago_s, abs=5)


def test_days_and_times_are_those_of_the_device():
    assert moment("2026-11-26 14:05") == datetime.datetime(2026, 11, 26, 14, 5).timestamp()
    assert moment("2026-11-26") == datetime.datetime(2026, 11, 26).timestamp()
    assert moment("2026-11-26T14:05:00+00:00") == 1_795_701_900
    assert moment("today") - moment("yesterday") == pytest.approx(86_400, abs=3601)


@pytest.mark.parametrize(
    "text", ["", "2", "2 parsecs", "2026-13-01", "-2 h", "0001-01-01", "\u0661 h", "9" * 400 + " h"]
)
def test_moments_that_are_none(text):
    with pytest.raises(ArgumentTypeError, match="expected a span such as"):
        moment(text)


# ------------------------------------------------------------------------------------------ listing


def test_events_are_listed_the_newest_last(path, events):
    told = filled(path, answer(AT_S), status(AT_S + 1, muted=True), passed(AT_S + 2), unjudged(AT_S + 3))
    code, out, err = events()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [re.split("  +", line)[2].split()[0] for line in lines] == ["block", "status", "pass", "block"]
    assert lines[0].startswith(datetime.datetime.fromtimestamp(AT_S).strftime("%Y-%m-%d %H:%M:%S"))
    assert told[0].id in lines[0]
    assert lines[0].endswith("smart mirror      wake 0.98  live 0.02  loudspeaker")
    assert lines[1].endswith("status the daemon listened: USB microphone, muted")
    assert lines[3].endswith("live    -  failed")


def test_json_is_what_the_daemon_sends(path, events):
    told = filled(path, answer(AT_S), passed(AT_S + 1))
    code, out, err = events("--json")
    assert (code, err) == (0, "")
    found = [json.loads(line) for line in out.splitlines()]
    assert found == [{**one.to_dict(), "audio": None, "label": None, "note": ""} for one in told]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "012345"),
        (["--limit", "2"], "45"),
        (["--limit", "0"], "012345"),
        (["--action", "pass"], "1"),
        (["--reason", "near_cutoff"], "2"),
        (["--word", "okay nabu"], "4"),
        (["--kind", "status"], "5"),
        (["--action", "block", "--limit", "1"], "4"),
        (["--since", "3 h"], "345"),
        (["--since", "2 d", "--before", "3 h"], "12"),
    ],
    ids=" ".join,
)
def test_the_options_choose(arguments, expected, path, events):
    now = time.time()
    days = [3.0, 1.5, 1.0, 0.1, 0.05, 0.0]
    made = [answer, passed, unjudged, answer, answer, status]
    differ = [{}, {}, {"reasons": ("near_cutoff",)}, {}, {"word": "okay_nabu", "phrase": "okay nabu"}, {}]
    filled(path, *(one(now - 86_400 * ago, **other) for one, ago, other in zip(made, days, differ, strict=True)))
    code, out, _ = events("--json", *arguments)
    assert code == 0
    ats = [json.loads(line)["at"] for line in out.splitlines()]
    assert "".join(str([round(now - 86_400 * ago, 3) for ago in days].index(at)) for at in ats) == expected


def test_nothing_to_show_is_one_line(path, events, capsys):
    code, out, err = events()
    assert (code, out) == (2, "")
    assert one_line(err)
    assert "there is no store of events" in err
    filled(path)
    code, out, err = events("--json")
    assert (code, out) == (0, "")
    assert one_line(err)
    assert "no events yet" in err
    filled(path, answer())
    code, out, err = events("--action", "pass")
    assert (code, out) == (0, "")
    assert one_line(err)
    assert "no events like these" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "-1"],
        ["--reason", "lodspeaker"],
        ["--action", "blocked"],
        ["--kind", "x"],
        ["show", "0000000000000000"],
        ["delete"],
        ["delete", "--all", "--before", "2 h"],
        ["delete", "--all"],
        ["delete", "0000000000000000", "--yes"],
        ["--config", "nowhere.toml", "show", "last"],
    ],
    ids=" ".join,
)
def test_faults_are_one_line_and_change_nothing(arguments, path, events, capsys):
    (told,) = filled(path, answer())
    if "--config" in arguments:
        code = main(["events", *arguments])
        done = capsys.readouterr()
        out, err = done.out, done.err
    else:
        code, out, err = events(*arguments)
    assert (code, out) == (2, "")
    assert one_line(err), err
    with EventReader(path) as reader:
        assert [event.id for event in reader.events(Selection())] == [told.id]


def test_what_a_terminal_would_act_on_is_not_sent_to_it(path, events):
    evil = "a\x1b[2J\nb\u202e"
    told = filled(
        path, answer(phrase=evil, word=evil, origin=evil, reasons=(evil,), bundle=evil), status(source_name=evil)
    )
    for arguments in ([], ["show", told[0].id]):
        code, out, _ = events(*arguments)
        assert code == 0
        assert not {"\x1b", "\u202e"} & set(out)
        assert "\\u001b[2J\\nb" in out


def test_a_damaged_event_hides_no_other(path, events):
    filled(path, answer(), passed())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE event SET record = 'x' WHERE seq = 1")
    connection.commit()
    connection.close()
    code, out, err = events("--json")
    assert code == 0
    assert len(out.splitlines()) == 1
    assert one_line(err)
    assert "1 event is damaged" in err


def test_the_settings_name_the_store(tmp_path, capsys):
    store = tmp_path / "elsewhere.sqlite3"
    (told,) = filled(store, answer())
    config = tmp_path / "daemon.toml"
    # What is wrong in another table does not matter here.
    config.write_text(f'words = 7\n[store]\npath = "{store}"\n')
    assert main(["events", "--config", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == told.id
    for wrong in ('[store]\npaht = "x"\n', "store = 1\n"):
        config.write_text(wrong)
        assert main(["events", "--config", str(config)]) == 2
        assert one_line(capsys.readouterr().err)


def test_without_a_name_it_is_the_store_of_this_user(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    (told,) = filled(tmp_path / "events.sqlite3", answer())
    assert main(["events", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == told.id


# ----------------------------------------------------------------------------------------- following


def test_following_prints_what_comes(path, tmp_path):
    (first,) = filled(path, answer(AT_S))
    command = [sys.executable, "-m", "edge", "events", "--store", str(path), "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        patience = threading.Timer(60, child.kill)
        patience.start()
        try:
            assert json.loads(child.stdout.readline())["id"] == first.id
            for at in range(1, 4):
                (told,) = filled(path, answer(AT_S + at))
                assert json.loads(child.stdout.readline())["id"] == told.id
            # It is damaged, and set aside: what comes then is printed, too.
            path.write_bytes(b"damaged" * 1000)
            (told,) = filled(path, answer(AT_S + 9))
            assert json.loads(child.stdout.readline())["id"] == told.id
            child.send_signal(signal.SIGINT)
            assert child.stdout.read() == ""
        finally:
            patience.cancel()
    assert child.returncode == 130


def test_following_a_store_that_stays_damaged_ends(path, events, monkeypatch):
    monkeypatch.setattr("edge.commands.events._POLL_S", 0.01)
    filled(path, answer())
    real = EventReader.last_seq

    calls = []

    def damaged(reader):
        calls.append(reader)
        if len(calls) == 2:
            path.write_bytes(b"damaged" * 1000)
        return real(reader)

    monkeypatch.setattr(EventReader, "last_seq", damaged)
    code, out, err = events("--follow")
    assert (code, len(calls), out.count("\n")) == (2, 2, 1)
    assert one_line(err)


# ---------------------------------------------------------------------------------------- explaining


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_told_in_words(reason, path, events):
    (told,) = filled(path, answer(reasons=(reason,)))
    code, out, _ = events("show", told.id)
    assert code == 0
    assert f"Why: {REASONS[reason]} ({reason})." in out.splitlines()


def test_a_blocked_command_is_explained(path, events):
    (told,) = filled(path, answer(reasons=("own_playback", "loudspeaker"), origin="wyoming 127.0.0.1:51044"))
    code, out, err = events("show", told.id)
    assert (code, err) == (0, "")
    at = datetime.datetime.fromtimestamp(AT_S).strftime("%Y-%m-%d %H:%M:%S")
    assert out.splitlines() == [
        f"{at}: 'smart mirror' was heard, and the command was blocked.",
        "Why: this device was playing it itself (own_playback).",
        "Also: it sounded like a loudspeaker (loudspeaker).",
        "By its sound alone it was a loudspeaker: a mouth spoke with probability 0.021 (the network said -4.25).",
        "The wake word scored 0.984; it lasted 0.70 s, from 1.00 s of the stream on, and the answer came with 0.10 s "
        "of sound after it.",
        "Its sound: -23.2 dBFS at its loudest, 24 dB above the noise, 0.74 s of speech, up to 7750 Hz, 0.0% of its "
        "samples at full scale.",
        "Beside: a very low level: raise the gain or come closer (quiet).",
        "It was heard by wyoming 127.0.0.1:51044, and judged with bundle 3.0.0.",
        "It took 12.1 ms for liveness, 0.2 ms for policy.",
        "Its sound was not kept.",
        f"If you know better: vivavoce label {told.id} live (or replay).",
    ]


def test_the_last_answer_and_a_state_are_explained(path, events):
    filled(path, answer(AT_S), unjudged(AT_S + 1), status(AT_S + 2, source="lost", source_name="unplugged", muted=True))
    code, out, _ = events("show", "last")
    assert code == 0
    assert "judging it failed: the log says why (failed)." in out
    assert "it could not be judged." in out
    with EventReader(path) as reader:
        *_, state = reader.events(Selection())
    code, out, _ = events("show", state.id)
    assert code == 0
    assert out.splitlines()[0].endswith("the source was lost (unplugged).")
    assert out.splitlines()[1] == "It was muted: nothing was heard."


def test_there_is_no_last_answer_yet(path, events):
    filled(path, status())
    code, _, err = events("show", "last")
    assert code == 2
    assert one_line(err)


def test_options_hold_before_and_after_the_step(path, events, capsys):
    (told,) = filled(path, answer())
    assert json.loads(events("--json", "show", told.id)[1])["id"] == told.id
    assert main(["events", "show", told.id, "--store", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == told.id


# ------------------------------------------------------------------------------------------ deleting


def leftovers(folder, *marks):
    """Return the files that hold one of these texts."""
    return [
        file.name
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(mark.encode() in file.read_bytes() for mark in marks)
    ]


@pytest.fixture
def home(tmp_path, path):
    """Return the answers of a daemon that keeps all sound, and still runs."""
    audio = AudioSettings(keep=("all",), path=str(tmp_path / "audio"))
    sink = StoreSink(StoreSettings(path=str(path)), audio, Health())
    sink.open()
    told = [answer(AT_S + at, origin=f"MARK{at}MARK", pre_roll=sound(0.2)) for at in range(40)]
    for one in told:
        sink.push(one)
    yield told
    sink.push(answer(AT_S + 99))
    sink.close()
    with EventReader(path) as reader:
        assert list(reader.events(Selection(since_s=AT_S + 99)))


def marks(numbers):
    return [f"MARK{at}MARK" for at in numbers]


def test_all_is_gone_for_good(home, path, tmp_path, events):
    damaged = path.with_name(f"{path.name}.damaged-20261101T000000.000000Z")
    damaged.write_text(marks([3])[0])
    Path(f"{damaged}-wal").write_text(marks([3])[0])
    assert leftovers(tmp_path, *marks(range(40)))
    code, out, err = events("delete", "--all", "--yes", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"event": "deleted", "events": 40, "audio": 40, "damaged": 1}
    assert leftovers(tmp_path, *marks(range(40)), *(one.id for one in home)) == []
    assert list((tmp_path / "audio").iterdir()) == []
    assert events("--json")[1] == ""


def test_what_was_before_is_gone_for_good(home, path, tmp_path, events):
    old, recent = (path.with_name(f"{path.name}.damaged-2026110{day}T000000.000000Z") for day in (1, 2))
    for one, at_s in ((old, AT_S), (recent, AT_S + 30)):
        one.write_text("x")
        os.utime(one, (at_s, at_s))
    before = datetime.datetime.fromtimestamp(AT_S + 25).isoformat()
    code, out, err = events("delete", "--before", before, "--yes")
    assert (code, out) == (0, "deleted: 25 events and 25 files of sound and 1 damaged store\n")
    assert one_line(err)
    assert f"{recent}: is damaged" in err
    assert not old.exists()
    assert leftovers(tmp_path, *marks(range(25)), *(one.id for one in home[:25])) == []
    assert len(list((tmp_path / "audio").iterdir())) == 15
    assert len(events("--json", "--limit", "0")[1].splitlines()) == 15


def test_one_event_is_gone_for_good(home, path, tmp_path, events):
    code, _, _ = events("delete", home[7].id, home[9].id, "--yes")
    assert code == 0
    assert leftovers(tmp_path, *marks([7, 9]), home[7].id) == []
    assert len(list((tmp_path / "audio").iterdir())) == 38


def test_only_sound_is_gone(home, path, tmp_path, events):
    code, out, _ = events(
        "delete", "--audio", "--before", datetime.datetime.fromtimestamp(AT_S + 5).isoformat(), "--yes"
    )
    assert (code, out) == (0, "deleted: 5 files of sound\n")
    code, out, _ = events("delete", "--audio", home[10].id, "--yes")
    assert len(list((tmp_path / "audio").iterdir())) == 34
    code, out, _ = events("delete", "--audio", "--yes")
    assert list((tmp_path / "audio").iterdir()) == []
    assert len(events("--json", "--limit", "0")[1].splitlines()) == 40
    code, out, _ = events("show", home[0].id)
    assert f"Its sound was kept, and is deleted by now: {tmp_path}/audio/{home[0].id}.flac." in out.splitlines()
    assert events("delete", "--audio", "--yes")[1] == "there is nothing to delete\n"


def test_a_person_is_asked(home, tmp_path, monkeypatch, events):
    asked = []
    monkeypatch.setattr("edge.terminal.Terminal.interactive", True, raising=False)
    monkeypatch.setattr("edge.terminal.Terminal.__init__", lambda self: None)
    answers = iter(["no", "yes"])
    monkeypatch.setattr("edge.terminal.Terminal.ask", lambda self, question: asked.append(question) or next(answers))
    code, _, err = events("delete", "--all")
    assert code == 2
    assert "nothing was deleted" in err
    assert len(events("--json", "--limit", "0")[1].splitlines()) == 40
    assert events("delete", "--all")[0] == 0
    assert asked == ["Delete 40 events and 40 files of sound, for good? Type yes:"] * 2


def test_sound_is_found_without_its_store(home, path, tmp_path, capsys):
    config = tmp_path / "daemon.toml"
    config.write_text(f'[store]\npath = "{tmp_path / "gone.sqlite3"}"\n[audio]\npath = "{tmp_path / "audio"}"\n')
    assert main(["events", "delete", "--all", "--yes", "--config", str(config)]) == 0
    assert capsys.readouterr().out == "deleted: 40 files of sound\n"
    assert not (tmp_path / "gone.sqlite3").exists()


def test_a_store_that_names_foreign_folders_deletes_no_foreign_file(path, tmp_path, events):
    other = tmp_path / "music"
    other.mkdir()
    (other / "song.flac").write_text("x")
    filled(path, answer())
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO audio_folder VALUES (?)", (str(other),))
    connection.execute("UPDATE event SET audio = ?", (str(other / "song.flac"),))
    connection.commit()
    connection.close()
    assert events("delete", "--all", "--yes")[0] == 0
    assert (other / "song.flac").exists()


def test_a_reader_that_holds_the_log_is_told_of(home, path, tmp_path, events, monkeypatch):
    monkeypatch.setattr("edge.event_schema._PATIENCE_S", 0.2)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    code, _, err = events("delete", "--all", "--yes")
    assert code == 2
    assert one_line(err)
    assert "another process reads" in err
    reader.close()
    # Given again, it goes on: the events are deleted already, the log is not empty.
    assert events("delete", "--all", "--yes")[:2] == (0, "there is nothing to delete\n")
    assert leftovers(tmp_path, *marks(range(40))) == []
