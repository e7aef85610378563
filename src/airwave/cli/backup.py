"""`airwave backup`: copy a database while a server uses it."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from pathlib import Path
from typing import Annotated

import typer

from airwave.cli.check import Directory, failure, size
from airwave.cli.escape import printable
from airwave.cli.output import emit
from airwave.cli.progress import progress


def backup(
    directory: Directory,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A directory that is empty or not there yet.", show_default=False)
    ],
) -> None:
    """Copy a database, as it is at one moment, into another directory. A server may go on writing meanwhile.

    The copy can be served: airwave serve --appendonly yes --dir TARGET
    """
    from airwave.store import StoreError, maintenance

    try:
        with progress("Copying pages") as note:
            count = maintenance.backup(directory, target, note)
    except StoreError as error:
        raise failure(directory, error) from None
    emit(f"Copied {size(count)} to {printable(str(target))}")
