"""`airwave worker`: run the handlers and workers of a bus."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PROCESSES_MAX = 256


def worker(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:BUS", help="Where the airwave.Bus is: shop.jobs:bus", show_default=False)
    ],
    processes: Annotated[
        int, typer.Option(min=1, max=PROCESSES_MAX, metavar="N", help="So many processes, each with the whole bus.")
    ] = 1,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start again when a .py file below --app-dir changes.")
    ] = False,
    app_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Where modules are looked for first, and watched with --reload.")
    ] = Path(),
) -> None:
    """Run the handlers and workers of an airwave.Bus until SIGINT or SIGTERM.

    Then nothing new is taken, and handlers may finish; what does not finish in time is given back to other workers. A
    second signal ends it at once.

    With --processes, a process that ends by itself is started again. Processes share the entries of streams; events of
    channels go to each of them.

    On a terminal a line shows what is going on; otherwise it is logged every 10 s. Logs go to standard error.

    Example: airwave worker shop.jobs:bus --processes 4
    """
    if processes > 1 or reload:
        from airwave.cli.supervisor import supervise

        supervise(target, app_dir, processes, reload=reload)
        return
    from airwave.cli.loading import load_bus
    from airwave.cli.process import run

    run(load_bus(target, app_dir))
