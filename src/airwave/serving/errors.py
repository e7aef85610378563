"""What goes wrong with a server of the caller's own."""


class ServerError(Exception):
    """A server cannot be made, started or stopped; the message is one line that says why and what to do."""
