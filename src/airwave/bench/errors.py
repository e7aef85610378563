"""What goes wrong in a benchmark."""


class BenchError(Exception):
    """A benchmark cannot go on, or its result would be wrong; the text is one line: what broke or what to do."""
