"""``vivavoce train report``: errors as examples, with what the device looked back on."""

import base64
import json

import numpy as np

from edge.bundle_identity import bundle_hash
from edge.endpoint import LOOK_BACK_SAMPLES
from edge.quality import Quality
from tests.train.report_page import EVIL, Page, bundle_fixture, made_fixture  # noqa: F401  # fixtures
from train.report import examples as making
from train.report.examples import MOST, Example, choose
from train.report.page import page
from train.report.results_folder import read_results

QUALITY = Quality(30.0, -10.0, 0.0, 0.5, 7000.0, -20.0, ())


def test_the_plainest_errors_are_chosen_of_every_kind():
    live = np.array([True] * 20 + [False] * 40)
    kind = ["none"] * 20 + ["hi-fi"] * 30 + ["phone"] * 10
    probability = np.linspace(0, 1, 60)
    decisions = ["unsure"] * 10 + ["accept"] * 10 + ["accept"] * 40
    chosen = choose(live, decisions, probability, kind)
    assert len(chosen) == len(set(chosen)) == MOST
    assert chosen[:4] == [0, 1, 2, 3], "the least likely of the refused"
    assert chosen[4:] == [59, 49, 58, 48], "the likeliest of each kind in turn"
    few = choose(live, ["reject"] * 2 + ["accept"] * 18 + ["reject"] * 40, probability, kind)
    assert few == [0, 1]
    assert choose(live, ["accept"] * 20 + ["unsure"] * 40, probability, kind) == []
    assert len(choose(live, ["accept"] * 60, probability, kind)) == MOST, "those of one class may fill all places"


def test_examples_are_what_the_device_looked_back_on(bundle, tmp_path, monkeypatch):
    import soundfile

    from train import frozen_set, liveness_evaluation

    rng = np.random.default_rng(2)
    audio = rng.integers(-3000, 3000, (4, LOOK_BACK_SAMPLES)).astype(np.int16)
    sizes = np.array([LOOK_BACK_SAMPLES, 9000, 9000, 9000])
    heard = {
        "audio": audio, "audio_size": sizes, "live": np.array([1, 0, 1, 0], np.int8), "kind": np.array(["x"] * 4),
        "loudspeaker": np.array([EVIL] * 4), "source": np.array(["a", "b", "a", "b"]), "noise": np.array(["n"] * 4),
        "tv_programme": np.array(["none", "p+q", "none", "none"]), "television": np.array([0, 1, 0, 0]),
        "distance_m": np.array([1.0] * 4), "snr_db": np.array([20.0, np.nan, 5.0, 5.0]),
    }  # fmt: skip

    class Clip:
        def __init__(self, path):
            self.path, self.licence = path, {"a": "A", "b": "B", "n": "N", "p": "P", "q": "Q <&>"}[path]

    class Score:
        def __init__(self, probability):
            self.probability, self.quality = probability, QUALITY

    def judged(_, clips):
        assert clips is heard
        return [Score(probability) for probability in (0.01, 0.99, 0.99, 0.01)]

    asked = []
    monkeypatch.setattr(frozen_set, "render_set", lambda *given, **options: asked.append((given, options)))
    monkeypatch.setattr(frozen_set, "heard_of", lambda _: heard)
    monkeypatch.setattr(liveness_evaluation, "judge_audio", judged)
    monkeypatch.setattr(making, "load_manifest", lambda _: [Clip(path) for path in "abnpq"])
    found = making.examples(bundle, tmp_path, tmp_path, n=4)
    assert asked[0][0][1] == "dev", "test is not opened"
    assert [(one.live, one.decision, one.licence) for one in found] == [
        (True, "reject", "A AND N"), (False, "accept", "B AND N AND P AND Q <&>")
    ]  # fmt: skip
    for one, number in zip(found, (0, 1), strict=True):
        (tmp_path / "x.flac").write_bytes(base64.b64decode(one.address.removeprefix("data:audio/flac;base64,")))
        samples, rate_hz = soundfile.read(tmp_path / "x.flac", dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(samples, audio[number][LOOK_BACK_SAMPLES - sizes[number] :])
    assert "nan" not in found[1].conditions


def test_a_page_with_recordings_says_so_and_names_licences(bundle, made, tmp_path):
    for name, body in made.items():
        (tmp_path / name).write_text(json.dumps(body))
    results = read_results(tmp_path, bundle_hash(bundle.path))
    one = Example(True, "unsure", 0.125, EVIL, "a/b.flac", "Q <&>", "data:audio/flac;base64,AAAA")
    text = page(bundle, results, [], examples=[one, one])
    found = Page(text)
    assert found.open == []
    assert found.tags.count("audio") == 2
    assert [address for address in found.addresses if not address.startswith("#")] == [one.address] * 2
    assert "Do not commit or pass it on" in text
    assert "licence Q <&>" in found.sections["examples"]
    assert "licence Q &lt;&amp;&gt;<" in text
    assert EVIL in found.sections["examples"]
    assert "Do not commit" not in page(bundle, results, [])
