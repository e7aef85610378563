"""`airwave serve`: the server, with the command line of redis-server."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

import typer

# Everything but --help goes to the settings as it is. No -h: `--requirepass -hunter2` is a password.
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["--help"]}
USAGE = "[CONFIG|-] [--directive value ...]"


def is_directive(argument: str) -> bool:
    """Whether an argument is an option of the server, such as `--port`; also with its value: `--port 6380`."""
    if not argument.startswith("--") or argument in ("--", "--help", "--version"):
        return False
    from airwave.settings import Settings
    from airwave.settings.redis_directives import REDIS_DIRECTIVES

    name = argument[2:].replace("=", " ").partition(" ")[0].lower()
    return name in REDIS_DIRECTIVES or name in {"include", *[row.name for row in Settings.describe()]}


def serve(context: typer.Context) -> None:
    """Start the server; its options are those of redis-server.

    CONFIG is a file in the syntax of redis.conf, - reads it from standard input. Every directive can also be given as
    an option, with as many values as it takes; options win over the file.

    The word serve may be left out in front of an option, so that what starts a redis-server can start this.

    \b
    --port 6379                 TCP port; 0 for none
    --bind 127.0.0.1 ::1        addresses to listen on; * for all, which is the default
    --unixsocket PATH           listen on a Unix socket as well
    --requirepass PASSWORD      clients must give it; needed to be reached from other machines
    --protected-mode yes|no     without a password refuse everything but this machine
    --maxclients 10000          connections at once
    --timeout 0                 close idle clients after so many seconds; 0 never, subscribers never
    --client-output-buffer-limit pubsub 32mb 8mb 60
                                what may wait for a slow subscriber before it is cut off
    --remember GLOB maxlen 1000 ttl 86400
                                channels that keep what is published: so many messages, so many seconds; again and
                                again for more rules
    --http-port 8379            browsers, the dashboard and /metrics; 0 for none (needs the extra: airwave[web])
    --http-token-key SECRET     browsers from elsewhere come in with tokens that are signed with it
    --loglevel notice           debug, verbose, notice or warning
    --logfile PATH              log there instead of standard output
    --dir PATH                  the working directory, and that of the database
    --appendonly yes|no         keep streams and all other keys in a database there
    --appendfsync everysec      always, everysec or no: when it is synced to the disk
    --pidfile PATH              write the process id there
    --daemonize yes|no          go to the background

    Example: airwave serve --port 6380 --requirepass secret
    """
    from airwave.cli.failure import Failure
    from airwave.server import run
    from airwave.settings import SettingsError, from_command_line

    try:
        code = run(from_command_line(context.args))
    except SettingsError as error:
        raise Failure(str(error)) from None
    raise typer.Exit(code)
