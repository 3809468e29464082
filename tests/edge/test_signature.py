"""Signatures and keys: what minisign makes is taken, what is made here minisign takes, and nothing else passes."""

import base64
import os
import shutil
import subprocess
import sys

import pytest

from edge import signature_keys
from edge.errors import BundleError, DataError, MissingExtraError, SignatureError
from edge.signature import PublicKey, read_signature, sign, verify
from edge.signature_keys import make_key, read_public_key, read_secret_key, write_key_pair

pytest.importorskip("cryptography", reason="cryptography is not installed (the extra `signed`)")

# Made with minisign 0.11 (-G -W, -S, -S -l) of the file "hello\n".
PUBLIC = """\
untrusted comment: minisign public key 518E7E88FE3436E1
RWThNjT+iH6OUaKg9EP2YePENnrUvVvL1wH03cQzGRccDQT+qkWSPLzn
"""
SECRET = """\
untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4TY0/oh+jlGFlZMotzp3l+VWqJ36DCFppGjqq7iBCJLvmf9t\
Z6fntqKg9EP2YePENnrUvVvL1wH03cQzGRccDQT+qkWSPLznAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""
HASHED = """\
untrusted comment: signature from minisign secret key
RUThNjT+iH6OUbVYGA31xEiGO4u6DR92j7k9rlYXWDmxSQZn9VEZLGdYcNQqvdMtegJxlo7724bVBJ8pISKWMxSSFBgl6iKeGwI=
trusted comment: timestamp:1795645222	file:f	hashed
q1bN4WcTOslvufBQRNFnQOPY7hsE0IVGOGpUe1e9GDGF0/HONE17gLq0VQLUfA8v9hc/KGnX4jHDJOosEBJqDA==
"""
PLAIN = """\
untrusted comment: signature from minisign secret key
RWThNjT+iH6OURCHb8XO2wp0HoxLFzVGuABOydhhju79xZ/1pWN71aIqs7INR8B94/rIo3pTt3nCeH3h6vAU33f8lwqpUWvYmQE=
trusted comment: timestamp:1795645222	file:f
PJXdHQUcOKq3Sbvyb0z8C184oKeU+xtPo1Van6BhAyTdANWLhNeDZiQs93jY8BAKRFA77+NPYqBjPUTPHokYAA==
"""
CONTENT = b"hello\n"


def no_password():
    raise AssertionError("a password was asked for")


def put(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def theirs(tmp_path):
    """Return the public key of minisign."""
    return read_public_key(put(tmp_path / "theirs.pub", PUBLIC))


@pytest.fixture
def cheap(monkeypatch):
    """Make passwords cheap to try: how dear they are is in the file."""
    monkeypatch.setattr(signature_keys, "_MEMORY", 1 << 16)
    monkeypatch.setattr(signature_keys, "_OPERATIONS", 1 << 15)


# ----------------------------------------------------------------------------------------- as minisign


@pytest.mark.parametrize(("text", "hashed"), [(HASHED, True), (PLAIN, False)], ids=["hashed", "plain"])
def test_signatures_of_minisign_are_right(tmp_path, theirs, text, hashed):
    found = read_signature(put(tmp_path / "f.minisig", text))
    assert (found.hashed, found.comment.partition("\t")[0]) == (hashed, "timestamp:1795645222")
    assert verify(tmp_path / "f", CONTENT, found, (theirs,)) == theirs
    assert theirs.shown == "518E7E88FE3436E1"


def test_the_secret_key_of_minisign_signs_as_minisign_does(tmp_path, theirs):
    """Ed25519 has no random part: the same key, file and comment give the same signature."""
    key = read_secret_key(put(tmp_path / "k", SECRET), no_password)
    assert key.public == theirs
    assert (
        sign(CONTENT, key, "timestamp:1795645222\tfile:f\thashed").splitlines()[1:] == HASHED.encode().splitlines()[1:]
    )


def test_line_ends_of_other_systems_do_not_matter(tmp_path, theirs):
    path = tmp_path / "f.minisig"
    path.write_bytes(HASHED.replace("\n", "\r\n").encode())
    verify(tmp_path / "f", CONTENT, read_signature(path), (theirs,))


@pytest.fixture
def minisign():
    """Return a function that runs the tool."""
    tool = shutil.which("minisign")
    if tool is None:
        pytest.skip("minisign is not installed (Debian: minisign)")

    def run(*arguments, given=""):
        line = [tool, *map(os.fspath, arguments)]
        return subprocess.run(line, input=given, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.parametrize("password", [None, "correct horse"], ids=["open", "encrypted"])
def test_minisign_takes_our_keys_and_signatures(tmp_path, minisign, cheap, password):
    key, file = make_key(), tmp_path / "file"
    write_key_pair(tmp_path / "k.key", tmp_path / "k.pub", key, password)
    file.write_bytes(CONTENT)
    (tmp_path / "file.minisig").write_bytes(sign(CONTENT, key, "made here"))
    done = minisign("-V", "-p", tmp_path / "k.pub", "-m", file)
    assert done.returncode == 0, done.stderr
    assert "Trusted comment: made here" in done.stdout
    for way in ([], ["-l"]):
        given = f"{password}\n" if password else ""
        done = minisign("-S", *way, "-s", tmp_path / "k.key", "-m", file, "-x", tmp_path / "x", given=given)
        assert done.returncode == 0, done.stderr
        assert verify(file, CONTENT, read_signature(tmp_path / "x"), (key.public,)) == key.public


def test_keys_that_minisign_makes_now(tmp_path, minisign):
    done = minisign("-G", "-W", "-p", tmp_path / "m.pub", "-s", tmp_path / "m.key")
    assert done.returncode == 0, done.stderr
    key = read_secret_key(tmp_path / "m.key", no_password)
    assert key.public == read_public_key(tmp_path / "m.pub")


# ------------------------------------------------------------------------------------------ what is wrong


def test_no_bit_of_file_signature_or_comment_may_change(tmp_path, theirs, subtests):
    path = tmp_path / "f.minisig"
    lines = HASHED.splitlines()
    signed, last = base64.b64decode(lines[1]), base64.b64decode(lines[3])
    for at in range(0, len(signed), 3):
        changed = bytearray(signed)
        changed[at] ^= 1
        with subtests.test(byte=at):
            put(path, "\n".join([lines[0], base64.b64encode(changed).decode(), *lines[2:]]))
            with pytest.raises(SignatureError):
                verify(path, CONTENT, read_signature(path), (theirs,))
    put(path, "\n".join([*lines[:3], base64.b64encode(last[:-1] + b"\0").decode()]))
    with pytest.raises(SignatureError, match="trusted comment that was altered"):
        verify(path, CONTENT, read_signature(path), (theirs,))
    put(path, HASHED.replace("file:f", "file:g"))
    with pytest.raises(SignatureError, match="trusted comment that was altered"):
        verify(path, CONTENT, read_signature(path), (theirs,))
    put(path, HASHED)
    for other in (b"hello", b"hello\n\n", b"Hello\n", b""):
        with pytest.raises(SignatureError, match="did not sign"):
            verify(path, other, read_signature(path), (theirs,))
    put(path, HASHED.replace("untrusted comment: signature", "untrusted comment: anything"))
    verify(path, CONTENT, read_signature(path), (theirs,))


def test_the_hash_of_a_file_is_not_the_file(tmp_path, theirs):
    """Otherwise whoever has a signature of a file had one of its hash, and the other way round."""
    import hashlib

    plain = read_signature(put(tmp_path / "s", HASHED.replace("RUTh", "RWTh", 1)))
    assert not plain.hashed
    with pytest.raises(SignatureError, match="did not sign"):
        verify(tmp_path / "f", CONTENT, plain, (theirs,))
    verify_hash = hashlib.blake2b(CONTENT).digest()
    with pytest.raises(SignatureError, match="did not sign"):
        verify(tmp_path / "f", verify_hash, read_signature(put(tmp_path / "s", HASHED)), (theirs,))


def test_another_key_is_named(tmp_path, theirs):
    key = make_key()
    path = tmp_path / "s"
    path.write_bytes(sign(CONTENT, key, "x"))
    with pytest.raises(SignatureError, match=rf"by the key {key.public.shown}, expected .*\({theirs.shown}\)"):
        verify(tmp_path / "f", CONTENT, read_signature(path), (theirs,))
    assert verify(tmp_path / "f", CONTENT, read_signature(path), (theirs, key.public)) == key.public
    with pytest.raises(SignatureError, match=r"\(none\)"):
        verify(tmp_path / "f", CONTENT, read_signature(path), ())


def test_an_id_is_no_proof(tmp_path, theirs):
    """Two keys may have one id; the right one of them is found, and a false one does not pass."""
    key = make_key()
    false = PublicKey(key.key_id, theirs.key)
    path = tmp_path / "s"
    path.write_bytes(sign(CONTENT, key, "x"))
    with pytest.raises(SignatureError, match="did not sign"):
        verify(path, CONTENT, read_signature(path), (false,))
    assert verify(path, CONTENT, read_signature(path), (false, key.public)) == key.public
    with pytest.raises(SignatureError, match="did not sign"):
        verify(path, CONTENT, read_signature(path), (PublicKey(key.key_id, b"\xff" * 32),))


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda text: "", "got 0 lines"),
        (lambda text: text + "more\n", "got 5 lines"),
        (lambda text: text.replace("untrusted comment:", "comment:"), "another line 1"),
        (lambda text: text.replace("RUTh", "!!!!"), "another line 2"),
        (lambda text: text.replace("RUTh", "QUFh"), "another line 2"),
        (lambda text: text.replace("GwI=", ""), "another line 2"),
        (lambda text: text.replace("\ntrusted", "\nTrusted"), "another line 3"),
        (lambda text: text.replace("file:f", "\x1b[2J"), "no terminal should print"),
        (lambda text: text.replace("DA==", ""), "another line 4"),
        (lambda text: text + "x" * 20_000, "more than"),
    ],
)
def test_what_is_no_signature(tmp_path, change, shown):
    path = put(tmp_path / "s", change(HASHED))
    with pytest.raises(BundleError, match=rf"{path}: .*{shown}.*expected"):
        read_signature(path)


def test_bytes_are_no_signature(tmp_path):
    (tmp_path / "s").write_bytes(b"\xff\xfe\n\n\n\n")
    for read in (read_signature, read_public_key, lambda path: read_secret_key(path, no_password)):
        with pytest.raises(SignatureError, match="got bytes that are no text"):
            read(tmp_path / "s")
        with pytest.raises(BundleError, match="cannot be read"):
            read(tmp_path / "nothing")


@pytest.mark.parametrize("comment", ["", "two\nlines", "\x1b[2J", "x" * 1001])
def test_a_comment_is_one_line(comment):
    with pytest.raises(SignatureError, match="one line of text"):
        sign(CONTENT, make_key(), comment)


# ----------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("password", [None, "correct horse", "\udcff\u00fc"], ids=["open", "encrypted", "bytes"])
def test_keys_come_back(tmp_path, cheap, password):
    key = make_key()
    write_key_pair(tmp_path / "k.key", tmp_path / "k.pub", key, password)
    assert read_secret_key(tmp_path / "k.key", (lambda: password) if password else no_password) == key
    assert read_public_key(tmp_path / "k.pub") == key.public
    assert (tmp_path / "k.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.key", "k.pub"]
    seed = base64.b64encode(key.seed)[4:-4]
    assert (key.seed in base64.b64decode((tmp_path / "k.key").read_text().splitlines()[1])) == (password is None)
    assert seed not in (tmp_path / "k.pub").read_bytes()
    assert key.seed.hex() not in repr(key)
    assert str(key.seed) not in repr(key)


def test_keys_differ(tmp_path):
    assert len({make_key().seed for _ in range(5)} | {make_key().key_id for _ in range(5)}) == 10


def test_a_wrong_password_is_told_of(tmp_path, cheap):
    write_key_pair(tmp_path / "k.key", tmp_path / "k.pub", make_key(), "right")
    with pytest.raises(SignatureError, match="wrong password"):
        read_secret_key(tmp_path / "k.key", lambda: "left")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_may_touch_is_refused(tmp_path, mode):
    with pytest.raises(SignatureError, match="chmod 600"):
        read_secret_key(put(tmp_path / "k", SECRET, mode), no_password)


def test_a_key_is_never_overwritten(tmp_path):
    first, second = make_key(), make_key()
    write_key_pair(tmp_path / "k.key", tmp_path / "k.pub", first, None)
    with pytest.raises(DataError, match=r"k\.key: got a file that is there already"):
        write_key_pair(tmp_path / "k.key", tmp_path / "other.pub", second, None)
    with pytest.raises(DataError, match=r"k\.pub: got a file that is there already"):
        write_key_pair(tmp_path / "other.key", tmp_path / "k.pub", second, None)
    with pytest.raises(DataError, match="cannot be written"):
        write_key_pair(tmp_path / "nowhere" / "k.key", tmp_path / "x.pub", second, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.key", "k.pub"]
    assert read_secret_key(tmp_path / "k.key", no_password) == first


def altered(text, at, value):
    """Change bytes of the second line."""
    lines = text.splitlines()
    content = bytearray(base64.b64decode(lines[1]))
    content[at : at + len(value)] = value
    return f"{lines[0]}\n{base64.b64encode(content).decode()}\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (PUBLIC, "got something else, expected a secret key"),
        (SECRET.replace("untrusted", "trusted"), "got something else"),
        (SECRET + "more\n", "got something else"),
        (altered(SECRET, 0, b"XX"), "another kind"),
        (altered(SECRET, 2, b"Ar"), "another kind"),
        (altered(SECRET, 4, b"B3"), "another kind"),
        (altered(SECRET, 62, b"\0"), "halves that do not belong together"),
        (altered(SECRET, 2, b"Sc" + b"B2" + bytes(32) + b"\xff" * 16), "costs more"),
    ],
)
def test_what_is_no_secret_key(tmp_path, text, shown):
    with pytest.raises(SignatureError, match=shown):
        read_secret_key(put(tmp_path / "k", text), no_password)


@pytest.mark.parametrize("text", [SECRET, "", PUBLIC.replace("RWTh", "RWT"), altered(PUBLIC, 0, b"XX"), HASHED])
def test_what_is_no_public_key(tmp_path, text):
    with pytest.raises(SignatureError, match=r"got (something else|a key of another kind)"):
        read_public_key(put(tmp_path / "k", text))


def test_what_a_password_costs_is_what_libsodium_makes_of_it():
    """The sensitive limits of libsodium, which minisign takes, and those taken here."""
    assert signature_keys._cost(33554432, 1073741824) == (1 << 20, 1)
    assert signature_keys._cost(signature_keys._OPERATIONS, signature_keys._MEMORY) == (1 << 17, 1)
    assert signature_keys._cost(1 << 25, 1 << 24) == (1 << 14, 64)
    assert signature_keys._cost(0, 1 << 30) == (1 << 10, 1)


# ------------------------------------------------------------------------------------------- without it


def test_without_the_library_the_extra_is_named(tmp_path, theirs, monkeypatch):
    found = read_signature(put(tmp_path / "s", HASHED))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    for use in (lambda: verify(tmp_path / "f", CONTENT, found, (theirs,)), lambda: sign(CONTENT, make_key(), "x")):
        with pytest.raises(MissingExtraError, match=r"pip install 'vivavoce\[signed\]'"):
            use()
