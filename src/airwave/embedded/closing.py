"""What the objects of the direct API have in common: they are closed, by hand or by a `with` block of either kind."""

from typing import Self


class Closing:
    """Something that a `with` or `async with` block closes."""

    def close(self) -> None:
        """End it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
