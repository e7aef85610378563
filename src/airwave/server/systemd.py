"""systemd: telling it how the process is, and taking the sockets that it has opened.

The protocols are sd_notify(3) and sd_listen_fds(3): lines in a datagram to the socket that `NOTIFY_SOCKET` names, and
file descriptors from 3 on that `LISTEN_FDS` counts. Both are for the process that systemd has started, and only for it.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import MutableMapping

from airwave.server import log
from airwave.settings import Settings

HTTP = "http"  # FileDescriptorName= of the socket that is for HTTP; any other is for Redis clients
_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_BEATS = 2  # in the time after which systemd takes a silent process for dead


def supervisor(settings: Settings) -> str:
    """Who watches over this process, as INFO says it: `systemd` or `no`."""
    return "systemd" if settings.supervised != "no" and os.environ.get("NOTIFY_SOCKET") else "no"


class Notifier:
    """Tells the service manager how the process is; does nothing where there is none.

    Args:
        settings: `supervised` says whether it is to be told.
    """

    def __init__(self, settings: Settings) -> None:
        self.active = supervisor(settings) != "no"
        self._address = os.environ.get("NOTIFY_SOCKET", "") if self.active else ""
        if settings.supervised == "systemd" and not self.active:
            log.event("warning", "supervised systemd: there is no NOTIFY_SOCKET, so nobody is told (Type=notify)")

    def ready(self, addresses: list[str]) -> None:
        """Clients can connect. From now on the service manager hears from the loop, if it wants to.

        Args:
            addresses: where they can.
        """
        self.tell(READY="1", MAINPID=str(os.getpid()), STATUS=f"Serving on {', '.join(addresses)}")
        if self.active and (period_s := _watchdog_s()):
            self._pat(asyncio.get_running_loop(), period_s / _BEATS)

    def stopping(self) -> None:
        """It has begun to stop. The watchdog is fed on: draining takes its time, and has a limit of its own."""
        self.tell(STOPPING="1", STATUS="Sending what clients have not got yet")

    def tell(self, **facts: str) -> None:
        """Send some facts, in one datagram. What cannot be sent is no reason to serve nobody: it is logged."""
        if not self._address:
            return
        # A path that begins with @ has no place in the file system; the kernel wants a zero byte there.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        text = "".join([f"{name}={value}\n" for name, value in facts.items()])
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(text.encode("utf-8", "backslashreplace"), address)
        except OSError as error:
            log.event("warning", "cannot tell systemd", facts=list(facts), error=error.strerror)

    def _pat(self, loop: asyncio.AbstractEventLoop, period_s: float) -> None:
        # On the loop, so that a process whose loop is held for good is restarted.
        self.tell(WATCHDOG="1")
        loop.call_later(period_s, self._pat, loop, period_s)


def _watchdog_s() -> float:
    """After how long a silent process is taken for dead; 0: never."""
    with contextlib.suppress(ValueError):
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) == os.getpid():
            return max(0, int(os.environ.get("WATCHDOG_USEC", "0"))) / 1e6
    return 0.0


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> dict[str, list[socket.socket]]:
    """The sockets that systemd listens on for this process, by name, as the settings would have opened them.

    The variables are taken out of the environment: sockets are taken once.
    """
    for_pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdecimal() or for_pid != str(os.getpid()):
        return {}
    found: dict[str, list[socket.socket]] = {}
    for place in range(int(count)):
        sock = socket.socket(fileno=_FIRST_DESCRIPTOR + place)
        sock.set_inheritable(False)
        sock.setblocking(False)
        found.setdefault(names[place] if place < len(names) else "", []).append(sock)
    return found
