"""`airwave.Cache`: local caches that are invalidated over a channel."""

from airwave.cache.cache import Cache
from airwave.cache.functions import CachedCoroutine, CachedFunction
from airwave.cache.store import CacheStats

__all__ = ["Cache", "CacheStats", "CachedCoroutine", "CachedFunction"]
