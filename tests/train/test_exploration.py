"""``vivavoce train explore``: a page that says what the manifest says and the files hold, and needs nothing else."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from edge.cli import EXIT_FAULT, EXIT_INTERRUPTED, main
from edge.manifest_file import COLUMNS, OPTIONAL_COLUMNS
from train.clip import Clip
from train.exploration import measure as measuring
from train.exploration.measure import Measured, cache_file, measure, measure_all
from train.exploration.summary import duration, outliers
from train.exploration.svg import histogram
from train.folder_check import Content

RATE_HZ = 16_000
VOID_TAGS = {"meta", "br"}


class Page(HTMLParser):
    """Reads a page: the cells of each table, all addresses, and whether the tags close as they should."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tables, self.text, self.tags = [], [], {}, [], []
        self.section = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href", "action")]
        if tag == "section":
            self.section = values.get("id", "")
        if tag == "tr":
            self.tables.setdefault(self.section, []).append([])
        if tag in ("td", "th"):
            self.tables[self.section][-1].append("")
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and {"td", "th"} & set(self.open) and "title" not in self.open:
            self.tables[self.section][-1][-1] += data


def utterance(rng, *, seconds=0.8, pitch_hz=140.0, before_s=0.3, level=0.3):
    """Make a buzz with pauses before and after it, in a quiet room."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * pitch_hz * k * time) / k for k in range(1, 40))
    pause = np.zeros(round(before_s * RATE_HZ))
    samples = np.concatenate((pause, level * voice / np.abs(voice).max(), pause))
    return samples + rng.standard_normal(samples.size) * 1e-3


class Folder:
    """A data folder in the making."""

    def __init__(self, path):
        self.path, self.rows, self.rng = path, [], np.random.default_rng(3)

    def add(self, name, split="train", role="wake", speaker="p", corpus="c", samples=None, **more):
        samples = utterance(self.rng) if samples is None else samples
        samples = np.round(samples * 32_768) / 32_768  # formats round differently, and the same audio must be the same
        soundfile.write(self.path / name, samples, RATE_HZ, subtype="PCM_16")
        row = {"path": name, "corpus": corpus, "speaker": speaker, "split": split, "role": role, "label": ""}
        about = {"seconds": f"{len(samples) / RATE_HZ:.4f}", "native_hz": RATE_HZ, "licence": "L"}
        self.rows.append({**row, **about, **more})
        return samples

    def write(self):
        with (self.path / "manifest.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, (*COLUMNS, *OPTIONAL_COLUMNS), restval="")
            writer.writeheader()
            writer.writerows(self.rows)


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "data")
    made.path.mkdir()
    for split, talkers in (("train", "abc"), ("dev", "d"), ("test", "ef")):
        for talker in talkers:
            for word in ("hey house", "computer"):
                made.add(f"{talker} {word}.flac", split, speaker=talker, label=word, source="live")
        made.add(f"{split} noise.flac", split, "noise", "many", "n", made.rng.standard_normal(RATE_HZ) * 0.05)
    return made


@pytest.fixture
def explore(folder, tmp_path, capsys):
    def run(*options):
        folder.write()
        out = tmp_path / "report.html"
        code = main(["train", "explore", "--data", str(folder.path), "--out", str(out), *options])
        captured = capsys.readouterr()
        return code, out.read_text() if out.exists() else "", captured.out, captured.err

    return run


def test_the_page_counts_what_the_manifest_has(folder, explore):
    code, text, _, err = explore()
    assert (code, err) == (0, "")
    sizes = {tuple(row[:2]): row[2:] for row in Page(text).tables["sizes"][2:]}
    assert set(sizes) == {("wake", "c"), ("noise", "n"), ("all", "")}

    def expected(corpus):
        cells = []
        for split in ("train", "dev", "test", None):
            rows = [r for r in folder.rows if r["corpus"] == corpus and split in (None, r["split"])]
            talkers = {r["speaker"] for r in rows} - {"many"}
            cells += [str(len(rows)), duration(sum(float(r["seconds"]) for r in rows)), str(len(talkers) or "")]
        return [*cells, "L"]

    assert sizes["wake", "c"] == expected("c")
    assert sizes["noise", "n"] == expected("n")
    words = {row[0]: row[1:] for row in Page(text).tables["words"][1:]}
    assert words == {word: ["3", "3", "1", "1", "2", "2"] for word in ("hey house", "computer")}
    assert "2 words, each said by 3 talkers in train, 1 talker in dev, 2 talkers in test" in text


def test_the_page_is_sound_and_needs_nothing_else(explore):
    _, text, _, _ = explore()
    page = Page(text)
    assert page.open == []
    players = page.tags.count("audio")
    assert 1 <= players <= 30
    assert len(page.addresses) == players
    assert all(address.startswith("data:audio/flac;base64,") for address in page.addresses)
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "Do not commit or pass it on" in text


def test_without_audio_there_is_no_recording_in_it(explore):
    _, text, _, _ = explore("--no-audio")
    page = Page(text)
    assert page.addresses == []
    assert "audio" not in page.tags
    assert "data:audio" not in text


def test_audio_in_two_splits_is_named_and_the_page_is_there(folder, explore):
    samples = folder.add("one.flac", "train", "speech", "x", "s")
    folder.add("other.wav", "test", "speech", "y", "s", samples=samples)
    code, text, _, err = explore()
    assert code == EXIT_FAULT
    assert len(err.splitlines()) == 1
    assert "one.flac in train and other.wav in test hold the same audio" in err
    assert "one.flac in train and other.wav in test hold the same audio" in "".join(Page(text).text)


def test_audio_under_two_names_is_a_fault_unless_it_is_allowed(folder, explore):
    samples = folder.add("one.flac", role="speech", corpus="s")
    folder.add("same.flac", role="speech", corpus="s", samples=samples)
    code, _, _, err = explore()
    assert code == EXIT_FAULT
    assert "one.flac and same.flac hold the same audio" in err
    code, _, out, err = explore("--allow", "duplicate-audio")
    assert (code, err) == (0, "")
    assert "accepted: 1 duplicate-audio" in out


def test_a_clip_that_cannot_be_read_is_one_line_and_the_rest_is_reported(folder, explore):
    folder.add("broken.flac", speaker="z", label="computer")
    (folder.path / "broken.flac").write_bytes(b"no audio")
    folder.add("gone.flac", speaker="z", label="computer")
    (folder.path / "gone.flac").unlink()
    code, text, _, err = explore()
    assert code == EXIT_FAULT
    assert sorted(name for line in err.splitlines() for name in ("broken", "gone") if name in line) == [
        "broken",
        "gone",
    ]
    assert len(err.splitlines()) == 2
    flags = Page(text).tables["flags"]
    assert [row[2] for row in flags if row[0] == "wake"] == ["12"]


def test_text_of_a_manifest_stays_text(folder, explore):
    name = "<b>&\"'<script>alert(1)</script>.flac".replace("/", "_")
    folder.add(
        name, role="speech", speaker="q", corpus="<i>corpus&", label='"><script>', device="<u>mic", licence="<L>"
    )
    folder.rows[-1]["seconds"] = "99"  # a fault, so that the name is in a message, too
    code, text, _, _ = explore()
    assert code == EXIT_FAULT
    page = Page(text)
    assert not {"script", "b", "i", "u", "l"} & set(page.tags)
    shown = "".join(page.text)
    for expected in (name, "<i>corpus&", '"><script>', "<u>mic", "<L>"):
        assert expected in shown


def test_a_second_run_measures_what_has_changed_only(folder, explore, monkeypatch):
    def result(out):
        return json.loads(out.splitlines()[-1])

    _, first, out, _ = explore("--json")
    assert result(out)["measured_now"] == len(folder.rows)
    seen = []
    monkeypatch.setattr(measuring, "measure", lambda clip: seen.append(clip.path) or measure(clip))
    _, second, out, _ = explore("--json")
    assert (result(out)["measured_now"], seen) == (0, [])
    assert second == first
    soundfile.write(folder.path / "a computer.flac", utterance(folder.rng, seconds=0.9), RATE_HZ)
    code, _, out, _ = explore("--json")
    assert (result(out)["measured_now"], seen) == (1, ["a computer.flac"])
    assert code == EXIT_FAULT, "its length is not that of its row any more"


def test_what_was_measured_before_an_interruption_is_kept(folder, explore, monkeypatch):
    done = []

    def interrupted(clip):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(clip.path)
        return measure(clip)

    monkeypatch.setattr(measuring, "measure", interrupted)
    code, text, _, _ = explore()
    assert (code, text) == (EXIT_INTERRUPTED, "")
    monkeypatch.undo()
    _, _, out, _ = explore("--json")
    assert json.loads(out.splitlines()[-1])["measured_now"] == len(folder.rows) - 3


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version": 0, "clips": {}}', b'{"version": 1, "clips": 3}', b"[" * 100_000],
    ids=["empty", "cut", "list", "old", "number", "deep"],
)
def test_a_cache_that_cannot_be_used_is_made_anew(content, folder, explore, tmp_path):
    cache = cache_file(tmp_path, folder.path)
    cache.write_bytes(content)
    code, _, _, _ = explore()
    assert code == 0
    assert len(json.loads(cache.read_bytes())["clips"]) == len(folder.rows)


@pytest.mark.parametrize("number", ["99.5", '"x"', "NaN", "null", "[]", "1" * 400])
def test_numbers_that_somebody_edited_are_measured_again(number, folder, explore, tmp_path):
    _, first, _, _ = explore()
    cache = cache_file(tmp_path, folder.path)
    content = json.loads(cache.read_bytes())
    level = content["clips"]["a computer.flac"]["measured"]["level_dbfs"]
    edited = cache.read_text().replace(f'"level_dbfs": {level}', f'"level_dbfs": {number}')
    assert edited != cache.read_text()
    cache.write_text(edited)
    code, second, _, _ = explore()
    assert (code, second) == (0, first)
    assert json.loads(cache.read_bytes()) == content


def test_nothing_is_measured_where_it_could_not_be_remembered(folder, explore, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(measuring, "measure", lambda clip: seen.append(clip.path) or measure(clip))
    (tmp_path / "file").write_text("")
    code, _, _, err = explore("--cache", str(tmp_path / "file"))
    assert (code, err.count("\n")) == (EXIT_FAULT, 1)
    assert "cannot be written" in err
    assert seen == []


def test_processes_measure_what_one_does(folder, tmp_path, monkeypatch):
    clips = [clip_of(folder, row) for row in folder.rows]
    alone, _ = measure_all(clips, tmp_path / "a.json", workers=1)
    monkeypatch.setattr(measuring, "_FEW", 0)
    together, _ = measure_all(clips, tmp_path / "b.json", workers=2)
    assert together == alone
    assert list(together) == [clip.path for clip in clips]


def test_replays_are_set_beside_live_speech(folder, explore):
    _, text, _, _ = explore("--no-audio")
    assert "nothing here can be compared with replays" in text
    for talker, split in (("a", "train"), ("d", "dev")):
        bright = np.diff(utterance(folder.rng), prepend=0.0)
        replay = {"source": "replay", "loudspeaker": f"box{talker}", "label": "computer", "samples": bright}
        folder.add(f"r{talker}.flac", split, speaker=talker, **replay)
    _, text, out, _ = explore("--no-audio")
    assert "12 live utterances and 2 replays of 2 loudspeakers, 0 not stated" in out
    page = Page(text)
    assert ["loudspeaker", "c", "2", "boxa (1), boxd (1)"] in page.tables["things"]
    shown = "".join(page.text)
    assert "live (12)" in shown
    assert "replay (2)" in shown
    for talker in ("a", "d"):  # the same loudspeakers, now with their kind
        row = next(row for row in folder.rows if row["path"] == f"r{talker}.flac")
        row["loudspeaker"] = f"phone/{talker}"
    _, text, _, _ = explore("--no-audio")
    rows = Page(text).tables["loudspeakers"]
    assert [row[:2] for row in rows if row[0] in ("live", "phone")] == [["live", "12"], ["phone", "2"]]
    assert float(rows[-1][-2].split()[0]) > float(rows[-2][-2].split()[0])  # nothing but treble is left of them


def clip_of(folder, row):
    return Clip(
        path=row["path"], file=folder.path / row["path"], corpus=row["corpus"], speaker=row["speaker"],
        split=row["split"], role=row["role"], label=row["label"], seconds=float(row["seconds"]), native_hz=RATE_HZ,
        licence="L",
    )  # fmt: skip


def test_silence_and_speech_are_found_where_they_are(folder):
    voice = utterance(folder.rng, before_s=0.0)
    zeros = np.zeros(RATE_HZ // 4)
    folder.add("padded.flac", samples=np.concatenate((zeros, voice, zeros, zeros)))
    measured = measure(clip_of(folder, folder.rows[-1]))
    assert measured.content.seconds == pytest.approx(0.8 + 0.75)
    assert measured.zeros_before_s == pytest.approx(0.25, abs=0.001)
    assert measured.zeros_after_s == pytest.approx(0.5, abs=0.001)
    assert measured.zeros_s == pytest.approx(0.75, abs=0.011)
    assert measured.before_s == pytest.approx(0.25, abs=0.02)
    assert measured.after_s == pytest.approx(0.5, abs=0.02)
    assert sum(measured.shares) == pytest.approx(1.0, abs=1e-6)


def test_digital_silence_is_measured_and_drawn(folder, explore):
    folder.add("nothing.flac", speaker="a", label="computer", samples=np.zeros(RATE_HZ))
    code, text, _, _ = explore()
    assert code == 0
    silent = next(row for row in Page(text).tables["flags"] if row[0] == "wake")
    assert silent[3] == "1 (7.7 %)"
    assert measure(clip_of(folder, folder.rows[-1])).shares == ()


def test_the_clip_that_is_unlike_the_others_is_named_first(folder):
    recordings = []
    for number in range(20):
        clip = clip_of(folder, {**folder.rows[0], "path": f"{number}.flac"})
        level = -60.0 if number == 7 else -20.0 + 0.1 * number
        recordings.append((clip, Measured(Content(seconds=1.0), level_dbfs=level, snr_db=40.0, f70_hz=700.0)))
    found = outliers(recordings, 20)
    assert [one.recording[0].path for one in found] == ["7.flac"]
    assert found[0].reason == "level \N{MINUS SIGN}60 dBFS, usual here \N{MINUS SIGN}19 dBFS"


def test_one_cause_does_not_fill_the_list_of_unusual_clips(folder):
    recordings = []
    for number in range(40):
        clip = clip_of(folder, {**folder.rows[0], "path": f"{number}.flac"})
        level = -60.0 - number if number < 9 else -20.0
        seconds = 30.0 if number == 20 else 1.0
        recordings.append((clip, Measured(Content(seconds=seconds), level_dbfs=level, snr_db=40.0, f70_hz=700.0)))
    assert [one.recording[0].path for one in outliers(recordings, 20)] == [
        "20.flac", "8.flac", "7.flac", "6.flac", "5.flac",
    ]  # fmt: skip
    assert len(outliers(recordings, 2)) == 2


def test_corpora_of_words_and_of_others_are_compared(folder, explore):
    for number in range(8):
        samples = utterance(folder.rng, level=0.01)
        folder.add(f"s{number}.flac", role="speech", speaker=f"s{number}", corpus="faint", samples=samples)
    _, _, out, _ = explore("--no-audio", "--json")
    told = json.loads(out.splitlines()[-1])["facts"]["Corpora"]
    assert "in c (wake)" in told
    assert "in faint (speech)" in told
    assert "may learn the corpus and not the word" in told
    for number in range(8):
        folder.add(f"t{number}.flac", role="speech", speaker="a", corpus="c")
    _, _, out, _ = explore("--no-audio", "--json")
    assert "may learn the corpus" not in json.loads(out.splitlines()[-1])["facts"]["Corpora"]


def test_a_folder_of_nothing_readable_has_a_page_that_says_so(folder, explore):
    folder.write()
    for row in folder.rows:
        (folder.path / row["path"]).unlink()
    code, text, _, err = explore()
    assert code == EXIT_FAULT
    assert f"Faults: {len(folder.rows)} unreadable" in "".join(Page(text).text)
    assert len(err.splitlines()) == 6, "five, and how many more"


def test_values_beyond_the_axis_are_in_its_last_bar():
    drawn = histogram(np.array([0.1, 0.1, 50.0]), 0.0, 1.0, "<t>", bins=2)
    assert drawn.count("<rect") == 2
    assert "<title>&lt;t&gt;</title>" in drawn


def test_a_folder_without_a_clip_is_one_line(folder, explore):
    folder.rows.clear()
    code, text, _, err = explore()
    assert (code, text) == (EXIT_FAULT, "")
    assert len(err.splitlines()) == 1
    assert "holds a header and no rows" in err


def test_a_call_that_cannot_work_is_refused(folder, explore, tmp_path, capsys):
    assert explore("--workers", "0")[0] == EXIT_FAULT
    assert main(["train", "explore", "--data", str(folder.path), "--out", str(tmp_path)]) == EXIT_FAULT
    assert "expected the name of a file" in capsys.readouterr().err
