# ruff: noqa: RUF009  (setting() is dataclasses.field() with our metadata: it is meant to run once, at class creation)
"""The one table of settings.

A row gives a setting's type, default, kind (how it is read, its bounds and unit) and meaning. From it come
the flags of `airwave serve`, the config file, CONFIG GET/SET/REWRITE and docs/settings.md. Names, units and meaning are
redis.conf's where Redis has the directive.
"""

from __future__ import annotations

from dataclasses import dataclass

from airwave.settings.keyspace_events import KeyspaceEvents
from airwave.settings.kinds import (
    INT32_MAX,
    INT64_MAX,
    UINT32_MAX,
    Addresses,
    Bool,
    BufferLimits,
    Choice,
    Integer,
    Memory,
    Octal,
    OutputLimits,
    Percentiles,
    SavePoints,
    Secret,
    Text,
)
from airwave.settings.origins import Origins
from airwave.settings.remember import RememberRule, RememberRules
from airwave.settings.setting import setting


@dataclass(slots=True)
class Rows:
    """The settings' current values, one attribute per setting."""

    port: int = setting(
        6379, Integer(0, 65535), "TCP port to listen on; 0 does not listen on TCP.", mutable=False, section="Network"
    )
    bind: tuple[str, ...] = setting(
        ("*", "-::*"),
        Addresses(),
        "Addresses to listen on. `*` is every IPv4 address, `::*` every IPv6 address; `-` before an address means that "
        "it may be missing on this machine.",
        mutable=False,
    )
    unixsocket: str = setting(
        "", Text("path", optional=True), "Unix socket to listen on as well; empty: none.", mutable=False
    )
    unixsocketperm: int = setting(
        0, Octal(0o777), "Permissions of the Unix socket; 0 leaves them to the umask.", mutable=False
    )
    protected_mode: bool = setting(
        True, Bool(), "Without a password, refuse clients that do not come from this machine."
    )
    tcp_backlog: int = setting(511, Integer(0, INT32_MAX), "Connections that may wait to be accepted.", mutable=False)
    tcp_keepalive: int = setting(
        300, Integer(0, INT32_MAX, "seconds"), "Idle time after which TCP asks whether the peer still lives; 0: never."
    )
    timeout: int = setting(
        0,
        Integer(0, INT32_MAX, "seconds"),
        "Close a client that has sent nothing for this long; 0: never. Subscribers are never closed for it.",
    )

    requirepass: bytes = setting(
        b"", Secret(), "Password that clients must give with AUTH or HELLO; empty: none.", section="Access"
    )
    enable_debug_command: str = setting(
        "no",
        Choice("no", "yes", "local"),
        "Who may use DEBUG: nobody, everybody, or clients on this machine.",
        mutable=False,
    )

    maxclients: int = setting(
        10000, Integer(1, UINT32_MAX), "Clients connected at the same time; further ones are refused.", section="Limits"
    )
    client_query_buffer_limit: int = setting(
        1 << 30, Memory(1 << 20), "Unfinished input of one client; beyond it the client is disconnected."
    )
    proto_max_bulk_len: int = setting(512 << 20, Memory(1 << 20), "Longest single argument of a command.")
    client_output_buffer_limit: BufferLimits = setting(
        BufferLimits(),
        OutputLimits(),
        "What may wait to be sent to one client, by class: beyond the hard limit, or beyond the soft limit for that "
        "many seconds, `slow-subscriber-policy` applies to a subscriber and any other client is disconnected. "
        "0: no limit. MONITOR clients have the limit of `pubsub`. `replica` is accepted and kept; Airwave has no "
        "replicas.",
    )
    slow_subscriber_policy: str = setting(
        "disconnect",
        Choice("disconnect", "drop-oldest"),
        "A subscriber beyond its output limit is disconnected, as in Redis, or loses its oldest whole messages. Both "
        "are counted and logged.",
    )
    databases: int = setting(
        16, Integer(1, 16_384), "Number of databases that SELECT knows.", mutable=False, section="Keys"
    )
    notify_keyspace_events: str = setting(
        "",
        KeyspaceEvents(),
        "Changes of keys that are published: to `__keyspace@<db>__:<key>` (K) or `__keyevent@<db>__:<event>` (E), for "
        "the commands about keys (g), strings ($) and streams (t), keys that expired (x), are new (n) or were missed "
        "(m); A is all but n and m. The classes l, s, h, z, e and d are accepted; Airwave has nothing to tell of them.",
    )

    remember: tuple[RememberRule, ...] = setting(
        (),
        RememberRules(),
        "Channels with a history: what is published on a channel that matches is also added to the stream of the same "
        "name in database 0, as field `message`. Of each channel the last N messages are kept, and each message for "
        "so many seconds; without a limit, all. The first rule that matches counts. In a file each line adds a rule; "
        "CONFIG SET replaces all of them. A space in a channel is `?` in a glob, `maxlen` and `ttl` are no globs.",
        section="History",
    )

    fan_out_slice: int = setting(
        16,
        Integer(1, INT32_MAX, "clients"),
        "Subscribers flushed before new input is read. Smaller: other clients wait less; larger: fewer turns.",
        section="Delivery",
    )
    fan_out_backlog_messages: int = setting(
        1_000_000,
        Integer(1, INT64_MAX, "deliveries"),
        "Deliveries that may wait for their subscribers' turn. When more wait, each slice is twice the last one until "
        "they are gone, and less input is read meanwhile: publishers that outrun the subscribers are slowed down.",
    )
    fan_out_backlog_bytes: int = setting(
        64 << 20, Memory(1), "As `fan-out-backlog-messages`, for the size of what waits."
    )
    fan_out_backlog_ms: int = setting(
        500, Integer(1, INT32_MAX, "ms"), "As `fan-out-backlog-messages`, for how long the oldest delivery has waited."
    )
    route_cache_size: int = setting(
        10_000,
        Integer(0, INT32_MAX, "channels"),
        "Channels whose receivers are remembered, so that publishing to them again compares no patterns.",
    )
    input_slice_us: int = setting(
        500,
        Integer(1, INT32_MAX, "µs"),
        "A client whose pipelined commands take longer than this lets others have a turn before it goes on.",
    )
    hz: int = setting(
        10, Integer(1, 500, "per second", clamp=True), "How often idle clients and soft limits are looked at."
    )

    slowlog_log_slower_than: int = setting(
        10_000,
        Integer(-1, INT64_MAX, "µs"),
        "Commands that take longer are kept for SLOWLOG; 0: all, -1: none.",
        section="Observation",
    )
    slowlog_max_len: int = setting(128, Integer(0, INT64_MAX, "entries"), "Length of the slow log; the oldest go.")
    latency_monitor_threshold: int = setting(
        0, Integer(0, INT64_MAX, "ms"), "Events that take at least this long are kept for LATENCY; 0: none."
    )
    latency_tracking: bool = setting(True, Bool(), "Keep a histogram of each command's duration.")
    latency_tracking_info_percentiles: tuple[float, ...] = setting(
        (50.0, 99.0, 99.9), Percentiles(), "Percentiles of those histograms that INFO latencystats shows."
    )
    loglevel: str = setting(
        "notice",
        Choice("debug", "verbose", "notice", "warning", "nothing"),
        "The least important events that are logged.",
    )
    log_format: str = setting("text", Choice("text", "json"), "Lines to read, or one JSON object a line.")
    logfile: str = setting(
        "", Text("path"), "File that log lines are appended to; empty: standard output.", mutable=False
    )

    http_port: int = setting(
        0,
        Integer(0, 65535),
        "TCP port for browsers: Server-Sent Events, WebSocket, the dashboard, metrics; on the addresses of `bind`. 0: "
        "none. Needs `pip install 'airwave[web]'`.",
        mutable=False,
        section="Browsers",
    )
    http_token_key: bytes = setting(
        b"",
        Secret(),
        "Key of tokens (JWT) that are signed with HS256, at least 32 bytes. Without this or `http-token-public-key` "
        "only browsers on this machine are served.",
    )
    http_token_public_key: str = setting(
        "",
        Text("path", optional=True),
        "PEM file with the public key of tokens that somebody else signs: RSA for RS256, P-256 for ES256, Ed25519 for "
        "EdDSA. It is read at the start.",
        mutable=False,
    )
    http_token_audience: str = setting(
        "", Text(optional=True), "What tokens must name as their audience (`aud`); empty: tokens without one."
    )
    http_origins: tuple[str, ...] = setting(
        (),
        Origins(),
        "Other sites whose pages may use this server, as browsers write them: `https://app.example.com`; `*` is any. "
        "They are users at most, never viewers or admins.",
    )
    http_max_connections: int = setting(
        10_000, Integer(1, INT32_MAX), "HTTP connections at the same time, of all kinds; further ones are refused."
    )
    http_max_message_size: int = setting(
        1 << 20, Memory(1024), "Longest message of a WebSocket client, and longest body of a request."
    )
    http_max_subscriptions: int = setting(
        100, Integer(1, INT32_MAX), "Channels and patterns that one browser connection may have."
    )
    http_rate_limit: int = setting(
        100,
        Integer(0, INT32_MAX, "per second"),
        "Requests and WebSocket messages of one client: of the subject of its token, or of its address. It may save up "
        "as many as fit into ten seconds; what is beyond is refused. 0: no limit.",
    )
    http_heartbeat: int = setting(
        15,
        Integer(1, 3600, "seconds"),
        "How often a browser connection hears from the server, so that nothing between them takes it for dead. A "
        "WebSocket client that has not answered by the next time is disconnected.",
    )
    http_retry: int = setting(
        2000,
        Integer(0, INT32_MAX, "ms"),
        "After this time browsers connect again to `/events`; each is told a little more or less.",
    )
    dashboard: str = setting(
        "yes",
        Choice("yes", "no", "read-only"),
        "The dashboard at `/` of the HTTP port: for viewers to look and for admins to change something; `read-only`: "
        "nobody may change anything there; `no`: there is none.",
    )

    metrics_public: bool = setting(
        False, Bool(), "Everybody who reaches the HTTP port may read `/metrics`; otherwise only viewers and admins."
    )
    metrics_streams_max: int = setting(
        100,
        Integer(0, INT32_MAX, "streams"),
        "Streams that have figures of their own in `/metrics`, and as many groups: those with most to do. The others "
        "are in the sums only.",
    )

    daemonize: bool = setting(False, Bool(), "Run in the background.", mutable=False, section="Process")
    supervised: str = setting(
        "no",
        Choice("no", "systemd", "auto"),
        "Tell systemd that the server serves, stops and still lives (`Type=notify`): `auto` does if systemd wants to "
        "know.",
        mutable=False,
    )
    pidfile: str = setting(
        "",
        Text("path", optional=True),
        "File that holds the process id while the server runs; empty: none.",
        mutable=False,
    )
    dir: str = setting(".", Text("path"), "Working directory: other paths are relative to it.", protected=True)
    shutdown_timeout: int = setting(
        10, Integer(0, INT32_MAX, "seconds"), "How long a stopping server goes on sending what waits for clients."
    )

    appendonly: bool = setting(
        False,
        Bool(),
        "Keep all keys in one database file, `airwave.sqlite3` in `dir`; otherwise they are in memory only. To change "
        "it, restart the server.",
        section="Persistence",
    )
    appendfsync: str = setting(
        "everysec",
        Choice("always", "everysec", "no"),
        "With `appendonly`, when what was written is synced to the disk: before replies leave, once a second, or when "
        "the system likes. Whatever it is, what was answered survives the end of the process; the first also survives "
        "a power cut, the second but for about the last second.",
    )
    stream_memory: int = setting(
        0,
        Memory(),
        "With `appendonly`, memory for entries of streams that are on disk as well; when there are more, those that "
        "were not read for longest are read from disk when they are asked for. 0: a quarter of the machine's memory.",
    )
    save: str = setting(
        "",
        SavePoints(),
        "Airwave makes no snapshots: `appendonly` keeps everything. Tools ask for it.",
        section="Compatibility",
    )
