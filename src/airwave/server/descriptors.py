"""File descriptors: room for as many clients as `maxclients` says."""

import resource

from airwave.server import log
from airwave.settings import Settings, SettingsError

RESERVED = 32  # for listeners, the log, the loop; as Redis


def make_room_at_start(settings: Settings, *, raising: bool = True, level: str = "warning") -> None:
    """Make room for `maxclients`; if the system does not let us, take fewer and say so.

    Args:
        settings: `maxclients` is lowered when there is no room.
        raising: the process's soft limit may be raised; otherwise what it is now decides.
        level: at which to say that there are fewer.
    """
    allowed = max(1, _available(settings.maxclients, raising=raising) - RESERVED)
    if allowed < settings.maxclients:
        settings.maxclients = allowed
        log.event(level, "maxclients is lowered to what the file descriptors allow (ulimit -n)", maxclients=allowed)


def follow(settings: Settings, *, raising: bool = True) -> None:
    """From now on CONFIG SET maxclients is refused, in Redis's words, when there is no room for so many."""

    def make_room(maxclients: int) -> None:
        available = _available(maxclients, raising=raising)
        if available < maxclients + RESERVED:
            raise SettingsError(
                "The operating system is not able to handle the specified number of clients, try with "
                f"{available - RESERVED}"
            )

    settings.on_change("maxclients", make_room)


def _available(maxclients: int, *, raising: bool) -> int:
    """How many descriptors there may be, at most as many as `maxclients` needs; raises the soft limit when needed."""
    wanted = maxclients + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    if not raising:
        return soft
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
