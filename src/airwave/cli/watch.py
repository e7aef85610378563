"""Which Python files below a directory have changed: by their times, as asking is all that works everywhere."""

import os
from collections.abc import Iterator
from pathlib import Path

FILES_MAX = 10_000
# Directories that hold no sources of the user's own, beside hidden ones.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


class Watch:
    """Remembers the Python files below a directory; at most 10,000 of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = dict(self._look())

    def changed(self) -> list[str]:
        """Files that are new, changed or gone since the last call, as paths below the directory."""
        now = dict(self._look())
        before, self._seen = self._seen, now
        different = {path for path, _ in now.items() ^ before.items()}
        return sorted(os.path.relpath(path, self._folder) for path in different)

    def _look(self) -> Iterator[tuple[str, tuple[int, int]]]:
        count = 0
        for folder, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
            for name in files:
                if not name.endswith(".py"):
                    continue
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:  # gone already
                    continue
                yield path, (status.st_mtime_ns, status.st_size)
                count += 1
                if count == FILES_MAX:
                    return
