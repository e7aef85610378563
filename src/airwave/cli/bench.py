"""`airwave bench`: Airwave against a Redis, side by side."""

from pathlib import Path
from typing import Annotated

import typer


def bench(  # noqa: PLR0917 (typer passes by name)
    suite: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this suite: pubsub, streams, history, browsers or library.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this load; repeat it, or use commas, for more. --list names them."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Name the loads and their targets, and end.")] = False,
    against: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Compare with the server at this redis:// URL, not a new redis-server."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How often each side is measured.", show_default="5")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=3600, help="Length of a measurement.", show_default="2; library 1, flood 60, idle10k 10"
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every number to this file, as JSON.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="2 rounds of 0.5 s, checks of 5 s: for a look only.")] = False,
) -> None:
    """Measure Airwave against redis-server: messages and stream entries per second, CPU and latency, as ratios.

    Both servers run on one core, in turn, and the load on another.

    Each suite takes five to ten minutes; let the machine do nothing else meanwhile. Three suites run only when they
    are named: `history`, what channels that remember cost; `browsers`, SSE and WebSocket next to Starlette, which needs
    `pip install 'airwave[web,bench]'`; and `library`, the ways in which a Python program reaches an engine.
    """
    from airwave.bench.command import Wishes, execute  # noqa: PLC0415 (only this command pays for it)

    names = [name.strip() for names in only or [] for name in names.split(",") if name.strip()]
    code = execute(Wishes(suite, names, list_, against, rounds, seconds, save, quick))
    if code:
        raise typer.Exit(code)
