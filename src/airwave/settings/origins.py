"""Origins: the sites that `http-origins` lets in, as browsers write them into the header `Origin`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airwave.settings.kinds import Kind

_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


class Origins(Kind[tuple[str, ...]]):
    """Origins such as `https://app.example.com`, without a path; `*` is any. None at all is allowed."""

    many = True

    def parse(self, args: Sequence[str], current: tuple[str, ...]) -> tuple[str, ...]:
        del current
        if not any(args):
            return ()
        origins = tuple(arg.lower() for arg in args)
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError("an origin is a scheme and a host without a path, as in https://app.example.com")
        return origins

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def written(self, value: tuple[str, ...]) -> str:
        return self.format(value) or '""'

    def lines(self, name: str, value: tuple[str, ...], default: tuple[str, ...]) -> list[tuple[str, bool]]:
        return super().lines(name, value, default) if value != default else []

    def values(self) -> str:
        return "origins, or *"
