"""The units of systemd: systemd itself accepts them, and has little to say against how the service is confined."""

import configparser
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from live import HOST, Node, Start

from .shown import DEPLOY, output_of

UNITS = DEPLOY / "systemd"
SERVICE = (UNITS / "airwave.service").read_text()
EXPOSURE_MAX = 1.5  # of 10; below 2 systemd says OK


def analyze() -> str:
    """systemd-analyze, or the test is skipped; on CI there must be one."""
    path = shutil.which("systemd-analyze")
    if path is None:
        reason = "systemd-analyze is not installed: apt-get install systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def command() -> list[str]:
    """What the service runs, as words."""
    return re.findall(r"^ExecStart=(.*)$", SERVICE, re.MULTILINE)[0].split()


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units in a folder, with a program that exists on this machine."""
    folder = tmp_path / "units"
    folder.mkdir()
    for unit in UNITS.glob("airwave*.s*"):
        (folder / unit.name).write_text(unit.read_text().replace(command()[0], sys.executable))
    return folder


def test_systemd_understands_every_line(units: Path) -> None:
    found = sorted(unit.name for unit in units.iterdir())
    assert found == ["airwave-http.socket", "airwave.service", "airwave.socket"]
    assert output_of(analyze(), "verify", "--man=no", *[units / name for name in found]) == ""


def test_the_service_is_confined(units: Path) -> None:
    said = output_of(analyze(), "security", "--offline=yes", units / "airwave.service")
    exposure = re.search(r"Overall exposure level for airwave.service: ([\d.]+)", said)
    assert exposure
    assert float(exposure[1]) <= EXPOSURE_MAX, said


def test_the_server_starts_as_the_service_starts_it(start: Start, tmp_path: Path) -> None:
    """With the file that is beside the unit, and the variables that systemd sets."""
    words = [word.replace("${CREDENTIALS_DIRECTORY}", str(UNITS)) for word in command()]
    words = [word.replace("${STATE_DIRECTORY}", str(tmp_path)) for word in words]
    assert Path(words[0]).name == "airwave"
    assert words[1] == "serve"
    node: Node = start(*words[2:], "--http-port", "0", "--bind", HOST)
    with node.connect() as peer:
        assert peer.info("persistence")["aof_enabled"] == "1"
    assert (tmp_path / "airwave.sqlite3").exists()


def test_it_has_time_to_stop_and_room_for_clients() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(SERVICE)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["TimeoutStopSec"]) > 10  # shutdown-timeout
    assert int(service["LimitNOFILE"]) > 10_000 + 10_000  # maxclients, http-max-connections
    assert "--supervised systemd" in service["ExecStart"]


def test_sockets_have_the_names_that_the_server_looks_for() -> None:
    names = {
        unit.name: re.findall(r"^FileDescriptorName=(.*)$", unit.read_text(), re.M) for unit in UNITS.glob("*.socket")
    }
    assert names == {"airwave.socket": ["redis"], "airwave-http.socket": ["http"]}
