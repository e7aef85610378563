"""Some hundred short conversations with the core and with redis-server: the raw bytes of both must be the same.

A conversation is request lines separated by `;`, sent at once, with a QUIT at its end. What may differ stands in
`ALLOWED`, each with its reason. Not here at all: inline commands with a zero byte, for the rest of which redis-server
waits (it searches the end of the line as C strings end), and replies that are never twice the same, such as INFO.
"""

import contextlib

import pytest
from memory import Node
from peers import Peer, SocketPeer, packed
from servers import Address

SUBSCRIPTIONS = """
SUBSCRIBE;SUBSCRIBE a;SUBSCRIBE a a b;PSUBSCRIBE;PSUBSCRIBE a* a*;SSUBSCRIBE;SSUBSCRIBE a b
subscribe a;Subscribe b;uNsUbScRiBe a b
UNSUBSCRIBE;UNSUBSCRIBE a b;PUNSUBSCRIBE;PUNSUBSCRIBE a;SUNSUBSCRIBE;SUNSUBSCRIBE a a
SUBSCRIBE a;UNSUBSCRIBE;UNSUBSCRIBE;PING
PSUBSCRIBE a;PUNSUBSCRIBE;PUNSUBSCRIBE;PING
SSUBSCRIBE a;SUNSUBSCRIBE;SUNSUBSCRIBE;PING
SUBSCRIBE a;PSUBSCRIBE a;SSUBSCRIBE a;UNSUBSCRIBE a;PUNSUBSCRIBE a;SUNSUBSCRIBE a;PING x
SUBSCRIBE a;PING;PING x;PING x y;ping;ECHO x;ECHO;NOSUCH;CLIENT;CLIENT NOSUCH
SUBSCRIBE a;MULTI;EXEC;DISCARD;WATCH a;AUTH x;SELECT 1;CONFIG GET maxclients;COMMAND COUNT x
SUBSCRIBE a;RESET;PING;ECHO x
SUBSCRIBE a;QUIT x
SUBSCRIBE a;SPUBLISH b x;PUBSUB NUMSUB a
PUBLISH;PUBLISH a;PUBLISH a b c;PUBLISH a b;SPUBLISH;SPUBLISH a;SPUBLISH a b;SPUBLISH a b c
PUBSUB;PUBSUB NOSUCH;pubsub channels;PUBSUB CHANNELS a b;PUBSUB CHANNELS [;PUBSUB NUMSUB;PUBSUB NUMSUB a a
PUBSUB NUMPAT;PUBSUB NUMPAT x;PUBSUB SHARDCHANNELS;PUBSUB SHARDCHANNELS a b;PUBSUB SHARDNUMSUB;PUBSUB SHARDNUMSUB a
PUBSUB HELP x;PUBSUB channels x y z
"""

CONNECTION = """
PING;PING x;PING x y;ECHO;ECHO x;ECHO x y
ping;Ping x;eCHO x
QUIT;PING
QUIT x y
RESET;RESET x
SELECT;SELECT 0;SELECT 15;SELECT 16;SELECT -1;SELECT x;SELECT 1 2;SELECT 00;SELECT +1;SELECT 2147483648
SELECT -2147483649;SELECT 9223372036854775807;SELECT 9223372036854775808;SELECT 1.5
AUTH;AUTH x;AUTH default x;AUTH nobody x;AUTH a b c;auth DEFAULT x
HELLO 1;HELLO 4;HELLO x;HELLO 3.0;HELLO 03;HELLO 2 x;HELLO 2 AUTH;HELLO 2 AUTH a;HELLO 2 SETNAME;HELLO 9 x
HELLO 3 AUTH nobody x;HELLO 3 AUTH nobody x SETNAME a;HELLO 3 AUTH default x NOSUCH;HELLO 2 SETNAME a SETNAME
HELLO 3 SETNAME é;CLIENT GETNAME
NOSUCH;nosuch a b c;NoSuch x;COMMAN;PINGX;P;_;GE T
CLIENT;CLIENT NOSUCH;client nosuch x;CLIENT ID x;CLIENT GETNAME x;CLIENT SETNAME;CLIENT SETNAME a b
CLIENT GETNAME;CLIENT SETNAME alice;CLIENT GETNAME;client setname é
CLIENT LIST x;CLIENT LIST TYPE;CLIENT LIST TYPE x;CLIENT LIST TYPE normal x;CLIENT LIST TYPE master;CLIENT LIST ID
CLIENT LIST ID x;CLIENT LIST ID 0;CLIENT LIST ID 99999 88888;CLIENT LIST ID 99999 x;CLIENT LIST TYPE pubsub
CLIENT LIST TYPE replica;CLIENT LIST TYPE SLAVE;CLIENT INFO x
CLIENT KILL;CLIENT KILL x;CLIENT KILL 127.0.0.1:1;CLIENT KILL ID;CLIENT KILL ID x;CLIENT KILL ID 0;CLIENT KILL ID -1
CLIENT KILL ID 999999;CLIENT KILL ID 1 ID;CLIENT KILL TYPE x;CLIENT KILL TYPE pubsub;CLIENT KILL TYPE slave
CLIENT KILL USER nobody;CLIENT KILL USER default ADDR x;CLIENT KILL SKIPME x;CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL LADDR 1.2.3.4:5;CLIENT KILL NOSUCH x;CLIENT KILL TYPE pubsub SKIPME no
CLIENT NO-EVICT;CLIENT NO-EVICT x;CLIENT NO-EVICT on;CLIENT NO-EVICT OFF;CLIENT NO-EVICT on x
CLIENT PAUSE;CLIENT PAUSE x;CLIENT PAUSE -1;CLIENT PAUSE 0 x;CLIENT PAUSE x x;CLIENT PAUSE 0 WRITE x;CLIENT PAUSE 1.5
CLIENT UNPAUSE;CLIENT UNPAUSE x
CLIENT UNBLOCK;CLIENT UNBLOCK x;CLIENT UNBLOCK 99999;CLIENT UNBLOCK 1 x;CLIENT UNBLOCK x x;CLIENT UNBLOCK 1 ERROR x
CLIENT GETREDIR;CLIENT GETREDIR x
CLIENT REPLY;CLIENT REPLY x;CLIENT REPLY ON;CLIENT REPLY ON x
CLIENT REPLY SKIP;PING;PING
CLIENT REPLY SKIP;NOSUCH;NOSUCH
CLIENT REPLY SKIP;CLIENT REPLY SKIP;PING;PING
CLIENT REPLY SKIP;CLIENT REPLY ON;PING
CLIENT REPLY SKIP;CLIENT REPLY x;PING
CLIENT REPLY OFF;PING;NOSUCH;ECHO;CLIENT REPLY ON;PING
CLIENT REPLY SKIP;CLIENT REPLY OFF;PING;CLIENT REPLY SKIP;PING;CLIENT REPLY ON;PING
CLIENT REPLY OFF;SUBSCRIBE a;PING;RESET;PING
CLIENT REPLY SKIP;SUBSCRIBE a b;PING
CLIENT REPLY SKIP;RESET;PING
CLIENT REPLY OFF;RESET;PING
CLIENT REPLY OFF;MULTI;PING;EXEC;CLIENT REPLY ON
CLIENT REPLY SKIP;MULTI;PING;EXEC
CLIENT HELP x
"""

TRANSACTIONS = """
MULTI;EXEC;EXEC
MULTI;DISCARD;DISCARD
MULTI x;EXEC;DISCARD;EXEC x;DISCARD x;WATCH;UNWATCH x;UNWATCH
MULTI;PING;ECHO x;PING a b;SELECT 99;PUBLISH a b;PUBSUB NUMSUB a;EXEC;PING
MULTI;NOSUCH;PING;EXEC;PING
MULTI;ECHO;EXEC
MULTI;CLIENT;EXEC
MULTI;CLIENT NOSUCH;EXEC
MULTI;CLIENT ID x;EXEC
MULTI;MULTI;PING;EXEC
MULTI;WATCH a;PING;EXEC
MULTI;UNWATCH;EXEC
MULTI;PING;EXEC x;EXEC
MULTI;DISCARD x;EXEC
MULTI;RESET;EXEC
MULTI;QUIT
MULTI;PING;QUIT
MULTI;SHUTDOWN;EXEC
MULTI;SHUTDOWN x y;EXEC
MULTI;MONITOR;EXEC
MULTI;SUBSCRIBE a b;PING;UNSUBSCRIBE a b;EXEC;PING
MULTI;SUBSCRIBE a;PSUBSCRIBE b;SSUBSCRIBE c;EXEC;ECHO x
MULTI;UNSUBSCRIBE;PUNSUBSCRIBE a;SUNSUBSCRIBE;EXEC
MULTI;CLIENT SETNAME x;CLIENT GETNAME;CLIENT REPLY x;EXEC
MULTI;CLIENT REPLY ON;EXEC
MULTI;AUTH x;AUTH default x;SELECT 3;EXEC
MULTI;HELLO 9;HELLO 3 x;EXEC
MULTI;CONFIG SET nosuch x;CONFIG GET nosuch;DBSIZE;FLUSHALL;ROLE;WAIT 0 0;EXEC
MULTI;LATENCY RESET;SLOWLOG LEN x;MEMORY USAGE x;EXEC
WATCH a b;WATCH a;MULTI;PING;EXEC
WATCH a;FLUSHALL;MULTI;PING;EXEC
multi;exec
Multi;Discard
"""

SERVER = """
CONFIG;CONFIG NOSUCH;CONFIG GET;CONFIG GET nosuch;CONFIG GET databases;CONFIG GET DATAbases nosuch;config get Port*x
CONFIG GET tcp-keepaliv?;CONFIG GET [t]imeout;CONFIG SET;CONFIG SET timeout;CONFIG SET nosuch 1;CONFIG SET timeout x
CONFIG SET timeout -1;CONFIG SET timeout 0 timeout 0;CONFIG SET databases 1;CONFIG SET hz 10 nosuch x
CONFIG SET maxclients 0
CONFIG SET client-output-buffer-limit x;CONFIG SET client-output-buffer-limit normal_0_0_0
CONFIG SET loglevel x
CONFIG SET slowlog-log-slower-than x;CONFIG SET proto-max-bulk-len 1;CONFIG SET client-query-buffer-limit 1
CONFIG REWRITE;CONFIG REWRITE x;CONFIG RESETSTAT;CONFIG RESETSTAT x;CONFIG HELP x
INFO nosuch;info NOSUCH nosuch2;INFO modules;INFO keyspace
COMMAND COUNT x;COMMAND INFO nosuch;COMMAND DOCS nosuch;COMMAND LIST x;COMMAND LIST FILTERBY x y;COMMAND NOSUCH
COMMAND GETKEYS;COMMAND GETKEYS PING;COMMAND GETKEYS WATCH a b;COMMAND GETKEYS nosuch x;COMMAND GETKEYS SPUBLISH a b
COMMAND INFO ping publish subscribe multi exec;COMMAND INFO client|id;COMMAND LIST FILTERBY PATTERN subscr*
COMMAND LIST FILTERBY ACLCAT nosuch;COMMAND LIST FILTERBY MODULE x
SLOWLOG;SLOWLOG NOSUCH;SLOWLOG GET x;SLOWLOG GET -2;SLOWLOG GET 1 2;SLOWLOG LEN x
SLOWLOG RESET;SLOWLOG RESET x;SLOWLOG LEN
LATENCY;LATENCY NOSUCH;LATENCY LATEST;LATENCY LATEST x;LATENCY HISTORY;LATENCY HISTORY x;LATENCY RESET;LATENCY RESET x y
LATENCY GRAPH;LATENCY GRAPH x;LATENCY HISTOGRAM nosuch;LATENCY DOCTOR x;LATENCY HELP x
MEMORY;MEMORY NOSUCH;MEMORY USAGE;MEMORY USAGE x;MEMORY USAGE x SAMPLES;MEMORY USAGE x SAMPLES -1;MEMORY USAGE x y z
MEMORY STATS x;MEMORY DOCTOR x;MEMORY PURGE;MEMORY PURGE x;MEMORY HELP x
TIME x;DBSIZE;DBSIZE x;LASTSAVE x;ROLE;ROLE x
FLUSHALL;FLUSHALL ASYNC;FLUSHALL sync;FLUSHALL x;FLUSHALL SYNC ASYNC
FLUSHDB;FLUSHDB ASYNC;FLUSHDB x
WAIT;WAIT 0;WAIT 0 0;WAIT 0 -1;WAIT x 0;WAIT 0 x;WAIT 0 0 0
SHUTDOWN x;SHUTDOWN ABORT;SHUTDOWN SAVE NOSAVE;SHUTDOWN ABORT NOW;SHUTDOWN NOW NOW x
DEBUG;DEBUG NOSUCH;DEBUG SLEEP;DEBUG SLEEP 0;DEBUG SLEEP 0 0;debug sleep 0
LOLWUT VERSION x;MODULE;MODULE LIST;MODULE NOSUCH;MODULE LIST x
ACL;ACL NOSUCH;ACL WHOAMI;ACL WHOAMI x;ACL CAT nosuch;ACL CAT a b
MONITOR x
"""

PROTOCOL = [
    b"PING\r\n\r\n\nPING\nECHO 'a b'\r\nECHO \"\\x41\\n\"\r\n",
    b"*1\r\n$4\r\nPING\r\n*0\r\n*-1\r\n*1\r\n$4\r\nping\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$10\r\n\r\n*3\r\n$1\r\n\r\n",
    b"*1\r\n$4\rxPING\r\n",
    b"*1\rx$4\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"+PING\r\n",
    b":1\r\n",
    b">1\r\n$4\r\nPING\r\n",
    b"~1\r\n",
    b"#f\r\n_\r\n",
    b"ECHO \xff\r\n",
    b"ECHO \x0ba\x0cb\r\n",
    b"POST / HTTP/1.1\r\n",
    b"Host: x\r\n",
    *(b"*%b\r\n" % count for count in (b"x", b"", b" 1", b"1 ", b"+1", b"01", b"1.0", b"-0", b"2147483648", b"1" * 30)),
    *(b"*1\r\n$%b\r\n" % length for length in (b"x", b"", b"-1", b"+1", b"04", b"536870913", b"1" * 30)),
    *(
        b"*1\r\n%b\r\n" % item
        for item in (b"*1", b":1", b"+x", b"-x", b"_", b"#t", b",1", b"(1", b">1", b"~1", b"%1", b"=1", b"|1")
    ),
    *(
        b"%b\r\n" % line
        for line in (b"'", b'"', b"ECHO 'a'b", b'ECHO "a"b', b"ECHO a'b", b'ECHO "\\x4g"', b"ECHO 'a\\'b'")
    ),
    *(start + b"x" * 65_536 for start in (b"", b"x")),
    *(start + b"1" * 65_536 for start in (b"*", b"*1\r\n$")),
]

CONVERSATIONS: list[bytes | str] = [
    *(line for block in (SUBSCRIPTIONS, CONNECTION, TRANSACTIONS, SERVER) for line in block.strip().splitlines()),
    *PROTOCOL,
]


def nothing(_: bytes) -> bytes:
    return b""


# Conversation: why the bytes may differ, and what of them is compared all the same.
ALLOWED = {
    "POST / HTTP/1.1\r\n": (
        "Redis closes without a word: a guard against cross-protocol attacks from browsers",
        nothing,
    ),
    "Host: x\r\n": ("the same", nothing),
    "CONFIG SET loglevel x": ("`nothing` is new in 7.2", lambda reply: reply.replace(b", nothing", b"")),
}


def answers(peer: Peer, conversation: bytes | str, protocol: int) -> bytes:
    """All the bytes that come until the server closes, without the reply to HELLO."""
    with contextlib.closing(peer):
        if protocol == 3:
            peer.ask("HELLO 3")
        if isinstance(conversation, bytes):
            data = conversation
        else:
            data = b"".join(
                [packed(line.replace("_", " ") if "_0_" in line else line) for line in conversation.split(";")]
            )
        peer.sends(data + packed("QUIT"))
        return peer.rest()


@pytest.mark.parametrize(
    "conversation",
    CONVERSATIONS,
    ids=[line if isinstance(line, str) else repr(line[:40])[2:-1] for line in CONVERSATIONS],
)
def test_answers_are_those_of_redis(redis_address: Address, conversation: bytes | str, protocol: int) -> None:
    theirs = answers(SocketPeer(redis_address), conversation, protocol)
    node = Node(("enable-debug-command", "yes"))
    node.host.has_config_file = False
    ours = answers(node.peer(), conversation, protocol)
    key = conversation if isinstance(conversation, str) else conversation.decode("latin-1")
    if key in ALLOWED:
        _, comparable = ALLOWED[key]
        theirs, ours = comparable(theirs), comparable(ours)
    assert ours == theirs
