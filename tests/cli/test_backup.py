"""airwave backup."""

import re
import subprocess

import pytest

from .conftest import airwave, airwave_command


@pytest.fixture
def durable(make_server):
    """An Airwave that keeps its data in the test's directory."""
    return make_server("--appendonly", "yes", kind="airwave")


def test_a_copy_of_a_database_in_use_can_be_served(durable, make_server, tmp_path):
    durable.client.xadd("s", {"n": 1}, id="1-0")
    copy = tmp_path / "backup" / "today"
    done = airwave("backup", str(tmp_path), str(copy))
    assert re.fullmatch(rf"Copied [\d.]+ KB to {copy}\n", done.stdout)
    assert (done.stderr, done.returncode) == ("", 0)
    durable.client.xadd("s", {"n": 2}, id="2-0")
    assert "No damage found." in airwave("check", str(copy)).stdout
    restored = make_server("--appendonly", "yes", "--dir", str(copy), kind="airwave")
    assert restored.client.xrange("s") == [(b"1-0", {b"n": b"1"})]
    assert durable.client.xlen("s") == 2


def test_a_copy_overwrites_nothing(durable, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "precious").write_text("x")
    durable.client.set("a", "1")
    done = airwave("backup", str(tmp_path), str(copy))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{copy} is not empty" in done.stderr
    assert [path.name for path in copy.iterdir()] == ["precious"]


def test_a_disk_that_is_full_is_told_and_leaves_nothing(durable, tmp_path):
    durable.client.set("a", b"x" * 1_000_000)
    copy = tmp_path / "copy"
    command = [
        "bash",
        "-c",
        'trap "" XFSZ; ulimit -f 100; exec "$@"',
        "bash",
        *airwave_command("backup", str(tmp_path), str(copy)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"airwave: {tmp_path}: cannot copy to {copy}: ")
    assert [*copy.iterdir()] == []
