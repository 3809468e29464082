"""A device opens bundles by those whom it trusts, and says of every other one why it does not."""

import hashlib
import json
import re
import shutil

import pytest

from edge.bundle import DEFAULT_BUNDLE, open_bundle, unlisted_files
from edge.bundle_identity import unjudged
from edge.bundle_manifest import CARD_NAME, CHECKSUM_NAME, FORMAT_VERSION, MANIFEST_NAME, SIGNATURE_NAME
from edge.bundle_trust import BundleTrust, SignatureState
from edge.bundle_writing import seal, write_judgement
from edge.errors import BundleError, BundleVersionError, SignatureError, UsageError
from edge.signature import sign
from edge.signature_keys import make_key, write_key_pair

pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")


@pytest.fixture(scope="module")
def key():
    return make_key()


@pytest.fixture
def folder(tmp_path, key):
    """Return a signed copy of the bundle that ships."""
    path = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, path)
    (path / SIGNATURE_NAME).unlink(missing_ok=True)
    put_signature(path, key)
    return path


def put_signature(path, key):
    (path / SIGNATURE_NAME).write_bytes(sign((path / MANIFEST_NAME).read_bytes(), key, "of the test"))


def rewrite(path, content):
    """Write a manifest as somebody would who knows the format."""
    (path / MANIFEST_NAME).write_bytes(content)
    (path / CHECKSUM_NAME).write_text(f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n")


def required(*keys):
    return BundleTrust(tuple(key.public for key in keys), require_signature=True)


def test_a_bundle_that_is_signed_by_a_trusted_key_opens(folder, key):
    bundle = open_bundle(folder, trust=required(make_key(), key))
    assert bundle.signature == SignatureState("trusted", key.public.shown, "of the test")
    assert bundle.size == sum(file.stat().st_size for file in folder.iterdir())
    assert open_bundle(folder, trust=BundleTrust((key.public,))).signature.state == "trusted"


def test_without_keys_every_whole_bundle_opens(folder):
    assert open_bundle(folder).signature == SignatureState("unchecked")
    (folder / SIGNATURE_NAME).write_bytes(b"anything")
    assert open_bundle(folder).signature == SignatureState("unchecked")
    (folder / SIGNATURE_NAME).unlink()
    assert open_bundle(folder).signature == SignatureState("unsigned")


def test_a_missing_signature_matters_where_it_is_required(folder, key):
    (folder / SIGNATURE_NAME).unlink()
    assert open_bundle(folder, trust=BundleTrust((key.public,))).signature.state == "unsigned"
    with pytest.raises(SignatureError, match=rf"got no signature .*by a trusted key \({key.public.shown}\)"):
        open_bundle(folder, trust=required(key))


def test_a_requirement_without_a_key_is_refused():
    with pytest.raises(UsageError, match="require_signature: got no public key"):
        BundleTrust(require_signature=True)


@pytest.mark.parametrize("require", [True, False])
def test_another_key_is_refused(folder, key, require):
    other = make_key()
    with pytest.raises(SignatureError, match=rf"by the key {key.public.shown}, .*\({other.public.shown}\)"):
        open_bundle(folder, trust=BundleTrust((other.public,), require_signature=require))


@pytest.mark.parametrize("require", [True, False])
@pytest.mark.parametrize("name", ["MODEL_CARD.md", "liveness.tflite", "wake.tflite"])
def test_every_file_is_covered(folder, key, name, require):
    """Whoever alters a file has to alter the manifest, and that is what was signed."""
    trust = BundleTrust((key.public,), require_signature=require)
    assert name in json.loads((folder / MANIFEST_NAME).read_bytes())["files"]
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{name}: got "):
        open_bundle(folder, trust=trust)
    seal_as_an_attacker(folder)
    open_bundle(folder)
    with pytest.raises(
        SignatureError, match=rf"manifest\.json: got content that the key {key.public.shown} did not sign"
    ):
        open_bundle(folder, trust=trust)


def seal_as_an_attacker(folder):
    """Seal it, and keep the signature that was there."""
    signature = (folder / SIGNATURE_NAME).read_bytes()
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    rewrite(folder, json.dumps(unjudged(manifest)).encode())
    seal(folder)
    (folder / SIGNATURE_NAME).write_bytes(signature)


def test_an_altered_manifest_is_refused_before_it_is_read(folder, key):
    content = (folder / MANIFEST_NAME).read_bytes()
    easier = re.sub(rb'("cutoff": 0)\.\d+', rb"\1.001", content, count=1)
    for changed in (easier, content + b" ", b"not JSON", b'{"format_version": 99}'):
        assert changed != content
        rewrite(folder, changed)
        with pytest.raises(SignatureError, match="did not sign"):
            open_bundle(folder, trust=required(key))
    (folder / MANIFEST_NAME).write_bytes(content + b" ")
    with pytest.raises(BundleError, match="one of the two is damaged"):
        open_bundle(folder, trust=required(key))


def test_files_that_nobody_vouches_for_are_named_and_not_read(folder, key):
    (folder / "extra.tflite").write_bytes(b"x")
    (folder / "below").mkdir()
    bundle = open_bundle(folder, trust=required(key))
    assert unlisted_files(bundle) == ["below", "extra.tflite"]
    with pytest.raises(BundleError, match="expected one of: "):
        bundle.content("extra.tflite")


@pytest.mark.parametrize("kind", ["folder", "link", "empty", "long", "comment"])
def test_a_signature_that_cannot_be_read(folder, key, kind):
    path = folder / SIGNATURE_NAME
    signature = path.read_text()
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(folder / "nowhere")
        case "empty":
            path.touch()
        case "long":
            path.write_text(signature * 1000)
        case "comment":
            path.write_text(signature.replace("of the test", "of another"))
    for trust in (required(key), BundleTrust((key.public,))):
        with pytest.raises(BundleError, match=SIGNATURE_NAME if kind != "comment" else "trusted comment"):
            open_bundle(folder, trust=trust)


def test_versions_that_are_too_new_are_told_of_signed_ones_too(folder, key):
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    for changes, shown in (
        ({"format_version": FORMAT_VERSION + 1}, f"format_version: got {FORMAT_VERSION + 1}"),
        ({"minimum_vivavoce_version": "999.0"}, r"minimum_vivavoce_version: got 999\.0"),
    ):
        rewrite(folder, json.dumps(manifest | changes).encode())
        put_signature(folder, key)
        with pytest.raises(BundleVersionError, match=shown):
            open_bundle(folder, trust=required(key))


def test_what_changes_a_bundle_removes_its_signature(folder, key):
    seal(folder)
    assert not (folder / SIGNATURE_NAME).exists()
    put_signature(folder, key)
    seal(folder)  # again, which changes nothing
    assert SIGNATURE_NAME not in open_bundle(folder, trust=required(key)).files
    write_judgement(folder, open_bundle().limits, (DEFAULT_BUNDLE / CARD_NAME).read_bytes())
    assert not (folder / SIGNATURE_NAME).exists()
    assert open_bundle(folder).limits == open_bundle().limits


def test_a_manifest_cannot_list_its_signature(folder, key):
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    manifest["files"][SIGNATURE_NAME] = {"sha256": "0" * 64, "bytes": 1}
    rewrite(folder, json.dumps(manifest).encode())
    with pytest.raises(BundleError, match=r"files: got the name 'manifest\.json\.minisig'"):
        open_bundle(folder)


def test_keys_are_read_from_their_files(tmp_path, folder, key):
    write_key_pair(tmp_path / "k.key", tmp_path / "k.pub", key, None)
    trust = BundleTrust.from_files([tmp_path / "k.pub"], require_signature=True)
    assert open_bundle(folder, trust=trust).signature.state == "trusted"
    with pytest.raises(SignatureError, match="expected a public key"):
        BundleTrust.from_files([tmp_path / "k.key"])
