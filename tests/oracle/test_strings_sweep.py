"""Some hundred short conversations about strings with the core and with redis-server: see sweeping.py."""

import pytest
from servers import Address

from oracle.sweeping import check, conversations

STRINGS = "SET a 1;SET t text;SET e x EX 1000;XADD s 1-1 x 1"
LATER = "4000000000"

WRITING = {
    STRINGS: f"""
SET;SET a;SET a x;GET a;SET a '';GET a;SET '' x;GET '';set a y;SET s x;GET s;SET new 'a b';GET new
SET a x NX;GET a;SET n x NX;GET n;SET a y XX;GET a;SET m y XX;GET m;SET a z nx;SET a z xx;GET a;SET s x NX;TYPE s
SET a x NX XX;SET a x XX NX;SET a x NX NX;SET m x NX NX;SET a y XX XX;GET a;SET a x NOSUCH;SET a x y z;
SET a x NX NOSUCH;GET a
SET a x GET;SET a y GET;SET n x GET;GET n;SET s x GET;TYPE s;SET a z NX GET;GET a;SET k z NX GET;GET k;
SET a w XX GET;SET l w XX GET;SET s x NX GET;SET s x XX GET;SET a x get get
SET a x EX 100;TTL a;SET a x EX 0;SET a x EX -1;SET a x EX x;SET a x EX;SET a x EX 1.5;
SET a x EX 9223372036854775807;SET a x EX 9223372036854775808;SET a x EX 9223372036854775;TTL a;SET a x ex 7;
TTL a
SET a x PX 100000;PTTL a;SET a x PX 0;SET a x PX -1;SET a x PX x;SET a x PX;SET a x PX 9223372036854775807;
SET a x px 500000;PTTL a;SET n x PX x;EXISTS n
SET a x EXAT {LATER};EXPIRETIME a;SET a x EXAT 1;EXISTS a;SET a x EXAT 0;SET a x EXAT -1;SET a x EXAT x;
SET a x EXAT;SET a x EXAT 9223372036854775807;SET a x exat {LATER};EXPIRETIME a
SET a x PXAT {LATER}123;PEXPIRETIME a;SET a x PXAT 1;EXISTS a;SET a x PXAT 0;SET a x PXAT -1;SET a x PXAT x;
SET a x PXAT;SET a x pxat {LATER}000;PEXPIRETIME a
SET e y KEEPTTL;TTL e;SET e y;TTL e;SET a x KEEPTTL;TTL a;SET n x KEEPTTL;TTL n;SET e y EX 50;
SET e z keepttl NX;TTL e;SET e z KEEPTTL GET;TTL e;GET e
SET a x EX 1 PX 1;SET a x EX 1 EX 1;SET a x EX 1 KEEPTTL;SET a x KEEPTTL EX 1;SET a x EXAT 1 PXAT 1;
SET a x PX 1 EXAT 1;SET a x KEEPTTL KEEPTTL;SET a x PERSIST;GET a
SET a x NX EX 100;SET n x NX EX 100;TTL n;SET n y XX EX 50 GET;TTL n;SET n y GET EX 40 XX;TTL n;
SET n y EX 30 NX;TTL n;SET n x EX x NX;SET n x EX 0 NOSUCH;SET n x EX NX;SET s x EX 100 GET;TTL s
SET a x NX EX 0;SET s x GET EX 0;SET a y EX 0 GET;SET a y XX PX -5;SET q y XX EX 0;GET a;SET EX 1 2;SET a NX;
GET a;SET a GET GET;GET a
SETEX;SETEX a;SETEX a 100;SETEX a 100 x;TTL a;GET a;SETEX a 0 x;SETEX a -1 x;SETEX a x x;SETEX a 1.5 x;
SETEX a 9223372036854775807 x;SETEX s 100 x;TYPE s;SETEX a 100 x y;SETEX '' 10 ''
PSETEX;PSETEX a 100;PSETEX a 100000 x;PTTL a;GET a;PSETEX a 0 x;PSETEX a -1 x;PSETEX a x x;
PSETEX a 9223372036854775807 x;PSETEX a 9223372036854775808 x;PSETEX s 500000 x;TYPE s;psetex a 300000 x;PTTL a
SETNX;SETNX a;SETNX a x;GET a;SETNX n x;GET n;SETNX s x;TYPE s;SETNX n y z;SETNX e y;TTL e;setnx o x;TTL o
MSET;MSET a;MSET a x;MSET a x b;MSET a 1 b 2 a 3;MGET a b;MSET s x e y;TYPE s;TTL e;mset q 1;MSET '' x;GET '';
MSET a x b y c
GETDEL;GETDEL a;GETDEL a;EXISTS a;GETDEL none;GETDEL s;EXISTS s;GETDEL a b;GETDEL e;TTL e;getdel t
GETEX;GETEX a;TTL a;GETEX none;GETEX s;GETEX a EX 100;TTL a;GETEX a PERSIST;TTL a;GETEX e PERSIST;TTL e;
GETEX e PERSIST;GETEX s PERSIST;GETEX none EX 100
GETEX a EX;GETEX a EX x;GETEX a EX 0;GETEX a EX -1;GETEX a PX 0;GETEX a EXAT 0;GETEX a PXAT -1;
GETEX a EX 9223372036854775807;GETEX none EX 0;GETEX none EX x;GETEX s EX 0;GETEX s EX x;GETEX a PX x;TTL a
GETEX a NOSUCH;GETEX a EX 1 PX 1;GETEX a EX 1 PERSIST;GETEX a PERSIST EX 1;GETEX a PERSIST PERSIST;
GETEX a KEEPTTL;GETEX a NX;GETEX a GET;GETEX none NOSUCH;GETEX s NOSUCH;GETEX a EX 1 x;TTL a
GETEX a PX 300000;PTTL a;GETEX a EXAT {LATER};EXPIRETIME a;GETEX a PXAT {LATER}123;PEXPIRETIME a;GETEX a exat 1;
EXISTS a;GETEX t PXAT 1;EXISTS t;GETEX e ex 10;TTL e;getex e persist;TTL e
""",
}

READING = {
    STRINGS: """
GET;GET a;GET none;GET s;GET a b;get t;GET '';STRLEN;STRLEN a;STRLEN t;STRLEN none;STRLEN s;STRLEN a b;SET u é;
STRLEN u;GET u
MGET;MGET a;MGET a none t;MGET s;MGET a s t;MGET a a a;mget e '';MGET none none
APPEND;APPEND a;APPEND a x;GET a;APPEND none x;GET none;APPEND none '';APPEND n ''; EXISTS n;GET n;APPEND s x;
APPEND a x y;APPEND e yz;GET e;TTL e;APPEND '' x
SET u 10;APPEND u 5;INCR u;GET u;APPEND u x;INCR u;STRLEN u;SET u '';STRLEN u;EXISTS u;GET u
"""
}

COUNTING = {
    STRINGS: """
INCR;INCR a;INCR a;GET a;INCR none;GET none;INCR t;INCR s;INCR a b;incr a;INCR e;SET e 5 KEEPTTL;INCR e;TTL e;STRLEN a
DECR;DECR a;DECR a;GET a;DECR none;GET none;DECR t;DECR s;DECR a b;decr a;SET a -5;DECR a;INCR a
INCRBY;INCRBY a;INCRBY a 5;INCRBY a -10;INCRBY a 0;INCRBY a x;INCRBY a 1.5;INCRBY a '';INCRBY t 1;INCRBY t x;
INCRBY s 1;INCRBY s x;INCRBY none 7;GET none;INCRBY a 1 2;INCRBY nope x;EXISTS nope
DECRBY;DECRBY a;DECRBY a 5;DECRBY a -10;DECRBY a x;DECRBY a 1.5;DECRBY t 1;DECRBY s 1;DECRBY none 7;GET none;
DECRBY a 1 2;DECRBY s x;decrby a 1
SET m 9223372036854775807;INCR m;INCRBY m 1;DECR m;INCRBY m 1;GET m;INCRBY m 9223372036854775807;
INCRBY m -9223372036854775808;INCRBY a 9223372036854775808;INCRBY a -9223372036854775809
SET m -9223372036854775808;DECR m;DECRBY m 1;INCR m;DECRBY m 1;GET m;DECRBY m -9223372036854775808;
DECRBY a -9223372036854775808;DECRBY a 9223372036854775807;DECRBY a 9223372036854775808;GET a
SET m 9223372036854775808;INCR m;SET m ' 1';INCR m;SET m '1 ';INCR m;SET m +1;INCR m;SET m 01;INCR m;SET m -0;
INCR m;SET m '';INCR m;SET m 1.0;INCR m;SET m 1e3;INCR m;SET m -;INCR m
INCRBY a +1;INCRBY a ' 1';INCRBY a 01;INCRBY a -0;INCRBY a 0x1;INCRBY a 00;INCRBY a -;INCRBY a 1e3;GET a;
OBJECT ENCODING a
MULTI;SET a 5;INCR a;INCR t;DECRBY a 2;GET a;APPEND a x;INCR a;STRLEN a;EXEC;GET a
SELECT 3;INCR a;SELECT 0;GET a;SELECT 3;GET a;MSET a 1 b 2;DBSIZE;SELECT 0;DBSIZE
"""
}

CONVERSATIONS = conversations(WRITING, READING, COUNTING)


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=[line[len(STRINGS) + 1 :][:100] for line in CONVERSATIONS])
def test_answers_about_strings_are_those_of_redis(redis_address: Address, conversation: str, protocol: int) -> None:
    check(redis_address, conversation, protocol)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 70_000, 1_100_000])
def test_a_value_may_be_of_any_size_and_of_any_bytes(peers, protocol, size):
    (alice,) = peers(1, protocol)
    value = (bytes(range(256)) * (size // 256 + 1))[:size]
    alice.do(["SET", "k", value], "OK")
    alice.do("STRLEN k", size)
    alice.asks("GET k")
    alice.gets_bytes(b"$%d\r\n%b\r\n" % (size, value))
    alice.do(["XADD", "s", "1-1", value, value], "1-1")
    alice.asks("XRANGE s - +")
    alice.gets_bytes(b"*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n" + 2 * (b"$%d\r\n%b\r\n" % (size, value)))
