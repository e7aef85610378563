"""Where a result was measured, so that it can be judged and repeated."""

import os
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("airwave", "hiredis", "uvloop")


def describe(cores_used: str) -> dict[str, str]:
    """The machine and the versions of what ran on it."""
    memory = re.search(r"MemTotal:\s+(\d+) kB", _read("/proc/meminfo"))
    cpu = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    return {
        "cpu": cpu[1] if cpu else platform.processor() or platform.machine(),
        "cores": f"{os.cpu_count()} ({cores_used})",
        "memory_gb": f"{int(memory[1]) / 1e6:.1f}" if memory else "unknown",
        "disk": filesystem(tempfile.gettempdir()),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{package: _version(package) for package in PACKAGES},
        "commit": _commit(),
        "command_line": command_line(sys.argv),
    }


def command_line(argv: Sequence[str]) -> str:
    """The command as it was typed, but without the password of a URL: results are kept and shown around."""
    return re.sub(r"//[^/\s]*@", "//…@", shlex.join(["airwave", *argv[1:]]))


def filesystem(path: str) -> str:
    """The type of the file system that a folder is on: where servers keep what they write, "ext4" or "tmpfs"."""
    # Device, mount point, type, …; what was mounted later lies over what was there.
    mounts = [line.split()[1:3] for line in _read("/proc/self/mounts").splitlines()]
    found = [mount for mount in mounts if Path(path).resolve().is_relative_to(mount[0])]
    return max(reversed(found), key=lambda mount: len(mount[0]), default=["", "unknown"])[1]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _commit() -> str:
    """The commit that an editable install runs from; "none" for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError:
        return "none"
    return done.stdout.strip() or "none"
