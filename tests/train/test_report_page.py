"""``vivavoce train report``: a page that is sound, needs nothing but itself, and takes nothing of a file for markup."""

import base64
import csv
import hashlib
import json
import re

from tests.train.report_page import EVIL, Page, bundle_fixture, made_fixture, report_fixture  # noqa: F401  # fixtures
from train.report.page import SCRIPT, embedded


def test_the_page_is_sound_and_needs_nothing_else(report):
    code, text, told, err = report()
    assert (code, err) == (0, "")
    found = Page(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert all(address.startswith("#") for address in found.addresses)
    assert {address[1:] for address in found.addresses} <= set(found.ids)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", text)
    assert not {"link", "iframe", "object", "img", "audio"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on")]
    assert "page.html" in told


def test_only_the_script_of_the_page_may_run(report):
    _, text, _, _ = report()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert scripts == [SCRIPT]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")


def _write_scores(folder, rows):
    with (folder / "liveness_test_scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("clip", "live", "kind", "talker", "loudspeaker", "score", "decision"))
        writer.writerows(
            (n, live, kind, talker, "L", (n % 37) / 9 + int(live), decision)
            for n, (live, kind, talker, decision) in enumerate(rows)
        )


def test_nothing_of_a_file_becomes_markup(report, made, tmp_path):
    wake, liveness = made["wake_test.json"], made["liveness_test.json"]
    wake["int8"]["recall"][EVIL] = wake["int8"]["recall"].pop("alexa")
    wake["int8"]["false_accepts_longform"]["by_corpus"] = {
        name: {"count": count, "hours": 1.0, "per_hour": count, "upper_95_per_hour": 9.0}
        for name, count in ((EVIL, 2), ("other", 1))
    }
    wake["made_by"] = liveness["commit"] = made["protocol.json"]["date"] = EVIL
    liveness["simulated"]["by_kind"][EVIL] = {**liveness["simulated"]["by_kind"]["phone"], "apcer": 0.9}
    liveness["raw"]["by_group"][EVIL] = liveness["raw"]["by_group"]["alexa"]
    liveness["set"] = {**liveness["set"], "state": EVIL}
    made["runtime.json"]["machine"]["processor"] = EVIL
    made["protocol.json"]["ladder"]["all unseen"]["baselines"][EVIL] = {"eer": 0.1}
    (tmp_path / "results").mkdir()
    rows = [("1", "-", EVIL, "accept")] * 92 + [("1", "-", EVIL, "reject")] * 8
    rows += [("0", EVIL, "t", "accept")] * 45 + [("0", EVIL, "t", "reject")] * 55
    _write_scores(tmp_path / "results", rows)
    code, text, _, _ = report()
    assert code == 0
    found = Page(text)
    assert found.open == []
    assert found.tags.count("script") == 2
    assert "alert" in found.sections["weakest-simulated"]
    assert text.count("<script>alert") == 0
    assert EVIL in found.sections["day"]
    assert f"like {EVIL}, which" in found.sections["in-short"]
    assert EVIL in found.table("Talkers, the most often refused")


def test_data_of_the_script_cannot_end_it():
    data = {"</script><!--": ["<script>", "a & b"]}
    assert "<" not in embedded(data)
    assert json.loads(embedded(data)) == data


def test_curves_are_drawn_of_scores_and_their_lack_is_told(report, made, tmp_path):
    assert "There is no liveness_test_scores.csv" in report()[1]
    rows = [("1", "", "t", "accept" if i >= 8 else "unsure") for i in range(100)]
    rows += [("0", "phone", "t", "accept" if i < 45 else "reject") for i in range(100)]
    _write_scores(tmp_path / "results", rows)
    found = Page(report()[1])
    assert "svg" in found.tags
    assert "8.0 % of people refused, 45.0 % of replays accepted" in found.sections["curves"]
    assert found.table("Single loudspeakers") == {"phone/L": ["45.0 % (35.6 to 54.8 %)", "100"]}
    made["liveness_test.json"]["simulated"]["all"]["apcer"] = 0.44
    text = report()[1]
    assert "is of another measurement than liveness_test.json" in text
    assert "<svg" not in text


def test_the_same_results_give_the_same_page(report, made):
    first = report()[1]
    for name in ("wake_test.json", "liveness_test.json", "protocol.json"):
        made[name] = json.dumps(made[name])
    assert report()[1] == first
    assert len(first) < 100_000
