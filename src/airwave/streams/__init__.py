"""Streams: entry IDs, chunks of entries, streams, consumer groups. Nothing here knows the protocol or the storage."""
