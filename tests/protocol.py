"""Bytes that a server may be sent: hypothesis strategies for broken protocol."""

import hiredis
from hypothesis import strategies as st

TOKENS = [
    *(b"*1\r\n", b"*2\r\n", b"*3\r\n", b"*0\r\n", b"*-1\r\n", b"*01\r\n", b"*+1\r\n", b"*1 \r\n", b"*\r\n", b"*-0\r\n"),
    *(b"*1048577\r\n", b"*200000000\r\n", b"*99999999999999999999\r\n", b"*1x\r\n", b"*1\rx", b"*1\n", b"*0000001\r\n"),
    *(
        b"$4\r\nPING\r\n",
        b"$4\r\nECHO\r\n",
        b"$0\r\n\r\n",
        b"$1\r\nx\r\n",
        b"$3\r\nab",
        b"$2\r\n\r\n\r\n",
        b"$4\rxPING\r\n",
    ),
    *(
        b"$-1\r\n",
        b"$-2\r\n",
        b"$01\r\nx\r\n",
        b"$+1\r\nx\r\n",
        b"$\r\n",
        b"$600000000\r\n",
        b"$1\r\nxyz",
        b"$1\nx\r\n",
    ),
    *(b"\r\n", b"\r", b"\n", b" \r\n", b"PING\r\n", b"PING\n", b"ECHO 'a b'\r\n", b'ECHO "a\r\n', b"'\r\n", b"\x00"),
    *(b">2\r\n", b"~1\r\n", b"%1\r\n", b"|1\r\n", b">200000000\r\n", b"#f\r\n", b"#t\r\n", b"_\r\n", b":1\r\n"),
    *(b"+OK\r\n", b"-ERR x\r\n", b"(1\r\n", b",1.5\r\n", b"=7\r\ntxt:abc\r\n", b"!3\r\nERR\r\n", b"*?\r\n", b".\r\n"),
    *(
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n",
        b"*1\r\n*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n",
    ),
]
SOUP = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=12).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Valid requests with a few bytes changed, dropped, put in or doubled."""
    requests = draw(
        st.lists(st.lists(st.sampled_from([b"PING", b"ECHO", b"", b"a\r\n", b"*1"]), min_size=1), min_size=1)
    )
    data = bytearray(b"".join(hiredis.pack_command(tuple(argv)) for argv in requests))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        what = draw(st.sampled_from(["change", "drop", "insert", "double"]))
        byte = draw(st.sampled_from(b"*$\r\n0123456789-+:><~%|#_=,( \x00\xffx'\""))
        if what == "change":
            data[place] = byte
        elif what == "drop":
            del data[place]
        elif what == "insert":
            data.insert(place, byte)
        else:
            data[place:place] = data[place : place + draw(st.integers(1, 12))]
    return bytes(data)
