"""What the direct API takes as a name, a value or a message, and what of it goes over to the engine."""

Word = str | bytes | int | float


def as_bytes(word: Word | bytearray | memoryview) -> bytes:
    """A word as redis-py would send it: text in UTF-8, numbers in decimal, bytes as they are.

    Raises:
        TypeError: it is none of these; nothing else has one obvious form.
    """
    if type(word) is bytes:
        return word
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word)
    if isinstance(word, int) and not isinstance(word, bool):
        return int.__repr__(word).encode()  # that of subclasses may be anything
    if isinstance(word, float):
        return float.__repr__(word).encode()
    raise TypeError(f"expected text, bytes or a number, not {type(word).__name__}: convert it first")
