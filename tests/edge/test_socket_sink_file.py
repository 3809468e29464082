"""The socket sink: the file of the socket, and settings that cannot work."""

import socket
import stat

import pytest

from edge.errors import DataError, UsageError
from edge.sinks.socket import Settings, make
from tests.edge.socket_clients import ANSWER, connect_fixture, house_fixture, opened_fixture, path_fixture  # noqa: F401  # fixtures


class TestFile:
    def test_rights_are_those_of_the_settings(self, opened, path):
        opened(mode="0o600")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_what_is_left_over_is_replaced(self, opened, path, connect):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        opened()
        assert connect().line()["event"] == "status"

    def test_who_listens_already_is_left_alone(self, opened, path, connect, house):
        opened()
        second = make(Settings(path=str(path)), "second", house)
        with pytest.raises(UsageError, match="somebody listens there already"):
            second.open()
        second.close()
        assert connect().line()["event"] == "status"

    def test_a_file_in_the_way_is_kept(self, opened, path):
        path.write_text("precious")
        with pytest.raises(UsageError, match="a file that is no socket"):
            opened()
        assert path.read_text() == "precious"

    def test_a_socket_that_somebody_removed_is_noticed_and_made_again(self, opened, path, connect):
        sink = opened()
        sink.check()
        path.unlink()
        with pytest.raises(DataError, match="somebody removed the socket"):
            sink.check()
        sink.close()
        sink.open()
        assert connect().line()["event"] == "status"

    def test_at_the_end_the_socket_of_somebody_else_stays(self, opened, path):
        sink = opened()
        path.unlink()
        path.write_text("mine")
        sink.close()
        assert path.read_text() == "mine"

    def test_a_folder_that_is_missing_is_one_line(self, tmp_path, house):
        sink = make(Settings(path=str(tmp_path / "no" / "s")), "local", house)
        with pytest.raises(OSError, match="cannot be listened at") as caught:
            sink.open()
        assert "s: cannot" in str(caught.value)
        with pytest.raises(DataError, match="nobody listens there yet"):
            sink.push(ANSWER)
        sink.close()

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"path": ""}, "sinks.local.path: got a path of 0 bytes"),
            ({"path": "/" + "x" * 200}, "got a path of 201 bytes, expected 1 to 107"),
            ({"path": "s", "mode": "rw"}, "sinks.local.mode: got 'rw', expected access rights in octal"),
            ({"path": "s", "mode": "7777"}, "got '7777'"),
            ({"path": "s", "mode": "-1"}, "got '-1'"),
        ],
    )
    def test_settings_that_cannot_work(self, house, settings, problem):
        with pytest.raises(UsageError) as caught:
            make(Settings(**settings), "local", house)
        assert problem in str(caught.value)
