"""What kinds of URLs there are. A module of its own, so that a client of a server need not import the engine."""

EMBEDDED = ("memory://", "file://")
OF_SERVERS = ("redis://", "rediss://", "unix://")


def is_embedded(url: str) -> bool:
    """Whether a URL is one of an engine in this process."""
    return url.startswith(EMBEDDED)


def of_server(url: str) -> str:
    """A URL that redis-py knows, as it is.

    Raises:
        ValueError: it is none.
    """
    if not url.startswith(OF_SERVERS):
        raise ValueError(f"{url}: a URL begins with one of {', '.join((*EMBEDDED, *OF_SERVERS))}")
    return url
