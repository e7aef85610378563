"""The settings of a server: one table, and how command lines and config files fill it.

Layer L0. `rows` is the table, `table` what CONFIG does with it, `kinds` how values are read and written,
`config_file` redis.conf's syntax and redis-server's flags, `redis_directives` what Redis has and Airwave does not.
"""

from airwave.settings.config_file import from_command_line
from airwave.settings.keyspace_events import KeyspaceEvents
from airwave.settings.kinds import BufferLimit, BufferLimits
from airwave.settings.remember import RememberRule
from airwave.settings.setting import ConfigSetError, Setting, SettingsError
from airwave.settings.table import Settings, is_secret

__all__ = [
    "BufferLimit",
    "BufferLimits",
    "ConfigSetError",
    "KeyspaceEvents",
    "RememberRule",
    "Setting",
    "Settings",
    "SettingsError",
    "from_command_line",
    "is_secret",
]
