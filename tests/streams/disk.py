"""A journal that puts chunks away as soon as they are full, and whose disk is slow."""

from airwave.journal import Journal
from airwave.streams.chunk import Cold


class SlowDisk(Journal):
    """Chunks are fetched one turn later; `warm` ends the turn."""

    durable = True

    def __init__(self):
        self.effects = []
        self.blobs = {}
        self.wanted = []

    def record(self, effect):
        self.effects.append(effect)

    def sealed(self, _stream, chunk):
        self.blobs[chunk] = chunk.blob
        chunk.blob = None

    def dropped(self, _stream, chunks):
        for chunk in chunks:
            del self.blobs[chunk]

    def fetch(self, chunks):
        assert all(chunk.blob is None for chunk in chunks)
        self.wanted = chunks
        raise Cold

    def warm(self):
        for chunk in self.wanted:
            chunk.blob = self.blobs[chunk]

    def put_away(self):
        for chunk in self.blobs:
            chunk.blob = None
