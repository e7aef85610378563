"""The commands, a file per group of Redis's documentation. Importing this package fills `airwave.command.COMMANDS`."""

from airwave.commands import (
    acl,
    client,
    client_list,
    config,
    connection,
    introspection,
    latency,
    observation,
    pubsub,
    server,
    transactions,
)

__all__ = [
    "acl",
    "client",
    "client_list",
    "config",
    "connection",
    "introspection",
    "latency",
    "observation",
    "pubsub",
    "server",
    "transactions",
]
