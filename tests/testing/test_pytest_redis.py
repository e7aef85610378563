"""pytest-redis starts `airwave` where it would start redis-server; and what such a start needs of the command line."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from live import HOST, Peer, free_port, wait_for

from airwave.version import REDIS_VERSION

pytest_plugins = ["pytester"]

AIRWAVE = str(Path(sys.executable).parent / "airwave")

SUITE = """
import pytest
from pytest_redis import factories

def test_empty(redisdb):
    assert redisdb.info("server")["airwave_version"]
    assert redisdb.keys() == []
    assert redisdb.xadd("s", {"f": "v"})
    assert redisdb.config_get("databases") == {"databases": "8"}

def test_empty_again(redisdb):
    assert redisdb.keys() == []

own_proc = factories.redis_proc(executable=%r, password="s3cret", db_count=3, timeout=7, loglevel="verbose")
own = factories.redisdb("own_proc", dbnum=2, decode=True)

def test_another(own, own_proc, tmp_path):
    own.set("k", "v")
    assert own.get("k") == "v"
    settings = own.config_get("databases", "timeout", "requirepass", "loglevel")
    assert settings == {"databases": "3", "timeout": "7", "requirepass": "s3cret", "loglevel": "verbose"}
"""


def test_the_option_and_the_factories(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_redis")
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider\n")
    pytester.makepyfile(test_suite=SUITE % AIRWAVE)
    with tempfile.TemporaryDirectory() as short:  # the path of a Unix socket must be
        result = pytester.runpytest_inprocess(f"--redis-exec={AIRWAVE}", f"--basetemp={short}/t")
    result.assert_outcomes(passed=3)


def airwave(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([AIRWAVE, *arguments], capture_output=True, text=True, check=False)


def test_the_version_is_found_by_those_who_look_for_that_of_redis() -> None:
    text = airwave("--version").stdout
    assert f" v={REDIS_VERSION} " in text
    assert text.index(REDIS_VERSION) == min(text.index(digit) for digit in "0123456789" if digit in text)


def test_the_word_serve_may_be_left_out_before_an_option() -> None:
    port = free_port()
    with subprocess.Popen([AIRWAVE, "--PORT", str(port), "--rdbcompression", "yes"], stdout=subprocess.PIPE) as server:

        def answers() -> bool:
            try:
                with Peer((HOST, port)) as peer:
                    return bool(peer.do("PING") == b"PONG")
            except ConnectionRefusedError:
                return False

        try:
            wait_for(answers, "the server")
        finally:
            server.terminate()
            output, _ = server.communicate()
    assert server.returncode == 0
    assert b"directives of Redis that Airwave does not have are ignored  directives=rdbcompression" in output


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--port=1", "airwave: --port=1: write --port 1\n"),
        ("--maxclients 0", "airwave: --maxclients 0: argument must be between 1 and 4294967295 inclusive\n"),
        ("--prot", "airwave: No such option: --prot: see airwave --help\n"),
    ],
)
def test_wrong_options_are_told_by_whom_they_are_for(argument: str, told: str) -> None:
    assert airwave(argument).stderr == told
