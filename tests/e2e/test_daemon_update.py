"""A new bundle while the daemon listens is tried beside the old one, used and confirmed; and one that does not fit."""

import signal

import soundfile

from tests.e2e.test_daemon import SCENE, daemon, decisions  # noqa: F401  # fixtures
from tests.updating import SHIPPED_VERSION, make_bundle

UPDATE = """
[update]
slots = "{slots}"
allow_unsigned = true
confirm_minutes = {confirm}
[update.trial]
minutes = {minutes}
max_load = 1.0
"""


def settings(slots, minutes=0.2, confirm=0.2):
    return UPDATE.format(slots=slots, minutes=minutes, confirm=confirm)


def versions(client):
    return [line["bundle"] for line in client.of("status")]


def test_a_new_bundle_is_tried_used_and_confirmed(daemon, decisions, vivavoce, tmp_path):  # noqa: F811
    scene = soundfile.read(SCENE, dtype="int16")[0].tobytes()
    slots = tmp_path / "slots"
    new = make_bundle(tmp_path, "9.0.0")
    one = daemon(settings(slots))
    one.hear(scene)
    one.client.wait(lambda client: len(client.of("answer")) == len(decisions))
    vivavoce("update", "install", new, "--slots", slots, "--allow-unsigned")
    heard = 1
    while versions(one.client)[-1] != "9.0.0":
        one.hear(scene)
        heard += 1
        one.client.wait(lambda client, heard=heard: len(client.of("answer")) == heard * len(decisions))
        assert heard < 20, one.told()
    assert "is on trial" in one.told()
    assert heard > 2, "it was switched to without a trial"
    while "was confirmed" not in one.told():
        one.hear(scene)
        heard += 1
        one.client.wait(lambda client, heard=heard: len(client.of("answer")) == heard * len(decisions))
        assert heard < 40, one.told()
    one.process.send_signal(signal.SIGTERM)
    log = one.end()
    assert "Traceback" not in log
    answers = one.client.of("answer")
    # No word was lost, and none was answered twice, whatever happened below.
    assert [(a["word"], a["decision"]) for a in answers] == [(d["word"], d["decision"]) for d in decisions] * heard
    assert [a["bundle"] for a in answers] == sorted(a["bundle"] for a in answers)
    assert {a["bundle"] for a in answers} == {SHIPPED_VERSION, "9.0.0"}
    assert '"minimum":{"version":"9.0.0"' in vivavoce("update", "status", "--slots", slots, "--json").stdout.replace(
        " ", ""
    )


def test_checking_settings_counts_no_start(daemon, vivavoce, tmp_path):  # noqa: F811
    slots = tmp_path / "slots"
    vivavoce("update", "install", make_bundle(tmp_path, "9.0.0"), "--slots", slots, "--allow-unsigned", "--now")
    path = tmp_path / "d.toml"
    path.write_text(settings(slots) + f'[source]\nkind = "file"\npath = "{SCENE}"\n')
    before = vivavoce("update", "status", "--slots", slots, "--json").stdout
    for _ in range(5):
        assert "can work" in vivavoce("daemon", "--config", path, "--check").stdout
    assert vivavoce("update", "status", "--slots", slots, "--json").stdout == before


def test_a_bundle_that_lacks_a_word_of_the_settings_is_rolled_back(daemon, decisions, vivavoce, tmp_path):  # noqa: F811
    import json

    from edge.bundle_manifest import MANIFEST_NAME
    from edge.bundle_writing import seal

    slots = tmp_path / "slots"
    new = make_bundle(tmp_path, "9.0.0", "other")
    manifest = json.loads((new / MANIFEST_NAME).read_bytes())
    manifest["words"] = [{**w, "id": f"x_{w['id']}", "phrase": f"x {w['phrase']}"} for w in manifest["words"]]
    manifest["verifier"]["words"] = {f"x_{word}": of for word, of in manifest["verifier"]["words"].items()}
    (new / MANIFEST_NAME).write_text(json.dumps(manifest))
    seal(new)
    vivavoce("update", "install", new, "--slots", slots, "--allow-unsigned", "--now")
    one = daemon('[gate.words.snowboy]\nunsure = "block"\n' + settings(slots))
    one.client.wait(lambda client: client.of("status"))
    assert versions(one.client)[-1] == SHIPPED_VERSION
    one.process.send_signal(signal.SIGTERM)
    assert "rolled back" in one.end()


def test_settings_that_cannot_work_are_no_fault_of_the_bundle(daemon, vivavoce, tmp_path):  # noqa: F811
    slots = tmp_path / "slots"
    vivavoce("update", "install", make_bundle(tmp_path, "9.0.0"), "--slots", slots, "--allow-unsigned", "--now")
    path = tmp_path / "d.toml"
    path.write_text(
        settings(slots) + f'[source]\nkind = "file"\npath = "{SCENE}"\n[metrics]\nenabled = true\nhost = "0.0.0.0"\n'
    )
    before = vivavoce("update", "status", "--slots", slots, "--json").stdout
    for _ in range(5):
        assert "metrics" in vivavoce("daemon", "--config", path, code=2).stderr
    assert vivavoce("update", "status", "--slots", slots, "--json").stdout == before
