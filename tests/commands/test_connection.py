"""PING, ECHO, QUIT, RESET, SELECT, AUTH, HELLO; inline commands; broken protocol."""

import hiredis
import pytest
from peers import Error, fields, packed

NO_AUTH = Error("NOAUTH Authentication required.")
WRONG_PASS = Error("WRONGPASS invalid username-password pair or user is disabled.")


def hello(proto):
    """Whether a reply to HELLO has what clients look at, as a map or as a flat list."""

    def is_hello(reply):
        if isinstance(reply, list):
            assert proto == 2
            reply = dict(zip(reply[::2], reply[1::2], strict=True))
        expected = {"server": "redis", "proto": proto, "mode": "standalone", "role": "master", "modules": []}
        assert {name: reply[name] for name in expected} == expected
        assert reply["version"].replace(".", "").isdigit()
        return reply["id"] > 0

    return is_hello


def test_ping_and_echo(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("PING", "PONG")
    alice.do("PING hello", "hello")
    alice.do("PING a b", Error("ERR wrong number of arguments for 'ping' command"))
    alice.do("ECHO hello", "hello")
    alice.do(["ECHO", ""], "")
    alice.do(["ECHO", b"\r\n\x00"], "\r\n\x00")
    alice.do("ECHO", Error("ERR wrong number of arguments for 'echo' command"))


@pytest.mark.parametrize("name", ["ping", "PING", "Ping", "pInG"])
def test_letter_case_does_not_matter(peers, name):
    (alice,) = peers(1)
    alice.do(name, "PONG")
    alice.do(f"{name} x", "x")


def test_unknown_commands(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("NoSuch", Error("ERR unknown command 'NoSuch', with args beginning with: "))
    alice.do("nosuch a bc", Error("ERR unknown command 'nosuch', with args beginning with: 'a' 'bc' "))
    alice.do([b"no\r\nsuch"], Error("ERR unknown command 'no  such', with args beginning with: "))
    alice.do([b""], Error("ERR unknown command '', with args beginning with: "))
    alice.do([b"x" * 200], Error(f"ERR unknown command '{'x' * 128}', with args beginning with: "))
    alice.do(
        [b"x", b"y" * 100, b"z" * 100, b"more"],
        Error(f"ERR unknown command 'x', with args beginning with: '{'y' * 100}' '{'z' * 25}' "),
    )
    alice.do("client nosuch", Error("ERR unknown subcommand 'nosuch'. Try CLIENT HELP."))
    alice.do([b"CLIENT", b"x" * 200], Error(f"ERR unknown subcommand '{'x' * 128}'. Try CLIENT HELP."))
    alice.do("CLIENT", Error("ERR wrong number of arguments for 'client' command"))
    alice.do("client ID x", Error("ERR wrong number of arguments for 'client|id' command"))
    alice.do([b"\xff\xfe"], lambda error: str(error).startswith("ERR unknown command '"))
    alice.do("PING", "PONG")


def test_quit_answers_and_closes(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.sends(b"PING\r\nQUIT\r\nPING\r\n")
    alice.gets("PONG", "OK")
    alice.closed()


def test_quit_may_have_arguments(peers):
    (alice,) = peers(1)
    alice.do("QUIT now please", "OK")
    alice.closed()


def test_select(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do("SELECT 0", "OK")
    alice.do("select 15", "OK")
    alice.do("CLIENT INFO", fields(db=15))
    alice.do("SELECT 16", Error("ERR DB index is out of range"))
    alice.do("SELECT -1", Error("ERR DB index is out of range"))
    alice.do("SELECT 2147483648", Error("ERR value is out of range, value must between -2147483648 and 2147483647"))
    for index in ("x", "1.0", "01", "9223372036854775808"):
        alice.do(f"SELECT {index}", Error("ERR value is not an integer or out of range"))
    alice.do("CLIENT INFO", fields(db=15))


def test_messages_cross_databases(peers):
    alice, bob = peers(2)
    bob.do("SELECT 3", "OK")
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    bob.do("PUBLISH a x", 1)
    alice.gets(["message", "a", "x"])


# --- HELLO ------------------------------------------------------------------------------------------------------------


def test_hello_tells_and_changes_the_protocol(peers):
    (alice,) = peers(1)
    alice.do("HELLO", hello(2))
    alice.do("HELLO 3", hello(3))
    alice.do("hello", hello(3))
    alice.do("CLIENT INFO", fields(resp=3))
    alice.asks("CLIENT GETNAME")
    alice.gets_bytes(b"_\r\n")
    alice.do("HELLO 2", hello(2))
    alice.asks("CLIENT GETNAME")
    alice.gets_bytes(b"$-1\r\n")


def test_hello_options(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.do(f"HELLO {protocol} SETNAME alice", hello(protocol))
    alice.do("CLIENT GETNAME", "alice")
    alice.do(f"HELLO {protocol} setname x auth default any", hello(protocol))
    alice.do(f"HELLO {protocol} AUTH nobody any", WRONG_PASS)
    for version in ("1", "4", "0", "-3"):
        alice.do(f"HELLO {version}", Error("NOPROTO unsupported protocol version"))
    alice.do("HELLO x", Error("ERR Protocol version is not an integer or out of range"))
    alice.do(f"HELLO {protocol} SETNAME", Error("ERR Syntax error in HELLO option 'SETNAME'"))
    alice.do(f"HELLO {protocol} AUTH default", Error("ERR Syntax error in HELLO option 'AUTH'"))
    alice.do(f"HELLO {protocol} nosuch", Error("ERR Syntax error in HELLO option 'nosuch'"))
    names = Error("ERR Client names cannot contain spaces, newlines or special characters.")
    alice.do(["HELLO", str(protocol), "SETNAME", "a b"], names)
    alice.do("HELLO 7 SETNAME other", Error("NOPROTO unsupported protocol version"))
    alice.do("CLIENT GETNAME", "x")
    alice.do("HELLO", hello(protocol))


# --- RESET ------------------------------------------------------------------------------------------------------------


def test_reset_makes_a_connection_as_new(peers):
    (alice,) = peers(1, 3)
    for line, reply in (("CLIENT SETNAME alice", "OK"), ("SELECT 5", "OK"), ("CLIENT NO-EVICT ON", "OK")):
        alice.do(line, reply)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.do("SSUBSCRIBE s", ["ssubscribe", "s", 1])
    alice.do("WATCH key", "OK")
    alice.do("MULTI", "OK")
    alice.do("PING", "QUEUED")
    alice.do("RESET", "RESET")
    alice.do("CLIENT INFO", fields(name="", db=0, sub=0, psub=0, ssub=0, multi=-1, resp=2))
    alice.do("CLIENT GETNAME", None)
    alice.do("EXEC", Error("ERR EXEC without MULTI"))
    alice.do("RESET x", Error("ERR wrong number of arguments for 'reset' command"))


def test_reset_ends_monitor(peers):
    alice, bob = peers(2)
    alice.do("MONITOR", "OK")
    bob.do("PING", "PONG")
    alice.gets(lambda line: line.endswith('"PING"'))
    alice.do("RESET", "RESET")
    bob.do("PING", "PONG")
    alice.gets_nothing()


# --- AUTH -------------------------------------------------------------------------------------------------------------


def test_auth_without_a_password_set(peers, protocol):
    (alice,) = peers(1, protocol)
    no_password = (
        "ERR AUTH <password> called without any password configured for the default user. "
        "Are you sure your configuration is correct?"
    )
    alice.do("AUTH x", Error(no_password))
    alice.do("AUTH default x", "OK")
    alice.do("AUTH nobody x", WRONG_PASS)
    alice.do("AUTH", Error("ERR wrong number of arguments for 'auth' command"))
    alice.do("AUTH a b c", Error("ERR syntax error"))


@pytest.fixture
def locked(peers):
    """Connects clients that have not logged in; the password is `secret`."""

    def make(count):
        (admin,) = peers(1)
        admin.do("CONFIG SET requirepass secret", "OK")
        return peers(count)

    return make


def test_a_stranger_may_only_log_in_quit_and_reset(locked):
    (alice,) = locked(1)
    for line in ("PING", "ECHO x", "SUBSCRIBE a", "PUBLISH a x", "MULTI", "CLIENT ID", "COMMAND", "INFO", "PING a b"):
        alice.do(line, NO_AUTH)
    alice.do("NOSUCH", Error("ERR unknown command 'NOSUCH', with args beginning with: "))
    alice.do("ECHO", Error("ERR wrong number of arguments for 'echo' command"))
    alice.do("EXEC", Error("EXECABORT Transaction discarded because of: NOAUTH Authentication required."))
    alice.do("HELLO", lambda error: str(error).startswith("NOAUTH HELLO must be called with the client already"))
    alice.do("HELLO 3", lambda error: str(error).startswith("NOAUTH HELLO must be called with the client already"))
    alice.do("AUTH wrong", WRONG_PASS)
    alice.do(["AUTH", ""], WRONG_PASS)
    alice.do("AUTH nobody secret", WRONG_PASS)
    alice.do("PING", NO_AUTH)
    alice.do("RESET", "RESET")
    alice.do("AUTH secret", "OK")
    alice.do("PING", "PONG")
    alice.do("AUTH wrong", WRONG_PASS)
    alice.do("PING", "PONG")
    alice.do("RESET", "RESET")
    alice.do("PING", NO_AUTH)
    alice.do("QUIT", "OK")
    alice.closed()


def test_logging_in_with_hello(locked):
    (alice,) = locked(1)
    alice.do("HELLO 3 AUTH default wrong", WRONG_PASS)
    alice.do("PING", NO_AUTH)
    alice.do("HELLO 3 AUTH default secret SETNAME alice", hello(3))
    alice.do("CLIENT INFO", fields(name="alice", resp=3, user="default"))


def test_who_is_connected_stays_logged_in_when_the_password_changes(peers):
    alice, bob = peers(2)
    bob.do("PING", "PONG")
    alice.do("CONFIG SET requirepass secret", "OK")
    bob.do("PING", "PONG")
    alice.do("CONFIG GET requirepass", ["requirepass", "secret"])
    bob.do("RESET", "RESET")
    bob.do("PING", NO_AUTH)


def test_a_login_in_a_pipeline_frees_from_the_limits_of_strangers(locked):
    (alice,) = locked(1)
    many = ["ECHO", *["x"] * 20]
    alice.sends(packed("AUTH secret") + packed(many) + packed(["ECHO", "y" * 20_000]))
    alice.gets("OK", Error("ERR wrong number of arguments for 'echo' command"), "y" * 20_000)


@pytest.mark.parametrize(
    ("request_", "detail"),
    [
        (packed(["ECHO", *["x"] * 10]), "unauthenticated multibulk length"),
        (packed(["ECHO", "x" * 16_385]), "unauthenticated bulk length"),
    ],
    ids=["arguments", "bulk"],
)
def test_a_stranger_who_sends_too_much_is_closed(locked, request_, detail):
    (alice,) = locked(1)
    alice.sends(packed("PING") + request_)
    alice.gets(NO_AUTH, Error(f"ERR Protocol error: {detail}"))
    alice.closed()


# --- inline commands, broken protocol ---------------------------------------------------------------------------------


def test_inline_commands(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.sends(b"PING\r\nping\nECHO hello\r\n  ECHO   hello  \r\n\r\n\n")
    alice.gets("PONG", "PONG", "hello", "hello")
    alice.sends(b'ECHO "a b\\x41\\n\\""\r\nECHO \'a \\\'b\\n\'\r\nECHO ""\r\n')
    alice.gets('a bA\n"', "a 'b\\n", "")
    alice.sends(b"PI")
    alice.sends(b"NG\r")
    alice.sends(b"\n" + packed("ECHO x") + b"PING\r\n")
    alice.gets("PONG", "x", "PONG")
    alice.gets_nothing()


def test_requests_may_be_cut_anywhere(peers):
    (alice,) = peers(1)
    data = packed("ECHO hello") + b"PING\r\n" + packed(["ECHO", "a\r\n$3"])
    for place in range(1, len(data)):
        alice.sends(data[:place])
        alice.sends(data[place:])
        alice.gets("hello", "PONG", "a\r\n$3")


def test_a_pipeline_is_answered_in_order(peers, protocol):
    (alice,) = peers(1, protocol)
    alice.sends(b"".join([packed(f"ECHO {number}") for number in range(2000)]))
    alice.gets(*[str(number) for number in range(2000)])


def test_empty_requests_are_ignored(peers):
    (alice,) = peers(1)
    alice.sends(b"*0\r\n*-1\r\n\r\n\n*-5\r\n" + packed("PING"))
    alice.gets("PONG")
    alice.gets_nothing()


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n*1\r\n", "expected '$', got '*'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"ECHO 'x\r\n", "unbalanced quotes in request"),
        (b"x" * 70_000, "too big inline request"),
        (b"*" + b"1" * 70_000, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70_000, "too big bulk count string"),
    ],
    ids=lambda value: repr(value)[2:20] if isinstance(value, bytes) else "",
)
def test_broken_protocol_is_told_and_closed(peers, data, detail):
    (alice,) = peers(1)
    alice.sends(packed("PING") + data)
    alice.gets("PONG", Error(f"ERR Protocol error: {detail}"))
    alice.closed()


@pytest.mark.unlike_redis_7_0(reason="7.0 takes 2^31-1 arguments; Airwave keeps the limit of 2^20 that 6.2 had")
def test_a_million_arguments_are_the_limit(peers):
    (alice,) = peers(1)
    alice.sends(packed("PING") + b"*1048577\r\n")
    alice.gets("PONG", Error("ERR Protocol error: invalid multibulk length"))
    alice.closed()


def test_a_client_that_is_closed_harms_nobody(peers):
    alice, bob, carol = peers(3)
    alice.do("SUBSCRIBE a", ["subscribe", "a", 1])
    bob.do("SUBSCRIBE a", ["subscribe", "a", 1])
    alice.sends(b"*1\r\n:1\r\n")
    alice.gets(Error("ERR Protocol error: expected '$', got ':'"))
    alice.closed()
    carol.do("PUBLISH a x", 1)
    bob.gets(["message", "a", "x"])


def test_a_request_of_hiredis_is_a_request(peers):
    (alice,) = peers(1)
    alice.sends(hiredis.pack_command(("ECHO", 17)))
    alice.gets("17")
