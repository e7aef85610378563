"""Browsers: Server-Sent Events, WebSocket, plain HTTP, and the pages of the dashboard, on the node's own loop.

`server` starts it, `app` puts the routes together. What needs no connection of its own goes through `lines` into the
core, as a command. Who subscribes becomes a session of the broker (`subscriber`): after the handshake the connection is
taken from aiohttp, and messages are written to its transport in the broker's slices, in bytes that all share.
"""
