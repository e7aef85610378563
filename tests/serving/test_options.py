"""Directives as keyword arguments: what they become, and what is told about wrong ones."""

from pathlib import Path

import pytest

from airwave.serving import Server, ServerError
from airwave.serving.options import directives, settings_of
from airwave.settings import BufferLimit


def test_values_are_those_of_python(tmp_path: Path) -> None:
    settings = settings_of(
        directives(
            {
                "appendonly": True,
                "protected_mode": False,
                "maxclients": 7,
                "requirepass": b"\xff secret",
                "unixsocket": "a.sock",
                "unixsocketperm": 0o640,
                "dir": tmp_path,
                "client_output_buffer_limit": ("pubsub", "1mb", 0, 0),
                "latency_tracking_info_percentiles": [50, 99.9],
                "save": "",
            },
            process=False,
        )
    )
    assert settings.appendonly
    assert not settings.protected_mode
    assert settings.maxclients == 7
    assert settings.requirepass == b"\xff secret"
    assert settings.unixsocket == f"{tmp_path}/a.sock"
    assert settings.unixsocketperm == 0o640
    assert settings.dir == str(tmp_path)
    assert settings.client_output_buffer_limit.pubsub == BufferLimit(1 << 20, 0, 0)
    assert settings.latency_tracking_info_percentiles == (50.0, 99.9)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"maxclient": 1}, "maxclient is not a setting: did you mean maxclients?"),
        ({"zzz": 1}, "zzz is not a setting"),
        ({"rdbcompression": True}, "rdbcompression is a directive of Redis that Airwave does not have: leave it out"),
        ({"maxclients": 0}, "maxclients='0': argument must be between 1 and 4294967295 inclusive"),
        ({"maxclients": "many\n"}, r"maxclients='many\n': argument couldn't be parsed into an integer"),
        ({"maxclients": None}, "maxclients cannot be None: give text, a number, True or False"),
        ({"requirepass": ["s3cret", "x"]}, "requirepass=...: wrong number of arguments"),
        ({"dir": "/nonexistent"}, "dir='/nonexistent': no such directory"),
        ({"bind": "127.0.0.1"}, "bind cannot be set here: give host"),
        ({"daemonize": True}, "daemonize cannot be set here: with process=True the server has a process of its own"),
        ({"logfile": "x"}, "logfile cannot be set here: configure the logger 'airwave' (or use process=True)"),
        ({"pidfile": "x"}, "pidfile cannot be set here: this process is not the server's (or use process=True)"),
        (
            {"process": True, "log_format": "json"},
            "log_format needs logfile: without one the log goes to the logger 'airwave'",
        ),
        ({"port": 70000}, "port='70000': argument must be between 0 and 65535 inclusive"),
    ],
)
def test_what_is_wrong_is_told_when_the_server_is_made(options: dict[str, object], told: str) -> None:
    with pytest.raises(ServerError) as refusal:
        Server(**options)  # type: ignore[arg-type]
    assert str(refusal.value) == told
