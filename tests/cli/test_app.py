"""The command line as a whole: help, version, errors, and what is handed to the server."""

import json
import subprocess
import sys

import pytest

from airwave.version import REDIS_VERSION, __version__

from .conftest import airwave, environment

COMMANDS = ["demo", "serve", "pub", "sub", "streams", "top", "tail", "ping", "check", "backup", "bench"]


def test_without_arguments_it_shows_help():
    done = airwave()
    assert done.returncode == 0
    assert set(COMMANDS) <= set(done.stdout.split())
    assert done.stderr == ""


def test_version():
    done = airwave("--version")
    assert done.stdout == f"airwave (Redis server v={REDIS_VERSION} protocol and commands) {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    done = airwave(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: airwave {command}")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["pub", "news"], "Missing argument 'MESSAGE|-'"),
        (["ping", "--count", "0"], "--count"),
        (["sub", "news", "--nonsense\x1b[31m"], r"--nonsense\x1b[31m"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments, text):
    done = airwave(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("airwave: ")
    assert text in done.stderr
    assert done.stderr.endswith("--help\n")
    assert done.stderr.count("\n") == 1


def test_help_imports_nothing_heavy():
    program = "import sys, airwave.cli; print(*sorted({'redis', 'rich', 'uvloop', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment())
    assert done.stdout.split() == []


SERVE = """
import json, sys, types

class SettingsError(Exception):
    pass

def from_command_line(args):
    if "--bad" in args:
        raise SettingsError("bad directive\\nor number of arguments")
    return args

def run(settings):
    print(json.dumps(settings))
    return 7

sys.modules["airwave.settings"] = settings = types.ModuleType("airwave.settings")
settings.SettingsError, settings.from_command_line = SettingsError, from_command_line
sys.modules["airwave.server"] = server = types.ModuleType("airwave.server")
server.run = run
from airwave.cli import main
main()
"""


def serve(*arguments):
    command = [sys.executable, "-c", SERVE, "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-"],
        ["airwave.conf", "--port", "6380", "--bind", "127.0.0.1", "-::1", "--requirepass", "-hunter2"],
        ["--save", "", "--client-output-buffer-limit", "pubsub", "32mb", "8mb", "60", "--port=1"],
    ],
)
def test_serve_hands_on_exactly_what_follows_it(arguments):
    done = serve(*arguments)
    assert done.stderr == ""
    assert json.loads(done.stdout) == arguments
    assert done.returncode == 7


def test_serve_tells_a_wrong_setting_in_one_line():
    done = serve("--bad", "yes")
    assert done.stderr == "airwave: bad directive or number of arguments\n"
    assert done.returncode == 1


def test_a_bug_is_one_line_unless_a_traceback_is_asked_for():
    program = "import airwave.cli as cli; cli.app = lambda **_: 1 / 0; cli.main()"

    def crash(**env):
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, env=environment(**env), check=False)

    done = crash()
    assert done.returncode == 70
    assert done.stderr.startswith("airwave: internal error, ZeroDivisionError: division by zero: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" in crash(AIRWAVE_TRACEBACK="1").stderr


def test_closed_output_streams_are_no_error():
    command = [sys.executable, "-m", "airwave", "--version"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], env=environment(), check=False)
    assert done.returncode == 0
