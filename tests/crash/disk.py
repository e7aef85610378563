"""A disk that can lose power: what is written and synced is recorded, and what a power cut leaves is built from it.

SQLite reaches files through a *VFS*, a table of C functions. `Disk` puts one of its own before the system's, by ctypes
into the very library that Python's sqlite3 uses: it notes each write, truncation, sync and deletion, then does it.
Syncs by `os.fsync` and `os.fdatasync` are noted as well. So nothing of the program under test is replaced.

What survives a cut: all that was synced, that is, written before a sync began that has ended. Of what was written
since, any subset of sectors: disks reorder. That a file was made or deleted is safe once its folder was synced. Shared
memory (`-shm`) does not survive; SQLite builds it anew. Bytes beside those that were written are not touched: SQLite
relies on that (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
"""

import _sqlite3
import ctypes
import os
import random
import sqlite3
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

SECTOR_BYTES = 512
_CREATE, _JOURNAL, _WAL = 0x4, 0x800, 0x80000  # SQLITE_OPEN_...
FULL, IOERR_WRITE, IOERR_FSYNC = 13, 778, 1034  # SQLite's error codes

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_METHODS = [
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock"),
    *("xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap"),
    *("xFetch", "xUnfetch"),
]
_CALLS = [
    *("xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen", "xDlError", "xDlSym", "xDlClose", "xRandomness"),
    *("xSleep", "xCurrentTime", "xGetLastError", "xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall"),
    "xNextSystemCall",
]


class _Methods(ctypes.Structure):
    """sqlite3_io_methods."""

    _fields_ = (("iVersion", _INT), *[(name, _POINTER) for name in _METHODS])


class _Vfs(ctypes.Structure):
    """sqlite3_vfs."""

    _fields_ = (
        *(("iVersion", _INT), ("szOsFile", _INT), ("mxPathname", _INT), ("pNext", _POINTER)),
        *(("zName", ctypes.c_char_p), ("pAppData", _POINTER)),
        *[(name, _POINTER) for name in _CALLS],
    )


_OPEN = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, ctypes.POINTER(_INT))
_DELETE = ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.c_char_p, _INT)
_WRITE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(_INT, _POINTER, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)

_library = ctypes.CDLL(_sqlite3.__file__)  # its symbols include those of the SQLite it is linked to
_library.sqlite3_vfs_find.restype = _POINTER
_kept: list[Any] = []  # what C may still point to, as long as the process lives


class Event(NamedTuple):
    """What happened to a file.

    Attributes:
        kind: `write`, `truncate`, `sync`, `delete`; `directory`: a sync of the folder.
        at: offset of a write, size of a truncation; for a sync of a file how many events it covers.
    """

    kind: str
    name: str
    at: int = 0
    data: bytes = b""


class Disk:
    """Records what happens to the files of a folder while it is entered.

    Args:
        folder: other files are left alone.

    Attributes:
        events: so far.
        fails: asked before each write and sync with kind and name of the file; gives an error code of SQLite, or 0.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.events: list[Event] = []
        self.fails: Callable[[str, str], int] = lambda _kind, _name: 0
        self._files: dict[int, str] = {}  # names by the address of SQLite's file object
        self._new: set[int] = set()  # their first sync is one of the folder as well, as in SQLite's os_unix.c
        self._methods: dict[int, _Methods] = {}
        self._saved: list[Any] = []

    # --- recording --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        real = _library.sqlite3_vfs_find(None)
        assert real
        self._real = _Vfs.from_address(real)
        ours = _Vfs.from_buffer_copy(self._real)
        ours.zName = b"recording"
        ours.pNext = None
        calls = [_OPEN(self._open), _DELETE(self._delete)]
        ours.xOpen, ours.xDelete = [ctypes.cast(call, _POINTER) for call in calls]
        self._ours = ours
        _kept.extend([ours, calls, self])
        assert _library.sqlite3_vfs_register(ctypes.byref(ours), 1) == 0
        self._saved = [os.fsync, os.fdatasync]
        os.fsync = self._synced_by(os.fsync)
        os.fdatasync = self._synced_by(os.fdatasync)
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync, os.fdatasync = self._saved
        _library.sqlite3_vfs_unregister(ctypes.byref(self._ours))
        assert _library.sqlite3_vfs_register(ctypes.byref(self._real), 1) == 0

    def _name(self, path: str) -> str:
        """Name of a file of the folder; empty: it is none, or nothing that survives."""
        found = Path(path)
        return found.name if found.parent == self._folder and not found.name.endswith("-shm") else ""

    def _open(self, _vfs: int, path: int | None, file: int, flags: int, out_flags: Any) -> int:
        real_open = ctypes.cast(self._real.xOpen, _OPEN)
        code = real_open(ctypes.addressof(self._real), path, file, flags, out_flags)
        if code or not path:
            return code
        name = self._name(os.fsdecode(ctypes.string_at(path)))
        if name:
            self._files[file] = name
            if flags & _CREATE and flags & (_WAL | _JOURNAL):
                self._new.add(file)
            place = _POINTER.from_address(file)
            place.value = ctypes.addressof(self._wrapped(place.value or 0))
        return code

    def _wrapped(self, address: int) -> _Methods:
        """The functions for a file, with ours in front."""
        if address not in self._methods:
            original = _Methods.from_address(address)
            wrapped = _Methods.from_buffer_copy(original)
            write = ctypes.cast(original.xWrite, _WRITE)
            truncate = ctypes.cast(original.xTruncate, _TRUNCATE)

            def on_write(file: int, data: int, size: int, at: int) -> int:
                if code := self.fails("write", self._files[file]):
                    return code
                self.events.append(Event("write", self._files[file], at, ctypes.string_at(data, size)))
                return write(file, data, size, at)

            def on_truncate(file: int, size: int) -> int:
                self.events.append(Event("truncate", self._files[file], size))
                return truncate(file, size)

            def on_sync(file: int, _flags: int) -> int:
                if code := self.fails("sync", self._files[file]):
                    return code
                # The real sync is left out: nobody is going to pull the plug.
                self.events.append(Event("sync", self._files[file], len(self.events)))
                if file in self._new:
                    self._new.remove(file)
                    self.events.append(Event("directory", ""))
                return 0

            calls = [_WRITE(on_write), _TRUNCATE(on_truncate), _SYNC(on_sync)]
            wrapped.xWrite, wrapped.xTruncate, wrapped.xSync = [ctypes.cast(call, _POINTER) for call in calls]
            self._methods[address] = wrapped
            _kept.extend([wrapped, calls])
        return self._methods[address]

    def _delete(self, _vfs: int, path: bytes, sync_directory: int) -> int:
        if name := self._name(os.fsdecode(path)):
            self.events.append(Event("delete", name))
            if sync_directory:
                self.events.append(Event("directory", ""))
        return ctypes.cast(self._real.xDelete, _DELETE)(ctypes.addressof(self._real), path, sync_directory)

    def _synced_by(self, sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def on_sync(file: Any) -> None:
            covered = len(self.events)
            about = os.fstat(file if isinstance(file, int) else file.fileno())
            if os.path.samestat(about, self._folder.stat()):
                self.events.append(Event("directory", ""))
                return
            for name in set(self._files.values()):
                path = self._folder / name
                if path.exists() and os.path.samestat(about, path.stat()):
                    if self.fails("sync", name):
                        raise OSError(5, os.strerror(5))
                    self.events.append(Event("sync", name, covered))
                    return
            sync(file)

        return on_sync

    # --- the cut ----------------------------------------------------------------------------------------------------

    def after_cut(self, cut: int, rng: random.Random) -> dict[str, bytes]:
        """The files as they may be when the power goes after so many events."""
        files = {name: _File() for name in {event.name for event in self.events[:cut]} - {""}}
        for number, event in enumerate(self.events[:cut]):
            for file in files.values() if event.kind == "directory" else [files[event.name]]:
                file.note(number, event)
        keep = _chooser(rng)
        for file in files.values():
            file.settle(keep)
        return {name: bytes(file.data) for name, file in files.items() if file.exists}


class _File:
    """A file on the disk: what is safe, and what is on its way."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.exists = False
        self._named = False  # its name is safe
        self._unsafe: list[tuple[int, Event]] = []

    def note(self, number: int, event: Event) -> None:
        """Something happens."""
        if event.kind == "sync":
            safe = [each for each in self._unsafe if each[0] < event.at]
            self._unsafe = [each for each in self._unsafe if each[0] >= event.at]
            for _, each in safe:
                self._do(each)
            self.exists = True
        elif event.kind == "directory":
            deleted = [place for place, each in enumerate(self._unsafe) if each[1].kind == "delete"]
            if deleted:
                del self._unsafe[: deleted[-1] + 1]
                self._do(Event("delete", event.name))
            self._named = self.exists or bool(self._unsafe)
        else:
            self._unsafe.append((number, event))

    def settle(self, keep: Callable[[], bool]) -> None:
        """The power is gone: of what is on its way, some has arrived."""
        for _, event in self._unsafe:
            if event.kind != "write":
                if keep():
                    self._do(event)
                continue
            for start, stop in _sectors(event.at, event.at + len(event.data)):
                if keep():
                    self._do(Event("write", event.name, start, event.data[start - event.at : stop - event.at]))
        if self.exists and not self._named:
            self.exists = keep()

    def _do(self, event: Event) -> None:
        if event.kind == "write":
            self.exists = True
            if len(self.data) < event.at:
                self.data += bytes(event.at - len(self.data))
            self.data[event.at : event.at + len(event.data)] = event.data
        elif event.kind == "truncate":
            del self.data[event.at :]
        else:
            self.data.clear()
            self.exists = self._named = False


def _sectors(start: int, stop: int) -> list[tuple[int, int]]:
    """A range of bytes, in pieces that are in one sector each."""
    edges = [start, *range(start // SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES, stop, SECTOR_BYTES), stop]
    return list(pairwise(edges))


def _chooser(rng: random.Random) -> Callable[[], bool]:
    """One of the ways in which a disk loses things: which of the sectors on their way arrive."""
    match rng.randrange(5):
        case 0:
            return lambda: False
        case 1:
            return lambda: True
        case 2:  # in order, up to somewhere
            left = iter(range(rng.choice((1, 3, 10, 30, 100))))
            return lambda: next(left, None) is not None
        case 3:  # nearly all
            return lambda: rng.random() < 0.95
    return lambda: rng.random() < 0.5


def restored(files: dict[str, bytes], folder: Path) -> None:
    """Write files into an empty folder."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


assert sqlite3.threadsafety  # the same library, used from several threads
