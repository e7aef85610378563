"""LATENCY: when something held the loop, and how long each command takes. What is noted is in `airwave.latency`."""

from collections.abc import Sequence

from airwave import resp
from airwave.command import COMMANDS, Argv, Command, CommandStats, command, container
from airwave.commands.parse import help_text
from airwave.errors import CommandError
from airwave.latency import LatencyMonitor
from airwave.resp import Encoder
from airwave.session import Session

container("LATENCY", since="2.8.13", group="server", summary="A container for latency diagnostics commands.")

_ADMIN = "admin noscript loading stale"
_NODES = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")


@command("LATENCY LATEST", arity=2, flags=_ADMIN, since="2.8.13", group="server", tips=_NODES)
def latency_latest(session: Session, argv: Argv) -> bytes:
    """Return the latest spike of each kind of event that took `latency-monitor-threshold` ms or longer.

    Reply: array of arrays: event, Unix time in seconds, duration of the latest and of the longest in ms.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-latest/
    """
    del argv
    monitor = session.broker.latency
    return resp.array(
        [
            resp.array([resp.text(event), *map(resp.integer, (*history[-1], monitor.worst_ms[event]))])
            for event, history in monitor.events.items()
        ]
    )


@command("LATENCY HISTORY", arity=3, flags=_ADMIN, since="2.8.13", group="server", syntax="event", tips=_NODES)
def latency_history(session: Session, argv: Argv) -> bytes:
    """Return the spikes of one kind of event, at most one a second, the last 160.

    Reply: array of pairs: Unix time in seconds, duration in ms.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-history/
    """
    history = session.broker.latency.events.get(_event(argv[2]), ())
    return resp.array([resp.array([resp.integer(at), resp.integer(ms)]) for at, ms in history])


def _event(arg: bytes) -> str:
    return arg.decode("utf-8", "surrogateescape")


@command(
    "LATENCY RESET",
    arity=-2,
    flags=_ADMIN,
    since="2.8.13",
    group="server",
    syntax="[event [event ...]]",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
)
def latency_reset(session: Session, argv: Argv) -> bytes:
    """Forget the spikes of some kinds of event, or of all.

    Reply: integer, how many kinds were there.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-reset/
    """
    return resp.integer(session.broker.latency.reset([_event(arg) for arg in argv[2:]]))


@command(
    "LATENCY HISTOGRAM",
    arity=-2,
    flags=_ADMIN,
    since="7.0.0",
    group="server",
    syntax="[command [command ...]]",
    tips=_NODES,
)
def latency_histogram(session: Session, argv: Argv) -> bytes:
    """Return how long commands take; a container such as CLIENT stands for its subcommands. Needs `latency-tracking`.

    Reply: map of names to maps of `calls` and `histogram_usec`: µs, powers of two, to how many calls took less.
    Cost: O(N) for N commands.
    Source: https://redis.io/docs/latest/commands/latency-histogram/
    """
    broker, encoder = session.broker, session.encoder
    if not broker.settings.latency_tracking:
        return encoder.map([])
    names = [arg.lower().decode("ascii", "replace") for arg in argv[2:]] or list(COMMANDS)
    rows = [row for name in names for row in _with_subcommands(name)]
    used = [(row.name, broker.command_stats[row.name]) for row in rows if broker.command_stats[row.name].calls]
    return encoder.map([(resp.text(name), _histogram(encoder, stats)) for name, stats in used])


def _with_subcommands(name: str) -> list[Command]:
    name, bar, sub = name.partition("|")
    row = COMMANDS.get(name)
    if row is None:
        return []
    if bar:
        return [row.subcommands[sub]] if sub in row.subcommands else []
    return [row, *row.subcommands.values()]


def _histogram(encoder: Encoder, stats: CommandStats) -> bytes:
    """Buckets are counted by powers of two of µs; the reply adds them up and leaves empty ones out, as Redis does."""
    shown = []
    below = 0
    for bits, calls in enumerate(stats.buckets):
        below += calls
        if calls:
            shown.append((resp.integer(1 << bits), resp.integer(below)))
    return encoder.map(
        [(resp.bulk(b"calls"), resp.integer(stats.calls)), (resp.bulk(b"histogram_usec"), encoder.map(shown))]
    )


# --- for people -------------------------------------------------------------------------------------------------------

_ADVICE = {
    "command": "SLOWLOG GET shows which commands took long; slowlog-log-slower-than says which ones it keeps.",
    "fast-command": "Commands that are fast by nature took long: something else had the CPU, or one request is huge.",
    "fan-out": "One slice of deliveries took long: lower fan-out-slice, or publish smaller messages.",
}


@command("LATENCY DOCTOR", arity=2, flags=_ADMIN, since="2.8.13", group="server", tips=_NODES)
def latency_doctor(session: Session, argv: Argv) -> bytes:
    """Say in words what held the server, and what to do.

    Reply: text.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-doctor/
    """
    del argv
    broker = session.broker
    threshold_ms = broker.settings.latency_monitor_threshold
    if broker.latency.events:
        text = _diagnosis(broker.latency, int(broker.host.wall()))
    elif threshold_ms:
        text = f"No event took {threshold_ms} ms or longer since the start or the last LATENCY RESET.\n"
    else:
        text = "Latency is not monitored: CONFIG SET latency-monitor-threshold <ms> says which events to note.\n"
    return session.encoder.verbatim(text.encode())


def _diagnosis(monitor: LatencyMonitor, now: int) -> str:
    lines = []
    for number, (event, history) in enumerate(monitor.events.items(), 1):
        spikes = [ms for _, ms in history]
        average = sum(spikes) / len(spikes)
        deviation = sum([abs(ms - average) for ms in spikes]) / len(spikes)
        period_s = (now - history[0][0]) / len(spikes)
        lines.append(
            f"{number}. {event}: {len(spikes)} latency spikes (average {average:.0f}ms, "
            f"mean deviation {deviation:.0f}ms, period {period_s:.2f} sec). "
            f"Worst all time event {monitor.worst_ms[event]}ms.\n"
        )
    advice = [f"- {_ADVICE[event]}\n" for event in monitor.events if event in _ADVICE]
    return "".join([*lines, "\n", *advice])


@command("LATENCY GRAPH", arity=3, flags=_ADMIN, since="2.8.13", group="server", syntax="event", tips=_NODES)
def latency_graph(session: Session, argv: Argv) -> bytes:
    """Draw the spikes of one kind of event, oldest first, with how long ago each was.

    Reply: text.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-graph/
    """
    event = _event(argv[2])
    monitor = session.broker.latency
    history = monitor.events.get(event)
    if not history:
        raise CommandError(b"ERR No samples available for event '%b'" % argv[2])
    now = int(session.broker.host.wall())
    spikes = [ms for _, ms in history]
    title = f"high {max(spikes)} ms, low {min(spikes)} ms (all time high {monitor.worst_ms[event]} ms)"
    picture = graph(spikes, [_ago(now - at) for at, _ in history])
    return session.encoder.verbatim(f"{event} - {title}\n{'-' * _COLUMNS}\n{picture}".encode())


_COLUMNS = 80
_ROWS = 4
_TIPS = "_o#"  # the top of a column, by how far it reaches into its row; below it stands `|`


def graph(values: Sequence[int], labels: Sequence[str]) -> str:
    """Columns of four rows with labels below that read downwards; redis-server's `sparkline.c`.

    Args:
        values: heights, drawn from the lowest to the highest.
        labels: one for each value.
    """
    steps = _ROWS * len(_TIPS)
    low, span = min(values), (max(values) - min(values)) or 1
    heights = [min((value - low) * steps // span, steps - 1) for value in values]
    blocks = []
    for start in range(0, len(values), _COLUMNS):
        part = heights[start : start + _COLUMNS]
        rows = ["".join([_cell(height - floor) for height in part]) for floor in _floors()]
        below = labels[start : start + _COLUMNS]
        rows.append(" " * len(part))
        rows += ["".join(letters) for letters in zip(*[f"{label:<{_longest(below)}}" for label in below], strict=True)]
        blocks.append("".join([f"{row}\n" for row in rows]))
    return "\n".join(blocks)


def _floors() -> range:
    """The lowest step of each row, from the top."""
    return range((_ROWS - 1) * len(_TIPS), -1, -len(_TIPS))


def _cell(above_floor: int) -> str:
    if above_floor < 0:
        return " "
    return _TIPS[above_floor] if above_floor < len(_TIPS) else "|"


def _longest(labels: Sequence[str]) -> int:
    return max(map(len, labels))


def _ago(seconds: int) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@command("LATENCY HELP", arity=2, flags="loading stale", since="2.8.13", group="server")
def latency_help(session: Session, argv: Argv) -> bytes:
    """Show the subcommands.

    Reply: array of lines.
    Cost: O(1)
    Source: https://redis.io/docs/latest/commands/latency-help/
    """
    del session, argv
    return help_text("latency")
