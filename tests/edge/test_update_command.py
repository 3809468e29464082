"""``vivavoce update``: its steps, what they tell, and calls that cannot work."""

import re

import pytest
from updating import SHIPPED_VERSION

from edge.bundle import DEFAULT_BUNDLE
from edge.bundle_identity import bundle_hash
from edge.bundle_manifest import MANIFEST_NAME
from edge.bundle_writing import seal
from edge.cli import main
from edge.errors import UsageError
from edge.slots import Slots
from edge.update import UpdateSettings, open_slots
from tests.edge.update_calls import bundle_fixture, call_fixture, pack  # noqa: F401  # fixtures


def test_the_whole_way_by_commands(call, bundle, tmp_path):
    code, (record,), complaints = call("install", bundle, "--allow-unsigned")
    assert (code, complaints, record["candidate"], record["bundle_version"]) == (0, [], "a", SHIPPED_VERSION)
    assert (record["whole"], record["a"]) == (True, {"version": "1.0", "sha256": bundle_hash(bundle)})
    code, (record,), _ = call("roll-back", "--reason", "not today")
    assert (code, record["candidate"], record["refused"][0]["reason"]) == (0, "", "not today")
    code, records, (line,) = call("install", bundle, "--allow-unsigned")
    assert (code, records) == (2, [])
    assert "failed here (not today)" in line
    code, (record,), _ = call("install", bundle, "--allow-unsigned", "--retry", "--now")
    assert (code, record["probation"], record["bundle"]) == (0, True, str(tmp_path / "slots" / "a"))
    code, (record,), _ = call("confirm")
    assert (code, record["probation"], record["minimum"]["version"]) == (0, False, "1.0")
    code, records, (line,) = call("confirm")
    assert (code, records) == (2, [])
    assert "not on probation" in line
    code, (again,), _ = call("status")
    assert (code, again) == (0, record)
    code, records, (line,) = call("roll-back")
    assert (code, records) == (2, [])
    assert "--allow-downgrade" in line
    code, (record,), _ = call("roll-back", "--allow-downgrade")
    assert (code, record["active"], record["bundle"]) == (0, "shipped", str(DEFAULT_BUNDLE))


def test_status_for_people(bundle, tmp_path, capsys):
    slots = ["--slots", str(tmp_path / "slots")]
    assert main(["update", "status", *slots]) == 0
    assert not (tmp_path / "slots").exists()
    assert f"in use       {SHIPPED_VERSION}  {DEFAULT_BUNDLE}" in capsys.readouterr().out
    for words in (["install", str(bundle), "--allow-unsigned", "--now"], ["roll-back"], ["status"]):
        assert main(["update", *words, *slots]) == 0
    text = capsys.readouterr().out
    assert "on probation" in text
    assert "before       the one that ships" in text
    assert "the owner said so" in text


def test_status_tells_of_damage(call, bundle, tmp_path):
    call("install", bundle, "--allow-unsigned", "--now")
    (tmp_path / "slots" / "a" / "wake.tflite").unlink()
    code, (record,), complaints = call("status")
    assert (code, record["whole"], record["bundle"], record["active"]) == (2, False, str(DEFAULT_BUNDLE), "a")
    assert any("wake.tflite" in line for line in complaints)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["install", "BUNDLE"], "got no public key, expected the key that bundles are signed with"),
        (["install", "", "--allow-unsigned"], "got an empty name"),
        (["install", "nothing", "--allow-unsigned"], "got no archive, expected the folder of a bundle"),
        (["install", "nothing.tar", "--allow-unsigned"], r"nothing\.tar: cannot be read \(No such file or directory\)"),
        (["install", "http://127.0.0.1/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "https://me:pw@127.0.0.1/b.tar", "--allow-unsigned"], "without a user's name"),
        (["install", "https://[::1/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "https://127.0.0.1/b", "--allow-unsigned"], "an https address that ends with"),
        (["install", "file:///etc/b.tar", "--allow-unsigned"], "expected https://HOST/PATH"),
        (["install", "BUNDLE", "--public-key", "nothing.pub"], r"nothing\.pub"),
        (["roll-back"], "got the bundle that ships in use"),
    ],
)
def test_calls_that_cannot_be_meant_are_one_line(call, bundle, words, told):
    code, records, (line,) = call(*[str(bundle) if word == "BUNDLE" else word for word in words])
    assert (code, records) == (2, [])
    assert re.search(told, line)


def test_a_bundle_that_does_not_run_is_not_staged(call, bundle, tmp_path):
    (bundle / "wake.tflite").write_bytes((bundle / "liveness.tflite").read_bytes())
    seal(bundle)
    code, records, (line,) = call("install", bundle, "--allow-unsigned")
    assert (code, records) == (2, [])
    assert "wake.tflite" in line
    assert Slots(tmp_path / "slots").state().candidate == ""


def test_signed_bundles_are_taken_from_whom_is_trusted(call, bundle, tmp_path, capsys):
    pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")
    for name in ("ours", "theirs"):
        assert main(["bundle", "keygen", "--out", str(tmp_path / name), "--no-password"]) == 0
    assert main(["bundle", "sign", str(bundle), "--secret-key", str(tmp_path / "ours.key")]) == 0
    capsys.readouterr()
    archive = pack(bundle, tmp_path / "b.tar.xz")
    code, _, (line,) = call("install", archive, "--public-key", tmp_path / "theirs.pub")
    assert code == 2
    assert line.startswith(f"vivavoce: {archive}/{MANIFEST_NAME}")  # and not the folder it was unpacked into
    code, (record,), _ = call("install", archive, "--public-key", tmp_path / "ours.pub")
    assert (code, record["candidate"]) == (0, "a")
    slots = open_slots(UpdateSettings(slots=str(tmp_path / "slots"), public_keys=(str(tmp_path / "ours.pub"),)))
    assert slots.candidate().signature.state == "trusted"


def test_settings_need_a_key_and_a_folder(tmp_path):
    with pytest.raises(UsageError, match=r"update\.slots: got no folder"):
        open_slots(UpdateSettings())
    with pytest.raises(UsageError, match=r"update\.public_keys"):
        open_slots(UpdateSettings(slots=str(tmp_path)))
    assert open_slots(UpdateSettings(slots=str(tmp_path), allow_unsigned=True)).active() == DEFAULT_BUNDLE
