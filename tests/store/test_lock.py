"""One process for each directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airwave.store import SqliteJournal, StoreError
from airwave.store.lock import FILE, DirectoryLock
from store.worlds import world


def test_a_second_one_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(StoreError, match=rf"^in use by another Airwave \(pid {os.getpid()}\)$"):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()


def test_the_journal_holds_it(tmp_path: Path) -> None:
    with world(tmp_path), pytest.raises(StoreError, match="in use"):
        SqliteJournal(tmp_path)
    with world(tmp_path):
        pass


def test_it_ends_with_the_process(tmp_path: Path) -> None:
    program = f"import pathlib, os; from airwave.store.lock import *; DirectoryLock(pathlib.Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", program + "; os.abort()"], check=False)
    assert (tmp_path / FILE).exists()
    DirectoryLock(tmp_path).release()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        DirectoryLock(tmp_path / "missing")


def test_a_child_made_by_fork_does_not_keep_it(tmp_path: Path) -> None:
    program = f"""
import os, pathlib
from airwave.store.lock import DirectoryLock
lock = DirectoryLock(pathlib.Path({str(tmp_path)!r}))
waiting, go_on = os.pipe()
if not os.fork():
    os.close(go_on)
    os.read(waiting, 1)
    os._exit(0)
lock.release()
DirectoryLock(pathlib.Path({str(tmp_path)!r})).release()
os.close(go_on)
os.wait()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_child_made_by_fork_does_not_give_it_back(tmp_path: Path) -> None:
    program = f"""
import os, pathlib
from airwave.store import StoreError
from airwave.store.lock import DirectoryLock
lock = DirectoryLock(pathlib.Path({str(tmp_path)!r}))
if not os.fork():
    lock.abandon()
    os._exit(0)
os.wait()
try:
    DirectoryLock(pathlib.Path({str(tmp_path)!r}))
except StoreError:
    os._exit(0)
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
