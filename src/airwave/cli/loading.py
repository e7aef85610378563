"""`MODULE:BUS`: importing the object that a command is to run."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from airwave.cli.escape import printable
from airwave.cli.failure import Failure

USAGE = 2


def load_bus(target: str, folder: Path) -> Any:
    """Import a bus.

    Args:
        target: a module and, behind a colon, an attribute of it, or of an attribute: `shop.jobs:bus`.
        folder: where the module is looked for first.

    Raises:
        Failure: there is no such module or attribute, it cannot be imported, or it is no bus.
    """
    module, colon, path = target.partition(":")
    if not colon or not all(part.isidentifier() for part in (module + "." + path).split(".")):
        raise Failure(f"{printable(target)!r} is no MODULE:BUS: write for example shop.jobs:bus", code=USAGE)
    if not folder.is_dir():
        raise Failure(f"there is no directory {printable(str(folder))}: name another with --app-dir", code=USAGE)
    sys.path.insert(0, str(folder.resolve()))
    found = _import(module, folder)
    for name in path.split("."):
        if not hasattr(found, name):
            raise Failure(f"there is no {path} in module {module}: name the variable that holds the bus", code=USAGE)
        found = getattr(found, name)
    if not all(hasattr(found, name) for name in ("start", "stop", "stats")):
        raise Failure(f"{target} is of type {type(found).__name__}: it must be an airwave.Bus", code=USAGE)
    return found


def _import(module: str, folder: Path) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            raise Failure(
                f"there is no module {module} in {printable(str(folder))}: name its directory with --app-dir",
                code=USAGE,
            ) from None
        raise _failure(module, error) from error
    except Exception as error:
        raise _failure(module, error) from error


def _failure(module: str, error: Exception) -> Failure:
    """One line on what went wrong in the user's module, and where."""
    if "AIRWAVE_TRACEBACK" in os.environ:
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}"
    if isinstance(error, SyntaxError):
        place = f"{error.filename}:{error.lineno}"
    what = printable(f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}")
    return Failure(
        f"cannot import {module}: {what} ({printable(place)}): set AIRWAVE_TRACEBACK=1 to see all of it", code=USAGE
    )
