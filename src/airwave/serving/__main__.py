"""The process of a server that `airwave.serving.child` has started; see there for what the two say to each other."""

import asyncio
import json
import os
import socket
import sys

from airwave.server import daemon, process
from airwave.server.node import Node
from airwave.serving.child import NOW
from airwave.serving.errors import ServerError
from airwave.serving.options import leave_the_log_alone, settings_of
from airwave.settings import SettingsError

LIFELINE = 0  # the descriptor


def main() -> int:
    """Serve what the parent asks for until it stops us, or is gone. Returns the exit code."""
    request = json.loads(_read_line())
    report = daemon.Report(request["report"])

    def ready(node: Node) -> None:
        loop = asyncio.get_running_loop()

        def lifeline_ended() -> None:
            loop.remove_reader(LIFELINE)
            node.stop(now=os.read(LIFELINE, len(NOW)) == NOW)

        loop.add_reader(LIFELINE, lifeline_ended)
        report.serving()

    try:
        settings = settings_of(request["directives"])
        if not settings.logfile:
            settings.log_format = "json"
            leave_the_log_alone(settings, "log-format")  # the parent reads it
            os.set_blocking(sys.stdout.fileno(), False)  # a parent that does not read must not stop the server
        sockets = [socket.socket(fileno=descriptor) for descriptor in request["sockets"]]
        process.prepare(settings)
        process.serve(settings, sockets=sockets, on_ready=ready)
    except (ServerError, SettingsError) as error:
        report.failed(str(error))
        return 1
    return 0


def _read_line() -> bytes:
    """The first line of standard input, and not a byte more."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(LIFELINE, 65536)  # the parent writes nothing behind it
        if not data:
            sys.exit("the parent is gone")
        line += data
    return line


sys.exit(main())
