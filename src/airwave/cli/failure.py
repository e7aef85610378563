"""How a command says that it failed."""


class Failure(Exception):  # noqa: N818 (it is the outcome of a command, not a fault in the program)
    """A failure that the user is told in one line, without a traceback.

    Args:
        message: what was wrong and what to do, one line of printable text.
        code: exit code of the process.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
