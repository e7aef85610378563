"""The engine inside the caller's process: a node without sockets, and connections to it."""
