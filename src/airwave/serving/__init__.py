"""`airwave.Server`: a server with listeners, in a thread of this process or in a process of its own.

`server` is what the caller holds, `thread` and `child` are the two ways to run a node, `__main__` is the process that
`child` starts, `options` reads keyword arguments as directives, `lifetime` knows what fork and interpreter exit do to
servers that run.
"""

from airwave.serving.errors import ServerError
from airwave.serving.server import Server

__all__ = ["Server", "ServerError"]
