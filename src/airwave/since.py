"""Where reading begins, as people write it, and entry IDs as numbers.

    1700000000000-5      an ID
    10m                  ten minutes ago; also ms, s, h, d, w
    2026-11-24T08:00     a time: local unless it has a zone
    1700000000           Unix seconds, from 10^11 on milliseconds; 0: the beginning
    -100                 the last hundred; -0 and $: none

As numbers, IDs sort as they should: `1700000000000-5` is `1700000000000 << 64 | 5`.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

SEQ_BITS = 64
PART_MAX = (1 << SEQ_BITS) - 1
ID_MAX = (1 << 2 * SEQ_BITS) - 1

_FROM_SECONDS_MAX = 10**11  # a whole number below it is Unix seconds (to the year 5138), above it ms
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


Since = str | timedelta | datetime
"""Where to begin, as programs say it: what stands above as text, an age, or a time with a zone."""


class Start(NamedTuple):
    """Where to begin; one of these is given, the others are None.

    Attributes:
        last: with the last so many.
        id: at this ID.
        at_ms: with the first that is not older than this time, Unix milliseconds.
        ago_ms: with the first that is not older than so long.
    """

    last: int | None = None
    id: int | None = None
    at_ms: int | None = None
    ago_ms: int | None = None


def parse(text: str) -> Start:
    """What somebody has written.

    Raises:
        ValueError: it is nothing of what stands above. The text says what it may be.
    """
    if match := re.fullmatch(r"-(\d+)", text):
        return Start(last=int(match[1]))
    if text == "$":
        return Start(last=0)
    if match := re.fullmatch(r"(\d+)-(\d+)", text):
        if max(int(match[1]), int(match[2])) <= PART_MAX:
            return Start(id=id_number(text))
    elif match := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text):
        return Start(ago_ms=round(float(match[1]) * _UNITS_MS[match[2]]))
    elif (at_ms := _time_ms(text)) is not None and at_ms <= PART_MAX:
        return Start(at_ms=max(0, at_ms))
    raise ValueError(
        "write an ID (1700000000000-0), a time (10m, 2026-11-24T08:00, Unix seconds) or the last entries (-10)"
    )


def start_of(since: Since) -> Start:
    """What a program has said.

    Raises:
        ValueError: text that is nothing of what stands above, or a time without a zone.
    """
    if isinstance(since, timedelta):
        return Start(ago_ms=round(since.total_seconds() * 1000))
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise ValueError("a time needs a time zone")
        return Start(at_ms=max(0, round(since.timestamp() * 1000)))
    return parse(since)


def _time_ms(text: str) -> int | None:
    if re.fullmatch(r"\d+", text):
        return int(text) * (1000 if int(text) < _FROM_SECONDS_MAX else 1)
    if re.fullmatch(r"\d+\.\d+", text):
        return round(float(text) * 1000)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)  # without a zone it is local time
    except (ValueError, OverflowError, OSError):
        return None


# --- IDs --------------------------------------------------------------------------------------------------------------


def id_number(text: bytes | str) -> int:
    """An ID that is written as the server does, as a number."""
    ms, _, seq = (text if isinstance(text, str) else text.decode()).partition("-")
    return int(ms) << SEQ_BITS | int(seq)


def id_text(number: int) -> str:
    """The same the other way round."""
    return f"{number >> SEQ_BITS}-{number & PART_MAX}"


def first_id_at(ms: int) -> int:
    """The lowest ID of a time, Unix milliseconds."""
    return max(0, ms) << SEQ_BITS
