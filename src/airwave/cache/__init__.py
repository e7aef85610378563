"""`airwave.Cache`: local caches that are invalidated over a channel."""
