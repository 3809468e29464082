"""Corpus, training, pruning, quantisation, bundle, decision: the whole way, small but real."""

import json
import shutil
from pathlib import Path

import pytest

from edge.bundle import open_bundle
from edge.bundle_identity import bundle_hash

pytest.importorskip("tensorflow", reason="training needs TensorFlow")
pytestmark = [
    pytest.mark.tf,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the Debian package espeak-ng"),
]

WAKE = ("--variety", "narrow", "--epochs", 50, "--width", 24, "--scenes", 1, "--rate", 6e-3, "--synth", "")
LIVENESS = ("--clips", 400, "--dev-clips", 100, "--epochs", 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, vivavoce, tiny_corpus_module) -> dict[str, Path]:
    """Run the documented sequence once."""
    base = tmp_path_factory.mktemp("tiny")
    data = tiny_corpus_module.make(base / "data")
    cache = ("--data", data, "--cache", base / "cache")
    vivavoce("train", "wake", *cache, "-o", base / "member", *WAKE)
    vivavoce("train", "join", "--data", data, base / "member", base / "member", "-o", base / "wake")
    vivavoce("train", "liveness", *cache, "-o", base / "liveness", *LIVENESS)
    for role in ("wake", "liveness"):
        vivavoce("quantize", "convert", base / role)
    parts = ("--wake", base / "wake", "--liveness", base / "liveness")
    vivavoce("quantize", "pack", *parts, "-o", base / "provisional")
    vivavoce(
        "train",
        "cutoffs",
        *cache,
        "--bundle",
        base / "provisional",
        "-o",
        base / "cutoffs.json",
        "--clips",
        100,
    )
    vivavoce("quantize", "pack", *parts, "--cutoffs", base / "cutoffs.json", "-o", base / "bundle")
    vivavoce(
        "train",
        "evaluate",
        *cache,
        "--bundle",
        base / "bundle",
        "--floats",
        base,
        "--split",
        "test",
        "--ledger",
        base / "ledger" / "test_ledger.json",
        "-o",
        base / "results",
        "--clips",
        100,
        "--void-clips",
        60,
    )
    return {"base": base, "data": data, "bundle": base / "bundle"}


def test_half_of_the_weights_are_zero(made: dict[str, Path]) -> None:
    for role in ("member", "liveness"):
        sparsity = json.loads((made["base"] / role / "record.json").read_text())["metrics"]["sparsity"]
        assert all(abs(share - 0.5) < 0.05 for share in sparsity.values()), sparsity


def test_the_words_are_told_apart(made: dict[str, Path], vivavoce) -> None:
    files = sorted((made["data"] / "wake").glob("*.flac"))
    done = vivavoce("score", "wake", "--json", "--bundle", made["bundle"], *files)
    scored = [json.loads(line)["words"] for line in done.stdout.splitlines()]
    # The corpus numbers each talker's clips: two of the one word, then two of the other.
    right = [
        words["computer"]["max_score"] > words["smart_mirror"]["max_score"]
        if file.stem.endswith(("000", "001"))
        else words["smart_mirror"]["max_score"] > words["computer"]["max_score"]
        for file, words in zip(files, scored, strict=True)
    ]
    assert sum(right) >= 0.9 * len(files)


def test_recordings_become_decisions(made: dict[str, Path], vivavoce) -> None:
    # So short a training is not sure of itself: lower cut-offs than any that would be chosen let its words through.
    chosen = json.loads((made["base"] / "cutoffs.json").read_text())
    eager = made["base"] / "eager.json"
    eager.write_text(json.dumps({**chosen, "words": dict.fromkeys(chosen["words"], 0.12)}))
    parts = ("--wake", made["base"] / "wake", "--liveness", made["base"] / "liveness")
    vivavoce("quantize", "pack", *parts, "--cutoffs", eager, "-o", made["base"] / "eager")
    files = sorted((made["data"] / "wake").glob("train_*_000.flac"))
    done = vivavoce("run", "--json", "--bundle", made["base"] / "eager", *files)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    heard = {event["file"] for event in events if event["event"] == "wake"}
    assert len(heard) == len(files)
    assert [e["event"] for e in events].count("end") == len(files)
    decisions = [event for event in events if event["event"] == "decision"]
    assert len(decisions) >= len(files)
    for event in decisions:
        assert event["decision"] in ("accept", "reject", "unsure")
        assert 0 <= event["live_probability"] <= 1
        assert 0 < event["end_s"] <= event["decided_s"]


def test_scores_of_every_clip_are_kept(made: dict[str, Path]) -> None:
    results = made["base"] / "results"
    header, *rows = (results / "liveness_test_scores.csv").read_text().splitlines()
    simulated = json.loads((results / "liveness_test.json").read_text())["simulated"]
    assert header.split(",")[:3] == ["clip", "live", "kind"]
    assert len(rows) == simulated["clips"]["live"] + simulated["clips"]["replay"]
    accepted = sum(row.split(",")[9] == "accept" and row.split(",")[1] == "0" for row in rows)
    assert accepted / simulated["clips"]["replay"] == pytest.approx(simulated["all"]["apcer"])
    assert simulated["void"]["all"]["eer"] > 0
    assert simulated["slices"]["all"]["eer"] == simulated["all"]["eer"]


def test_results_say_where_they_come_from(made: dict[str, Path]) -> None:
    for name in ("wake_test.json", "liveness_test.json"):
        result = json.loads((made["base"] / "results" / name).read_text())
        assert {"commit", "seed", "data_hash", "bundle_sha256", "machine", "made_by"} <= result.keys()
    assert len(json.loads((made["base"] / "ledger" / "test_ledger.json").read_text())) == 1


def test_baselines_are_measured_on_renderings(made: dict[str, Path], vivavoce) -> None:
    small = ("--clips", 60, "--dev-clips", 20, "--set-clips", 40, "--components", 2, "--workers", 1)
    names = ("majority", "f70", "void", "lfcc-gmm")
    given = ("--data", made["data"], "--cache", made["base"] / "cache", "-o", made["base"] / "baselines")
    vivavoce("train", "baseline", *names, *given, *small)
    simulated = json.loads((made["base"] / "baselines" / "baselines_dev.json").read_text())["simulated"]
    assert tuple(simulated) == names
    for entry in simulated.values():
        assert (entry["clips"]["live"], entry["clips"]["replay"]) == (20, 20)
        assert 0 <= entry["all"]["eer"] <= 1
        assert entry["all"]["min_dcf"] <= entry["all"]["act_dcf"]


def test_an_informed_judge_is_measured_beside_networks(made: dict[str, Path], vivavoce) -> None:
    given = ("--data", made["data"], "--cache", made["base"] / "cache", "-o", made["base"] / "informed")
    networks = ("--bundle", made["bundle"], "--checkpoint", made["base"] / "liveness")
    done = vivavoce("train", "informed", *given, *networks, "--clips", 400, "--set-clips", 100, "--workers", 1)
    found = json.loads((made["base"] / "informed" / "liveness_informed_dev.json").read_text())
    names = ["summaries", "network", "network_liveness", "informed", "informed_half"]
    assert list(found["judges"]) == names
    assert [line.split()[0] for line in done.stdout.splitlines()] == names
    assert (found["fitted_clips"], found["set"]["clips"]) == (400, 100)
    assert found["bundle_sha256"] == bundle_hash(made["bundle"])
    for figures in found["judges"].values():
        assert (figures["all"]["live"], figures["all"]["replay"]) == (50, 50)
        assert figures["eer_by_kind"].keys() <= {"phone", "laptop", "tv", "standalone"}
    apart = found["judges"]["network_liveness"]["eer_less_the_network's"]["all"]["difference"]
    assert abs(apart) <= 0.05, "float and int8 of one network"
    # Synthetic voices hide little, so that who knows the recording need not be better here; but nobody is lost.
    assert found["judges"]["informed"]["all"]["eer"] < 0.35


def test_int8_follows_float(made: dict[str, Path]) -> None:
    liveness = json.loads((made["base"] / "results" / "liveness_test.json").read_text())
    simulated = liveness["simulated"]
    assert abs(simulated["int8_minus_float_eer"]) <= 0.05
    # Both networks are measured on the same, and all that is measured of the one is measured of the other.
    assert simulated["float"]["slices"].keys() == simulated["slices"].keys()
    for name, figures in simulated["slices"].items():
        assert simulated["float"]["slices"][name].keys() == figures.keys()
    assert simulated["int8_minus_float"]["all"]["difference"] == pytest.approx(simulated["int8_minus_float_eer"])
    assert liveness["raw_float"].keys() == liveness["raw"].keys()
    wake = json.loads((made["base"] / "results" / "wake_test.json").read_text())
    assert wake["int8_minus_float"].keys() == {"as_they_are", *wake["int8"]["conditions"]}
    assert wake["float"]["conditions"].keys() == wake["int8"]["conditions"].keys()


def test_a_verifier_hears_the_scenes_of_the_wake_network(made: dict[str, Path], vivavoce) -> None:
    from tests.train.fake_speech_embedding import write_fake_embedding

    base = made["base"]
    shards = len(list(base.glob("cache/wake-train-*/*.npz")))
    vivavoce(
        "train", "verifier", "--data", made["data"], "--cache", base / "cache", "-o", base / "verifier",
        "--embedding", write_fake_embedding(base / "embedding"), "--settings", base / "member" / "record.json",
        "--epochs", 1, "--hidden", 8,
    )  # fmt: skip
    assert (
        len(list(base.glob("cache/wake-train-*/*.npz")))
        == shards
        == len(list(base.glob("cache/wake-embeddings-train-*/*.npz")))
    ), "nothing is rendered but for the embedding"
    vivavoce("quantize", "convert", base / "verifier")
    spec, record = (json.loads((base / "verifier" / f"{name}.json").read_text()) for name in ("spec", "record"))
    assert [word["phrase"] for word in spec["words"]] == ["computer", "smart mirror"]
    assert record["settings"]["hidden"] == 8
    assert any("a part of the network" in entry["material"] for entry in record["licences"])
    assert (base / "verifier" / "model_int8.tflite").is_file()


def test_a_finished_run_is_not_trained_again(made: dict[str, Path], vivavoce) -> None:
    history = made["base"] / "member" / "resume" / "history.jsonl"
    before = history.read_text()
    record = (made["base"] / "member" / "record.json").read_bytes()
    vivavoce(
        "train",
        "wake",
        "--data",
        made["data"],
        "--cache",
        made["base"] / "cache",
        "-o",
        made["base"] / "member",
        *WAKE,
    )
    assert history.read_text() == before
    assert (made["base"] / "member" / "record.json").read_bytes() == record


def test_a_bundle_says_what_it_reaches(made: dict[str, Path], vivavoce) -> None:
    """Last: it writes into the bundle, which stays the one that the results are about."""
    base, bundle = made["base"], made["bundle"]
    before = bundle_hash(bundle)
    told = vivavoce("train", "frame", "--bundle", bundle, "--results", base / "results", "-o", base / "limits.json")
    vivavoce("quantize", "limits", bundle, "--verdicts", base / "limits.json")
    assert bundle_hash(bundle) == before
    assert json.loads((base / "results" / "wake_test.json").read_text())["bundle_sha256"] == before
    states = {verdict.id: verdict.state for verdict in open_bundle(bundle).limits.verdicts}
    assert states["wake_recall"] in ("met", "missed")
    # Its renderings are of these recordings, and no figure of the frozen set.
    assert states["live_refused"] == "not measured"
    assert "liveness_test.json was not measured on the frozen set (other data)" in told.stdout
    assert states["start_cpu"] == "not measured"
    assert told.stdout.count("not measured") > 1
