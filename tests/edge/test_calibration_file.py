"""The file of a calibration: written, read, kept before a newer one, undone; refused for another bundle or damage."""

import json
import shutil
from dataclasses import replace

import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_identity import bundle_hash
from edge.calibration import (
    Calibration,
    Expectation,
    WordCutoff,
    calibrated,
    calibration_text,
    former_of,
    neutral,
    read_calibration,
    undo,
    write_calibration,
)
from edge.calibration_prior import (
    PRIOR_NAME,
    Prior,
    Share,
    Spread,
    WordPrior,
    WordsPrior,
    prior_beside,
    prior_for,
    prior_text,
    read_prior,
)
from edge.errors import DataError, UsageError
from edge.strict_json import is_line


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()


@pytest.fixture(scope="module")
def calibration(bundle):
    return Calibration(
        bundle_sha256=bundle_hash(bundle.path),
        bundle_version=bundle.bundle_version,
        microphone="USB PnP Sound Device",
        made="2026-11-25T20:53:40+00:00",
        live=10,
        replay=20,
        loudspeakers=("phone", "tv"),
        slope=1.5,
        offset=-0.25,
        words={"alexa": WordCutoff(0.9, 10, (7, 9), Expectation((0.1, 0.2, 0.3), (0.0, 0.1, 0.2)), (0.5, 1.25))},
        refused_live=Expectation((0.01, 0.02, 0.1), (0.0, 0.03, 0.2)),
        passed_replays=Expectation((0.1, 0.4, 0.6), (0.1, 0.3, 0.5)),
    )


class TestFile:
    def test_what_is_written_is_read(self, tmp_path, bundle, calibration):
        path = tmp_path / "home.json"
        write_calibration(path, calibration, bundle)
        assert read_calibration(path) == calibration

    def test_before_the_first_one_is_the_bundle_as_it_is(self, tmp_path, bundle, calibration):
        path = tmp_path / "home.json"
        write_calibration(path, calibration, bundle)
        before = read_calibration(former_of(path))
        assert before == neutral(bundle)
        assert calibrated(bundle, before, where="x") == bundle

    def test_the_one_before_is_kept_and_undo_exchanges_them(self, tmp_path, bundle, calibration):
        path, newer = tmp_path / "home.json", replace(calibration, slope=2.0)
        write_calibration(path, calibration, bundle)
        write_calibration(path, newer, bundle)
        assert undo(path) == calibration
        assert (read_calibration(path), read_calibration(former_of(path))) == (calibration, newer)
        assert undo(path) == newer
        assert read_calibration(path) == newer
        assert sorted(one.name for one in tmp_path.iterdir()) == ["home.json", "home.json.former"]

    def test_what_is_no_calibration_is_not_replaced(self, tmp_path, bundle, calibration):
        path = tmp_path / "letter"
        path.write_text("dear all")
        with pytest.raises(DataError, match="not JSON"):
            write_calibration(path, calibration, bundle)
        assert path.read_text() == "dear all"
        assert not former_of(path).exists()

    def test_undo_without_a_former_one_changes_nothing(self, tmp_path, bundle, calibration):
        path = tmp_path / "home.json"
        path.write_bytes(calibration_text(calibration))
        with pytest.raises(DataError, match="nothing was undone"):
            undo(path)
        assert read_calibration(path) == calibration

    def test_undo_with_a_damaged_former_one_changes_nothing(self, tmp_path, bundle, calibration):
        path = tmp_path / "home.json"
        write_calibration(path, calibration, bundle)
        former_of(path).write_text("{}")
        with pytest.raises(DataError, match="former"):
            undo(path)
        assert read_calibration(path) == calibration

    @pytest.mark.parametrize(
        ("path", "value", "told"),
        [
            (("format",), "something", "format"),
            (("format_version",), 3, "format_version"),
            (("bundle", "sha256"), "12", "bundle.sha256"),
            (("microphone",), "two\nlines", "microphone"),
            (("made",), "yesterday", "made"),
            (("made",), "2026-13-45T99:99:99+00:00", "made"),
            (("made",), "2026-11-25T20:53:40+99:00", "made"),
            (("bundle", "version"), "\x1b[2J", "bundle.version"),
            (("words", "\x1b[2Jalexa"), {"cutoff": 0.9}, '"\\u001b[2Jalexa"'),
            (("\x1b[2J",), 1, '"\\u001b[2J"'),
            (("evidence", "loudspeakers"), ["\x1b[2J"], "loudspeakers.0"),
            (("evidence", "live"), -1, "evidence.live"),
            (("evidence", "loudspeakers"), "phone", "loudspeakers"),
            (("evidence", "loudspeakers"), ["phone", 3], "loudspeakers"),
            (("liveness", "slope"), -1.0, "liveness.slope"),
            (("liveness", "slope"), 0.0, "liveness.slope"),
            (("liveness", "offset"), 1e9, "liveness.offset"),
            (("liveness", "more"), 1, "more"),
            (("words", "alexa"), 0.95, "words.alexa"),
            (("words", "alexa", "cutoff"), 1.5, "words.alexa.cutoff"),
            (("words", "alexa", "cutoff"), 0.0, "words.alexa.cutoff"),
            (("words", "alexa", "cutoff"), 1e-9, "words.alexa.cutoff"),
            (("words", "alexa", "heard"), [7, 11], "words.alexa.heard"),
            (("words", "alexa", "heard"), [7.5, 9], "words.alexa.heard"),
            (("words", "alexa", "missed", "before"), [0.3, 0.2, 0.4], "before"),
            (("words", "alexa", "false_accepts_per_hour"), [-1, 2], "false_accepts_per_hour"),
            (("words", "alexa", "false_accepts_per_hour"), [float("nan"), 2], "home.json"),
            (("words", "alexa", "more"), 1, "more"),
            (("expected", "refused_live", "after"), [0.3, 0.2, 0.4], "after"),
            (("expected", "refused_live", "after"), [0.1, 0.2, 1.4], "after"),
            (("expected", "passed_replays", "before"), None, "before"),
            (("unknown",), 1, "unknown"),
        ],
    )
    def test_damage_is_named(self, tmp_path, calibration, path, value, told):
        record = json.loads(calibration_text(calibration))
        table = record
        for name in path[:-1]:
            table = table[name]
        table[path[-1]] = value
        file = tmp_path / "home.json"
        file.write_text(json.dumps(record))
        with pytest.raises(DataError) as caught:
            read_calibration(file)
        assert str(file) in str(caught.value)
        assert told in str(caught.value)
        assert is_line(str(caught.value))

    @pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"NaN", b"[" * 5000, b'{"format": 1, "format": 1}'])
    def test_what_is_no_json_object_is_refused(self, tmp_path, content):
        file = tmp_path / "home.json"
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"home\.json"):
            read_calibration(file)

    def test_the_first_version_had_a_number_for_a_word_and_is_still_read(self, tmp_path, calibration):
        record = json.loads(calibration_text(calibration))
        record |= {"format_version": 1, "words": {"alexa": 0.9}}
        file = tmp_path / "home.json"
        file.write_text(json.dumps(record))
        assert read_calibration(file) == replace(calibration, words={"alexa": WordCutoff(0.9)})
        record["words"] = {"alexa": 0.0}
        file.write_text(json.dumps(record))
        with pytest.raises(DataError, match=r"words\.alexa: got 0\.0"):
            read_calibration(file)
        record["words"] = {"alexa": {"cutoff": 0.9}}
        file.write_text(json.dumps(record))
        with pytest.raises(DataError, match=r"words\.alexa"):
            read_calibration(file)

    def test_a_missing_one_and_a_folder_are_refused(self, tmp_path):
        for path in (tmp_path / "none", tmp_path):
            with pytest.raises(DataError):
                read_calibration(path)


class TestUse:
    def test_the_bundle_judges_by_it(self, bundle, calibration):
        found = calibrated(bundle, calibration, where="home.json")
        assert (found.liveness.slope, found.liveness.offset) == (1.5, -0.25)
        assert found.liveness.accept_cutoff == bundle.liveness.accept_cutoff
        cutoffs = {word.id: word.cutoff for word in bundle.words}
        assert {word.id: word.cutoff for word in found.words} == {**cutoffs, "alexa": 0.9}

    def test_for_another_bundle_it_is_refused(self, bundle, calibration):
        other = replace(calibration, bundle_sha256="0" * 64)
        with pytest.raises(UsageError, match=r"home\.json: bundle\.sha256: got 0000.*calibrate again"):
            calibrated(bundle, other, where="home.json")

    def test_a_word_that_the_bundle_does_not_have_is_refused(self, bundle, calibration):
        with pytest.raises(UsageError, match="words: got 'nobody'"):
            calibrated(bundle, replace(calibration, words={"nobody": 0.5}), where="home.json")


PRIOR = Prior(
    source="a test",
    slope_spread=1.6,
    offset_spread=1.0,
    live=Spread(1.0, 0.9, 0.7),
    refused_live=Share(0.3, 3.7),
    passed_replays=Share(1.0, 1.5),
    words=WordsPrior(
        source="a test",
        between=0.7,
        within=0.6,
        missed=Share(0.5, 4.5),
        shifts=(0.5, 0.0, -0.5),
        hours=2.0,
        of={"alexa": WordPrior(0.4, (0, 1, 3))},
    ),
)


class TestPrior:
    def test_what_is_written_is_read(self, tmp_path):
        path = tmp_path / PRIOR_NAME
        assert read_prior(path, prior_text(PRIOR)) == PRIOR
        assert read_prior(path, prior_text(PRIOR, "a" * 64), bundle_sha256="a" * 64) == PRIOR

    def test_the_first_version_knew_of_no_words_and_is_still_read(self, tmp_path):
        record = json.loads(prior_text(PRIOR))
        record |= {name: {"before": record[name], "after": [9.0, 9.0]} for name in ("refused_live", "passed_replays")}
        del record["words"]
        content = json.dumps(record | {"format_version": 1}).encode()
        assert read_prior(tmp_path / "x", content) == replace(PRIOR, words=None)
        record = json.loads(prior_text(PRIOR))
        del record["words"]
        with pytest.raises(DataError, match="words"):
            read_prior(tmp_path / "x", json.dumps(record).encode())

    def test_the_second_version_had_another_share_for_after_which_is_not_used(self, tmp_path):
        record = json.loads(prior_text(PRIOR)) | {"format_version": 2}
        for table, name in ((record, "refused_live"), (record, "passed_replays"), (record["words"], "missed")):
            table[name] = {"before": table[name], "after": [9.0, 9.0]}
        assert read_prior(tmp_path / "x", json.dumps(record).encode()) == PRIOR
        record["refused_live"]["after"] = [9.0]
        with pytest.raises(DataError, match=r"refused_live\.after"):
            read_prior(tmp_path / "x", json.dumps(record).encode())

    def test_that_of_another_bundle_is_refused(self, tmp_path):
        with pytest.raises(DataError, match="bundle_sha256"):
            read_prior(tmp_path / "x", prior_text(PRIOR, "a" * 64), bundle_sha256="b" * 64)

    def test_the_bundle_that_ships_has_one(self, bundle):
        assert "simulated homes of dev" in prior_for(bundle).source

    def test_a_bundle_without_one_is_told_so(self, tmp_path):
        copy = tmp_path / "mine"
        shutil.copytree(DEFAULT_BUNDLE, copy)
        with pytest.raises(UsageError, match="how far ten takes may be trusted"):
            prior_for(open_bundle(copy))
        prior_beside(copy).write_bytes(prior_text(PRIOR, bundle_hash(copy)))
        assert prior_for(open_bundle(copy)) == PRIOR
        prior_beside(copy).write_bytes(prior_text(PRIOR, "a" * 64))
        with pytest.raises(DataError, match="bundle_sha256"):
            prior_for(open_bundle(copy))

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("slope_spread",), 0.0),
            (("offset_spread",), "1"),
            (("live", "between"), -1.0),
            (("live", "more"), 1.0),
            (("refused_live",), [1.0]),
            (("refused_live",), [1.0, 0.0]),
            (("passed_replays",), [1.0, "x"]),
            (("passed_replays",), {"before": [1.0, 1.5], "after": [1.0, 2.0]}),
            (("words", "missed"), [1e9, 1.0]),
            (("source",), ""),
            (("words", "between"), 0.0),
            (("words", "shifts"), [0.5, -0.5, 0.0]),
            (("words", "shifts"), [0.5, 0.1, -0.5]),
            (("words", "of", "alexa", "false_accepts"), [0, 1]),
            (("words", "of", "alexa", "false_accepts"), [0, 1, 1.5]),
            (("words", "of", "alexa", "false_accepts"), [0, 1, -1]),
            (("words", "more"), 1),
            (("unknown",), 1),
        ],
    )
    def test_damage_is_named(self, tmp_path, path, value):
        record = json.loads(prior_text(PRIOR))
        table = record
        for name in path[:-1]:
            table = table[name]
        table[path[-1]] = value
        with pytest.raises(DataError, match=path[-1]):
            read_prior(tmp_path / "x", json.dumps(record).encode())
