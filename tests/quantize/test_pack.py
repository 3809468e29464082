"""From two converted checkpoints to a bundle that runs, whole or not at all."""

import hashlib
import json
import os

import numpy as np
import pytest

from edge.bundle import open_bundle
from edge.bundle_manifest import MANIFEST_NAME
from edge.errors import BundleError, DataError, ModelAbiError
from edge.pipeline import Pipeline
from quantize.hard_limits import bundle_bytes
from quantize.pack import pack

pytestmark = pytest.mark.tf

CUTOFFS = {
    "words": {"alexa": 0.6, "smart_mirror": 0.7},
    "liveness": {"accept": 0.8, "reject": 0.3, "calibration": {"slope": 2.0, "offset": -1.0}},
}


def packed(copies, destination, **settings):
    return pack(copies["wake"], copies["liveness"], destination, **settings)


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_packed_bundle_opens_and_runs(copies, tmp_path):
    report = packed(copies, tmp_path / "bundle", cutoffs=write(tmp_path / "c.json", CUTOFFS), bundle_version="2.1")
    bundle = open_bundle(tmp_path / "bundle")
    assert [(word.id, word.phrase, word.cutoff) for word in bundle.words] == [
        ("alexa", "alexa", 0.6),
        ("smart_mirror", "smart mirror", 0.7),
    ]
    assert bundle.bundle_version == report["bundle_version"] == "2.1"
    assert (bundle.liveness.accept_cutoff, bundle.liveness.reject_cutoff) == (0.8, 0.3)
    assert (bundle.liveness.slope, bundle.liveness.offset) == (2.0, -1.0)
    assert (bundle.wake.smoothing_steps, bundle.wake.refractory_ms) == (2, 900)
    for role, name in (("wake", "wake.tflite"), ("liveness", "liveness.tflite")):
        assert bundle.content(name) == (copies[role] / "model_int8.tflite").read_bytes()
        assert bundle.training[role]["seed"] == 11
    assert [entry.licence for entry in bundle.licences] == ["CC0-1.0"]
    size = sum(path.stat().st_size for path in (tmp_path / "bundle").iterdir())
    assert report["bytes"] == size < bundle_bytes()
    assert not report["provisional"]
    pipeline = Pipeline(bundle)
    samples = np.random.default_rng(2).integers(-9000, 9000, 24_000).astype(np.int16)
    for event in pipeline.push(samples):
        assert event.word in pipeline.words
    assert list(pipeline.finish())[-1].end_sample == samples.size


def test_without_cutoffs_they_are_provisional_and_say_so(copies, tmp_path):
    assert packed(copies, tmp_path / "bundle")["provisional"]
    bundle = open_bundle(tmp_path / "bundle")
    assert {word.cutoff for word in bundle.words} == {0.5}
    assert "provisional" in bundle.content("MODEL_CARD.md").decode()


def test_the_same_input_gives_the_same_bundle(copies, tmp_path):
    for name in ("one", "two"):
        packed(copies, tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_the_card_tells_what_people_must_know(copies, tmp_path):
    results = write(
        tmp_path / "wake_recall.json",
        {"mean": {"recall": 0.91234, "interval": [0.88, 0.94]}, "clips": [1, 2, 3, 4]},
    )
    said = {"author": "Ada: of the test", "website": "https://example.org/ada", "languages": ["en", "de"]}
    packed(copies, tmp_path / "bundle", cutoffs=write(tmp_path / "c.json", CUTOFFS), results=[results], **said)
    bundle = open_bundle(tmp_path / "bundle")
    assert (bundle.author, bundle.website) == (said["author"], said["website"])
    assert bundle.trained_languages == ("en", "de")
    card = open_bundle(tmp_path / "bundle").content("MODEL_CARD.md").decode()
    front = card.split("---\n")[1]
    assert card.startswith("---\n")
    for line in front.splitlines():
        key, _, value = line.partition(": ")
        assert key.isidentifier()
        assert value
    assert json.loads(front.split("words: ")[1].splitlines()[0]) == ["alexa", "smart mirror"]
    fields = dict(line.split(": ", 1) for line in front.splitlines())
    assert json.loads(fields["language"]) == ["en", "de"]
    assert json.loads(fields["datasets"]) == ["noise of the test"]
    assert set(fields) >= {"license", "tags", "metrics", "library_name", "pipeline_tag"}
    assert "Made by: Ada: of the test, https://example.org/ada. Languages" in card
    for needed in (
        "simulated",
        "children",
        "accents",
        "Synthetic voice",
        "even over the whole band",
        "adaptive attacker",
    ):
        assert needed in card
    assert "| noise of the test | CC0-1.0 |" in card
    assert "| `smart_mirror` | smart mirror | 0.7 |" in card
    assert "### wake_recall" in card
    assert "| `mean.recall` | 0.9123 |" in card
    assert "| `mean.interval` | 0.88 to 0.94 |" in card
    assert "provisional" not in card


def test_what_nobody_said_is_not_made_up(copies, tmp_path):
    packed(copies, tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    assert (bundle.author, bundle.website, bundle.trained_languages, bundle.limits) == (None, None, (), None)
    card = bundle.content("MODEL_CARD.md").decode()
    assert "\nlanguage:" not in card
    assert "Made by: not said. Languages in which its words were said: not said." in card


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"author": "two\nlines"}, "author: got"),
        ({"website": "example.org"}, "website: got"),
        ({"languages": ["English"]}, "trained_languages: got"),
    ],
)
def test_what_is_said_must_be_what_it_is_called(copies, tmp_path, said, match):
    refused(copies, tmp_path, BundleError, match, **said)


def test_an_older_bundle_is_replaced(copies, tmp_path):
    packed(copies, tmp_path / "bundle", bundle_version="1.0")
    (tmp_path / "bundle" / "left.txt").write_text("of the old one")
    packed(copies, tmp_path / "bundle", bundle_version="1.1")
    assert open_bundle(tmp_path / "bundle").bundle_version == "1.1"
    assert not (tmp_path / "bundle" / "left.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "wake", "liveness"}


@pytest.mark.parametrize("when", ["seal", "rename"])
def test_a_failure_leaves_the_older_bundle(copies, tmp_path, monkeypatch, when):
    packed(copies, tmp_path / "bundle", bundle_version="1.0")
    before = {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    if when == "seal":
        monkeypatch.setattr("edge.bundle_writing.seal", full)
    else:
        rename = os.rename
        monkeypatch.setattr(os, "rename", lambda a, b: full() if os.path.basename(a) == "fresh" else rename(a, b))
    with pytest.raises(DataError, match=r"bundle: cannot be written \(No space left on device\), what was there stays"):
        packed(copies, tmp_path / "bundle", bundle_version="1.1")
    assert {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"bundle", "wake", "liveness"}


def test_something_else_in_its_place_is_left_alone(copies, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")
    for place in (tmp_path / "photos", tmp_path / "photos" / "one.jpg"):
        with pytest.raises(DataError, match="got something that is no bundle"):
            packed(copies, place)
    assert (tmp_path / "photos" / "one.jpg").read_text() == "x"


def refused(copies, tmp_path, error, match, **settings):
    with pytest.raises(error, match=match):
        packed(copies, tmp_path / "bundle", **settings)
    assert not (tmp_path / "bundle").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_bundle_that_is_too_large(copies, tmp_path):
    card = write(tmp_path / "long.json", {f"figure{i}": "x" * 6000 for i in range(60)})
    refused(copies, tmp_path, DataError, f"expected at most {bundle_bytes()}", results=[card] * 3)
    task = tmp_path / "task.toml"
    task.write_text("[device]\nbundle_bytes = 1_000\n")
    refused(copies, tmp_path, DataError, "expected at most 1000", task=task)


def test_a_network_that_does_not_fit_is_not_packed(copies, tmp_path):
    content = (copies["liveness"] / "model_int8.tflite").read_bytes()
    (copies["wake"] / "model_int8.tflite").write_bytes(content)
    rewrite(copies["wake"] / "convert.json", lambda report: report["models"]["int8"].update(sha256=sha256(content)))
    refused(copies, tmp_path, ModelAbiError, "wake.tflite: inputs: got cues, expected features, state")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def rewrite(path, change):
    body = json.loads(path.read_text())
    change(body)
    write(path, body)


def as_converted(checkpoint):
    """Let a conversion be of the record that lies beside it."""
    record = sha256((checkpoint / "record.json").read_bytes())
    rewrite(checkpoint / "convert.json", lambda report: report.update(record_sha256=record))


def test_a_network_that_was_trained_again_and_not_converted(copies, tmp_path):
    """Its card would tell of a training whose network is not in the bundle."""
    rewrite(copies["liveness"] / "record.json", lambda record: record.update(seed=5))
    refused(copies, tmp_path, DataError, r"convert\.json: is not of the training .* run: vivavoce quantize convert")
    as_converted(copies["liveness"])
    packed(copies, tmp_path / "bundle")


def test_a_conversion_that_was_interrupted(copies, tmp_path):
    """Half of it is new: the network, and not yet what tells of it."""
    network = copies["wake"] / "model_int8.tflite"
    network.write_bytes(network.read_bytes() + b"x")
    refused(copies, tmp_path, DataError, r"model_int8\.tflite: is not the network that convert\.json tells of")


def test_cutoffs_that_were_chosen_with_another_network(copies, tmp_path):
    networks = {role: sha256((path / "model_int8.tflite").read_bytes()) for role, path in copies.items()}
    packed(copies, tmp_path / "one", cutoffs=write(tmp_path / "c.json", {**CUTOFFS, "networks": networks}))
    networks["wake"] = "0" * 64
    other = write(tmp_path / "c.json", {**CUTOFFS, "networks": networks})
    refused(copies, tmp_path, DataError, r"networks\.wake: got cut-offs of another network", cutoffs=other)


@pytest.mark.parametrize("file", ["model_int8.tflite", "convert.json"])
def test_a_checkpoint_that_was_not_converted(copies, tmp_path, file):
    (copies["wake"] / file).unlink()
    refused(copies, tmp_path, DataError, file)


def test_checkpoints_in_each_others_place(copies, tmp_path):
    refused(
        {"wake": copies["liveness"], "liveness": copies["wake"]},
        tmp_path,
        DataError,
        "got 'liveness', expected wake",
    )


@pytest.mark.parametrize(
    ("path", "value", "error", "match"),
    [
        (("words", "alexa"), None, DataError, r"words\.alexa: got no such entry"),
        (("words", "jarvis"), 0.5, DataError, "words: got .*jarvis, expected alexa, smart_mirror"),
        (("words", "alexa"), 1.5, BundleError, r"words\.0\.cutoff: got 1\.5"),
        (("liveness", "reject"), None, DataError, r"liveness\.reject: got no such entry"),
        (
            ("liveness", "reject"),
            0.9,
            BundleError,
            r"liveness\.reject_cutoff: got 0\.9, expected .* 0 to 0\.8",
        ),
        (("liveness", "calibration"), [], DataError, r"liveness\.calibration\.slope: got no such entry"),
        (
            ("liveness", "calibration", "slope"),
            "2",
            BundleError,
            r"calibration\.slope: got \"2\", expected a number",
        ),
    ],
)
def test_cutoffs_that_do_not_fit(copies, tmp_path, path, value, error, match):
    cutoffs = json.loads(json.dumps(CUTOFFS))
    table = cutoffs
    for key in path[:-1]:
        table = table[key]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    refused(copies, tmp_path, error, match, cutoffs=write(tmp_path / "c.json", cutoffs))


def test_licences_must_be_known(copies, tmp_path):
    for path in copies.values():
        rewrite(path / "record.json", lambda record: record.pop("licences"))
        as_converted(path)
    refused(copies, tmp_path, DataError, "licences: got none, .*give --licences FILE")
    refused(copies, tmp_path, DataError, "licences: got 'MIT'", licences=write(tmp_path / "l.json", ["MIT"]))
    given = [{"material": "talk", "licence": "CC BY 4.0"}] * 2
    packed(copies, tmp_path / "bundle", licences=write(tmp_path / "l.json", given))
    assert [entry.material for entry in open_bundle(tmp_path / "bundle").licences] == ["talk"]


def test_the_command(copies, tmp_path, capsys):
    from edge.cli import main

    call = ["quantize", "pack", "--wake", str(copies["wake"]), "--liveness", str(copies["liveness"])]
    assert main([*call, "-o", str(tmp_path / "bundle"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["words"]) == ("packed", ["alexa", "smart_mirror"])
    assert told["provisional"]
    assert (tmp_path / "bundle" / MANIFEST_NAME).is_file()
    assert main([*call, "--out", str(copies["wake"])]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_told_says_when_cutoffs_are_provisional(copies, tmp_path, capsys):
    from edge.cli import main

    call = ["quantize", "pack", "--wake", str(copies["wake"]), "--liveness", str(copies["liveness"])]
    call += ["-o", str(tmp_path / "bundle")]
    assert main(call) == 0
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "its cut-offs are provisional: choose them with 'vivavoce train cutoffs'" in told
    assert main([*call, "--cutoffs", str(write(tmp_path / "c.json", CUTOFFS))]) == 0
    assert "provisional" not in capsys.readouterr().out


def test_a_network_is_taken_over_from_a_bundle(copies, tmp_path):
    cutoffs = write(tmp_path / "c.json", CUTOFFS)
    packed(copies, tmp_path / "first", cutoffs=cutoffs)
    again = pack(tmp_path / "first", copies["liveness"], tmp_path / "second", cutoffs=cutoffs)
    first, second = open_bundle(tmp_path / "first"), open_bundle(tmp_path / "second")
    assert {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "second").iterdir()
    }
    assert again["words"] == [word.id for word in first.words]
    assert second.training == first.training
    # In its own place, and the other network kept as well.
    pack(tmp_path / "second", tmp_path / "second", tmp_path / "second", cutoffs=cutoffs)
    assert (tmp_path / "second" / MANIFEST_NAME).read_bytes() == (tmp_path / "first" / MANIFEST_NAME).read_bytes()


def test_a_damaged_bundle_gives_no_network(copies, tmp_path):
    packed(copies, tmp_path / "first")
    (tmp_path / "first" / "wake.tflite").write_bytes(b"half")
    with pytest.raises(BundleError, match=r"wake\.tflite"):
        pack(tmp_path / "first", copies["liveness"], tmp_path / "second")
    assert not (tmp_path / "second").exists()
