"""The version of Airwave, and the version of Redis whose behaviour it has."""

__version__ = "0.1.0"

# What HELLO and INFO announce: clients choose commands by it, so it names the Redis whose commands are all here
# (of those that Airwave is about): CLIENT SETINFO, CLIENT NO-TOUCH and sharded Pub/Sub came by 7.2.
REDIS_VERSION = "7.2.0"
