"""Idempotent production: a stream remembers which idempotent IDs its producers used, for a while and a number."""


class Producers:
    """What XADD with IDMP or IDMPAUTO needs to recognise a message that was sent twice.

    Attributes:
        duration_s, maxsize: XCFGSET's IDMP-DURATION and IDMP-MAXSIZE.
    """

    __slots__ = ("duration_s", "maxsize")

    def __init__(self) -> None:
        self.duration_s = 100
        self.maxsize = 100

    @property
    def memory_bytes(self) -> int:
        """About what it takes of the memory."""
        return 0
