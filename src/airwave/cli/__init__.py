"""The command `airwave`.

One file a command. They import redis, rich and the server only when they run, so that `airwave --help` is fast.
"""

import io
import os
import sys
from typing import Annotated

import typer

from airwave.cli.backup import backup
from airwave.cli.bench import bench
from airwave.cli.check import check
from airwave.cli.dead import dead
from airwave.cli.demo import demo
from airwave.cli.escape import printable
from airwave.cli.failure import Failure
from airwave.cli.output import say
from airwave.cli.ping import ping
from airwave.cli.pub import pub
from airwave.cli.serve import CONTEXT as SERVE_CONTEXT
from airwave.cli.serve import USAGE as SERVE_USAGE
from airwave.cli.serve import is_directive, serve
from airwave.cli.streams import streams
from airwave.cli.sub import sub
from airwave.cli.tail import tail
from airwave.cli.top import top
from airwave.cli.worker import worker
from airwave.version import REDIS_VERSION, __version__

INTERRUPTED = 130  # 128 + SIGINT, as shells count

app = typer.Typer(
    help="Real-time messaging in pure Python that speaks Redis. Begin with: airwave demo",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,  # plain help is exact about brackets and line breaks, and takes half the time
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        # Programs that start a redis-server look for `v=`, or take the first version that they see.
        typer.echo(f"airwave (Redis server v={REDIS_VERSION} protocol and commands) {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(demo)
app.command(context_settings=SERVE_CONTEXT, options_metavar=SERVE_USAGE)(serve)
app.command()(pub)
app.command()(sub)
app.command()(streams)
app.command()(top)
app.command()(tail)
app.command()(worker)
app.command()(dead)
app.command()(ping)
app.command()(check)
app.command()(backup)
app.command()(bench)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A process started with them closed (`>&-`) has none.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (stays open to the end)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A locale without Unicode must not turn a message into an error.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    """Run the command line; the exit code. Whatever goes wrong is one line on standard error."""
    arguments = sys.argv[1:]
    if arguments and is_directive(arguments[0]):  # as redis-server is started
        arguments.insert(0, "serve")
    try:
        return int(app(args=arguments, standalone_mode=False, prog_name="airwave") or 0)
    except Failure as failure:
        return _fail(str(failure), failure.code)
    except typer.TyperException as usage:
        context = getattr(usage, "ctx", None)
        command = context.command_path if context else "airwave"
        return _fail(f"{usage.format_message().rstrip('.')}: see {command} --help", usage.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as bug:
        if "AIRWAVE_TRACEBACK" in os.environ:
            raise
        what = f"{type(bug).__name__}: {bug}"
        return _fail(f"internal error, {what}: set AIRWAVE_TRACEBACK=1 to see where, and report it", 70)


def _fail(message: str, code: int) -> int:
    say(f"airwave: {printable(' '.join(message.split()))}")
    return code
