"""Origins: the sites that `http-origins` lets in, as browsers write them into the header `Origin`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airwave.settings.kinds import Words

_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Origins(Words):
    """Origins such as `https://app.example.com`, without a path; `*` is any. None at all is allowed."""

    def parse(self, args: Sequence[str], current: tuple[str, ...]) -> tuple[str, ...]:
        del current
        if not any(args):
            return ()
        origins = tuple(arg.lower() for arg in args)
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError("an origin is a scheme and a host without a path, as in https://app.example.com")
        return origins

    def values(self) -> str:
        return "origins, or *"
