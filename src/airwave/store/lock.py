"""One process for each directory: a lock that ends with the process, in a file that names it."""

import contextlib
import fcntl
import os
from pathlib import Path

from airwave.store.schema import StoreError, reason_of

FILE = "airwave.lock"


class DirectoryLock:
    """The right to write into a directory.

    The file stays when the lock is given back: to delete it would let two processes lock two files of one name.

    Raises:
        StoreError: another process has it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(reason_of(error)) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StoreError(f"in use by another Airwave (pid {owner or 'unknown'})") from None
        with contextlib.suppress(OSError):  # a full disk does not keep us from reading what is there
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Give it back, also when a child made by fork has the file open still."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)

    def abandon(self) -> None:
        """In a child made by fork: it stays the parent's, from whom to unlock it here would take it."""
        os.close(self._file)
