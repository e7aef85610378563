"""`airwave demo`: a server, and a story that real clients play on it."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from redis import Redis

    from airwave.cli.stage import Stage

DEFAULT_PORT = 6379
DEFAULT_HTTP_PORT = 8379
# How long the demo waits for each message, in seconds. Generous: a loaded machine is no reason to fail.
_PATIENCE_S = 10.0


def demo(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="TCP port of the server; a free one if it is taken.")
    ] = DEFAULT_PORT,
    http_port: Annotated[
        int, typer.Option("--http-port", min=0, max=65535, help="The dashboard's; a free one if it is taken.")
    ] = DEFAULT_HTTP_PORT,
    leave: Annotated[bool, typer.Option("--exit", help="End after the story, as without a terminal.")] = False,
) -> None:
    """Start a server and watch messages flow through it.

    Plays a story with real redis-py clients, checks that every message and every entry arrives, and keeps serving until
    Ctrl-C, with traffic to look at in the dashboard. Without a terminal it ends after the story: with code 0, or 1 if
    anything was missing.
    """
    raise typer.Exit(run_demo(port, http_port, stay=not leave and sys.stdin.isatty() and sys.stdout.isatty()))


def serve_command(port: int, http_port: int) -> list[str]:
    """How the server is started: in this very Python, and for this machine only (`-` if there is IPv6).

    Args:
        http_port: of the dashboard; 0: without.
    """
    from airwave.cli.story import REMEMBERED

    serve = [sys.executable, "-m", "airwave", "serve", "--port", str(port), "--bind", "127.0.0.1", "-::1"]
    return [*serve, "--remember", REMEMBERED, "maxlen", "1000", "--http-port", str(http_port)]


def run_demo(
    wanted_port: int,
    wanted_http_port: int,
    *,
    stay: bool,
    server_command: Callable[[int, int], Sequence[str]] = serve_command,
    patience_s: float = _PATIENCE_S,
) -> int:
    """Play the demo; the exit code.

    Args:
        stay: keep serving until Ctrl-C.
        server_command: the command line of a server for two ports; tests put another server here.
        patience_s: how long to wait for each message.

    Raises:
        Failure: the server did not start, or an expected message was missing.
    """
    from airwave.cli.child import HOST, free_port, running
    from airwave.cli.client import explained
    from airwave.cli.stage import Stage
    from airwave.cli.story import play
    from airwave.cli.traffic import Traffic

    stage = Stage()
    port = free_port(wanted_port)
    stage.say("Airwave: real-time messaging in pure Python that speaks Redis", "bold")
    if wanted_port not in (0, port):
        stage.say(f"Port {wanted_port} is not free: the demo takes port {port} instead.", "yellow")
    http_port = free_port(wanted_http_port, other_than=port) if stay and _has_dashboard() else 0
    with running(server_command(port, http_port)) as server:
        with explained(f"redis://{HOST}:{port}"):
            server.wait_until(lambda: _answers(port))
            stage.say(f"A server is running on {HOST}:{port}; the clients are redis-py.")
            play(stage, lambda: _client(port), patience_s, remembers=_remembers(port))
        say_how_to_go_on(stage, port, http_port, serving=stay)
        if stay:
            try:
                with Traffic(lambda: _client(port)):
                    server.wait()
            except KeyboardInterrupt:
                stage.say()
                stage.say("The server is stopped. Goodbye!")
                return 0
            raise server.unexpected_end()
    return 0


def _has_dashboard() -> bool:
    """Whether the extra is installed that the dashboard needs."""
    return find_spec("aiohttp") is not None


def _remembers(port: int) -> bool:
    with _client(port) as client:
        return bool(client.config_get("remember"))


def _client(port: int) -> Redis:
    import redis

    from airwave.cli.child import HOST

    return redis.Redis(host=HOST, port=port)


def _answers(port: int) -> bool:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    from airwave.cli.child import HOST

    with redis.Redis(host=HOST, port=port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def say_how_to_go_on(stage: Stage, port: int, http_port: int, *, serving: bool) -> None:
    """Tell what to try next, in lines to copy."""
    airwave = program()
    port = port if serving else DEFAULT_PORT
    url = "" if port == DEFAULT_PORT else f" --url redis://127.0.0.1:{port}"
    stage.say()
    if serving:
        stage.say(f"The server keeps running on port {port}. Try it from another terminal:", "bold")
    else:
        stage.say("Now start a server of your own, and try it from another terminal:", "bold")
        stage.say(f"  {airwave} serve")
    for line in (
        "",
        f"  {airwave} sub --pattern 'notifications:*'{url}",
        f"  {airwave} pub notifications:user:42 'Hello!'{url}",
        f"  redis-cli -p {port} PUBLISH notifications:user:42 'Hello from redis-cli!'",
        "",
        f"  redis-cli -p {port} XADD parcels '*' parcel 5 item Book",
        f"  {airwave} tail parcels --from 0{url}",
        f"  {airwave} streams{url}",
        *([f"  {airwave} sub --since -5 notifications:user:42{url}", f"  {airwave} top{url}"] if serving else []),
        "",
        "  >>> import redis",
        f"  >>> client = redis.Redis(port={port})",
        "  >>> client.publish('notifications:user:42', 'Hello from Python!')",
    ):
        stage.say(line, "cyan")
    if serving:
        stage.say()
        if http_port:
            stage.say(f"Dashboard, with live traffic to look at: http://127.0.0.1:{http_port}/", "bold green")
        else:
            stage.say("For the dashboard: pip install 'airwave[web]', and start the demo again.")
        stage.say("Ctrl-C stops it.", "bold")


def program() -> str:
    """How the user calls airwave: after `make run` it is in a virtual environment that is not on the PATH."""
    called = Path(sys.argv[0])
    if shutil.which("airwave"):
        return "airwave"
    if called.stem == "airwave":
        return shlex.quote(os.path.relpath(called))
    return f"{shlex.quote(sys.executable)} -m airwave"
