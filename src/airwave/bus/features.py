"""What the server can do beyond Redis 6.2.

Asked by command rather than by version: Airwave, Redis and Valkey each count versions in their own way.

    command     with it comes                                          without it
    XCFGSET     XREADGROUP ... CLAIM (Redis 8.4) and XADD ... IDMP (8.6)    XAUTOCLAIM; a Lua script and a key
    XNACK       giving an entry back at once (8.8)                     XCLAIM, which makes it look idle
    XSCHEDULE   delayed entries (Airwave)                              Lua scripts, a sorted set and a hash

So Redis 8.4 and 8.5 get the older way to claim, which they know as well. The Lua scripts are for servers that are not
Airwave, which has none.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from airwave.bus.wire import RawClient

_known: WeakKeyDictionary[Any, "Features"] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Features:
    """What the server has.

    Attributes:
        claim: XREADGROUP claims, and XADD knows idempotent IDs.
        xnack: XNACK.
        xschedule: XSCHEDULE, XSCHEDULED and XUNSCHEDULE.
    """

    claim: bool
    xnack: bool
    xschedule: bool


async def features_of(client: RawClient, *, anew: bool = False) -> Features:
    """What the server behind a client has; asked once for each connection pool.

    Args:
        anew: ask again, as the server may be another one by now.
    """
    pool = client.connection_pool
    found = None if anew else _known.get(pool)
    if found is None:
        reply = await client.execute_command("COMMAND", "INFO", "XCFGSET", "XNACK", "XSCHEDULE")
        found = _known[pool] = Features(*(bool(each) for each in reply))
    return found
