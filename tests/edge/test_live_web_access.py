"""Who gets in: nobody without the token, no foreign name, no foreign page."""

import pytest

pytest.importorskip("websockets", reason="the demo in a browser needs websockets (the extra `web`)")

from live_web_house import served
from websockets.exceptions import InvalidStatus

from edge.bundle import open_bundle
from edge.live_demo.listener import Listener
from edge.live_web.access import HEADERS, SOCKET, Asked, Door, Refused, read_assets


@pytest.fixture(scope="module")
def house():
    bundle = open_bundle()
    with served(Listener(bundle), bundle) as found:
        yield found


def test_tokens_are_long_and_each_is_another():
    tokens = {Door().token for _ in range(100)}
    assert len(tokens) == 100
    assert min(map(len, tokens)) >= 24
    assert next(iter(tokens)) not in repr(Door(next(iter(tokens))))


@pytest.mark.parametrize("host", ["127.0.0.1:8470", "localhost:8470", "LOCALHOST", "[::1]:8470", "127.0.0.1"])
def test_every_name_of_this_device_is_taken(host):
    assert Door("t").check("/t/app.js", host, None) == Asked("app.js")
    assert Door("t").check(f"/t/{SOCKET}?x=1", host, f"http://{host}") == Asked(SOCKET)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8470",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.168.1.7:8470",
        "0.0.0.0:8470",
        "evil.example@evil.example",
        "127.0.0.1/evil",
        "[::1",
        "[::ffff:8.8.8.8]",
    ],
)
def test_a_name_that_is_made_to_point_here_is_refused(host):
    found = Door("t").check("/t/", host, None)
    assert isinstance(found, Refused)
    assert found.status == 421


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "https://127.0.0.1:8470", "http://127.0.0.1:1", "http://127.0.0.1"]
)
def test_a_page_of_another_origin_is_refused(origin):
    for name in ("", SOCKET):
        found = Door("t").check(f"/t/{name}", "127.0.0.1:8470", origin)
        assert isinstance(found, Refused)
        assert found.status == 403


@pytest.mark.parametrize("path", ["", "/", "/t", "//t/", "/T/", "/tt/", "/x/", "/?/t/", "/t?/", "/%74/", "/é/"])
def test_without_the_token_nothing_is_served(path):
    found = Door("t").check(path, "localhost", None)
    assert isinstance(found, Refused)
    assert found.status == 403


def test_the_page_and_all_that_it_asks_for_is_served(house):
    assets = read_assets()
    assert "index.html" not in assets
    for name, (kind, content) in assets.items():
        status, headers, got = house.get(house.path + name)
        assert (status, headers["Content-Type"], got) == (200, kind, content)
        assert HEADERS.items() <= headers.items()


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/app.js", "/wrong/ws", "/wrong/audio/1.wav"])
def test_a_wrong_address_is_told_to_be_one_and_gives_nothing_away(house, path):
    status, headers, content = house.get(path)
    assert status == 403
    assert HEADERS.items() <= headers.items()
    assert content.startswith(b"vivavoce: ")
    assert house.path.strip("/").encode() not in content


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "../access.py",
        "..%2faccess.py",
        "index.html/",
        "audio/",
        "audio/x.wav",
        "audio/1.wav",
        "audio/-1.wav",
        "audio/" + "9" * 5000,
    ],
)
def test_an_unknown_name_is_not_found(house, name):
    assert house.get(house.path + name)[0] == 404


def test_what_is_no_request_gets_no_answer_and_harms_nobody(house):
    for path in (b"/\xff/", house.path.encode() + "audio/²".encode(), b"/ /"):
        assert house.get(path)[0] == 0
    assert house.get("/" + "x" * 100_000)[0] == 414
    assert house.get(house.path)[0] == 200


def test_a_foreign_name_and_a_foreign_page_are_refused_over_the_wire(house):
    assert house.get(house.path, host="evil.example")[0] == 421
    assert house.get(house.path, host=None)[0] == 421
    assert house.get(house.path, "Origin: http://evil.example")[0] == 403
    assert house.get(house.path, "Host: localhost")[0] == 403
    assert house.get(house.path, host=f"localhost:{house.server.port}")[0] == 200


def test_a_websocket_is_for_pages_of_this_server_alone(house):
    for origin in ("http://evil.example", "null", f"http://localhost:{house.server.port}", None):
        with pytest.raises(InvalidStatus) as caught:
            house.page(origin=origin)
        assert caught.value.response.status_code == 403
    assert house.upgrade(f"Origin: http://{house.host}", host="evil.example") == 421
    with house.open() as page:
        assert page.hear("hello")["words"]
