"""The version of Airwave, and the version of Redis whose behaviour it has."""

__version__ = "0.1.0"

# What HELLO and INFO announce: clients choose commands by it, so it names the Redis whose commands are all here, of
# those that Airwave is about: MAXCOUNT and MAXSIZE of XREAD came with 8.10.
REDIS_VERSION = "8.10.0"
