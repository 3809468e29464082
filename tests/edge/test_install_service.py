"""The unit for systemd and the settings to begin with: as systemd and the daemon read them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from edge import native
from edge.cli import main
from edge.daemon_settings import load
from edge.errors import UsageError
from edge.service_unit import Service, quoted, unit_text

EXAMPLE = files("edge").joinpath("data/daemon.toml").read_text()


def service(**options) -> Service:
    options.setdefault("command", ("/opt/vivavoce/bin/vivavoce",))
    options.setdefault("config", Path("/etc/vivavoce/daemon.toml"))
    return Service(**options)


def entries(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def verified(path: Path, *, user: bool) -> str:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [tool, "verify", *(["--user"] if user else []), str(path)], capture_output=True, text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(path.parent)},
    )  # fmt: skip
    return f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "options", [{}, {"user": True}, {"microphone": False}, {"network": False, "write_execute": False}]
)
def test_systemd_has_nothing_to_say_of_it(tmp_path, options):
    program = tmp_path / "a program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "vivavoce.service"
    unit.write_text(unit_text(service(command=(str(program),), **options)))
    assert verified(unit, user=options.get("user", False)) == ""


def test_systemd_would_have_something_to_say(tmp_path):
    unit = tmp_path / "vivavoce.service"
    unit.write_text(unit_text(service(command=("/bin/true",))).replace("Type=notify", "Type=notifies"))
    assert "Failed to parse" in verified(unit, user=False)


class TestUnit:
    def test_it_notifies_and_is_watched_longer_than_a_microphone_is_waited_for(self):
        from edge.capture import _RETRY_S

        found = entries(unit_text(service()))
        assert found["Type"] == ["notify"]
        assert float(found["WatchdogSec"][0]) > 2 * _RETRY_S[1]
        assert found["ExecStart"] == ["/opt/vivavoce/bin/vivavoce daemon --config /etc/vivavoce/daemon.toml"]
        assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
        assert found["StateDirectory"] == found["CacheDirectory"] == found["RuntimeDirectory"] == ["vivavoce"]

    def test_its_cache_is_the_one_that_kernels_are_looked_for_in(self):
        assert entries(unit_text(service()))["Environment"] == [f"{native.CACHE_VARIABLE}=%C/vivavoce"]

    def test_a_microphone_takes_sound_devices_and_memory_that_is_executed(self):
        found = entries(unit_text(service()))
        assert found["DeviceAllow"] == ["char-alsa rw"]
        assert found["SupplementaryGroups"] == ["audio"]
        assert found["DevicePolicy"] == ["closed"]
        assert "PrivateDevices" not in found
        assert "MemoryDenyWriteExecute" not in found

    def test_without_a_microphone_there_is_no_device(self):
        found = entries(unit_text(service(microphone=False, write_execute=False)))
        assert found["PrivateDevices"] == found["MemoryDenyWriteExecute"] == ["yes"]
        assert "DeviceAllow" not in found
        assert "SupplementaryGroups" not in found

    def test_without_network_there_are_only_sockets_in_the_file_system(self):
        found = entries(unit_text(service(network=False)))
        assert found["RestrictAddressFamilies"] == ["AF_UNIX"]
        assert found["PrivateNetwork"] == ["yes"]
        assert entries(unit_text(service()))["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]

    def test_a_session_of_a_user_gets_what_its_manager_can_do(self):
        found = entries(unit_text(service(user=True)))
        assert found["WantedBy"] == ["default.target"]
        assert found["NoNewPrivileges"] == ["yes"]
        assert not {"DynamicUser", "ProtectSystem", "PrivateUsers", "CapabilityBoundingSet"} & set(found)

    @pytest.mark.parametrize("path", ["/home/ann/venv/bin/vivavoce", "/root/vivavoce"])
    def test_a_program_in_a_home_can_be_read(self, path):
        assert entries(unit_text(service(command=(path,))))["ProtectHome"] == ["read-only"]
        assert entries(unit_text(service()))["ProtectHome"] == ["yes"]
        assert entries(unit_text(service(command=("/homes/vivavoce",))))["ProtectHome"] == ["yes"]


class TestQuoting:
    @pytest.mark.parametrize("path", ["/a b/c", '/a"b', "/a\\b", "/a'b", "/a;b", "/ä"])
    def test_a_path_is_one_argument(self, path):
        assert shlex.split(quoted(path)) == [path]

    def test_specifiers_and_variables_are_no_such(self):
        assert quoted("/100%/$HOME") == "/100%%/$$HOME"

    def test_a_line_break_would_be_an_entry_of_its_own(self):
        with pytest.raises(UsageError, match="without control characters"):
            unit_text(service(config=Path("/etc/a\nExecStartPre=/bin/rm")))


class TestSettings:
    def test_the_daemon_reads_them(self, tmp_path):
        pytest.importorskip("edge.sinks.socket", reason="there is no sink for sockets")
        (tmp_path / "daemon.toml").write_text(EXAMPLE.replace("@RUNTIME@", "/run/vivavoce"))
        assert load(tmp_path / "daemon.toml").source.kind == "microphone"

    def test_what_is_a_comment_is_what_holds_without_it(self, tmp_path):
        text = EXAMPLE.partition("[sinks.socket]")[0]
        said = re.sub(r"^# ([a-z_]+ = |\[)", r"\1", text, flags=re.MULTILINE)
        said = said[: said.index("\n[reference]")] + said[said.index("\n[gate]") :]
        assert said.count(" = ") > 14
        found, silent = tmp_path / "said.toml", tmp_path / "silent.toml"
        found.write_text(said)
        silent.write_text('[source]\nkind = "microphone"\n')
        one, other = load(found), load(silent)
        assert one.source.settings == other.source.settings
        for name in ("bundle", "words", "pre_roll_s", "gate", "store", "audio"):
            assert getattr(one.tables, name) == getattr(other.tables, name), name

    def test_the_reference_that_it_names_can_be_read(self, tmp_path):
        said = re.sub(r"^# ([a-z_]+ = |\[)", r"\1", EXAMPLE.partition("[sinks.socket]")[0], flags=re.MULTILINE)
        (tmp_path / "a.toml").write_text(said)
        assert load(tmp_path / "a.toml").reference.settings.device == "Loopback"


class TestCommand:
    def test_below_a_root_it_writes_both_once(self, tmp_path, capsys):
        root = tmp_path / "image"
        arguments = ["install-service", "--root", str(root), "--command", "/opt/vivavoce/bin/vivavoce", "--json"]
        assert main(arguments) == 0
        first = json.loads(capsys.readouterr().out)
        unit, config = root / "etc/systemd/system/vivavoce.service", root / "etc/vivavoce/daemon.toml"
        assert first["written"] == [str(config), str(unit)]
        assert "ExecStart=/opt/vivavoce/bin/vivavoce daemon --config /etc/vivavoce/daemon.toml\n" in unit.read_text()
        assert tomllib.loads(config.read_text())["sinks"]["socket"]["path"] == "/run/vivavoce/answers.sock"
        assert (unit.stat().st_mode & 0o777, config.stat().st_mode & 0o777) == (0o644, 0o644)

        config.write_text("# mine\n")
        unit.write_text("old\n")
        assert main([*arguments, "--no-network"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert (again["written"], again["kept"]) == ([str(unit)], [str(config)])
        assert config.read_text() == "# mine\n"
        assert "PrivateNetwork=yes" in unit.read_text()

    def test_for_a_user_all_is_in_its_home(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        assert main(["install-service", "--user"]) == 0
        assert (tmp_path / "config/systemd/user/vivavoce.service").is_file()
        config = tomllib.loads((tmp_path / "config/vivavoce/daemon.toml").read_text())
        assert config["sinks"]["socket"]["path"] == f"/run/user/{os.getuid()}/vivavoce/answers.sock"
        out = capsys.readouterr().out
        assert "systemctl --user enable --now vivavoce" in out
        assert "doctor --warm" in out

    def test_printed_it_writes_nothing(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        assert main(["install-service", "--user", "--print"]) == 0
        assert capsys.readouterr().out.count("[Service]\n") == 1
        assert not (tmp_path / "config").exists()

    def test_without_a_microphone_the_settings_say_so(self, tmp_path):
        assert main(["install-service", "--root", str(tmp_path), "--no-microphone"]) == 0
        config = tomllib.loads((tmp_path / "etc/vivavoce/daemon.toml").read_text())
        assert config["source"] == {"kind": "pipe", "path": "/run/vivavoce/sound"}

    def test_memory_is_not_closed_where_numba_has_to_compile(self, monkeypatch, capsys):
        monkeypatch.setattr(native, "find", lambda: None)
        assert main(["install-service", "--print", "--no-microphone"]) == 0
        assert "MemoryDenyWriteExecute=yes" not in capsys.readouterr().out.splitlines()

    def test_a_place_that_cannot_be_written_to_is_one_line(self, tmp_path, capsys):
        (tmp_path / "etc").write_text("a file")
        assert main(["install-service", "--root", str(tmp_path)]) == 2
        complaint = capsys.readouterr().err
        assert complaint.count("\n") == 1
        assert "cannot be written" in complaint

    def test_print_and_root_do_not_go_together(self, tmp_path, capsys):
        assert main(["install-service", "--print", "--root", str(tmp_path)]) == 2
        assert "expected one of the two" in capsys.readouterr().err
