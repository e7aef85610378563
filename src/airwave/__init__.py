"""Real-time messaging in pure Python that speaks Redis."""

from airwave.version import __version__

__all__ = ["__version__"]
