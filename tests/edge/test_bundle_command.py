"""``vivavoce bundle``: what it prints, and with which code it ends."""

import json
import shutil

import pytest
from verifier_bundle import make_verifier, with_verifier

from edge.bundle import DEFAULT_BUNDLE, open_bundle
from edge.bundle_diff import differences
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import CARD_NAME, MANIFEST_NAME, SIGNATURE_NAME
from edge.bundle_writing import seal
from edge.cli import main
from edge.verifier import Verifier

WORDS = [word.id for word in open_bundle().words]


@pytest.fixture
def folder(tmp_path):
    """Return a copy of the bundle that ships."""
    path = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, path)
    (path / SIGNATURE_NAME).unlink(missing_ok=True)
    return path


@pytest.fixture
def keys(tmp_path, capsys):
    """Return the prefix of a pair of keys."""
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")
    assert main(["bundle", "keygen", "--out", str(tmp_path / "k"), "--no-password"]) == 0
    capsys.readouterr()
    return str(tmp_path / "k")


@pytest.fixture
def call(capsys):
    """Return a function that runs a step and gives code, JSON lines and lines on stderr."""

    def run(*words):
        code = main(["bundle", *map(str, words), "--json"])
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err.splitlines()

    return run


def without(folder):
    """Take the verifier out of a bundle, if it has one."""

    def edit(manifest):
        if manifest.get("verifier"):
            (folder / manifest["verifier"]["file"]).unlink()
            manifest["verifier"] = None

    change(folder, edit)
    return folder


def change(folder, edit):
    """Change the manifest, and seal it again."""
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    edit(manifest)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    seal(folder)


# --------------------------------------------------------------------------------------- verify and show


def test_verify_says_what_it_looked_at(folder, call):
    code, (record,), complaints = call("verify", folder)
    assert (code, complaints) == (0, [])
    assert record["event"] == "verified"
    assert record["sha256"] == bundle_hash(folder)
    assert record["signature"] == {"state": "unsigned", "key_id": "", "comment": ""}
    assert (record["bytes"], record["unlisted"]) == (open_bundle(folder).size, [])
    assert CARD_NAME in record["files"]


def test_verify_names_what_nobody_vouches_for(folder, call):
    (folder / "note\x1b[2J.txt").touch()
    code, (record,), (warning,) = call("verify", folder)
    assert (code, record["unlisted"]) == (0, ["note\x1b[2J.txt"])
    assert "covered by no hash or signature" in warning
    assert "\x1b" not in warning


@pytest.mark.parametrize("name", ["wake.tflite", CARD_NAME, MANIFEST_NAME])
def test_verify_refuses_what_is_damaged(folder, call, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-3] + b"abc")
    code, records, (line,) = call("verify", folder)
    assert (code, records) == (2, [])
    assert name in line
    assert "install the bundle again" in line


def test_verify_runs_the_networks(folder, call):
    """Hashes that are right do not make a network of a file."""
    for name in ("liveness.tflite", "wake.tflite"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"no network")
        seal(folder)
        code, records, (line,) = call("verify", folder)
        assert (code, records) == (2, [])
        assert name in line
        (folder / name).write_bytes(content)
        seal(folder)
    assert call("verify", folder)[0] == 0


def test_verify_runs_the_verifier(folder, tmp_path, call):
    made = with_verifier(folder, tmp_path / "verified")
    assert call("verify", made)[0] == 0
    wrong = make_verifier([0.0] * 5, [0.0] * 5)  # for five words, of a bundle of six
    for content, said in ((b"no network", "verifier.tflite"), (wrong, "verifier.tflite: output")):
        (made / "verifier.tflite").write_bytes(content)
        seal(made)
        code, records, (line,) = call("verify", made)
        assert (code, records) == (2, [])
        assert said in line


def test_verify_looks_once_although_there_is_no_candidate(folder, tmp_path, call, monkeypatch):
    looked = []
    scores = Verifier.scores
    monkeypatch.setattr(Verifier, "scores", lambda self, samples: looked.append(scores(self, samples)))
    assert call("verify", with_verifier(folder, tmp_path / "verified"))[0] == 0
    assert len(looked) == 1


def test_verify_judges_once_although_no_word_is_heard(folder, call, monkeypatch):
    from edge.liveness import LivenessStage

    judged = []
    judge = LivenessStage.judge
    monkeypatch.setattr(LivenessStage, "judge", lambda stage, samples: judged.append(judge(stage, samples)))
    assert call("verify", folder)[0] == 0
    assert len(judged) == 1


def test_a_folder_that_cannot_be_listed_is_told_of(folder, call, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge.bundle.os.listdir", refuse)
    code, records, (line,) = call("show", folder)
    assert (code, records) == (2, [])
    assert "cannot be listed (Permission denied)" in line


def test_show_holds_what_the_manifest_says(folder, call, capsys):
    code, (record,), complaints = call("show", folder)
    assert (code, complaints) == (0, [])
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    for name in ("bundle_version", "minimum_vivavoce_version", "words", "frontend", "training", "licences", "files"):
        assert record[name] == manifest[name], name
    assert record["limits"] == manifest.get("limits")
    assert main(["bundle", "show", str(folder)]) == 0
    text = capsys.readouterr().out
    for word in manifest["words"]:
        assert f"cut-off {word['cutoff']:g}" in text
    for entry in manifest["licences"]:
        assert entry["licence"] in text
    for needed in (bundle_hash(folder), manifest["files"]["wake.tflite"]["sha256"], "not signed", "limits"):
        assert needed in text


def test_show_tells_of_the_verifier(folder, tmp_path, call, capsys):
    alone = {word.id: word.cutoff for word in open_bundle(without(folder)).words}
    made = with_verifier(folder, tmp_path / "verified", candidate=0.25, cutoff=0.625, delay_ms=90, again_ms=240)
    manifest = json.loads((made / MANIFEST_NAME).read_bytes())
    record = call("show", made)[1][0]
    assert record["verifier"] == manifest["verifier"]
    assert record["words"] == manifest["words"]
    assert main(["bundle", "show", str(made)]) == 0
    text = capsys.readouterr().out
    size = len((made / "verifier.tflite").read_bytes())
    assert f"verifier.tflite, {size} bytes: looks 90 ms after the wake network, and again 240 ms later" in text
    (line,) = [line for line in text.splitlines() if line.startswith("  alexa ")]
    for needed in ("verifier's cut-off 0.625", "looks from 0.25 on", f"without it: cut-off {alone['alexa']:g}"):
        assert needed in line
    assert call("show", without(folder))[1][0]["verifier"] is None
    assert main(["bundle", "show", str(folder)]) == 0
    assert "none: the wake network decides alone" in capsys.readouterr().out


def test_show_prints_nothing_that_a_terminal_acts_on(folder, capsys):
    def edit(manifest):
        manifest["words"][0]["phrase"] = "a\x1b[2Jlexa"
        manifest["licences"][0]["material"] = "x\ny"
        manifest["training"]["wake"]["commit"] = "\x1b]0;title\x07"

    change(folder, edit)
    assert main(["bundle", "show", str(folder)]) == 0
    assert main(["bundle", "diff", str(folder), str(DEFAULT_BUNDLE)]) == 1
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\x07" not in text
    assert '"x\\ny"' in text


# -------------------------------------------------------------------------------------------------- diff


def test_the_same_bundle_does_not_differ(folder, call):
    (folder / "unlisted.txt").touch()
    code, (record,), complaints = call("diff", folder, DEFAULT_BUNDLE)
    assert (code, complaints) == (0, [])
    assert record == {
        "event": "compared",
        "a": str(folder),
        "b": str(DEFAULT_BUNDLE),
        "same": True,
        "differences": 0,
    }


def test_diff_tells_of_the_verifier(folder, tmp_path, call):
    """Of words there is what is compared: the cut-offs of a wake network that decides alone stay what they are."""
    one = with_verifier(folder, tmp_path / "one", cutoff=0.5)
    other = with_verifier(
        folder, tmp_path / "other", bias=[1.0] * 6, cutoff={**dict.fromkeys(WORDS, 0.5), "alexa": 0.6}
    )
    found = {
        (entry["section"], entry["entry"]) for entry in call("diff", one, other)[1] if entry["event"] != "compared"
    }
    assert found == {("networks", "verifier.sha256"), ("settings", "verifier.words.alexa.cutoff")}
    plain = without(folder)
    rows = [entry for entry in call("diff", plain, one)[1] if entry["event"] != "compared"]
    assert {row["section"] for row in rows} == {"networks", "settings"}
    assert {row["entry"].split(".")[0] for row in rows} == {"verifier"}


def test_diff_names_every_entry_that_differs(folder, tmp_path, call):
    plain = tmp_path / "plain"
    shutil.copytree(folder, plain)
    seal(plain)

    def edit(manifest):
        manifest["bundle_version"] = "9.9"
        manifest["words"][1]["cutoff"] = 0.125
        manifest["liveness"]["calibration"]["slope"] = 3.5
        manifest["frontend"]["pcan_gain_bits"] = 20
        manifest["wake"]["smoothing_steps"] = 4
        manifest["training"]["wake"]["seed"] = 77
        del manifest["training"]["liveness"]["commit"]
        manifest["licences"].append({"material": "new", "licence": "CC0-1.0"})

    (folder / CARD_NAME).write_text("# another card\n")
    (folder / "liveness.tflite").write_bytes(b"another network")
    change(folder, edit)
    before = json.loads((plain / MANIFEST_NAME).read_bytes())
    code, (*found, end), _ = call("diff", plain, folder)
    assert (code, end["same"], end["differences"]) == (1, False, len(found))
    by_name = {(one["section"], one["entry"]): one for one in found}
    word = before["words"][1]
    expected = {
        ("bundle", "bundle_version"): (before["bundle_version"], "9.9"),
        ("words", f"{word['id']}.cutoff"): (word["cutoff"], 0.125),
        ("settings", "liveness.slope"): (before["liveness"]["calibration"]["slope"], 3.5),
        ("settings", "frontend.pcan_gain_bits"): (before["frontend"]["pcan_gain_bits"], 20),
        ("settings", "wake.smoothing_steps"): (before["wake"]["smoothing_steps"], 4),
        ("training", "wake.seed"): (before["training"]["wake"]["seed"], 77),
        ("networks", "liveness.bytes"): (before["files"]["liveness.tflite"]["bytes"], 15),
    }
    for name, (a, b) in expected.items():
        assert (by_name[name]["a"], by_name[name]["b"]) == (a, b), name
    assert "a" not in by_name["licences", "new"]
    assert "b" not in by_name["training", "liveness.commit"]
    rest = {("licences", "new"), ("training", "liveness.commit"), ("networks", "liveness.sha256"), ("files", CARD_NAME)}
    assert set(by_name) == set(expected) | rest


def test_diff_tells_of_words_and_verdicts_by_name(folder, call):
    change(folder, lambda manifest: manifest["words"].reverse())
    _, (*found, _), _ = call("diff", DEFAULT_BUNDLE, folder)
    names = [(one["section"], one["entry"]) for one in found]
    assert names[0] == ("words", "order")
    # Sealing removed the verdicts, and nothing else changed.
    assert {section for section, _ in names} <= {"words", "limits", "files"}
    assert ("limits", "judged") in names
    assert ("limits", f"{open_bundle().limits.verdicts[0].id}.measured") in names


def test_null_is_not_the_same_as_missing(folder):
    a = open_bundle(folder)
    change(folder, lambda manifest: manifest["training"]["wake"].update(note=None))
    (found,) = (one for one in differences(a, open_bundle(folder)) if one.section == "training")
    assert (found.entry, repr(found.a), found.b) == ("wake.note", "-", None)


def test_a_bundle_that_does_not_open_is_no_difference(folder, call):
    (folder / "wake.tflite").write_bytes(b"")
    code, records, (line,) = call("diff", DEFAULT_BUNDLE, folder)
    assert (code, records) == (2, [])
    assert str(folder / "wake.tflite") in line


# ------------------------------------------------------------------------------------------ sign and keygen


def test_a_signed_bundle_is_verified_and_shown(folder, keys, call):
    code, (made,), _ = call("sign", folder, "--secret-key", f"{keys}.key", "--comment", "for kitchens")
    assert (code, made["comment"]) == (0, "for kitchens")
    for step in ("verify", "show"):
        code, (record,), complaints = call(step, folder, "--public-key", f"{keys}.pub", "--require-signature")
        assert (code, complaints) == (0, [])
        assert record["signature"] == {"state": "trusted", "key_id": made["key_id"], "comment": "for kitchens"}
    code, (record,), (warning,) = call("verify", folder)
    assert (code, record["signature"]["state"]) == (0, "unchecked")
    assert made["key_id"] in warning
    code, (difference, _), _ = call("diff", DEFAULT_BUNDLE, folder)
    assert (code, difference["section"]) == (1, "signature")
    # Again, with what else there is to say by default.
    code, (made,), _ = call("sign", folder, "--secret-key", f"{keys}.key")
    assert made["comment"].startswith("timestamp:")
    assert made["comment"].endswith(f"vivavoce bundle {open_bundle(folder).bundle_version}")


def test_a_damaged_bundle_is_not_signed(folder, keys, call):
    (folder / "wake.tflite").write_bytes(b"other")
    code, records, (line,) = call("sign", folder, "--secret-key", f"{keys}.key")
    assert (code, records) == (2, [])
    assert "wake.tflite" in line
    assert not (folder / SIGNATURE_NAME).exists()


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--require-signature",), "got no public key"),
        (("--require-signature", "--public-key", "KEY.pub"), "got no signature"),
        (("--public-key", "KEY.key"), "expected a public key"),
        (("--public-key", "nowhere"), "cannot be read"),
    ],
)
@pytest.mark.parametrize("command", [("bundle", "verify"), ("run",), ("doctor",)], ids=" ".join)
def test_what_is_not_trusted_is_refused_with_the_reason(folder, keys, words, shown, command, capsys):
    words = [word.replace("KEY", keys) for word in words]
    place = [str(folder)] if command[0] == "bundle" else ["--bundle", str(folder)]
    sound = ["nothing.wav"] if command == ("run",) else []
    assert main([*command, *place, *words, *sound]) == 2
    told = capsys.readouterr()
    assert shown in told.err + told.out
    assert "nothing.wav" not in told.err
    assert "Traceback" not in told.err


def test_the_doctor_says_who_vouches_for_the_bundle(folder, keys, call, capsys):
    call("sign", folder, "--secret-key", f"{keys}.key")
    for words, state in (([], "note"), (["--public-key", f"{keys}.pub"], "ok")):
        main(["doctor", "--json", "--bundle", str(folder), *words])
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        (signature,) = (one for one in found if one["check"] == "signature")
        assert signature["state"] == state


def test_passwords_come_from_a_file_where_nobody_can_be_asked(folder, tmp_path, keys, call, monkeypatch):
    monkeypatch.setattr("edge.signature_keys._MEMORY", 1 << 16)
    monkeypatch.setattr("edge.signature_keys._OPERATIONS", 1 << 15)
    right, wrong, empty = tmp_path / "right", tmp_path / "wrong", tmp_path / "empty"
    right.write_text("secret\nnote\n")
    wrong.write_text("other\n")
    empty.write_text("\n")
    assert call("keygen", "--out", tmp_path / "e", "--password-file", right)[0] == 0
    sign = ("sign", folder, "--secret-key", tmp_path / "e.key")
    assert call(*sign, "--password-file", right)[0] == 0
    for words, shown in (
        ((*sign, "--password-file", wrong), "wrong password"),
        ((*sign, "--password-file", empty), "empty first line"),
        ((*sign, "--password-file", tmp_path), "cannot be read"),
        (sign, "got no terminal"),
        (("keygen", "--out", tmp_path / "f"), "got no terminal"),
        (("keygen", "--out", tmp_path / "f", "--no-password", "--password-file", right), "one of the two"),
        (("keygen", "--out", tmp_path / "e", "--no-password"), "there already"),
    ):
        code, records, (line,) = call(*words)
        assert (code, records) == (2, [])
        assert shown in line
    assert not (tmp_path / "f.key").exists()


def test_a_person_is_asked_twice_for_a_new_password(tmp_path, keys, call, monkeypatch):
    monkeypatch.setattr("edge.signature_keys._MEMORY", 1 << 16)
    monkeypatch.setattr("edge.signature_keys._OPERATIONS", 1 << 15)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answers, code in ((["a", "b"], 2), (["", ""], 2), (["a", "a"], 0)):
        left = list(answers)
        monkeypatch.setattr("getpass.getpass", lambda prompt, left=left: left.pop(0))
        assert call("keygen", "--out", tmp_path / "p")[0] == code
        assert left == []
        assert (tmp_path / "p.key").exists() == (code == 0)
