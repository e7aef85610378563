"""Settings: command line, config file, CONFIG; where redis-server has the directive, it says what to expect."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_redis import Conversation, real_redis

from airwave.settings import (
    BufferLimit,
    BufferLimits,
    ConfigSetError,
    KeyspaceEvents,
    Settings,
    SettingsError,
    from_command_line,
    is_secret,
)
from airwave.settings.kinds import quote
from airwave.settings.redis_directives import REDIS_DIRECTIVES


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    with real_redis(tmp_path_factory.mktemp("redis"), "--save", "") as conversation:
        yield conversation


def files(**texts: str) -> Callable[[str], str]:
    """A `read` for `from_command_line` that knows these files: `main="port 1"` is main.conf; `stdin` is `-`."""
    named = {"-" if name == "stdin" else f"{name}.conf": text for name, text in texts.items()}

    def read(path: str) -> str:
        if path not in named:
            raise FileNotFoundError(2, "No such file or directory")
        return named[path]

    return read


def value(settings: Settings, name: str) -> str:
    ((_, text),) = settings.get([name.encode()])
    return text.decode()


# The command line


def test_options_are_those_of_redis_server() -> None:
    settings = from_command_line(
        ["--port", "6380", "--bind", "127.0.0.1", "-::1", "--RequirePass", "s3cret", "--tcp-keepalive", "0"]
    )
    assert settings.port == 6380
    assert settings.bind == ("127.0.0.1", "-::1")
    assert settings.requirepass == b"s3cret"
    assert settings.tcp_keepalive == 0


def test_without_arguments_everything_is_default() -> None:
    settings = from_command_line([])
    assert settings == Settings(dir=str(Path.cwd()))


def test_a_repeated_option_counts_last_and_buffer_limits_add_up() -> None:
    limit = ["--client-output-buffer-limit"]
    settings = from_command_line(
        ["--port", "1", "--port", "2", *limit, "normal", "1kb", "0", "0", *limit, "pubsub 2k 1k 5"]
    )
    assert settings.port == 2
    assert settings.client_output_buffer_limit == BufferLimits(
        normal=BufferLimit(1024, 0, 0), pubsub=BufferLimit(2000, 1000, 5)
    )


@pytest.mark.parametrize("password", ["--secret", "-x", "a b", "", "caf\u00e9", "\udcff", '"quoted"'])
def test_a_password_may_be_anything(password: str) -> None:
    settings = from_command_line(["--requirepass", password, "--port", "1"])
    assert settings.requirepass == password.encode("utf-8", "surrogateescape")
    assert settings.port == 1


def test_save_may_have_no_value() -> None:
    assert from_command_line(["--save", "--port", "1", "--save", "", "--appendonly", "no"]).port == 1


def test_an_option_may_be_one_word_with_its_value() -> None:
    assert from_command_line(["--port 5", "--loglevel", "debug"]).port == 5


def test_options_win_over_standard_input_and_that_over_the_file(tmp_path: Path) -> None:
    read = files(main="port 1\ntimeout 1\nhz 1", stdin="port 2\ntimeout 2")
    settings = from_command_line(["main.conf", "--port", "3", "-"], read)
    assert (settings.port, settings.timeout, settings.hz) == (3, 2, 1)
    assert settings.config_file == str(Path("main.conf").resolve())
    assert from_command_line(["-"], files(stdin="port 7")).port == 7
    (tmp_path / "real.conf").write_bytes(b"requirepass \xff\r\n")
    assert from_command_line([str(tmp_path / "real.conf")]).requirepass == b"\xff"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--prot", "5"], "--prot is not a setting: did you mean --port?"),
        (["--maxmemroy", "5"], "--maxmemroy is not a setting: did you mean --maxmemory?"),
        (["--wibble"], "--wibble is not a setting"),
        (["--port"], "--port: needs a value: integer, 0 to 65535"),
        (["--port", "--bind", "x"], "--port: needs a value: integer, 0 to 65535"),
        (["--port", "abc"], "--port abc: argument couldn't be parsed into an integer"),
        (["--port", "70000"], "--port 70000: argument must be between 0 and 65535 inclusive"),
        (["--port", "1", "x.conf"], "--port 1 x.conf: wrong number of arguments"),
        (["--port=1"], "--port=1: write --port 1"),
        (["-p", "1"], "-p is neither a config file nor an option: options begin with --"),
        (["-", "x"], "x: expected an option, as in --port 6380"),
        (["gone.conf"], "cannot read config file gone.conf: No such file or directory"),
        (["--requirepass", "my", "secret"], "--requirepass: wrong number of arguments"),
        (["--dir", "/nonexistent"], "--dir /nonexistent: no such directory"),
        (
            ["--save", "60", "1"],
            '--save 60 1: Airwave makes no snapshots, appendonly keeps everything: only save "" is possible',
        ),
        (
            ["--appendfsync", "often"],
            "--appendfsync often: argument(s) must be one of the following: always, everysec, no",
        ),
        (["--loglevel", "\x1b[1m"], None),
    ],
)
def test_errors_of_the_command_line(args: list[str], message: str | None) -> None:
    with pytest.raises(SettingsError) as error:
        from_command_line(args, files(stdin=""))
    if message is not None:
        assert str(error.value) == message
    assert str(error.value).isprintable()


# The config file


def test_the_syntax_of_redis_conf() -> None:
    text = """
        # a comment
        PORT 6380
        requirepass "a\\"b\\x41\\n c"  \t\r
        logfile 'it\\'s here.log'
        bind "127.0.0.1 ::1"
        client-query-buffer-limit 2MB
        unixsocketperm 700
    """
    settings = from_command_line(["main.conf"], files(main=text))
    assert settings.port == 6380
    assert settings.requirepass == b'a"bA\n c'
    assert settings.logfile == "it's here.log"
    assert settings.bind == ("127.0.0.1", "::1")
    assert settings.client_query_buffer_limit == 2 << 20
    assert settings.unixsocketperm == 0o700


def test_directives_of_redis_that_are_missing_here_are_collected() -> None:
    settings = from_command_line(["main.conf", "--maxmemory", "1"], files(main="MAXMEMORY 1gb\nreplicaof a 1\nhz 5"))
    assert settings.ignored == ["maxmemory", "replicaof"]
    assert settings.hz == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\nprot 1", "main.conf:3: prot is not a setting: did you mean port?"),
        ('port "1', "main.conf:1: unbalanced quotes"),
        ('port "1"2', "main.conf:1: unbalanced quotes"),
        ("port", "main.conf:1: port: needs a value: integer, 0 to 65535"),
        ("include other.conf", "other.conf:2: hz x: argument couldn't be parsed into an integer"),
        ("include gone.conf", "cannot read config file gone.conf: No such file or directory"),
        ("include main.conf", "main.conf: more than 16 files include each other"),
        ("include", "main.conf:1: include: needs one path"),
        ("requirepass a b", "main.conf:1: requirepass: wrong number of arguments"),
        ('\x1b[2J "\\x1b"', "main.conf:1: \\x1b[2j is not a setting"),
        ('hz "\\x1b"', "main.conf:1: hz \\x1b: argument couldn't be parsed into an integer"),
    ],
)
def test_errors_of_a_config_file_name_the_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_command_line(["main.conf"], files(main=text, other="hz 3\nhz x"))
    assert str(error.value) == message


def test_include_reads_all_files_that_match_in_order_and_none_is_fine(tmp_path: Path) -> None:
    (tmp_path / "b.conf").write_text("port 2\n")
    (tmp_path / "a.conf").write_text("port 1\nhz 7\n")
    text = f"include {tmp_path}/*.conf\ntimeout 4\ninclude {tmp_path}/none/*.conf"
    settings = from_command_line([str(tmp_path / "main")], lambda path: text if path.endswith("main") else read(path))
    assert (settings.port, settings.hz, settings.timeout) == (2, 7, 4)


def read(path: str) -> str:
    return Path(path).read_text()


def test_paths_are_relative_to_dir_once_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.conf").write_text("hz 9")
    (tmp_path / "main").write_text(f"dir {tmp_path}\ndir sub\ninclude more.conf")
    settings = from_command_line([str(tmp_path / "main")])
    assert settings.hz == 9
    assert settings.dir == str(tmp_path / "sub")


@given(st.binary())
def test_quoted_values_are_read_back(secret: bytes) -> None:
    line = "requirepass " + quote(secret.decode("utf-8", "surrogateescape"))
    assert line.isascii()
    assert from_command_line(["main.conf"], files(main=line)).requirepass == secret


# CONFIG GET


def test_defaults_are_those_of_redis(redis: Conversation) -> None:
    names = [row.name for row in Settings.describe() if row.name in REDIS_DIRECTIVES]
    changed_by_the_test = {"port", "unixsocket", "dir"}
    reply = redis.do("CONFIG", "GET", *names)
    assert isinstance(reply, dict)
    ours = dict(Settings().get([name.encode() for name in names]))
    assert ours.keys() == reply.keys()
    assert {name for name in ours if ours[name] != reply[name]} <= {name.encode() for name in changed_by_the_test}


@pytest.mark.parametrize(
    "patterns",
    [
        ["maxclients"],
        ["MaxClients"],
        ["maxclients", "MAXCLIENTS", "m[a]xclients"],
        ["M?XCLIENTS", "MAXCLIENTS"],
        ["client-*-limit"],
        ["slowlog-[^m]*", "hz"],
        ["max\\clients"],
        ["maxclients]", "", "nothing"],
        ["latency-track*", "h[z]"],
    ],
)
def test_config_get_finds_what_redis_finds(redis: Conversation, patterns: list[str]) -> None:
    reply = redis.do("CONFIG", "GET", *patterns)
    assert dict(Settings().get([pattern.encode() for pattern in patterns])) == reply


def test_config_get_keeps_the_order_of_the_table() -> None:
    names = [name.decode() for name, _ in Settings().get([b"hz", b"*"])]
    assert names == [row.name for row in Settings.describe()]


# CONFIG SET

SET_CASES = [
    ["foo", "1"],
    ["foo", "1", "maxclients", "2"],
    ["maxclients", "1", "foo", "2"],
    ["fo\r\no", "1"],
    ["maxclients", "0"],
    ["maxclients", "4294967296"],
    ["maxclients", "abc"],
    ["maxclients", " 1"],
    ["maxclients", "007"],
    ["maxclients", ""],
    ["MAXCLIENTS", "-1"],
    ["maxclients", "1", "maxclients", "2"],
    ["maxclients", "1", "MaxClients", "2"],
    ["databases", "3"],
    ["maxclients", "1", "databases", "3"],
    ["dir", "/", "foo", "1"],
    ["Dir", "/"],
    ["unixsocketperm", "700"],
    ["logfile", "x"],
    ["timeout", "-1"],
    ["timeout", "99999999999999"],
    ["tcp-keepalive", "1k"],
    ["hz", "-1"],
    ["hz", "99999999999"],
    ["slowlog-log-slower-than", "-2"],
    ["slowlog-log-slower-than", "99999999999999999999"],
    ["slowlog-max-len", "-1"],
    ["latency-monitor-threshold", "-1"],
    ["latency-tracking", "maybe"],
    ["protected-mode", ""],
    ["client-query-buffer-limit", "10"],
    ["client-query-buffer-limit", "-1"],
    ["client-query-buffer-limit", "1.5gb"],
    ["client-query-buffer-limit", "1tb"],
    ["client-query-buffer-limit", ""],
    ["client-query-buffer-limit", "mb"],
    ["proto-max-bulk-len", "1kb"],
    ["proto-max-bulk-len", "99999999999999999999999"],
    ["client-output-buffer-limit", "foo"],
    ["client-output-buffer-limit", "normal 1"],
    ["client-output-buffer-limit", "foo 1 2 3"],
    ["client-output-buffer-limit", "master 1 2 3"],
    ["client-output-buffer-limit", "normal a 2 3"],
    ["client-output-buffer-limit", "normal 1 2 -3"],
    ["client-output-buffer-limit", "normal  1 2 3"],
    ["latency-tracking-info-percentiles", "1 x"],
    ["latency-tracking-info-percentiles", "1  2"],
    ["latency-tracking-info-percentiles", "101"],
    ["latency-tracking-info-percentiles", "nan"],
    ["save", "foo"],
    ["save", "60 1 60"],
    ["appendonly", "maybe"],
]


@pytest.mark.parametrize("args", SET_CASES, ids=" ".join)
def test_refused_as_redis_refuses_it(redis: Conversation, args: list[str]) -> None:
    reply = redis.do("CONFIG", "SET", *args)
    settings = Settings()
    with pytest.raises(ConfigSetError) as error:
        settings.set(pairs(*args))
    assert str(error.value) == str(reply)
    assert settings == Settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("maxclients", "5000"),
        ("hz", "0"),
        ("hz", "1000"),
        ("latency-tracking", "YES"),
        ("latency-tracking", "no"),
        ("loglevel", "WARNING"),
        ("client-query-buffer-limit", "2MB"),
        ("client-query-buffer-limit", "3m"),
        ("client-query-buffer-limit", "0012mb"),
        ("proto-max-bulk-len", "1g"),
        ("client-output-buffer-limit", "pubsub 1mb 2kb 3"),
        ("client-output-buffer-limit", "replica 1 2 3 NORMAL 4k 5b 6"),
        ("client-output-buffer-limit", ""),
        ("latency-tracking-info-percentiles", "50.5 99 99.999 0.1"),
        ("latency-tracking-info-percentiles", ""),
        ("slowlog-log-slower-than", "-1"),
        ("save", ""),
        *[
            ("notify-keyspace-events", text)
            for text in ("", "KEA", "AKE", "gKE", "nK", "g", "K", "$lshzxeKEtmdn", "Kg$lshzxetd", "AmK", "KKgg")
        ],
    ],
)
def test_shown_as_redis_shows_it(redis: Conversation, name: str, text: str) -> None:
    settings = Settings()
    (before,) = redis.do("CONFIG", "GET", name).values()
    assert redis.do("CONFIG", "SET", name, text) == b"OK"
    settings.set(pairs(name, text))
    assert dict(settings.get([name.encode()])) == redis.do("CONFIG", "GET", name)
    assert redis.do("CONFIG", "SET", name, before) == b"OK"


def pairs(*args: str) -> list[tuple[bytes, bytes]]:
    encoded = [arg.encode() for arg in args]
    return list(zip(encoded[::2], encoded[1::2], strict=True))


def test_a_pair_that_fails_leaves_the_others_as_they_were() -> None:
    settings = Settings(timeout=7)
    with pytest.raises(ConfigSetError):
        settings.set(pairs("timeout", "8", "hz", "x"))
    assert settings.timeout == 7


def test_what_would_do_nothing_is_refused() -> None:
    with pytest.raises(ConfigSetError, match="is possible"):
        Settings().set(pairs("save", "60 1"))


def test_letters_of_events_are_put_in_order_and_none_is_forgotten() -> None:
    settings = Settings()
    settings.set(pairs("notify-keyspace-events", "mnKA"))  # Redis forgets the n
    assert settings.notify_keyspace_events == "AnKm"
    assert KeyspaceEvents.letters("AnK") == frozenset("g$lshzxetdnK")
    with pytest.raises(ConfigSetError, match=r"Use 'Ag\$lshzxeKEtmdn'"):
        settings.set(pairs("notify-keyspace-events", "KEAo"))
    assert settings.notify_keyspace_events == "AnKm"


def test_own_settings() -> None:
    settings = Settings()
    settings.set(pairs("slow-subscriber-policy", "drop-oldest", "fan-out-backlog-bytes", "1mb", "log-format", "json"))
    assert settings.slow_subscriber_policy == "drop-oldest"
    assert settings.fan_out_backlog_bytes == 1 << 20
    with pytest.raises(ConfigSetError, match="one of the following: disconnect, drop-oldest"):
        settings.set(pairs("slow-subscriber-policy", "drop"))


def test_listeners_hear_what_changed() -> None:
    settings, heard = Settings(), []
    settings.on_change("hz", heard.append)
    settings.set(pairs("hz", "20", "timeout", "1"))
    settings.set(pairs("hz", "20"))
    assert heard == [20]


def test_a_listener_may_refuse_and_everything_is_put_back() -> None:
    settings, heard = Settings(), []

    def refuse(value: int) -> None:
        if value > 20_000:
            raise SettingsError("only 20000 files may be open")

    settings.on_change("hz", heard.append)
    settings.on_change("maxclients", refuse)
    with pytest.raises(ConfigSetError) as error:
        settings.set(pairs("hz", "20", "maxclients", "30000"))
    assert str(error.value) == (
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - only 20000 files may be open"
    )
    assert (settings.hz, settings.maxclients) == (10, 10_000)
    assert heard == [20, 10]


def test_secrets_are_known() -> None:
    assert is_secret(b"RequirePass")
    assert not is_secret(b"port")
    assert not is_secret(b"\xff")


# CONFIG REWRITE

CONFIG = """\
# head comment
bind 127.0.0.1   -::1
requirepass foo


MAXCLIENTS 500
maxclients 600
loglevel NOTICE
   # indented
client-output-buffer-limit normal 1mb 1024 5
client-output-buffer-limit pubsub 32mb 8mb 60
maxmemory 10mb
save ""
unixsocketperm 700
hz 10
client-query-buffer-limit 1048577
logfile ""
pidfile "x y.pid"
include /nonexistent*.conf
# tail
"""


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["timeout", "5", "client-query-buffer-limit", "3mb"],
        ["requirepass", 'a"b\n\t\x01', "latency-tracking", "no"],
        ["requirepass", "", "client-output-buffer-limit", "replica 1 2 3 pubsub 1k 2k 3"],
        ["loglevel", "debug", "hz", "500", "maxclients", "10000", "slowlog-log-slower-than", "-1"],
    ],
    ids=" ".join,
)
def test_rewrite_changes_the_file_as_redis_does(tmp_path: Path, changes: list[str]) -> None:
    path = tmp_path / "redis.conf"
    path.write_text(CONFIG)
    with real_redis(tmp_path, str(path)) as redis:
        redis.do("AUTH", "foo")
        if changes:
            assert redis.do("CONFIG", "SET", *changes) == b"OK"
        assert redis.do("CONFIG", "REWRITE") == b"OK"
    settings = from_command_line(
        ["main.conf", "--port", "0", "--unixsocket", str(tmp_path / "redis.sock")], files(main=CONFIG)
    )
    settings.dir = str(tmp_path)
    if changes:
        settings.set(pairs(*changes))
    ours, theirs = settings.rewrite(CONFIG).split("\n"), path.read_text().split("\n")
    tail = ours.index("# Generated by CONFIG REWRITE") + 1
    assert ours[:tail] == theirs[:tail]
    # Redis also appends ACL users, and this default as if it had been changed.
    not_ours = ("user default", "latency-tracking-info-percentiles 50 99 99.9")
    assert sorted(ours[tail:]) == sorted(line for line in theirs[tail:] if not line.startswith(not_ours))


def test_rewrite_makes_comments_of_lines_that_nobody_understands() -> None:
    assert Settings().rewrite('foo bar\n"abc\nuser x on') == '# ??? foo bar\n# ??? "abc\nuser x on\n'


def test_rewrite_of_nothing_changed_into_no_file_is_empty() -> None:
    assert Settings().rewrite("") == ""


def test_rewrite_twice_changes_nothing_more() -> None:
    settings = Settings(port=1, requirepass=b"\xff x", bind=("::1",), latency_tracking_info_percentiles=())
    once = settings.rewrite("# mine\n")
    assert settings.rewrite(once) == once


def test_what_rewrite_wrote_is_read_back() -> None:
    settings = Settings(
        port=1,
        bind=(),
        requirepass=b'\xff "x\\',
        unixsocket="/tmp/a b",
        dir=str(Path.cwd()),
        unixsocketperm=0o770,
        client_output_buffer_limit=BufferLimits(BufferLimit(1, 2, 3), BufferLimit(4, 5, 6), BufferLimit(1 << 30, 8, 9)),
        latency_tracking_info_percentiles=(0.5,),
        protected_mode=False,
        loglevel="nothing",
        fan_out_backlog_bytes=1025,
    )
    again = from_command_line(["-"], files(stdin=settings.rewrite("")))
    assert again == settings


# The table


def test_every_row_is_usable_and_explained() -> None:
    for row in Settings.describe():
        shown = value(Settings(), row.name)
        words = shown.split(" ") if row.kind.many else [shown]
        assert row.kind.parse(words, row.default) == row.default, row.name
        assert row.doc.endswith("."), row.name
        assert row.kind.values(), row.name
        assert row.section, row.name


def test_every_directive_of_redis_is_known(redis: Conversation) -> None:
    reply = redis.do("CONFIG", "GET", "*")
    assert isinstance(reply, dict)
    assert {name.decode() for name in reply} <= REDIS_DIRECTIVES
