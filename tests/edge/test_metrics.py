"""Metrics over HTTP: read by prometheus_client's own parser from a real socket."""

import http.client
import socket
import threading
import time
from dataclasses import replace

import pytest

from edge.answers import Status
from edge.bus import Bus, SinkCounts
from edge.errors import UsageError
from edge.health import LATENCY_BOUNDS_S, Health
from edge.metrics import HouseCollector, stalled
from edge.sinks.metrics import MetricsSettings, MetricsSink
from edge.strict_toml import from_tables

pytest.importorskip("prometheus_client", reason="the extra 'metrics' is not installed")
TOKEN = "0123456789abcdef0123456789abcdef"


class House:
    """As much of a house as metrics ask of it."""

    def __init__(self):
        self.health = Health(started_at_s=1_780_000_000.0)
        self.status = Status(
            at_s=0.0,
            source="listening",
            source_name="microphone",
            muted=False,
            playing=False,
            words=("smart_mirror",),
            bundle="3.0",
        )
        self.sinks = {}


@pytest.fixture
def house():
    return House()


@pytest.fixture
def sink(house):
    sink = MetricsSink(MetricsSettings(port=0), house)
    sink.open()
    yield sink
    sink.close()


def ask(sink, path="/metrics", method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", sink.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def series(text):
    """Parse the text as Prometheus does: the value of each series, by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found, "a series stands twice"
            found[key] = sample.value
    return found


def test_everything_that_is_counted_is_told(house, sink):
    health = house.health
    health.samples, health.overflows, health.dropped_samples, health.reopens = 32_000, 3, 8000, 4
    health.busy_s, health.queue_s, health.level_dbfs = 1.5, 0.25, -41.0
    health.reloads, health.reload_faults = 5, 6
    health.last_block_at_s = time.monotonic()
    health.gauges["drift_alarm"] = 1.0
    health.count_wake("wyoming 127.0.0.1:5", "smart_mirror")
    health.count_answer("smart_mirror", "block", "loudspeaker")
    health.count_answer("smart_mirror", "block", "loudspeaker")
    counts = SinkCounts()
    counts.told, counts.dropped, counts.failures, counts.up = 7, 8, 9, True
    house.sinks = {"mqtt": counts}
    house.status = replace(house.status, muted=True)
    found = series(ask(sink)[1])
    wanted = {
        "audio_seconds_total": 2.0,
        "audio_overflows_total": 3,
        "audio_dropped_seconds_total": 0.5,
        "source_reopens_total": 4,
        "busy_seconds_total": 1.5,
        "queue_seconds": 0.25,
        "level_dbfs": -41.0,
        "reloads_total": 5,
        "reload_faults_total": 6,
        "start_time_seconds": 1_780_000_000.0,
        "muted": 1,
        "playing": 0,
        "drift_alarm": 1,
    }
    assert {name: found[f"vivavoce_{name}",] for name in wanted} == wanted
    assert 0 <= found["vivavoce_audio_age_seconds",] < 10
    assert found["vivavoce_wakes_total", ("origin", "wyoming"), ("word", "smart_mirror")] == 1
    answers = ("vivavoce_answers_total", ("action", "block"), ("reason", "loudspeaker"), ("word", "smart_mirror"))
    assert found[answers] == 2
    for name, value in (("told_total", 7), ("dropped_total", 8), ("failures_total", 9), ("up", 1)):
        assert found[f"vivavoce_sink_{name}", ("sink", "mqtt")] == value
    states = {key[1][1]: value for key, value in found.items() if key[0] == "vivavoce_source_state"}
    assert states == {"opening": 0, "listening": 1, "lost": 0, "ended": 0}
    assert any(key[0] == "vivavoce_build_info" and ("bundle", "3.0") in key for key in found)
    assert found["vivavoce_process_resident_memory_bytes",] > 1e6
    assert all(key[0].startswith("vivavoce_") for key in found)


def test_before_the_first_block_there_is_no_age(sink):
    assert ("vivavoce_audio_age_seconds",) not in series(ask(sink)[1])


def test_times_are_a_histogram(house, sink):
    for took in (0.0005, 0.001, 0.003, 0.2, 99.0):
        house.health.observe("liveness", took)
    found = series(ask(sink)[1])
    buckets = {
        float(dict(key[1:])["le"]): value for key, value in found.items() if key[0] == "vivavoce_stage_seconds_bucket"
    }
    assert list(buckets) == [*LATENCY_BOUNDS_S, float("inf")]
    assert [buckets[bound] for bound in (0.001, 0.0025, 0.005, 0.1, 0.25, 2.5)] == [2, 2, 3, 3, 4, 4]
    assert buckets[float("inf")] == found["vivavoce_stage_seconds_count", ("stage", "liveness")] == 5
    assert found["vivavoce_stage_seconds_sum", ("stage", "liveness")] == pytest.approx(99.2045)


def test_others_cannot_make_endless_series_nor_break_the_text(house, sink):
    for number in range(1000):
        house.health.count_wake("wyoming", f"word {number}")
    house.health.count_wake("wyoming", "a" * 10_000)
    house.health.count_answer('\ud800"\n\\', "block", "live")
    house.health.gauges.update({"Bad Name": 1.0, "level_dbfs": 5.0, "store_bytes": 7.0, "": 1.0})
    found = series(ask(sink)[1])
    wakes = {key: value for key, value in found.items() if key[0] == "vivavoce_wakes_total"}
    assert len(wakes) == 101
    assert sum(wakes.values()) == 1001
    assert wakes["vivavoce_wakes_total", ("origin", "other"), ("word", "other")] == 901
    assert ("vivavoce_answers_total", ("action", "block"), ("reason", "live"), ("word", '?"\n\\')) in found
    assert found["vivavoce_level_dbfs",] == -120.0
    assert found["vivavoce_store_bytes",] == 7.0


def test_counting_goes_on_while_it_is_told(house, sink):
    stop = threading.Event()

    def count():
        number = 0
        while not stop.is_set():
            number += 1
            house.health.count_wake("source", f"word {number % 5000}")
            house.health.observe(f"stage {number % 50}", 0.01)
            house.health.gauges[f"gauge_{number % 5000}"] = 1.0

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(5):
            assert ask(sink)[0] == 200
    finally:
        stop.set()
        thread.join()


def test_health_is_whether_sound_progresses(house, sink):
    assert ask(sink, "/healthz") == (503, "no sound has come yet\n")
    house.health.last_block_at_s = time.monotonic()
    assert ask(sink, "/healthz") == (200, "ok\n")
    house.health.last_block_at_s -= 11.0
    assert ask(sink, "/healthz") == (503, "no sound has come for 11 s\n")
    house.health.last_block_at_s = time.monotonic()
    house.status = replace(house.status, source="lost")
    assert ask(sink, "/healthz") == (503, "the source is lost\n")
    house.status = replace(house.status, source="listening", muted=True)
    assert ask(sink, "/healthz") == (200, "ok\n")


def test_ten_seconds_are_the_limit(house):
    house.health.last_block_at_s = 100.0
    assert stalled(house, 110.0) == ""
    assert stalled(house, 110.1) == "no sound has come for 10 s"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/metrics", "GET", 200),
        ("/metrics?name[]=vivavoce_muted", "GET", 200),
        ("/metrics", "HEAD", 200),
        ("/metrics", "POST", 405),
        ("/metrics", "DELETE", 405),
        ("/healthz", "HEAD", 503),
        ("/", "GET", 404),
        ("/metrics/", "GET", 404),
        ("/../etc/passwd", "GET", 404),
    ],
)
def test_only_two_paths_are_there(sink, path, method, status):
    got, text = ask(sink, path, method)
    assert got == status
    assert (text == "") == (method == "HEAD")


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/none"])
def test_the_answer_to_head_ends_with_its_headers(sink, path):
    with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as client:
        client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        got = b""
        while block := client.recv(4096):
            got += block
    assert got.endswith(b"\r\n\r\n")
    assert got.count(b"\r\n\r\n") == 1


def test_a_token_is_demanded_of_every_path(house, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    sink = MetricsSink(MetricsSettings(port=0, token_file=str(token)), house)
    sink.open()
    try:
        for path in ("/metrics", "/healthz", "/none"):
            assert ask(sink, path)[0] == 401
            assert ask(sink, path, Authorization=f"Bearer {TOKEN}")[0] != 401
        text = ask(sink, Authorization=f"Bearer {TOKEN}")[1]
        assert series(text)["vivavoce_http_refused_total", ("reason", "token")] == 3
    finally:
        sink.close()


def test_it_is_not_made_where_others_could_read(house):
    with pytest.raises(UsageError, match=r"^metrics\.host: got '0\.0\.0\.0', which others can reach"):
        MetricsSink(MetricsSettings(host="0.0.0.0"), house)


def test_a_token_that_travels_in_the_clear_is_warned_of(house, tmp_path, caplog):
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    MetricsSink(MetricsSettings(host="0.0.0.0", token_file=str(token)), house)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_port_that_is_taken_is_told_in_one_line_and_tried_again(house, sink, caplog):
    other = MetricsSink(MetricsSettings(port=sink.port), house)
    with pytest.raises(UsageError, match=rf"^metrics: 127\.0\.0\.1 port {sink.port}: cannot be listened at"):
        other.open()
    port = sink.port
    sink.close()
    other.open()
    assert other.port == port
    other.close()
    other.close()


def test_on_the_bus_it_is_served_and_ended(house):
    sink = MetricsSink(MetricsSettings(port=0), house)
    bus = Bus([sink], lambda: house.status)
    house.sinks = bus.counts
    bus.start()
    try:
        deadline = time.monotonic() + 10
        while not bus.counts["metrics"].up:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert series(ask(sink)[1])["vivavoce_sink_up", ("sink", "metrics")] == 1
    finally:
        bus.close()
    assert sink.port == 0


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"port": 70_000}, "metrics.port: got 70000, expected a whole number from 0 to 65535"),
        ({"prot": 1}, "metrics.prot is unknown; did you mean metrics.port?"),
        ({"host": " "}, "metrics: host: got nothing"),
        ({"token_file": 1}, "metrics.token_file: got 1, expected text"),
    ],
)
def test_settings_are_strict(table, told):
    with pytest.raises(UsageError) as fault:
        from_tables(MetricsSettings, table, "vivavoce.toml", name="metrics")
    assert told in str(fault.value)


def test_collecting_twice_gives_the_same_names(house):
    collector = HouseCollector(house)
    names = [metric.name for metric in collector.collect()]
    assert names == [metric.name for metric in collector.collect()]
    assert len(names) == len(set(names))
