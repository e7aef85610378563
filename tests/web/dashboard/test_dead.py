"""Dead letters: sent back to their stream, or deleted."""

from hypothesis import given
from hypothesis import strategies as st

from airwave.bus import dead as bus
from airwave.web.dashboard.dead import revived

from ..conftest import MakeSite
from .api import Api, error

LETTER = {
    "data": '{"order": 1}',
    "error": "ValueError: no",
    "traceback": "",
    "attempts": "5",
    "id": "1-0",
    "group": "billing",
    "at": "1700000000000",
    "field:type": "placed",
}


def letters(api: Api, count: int) -> list[str]:
    words = [word for pair in LETTER.items() for word in pair]
    return [api.site.redis("XADD", "orders:dead", "*", *words).decode() for _ in range(count)]


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([b"data", b"group", b"error", b"field:", b"field:x"]), st.binary()), st.binary()
    )
)
def test_what_comes_back_is_what_the_bus_brings_back(letter: dict[bytes, bytes]) -> None:
    assert revived(letter) == bus._revived(letter)


def test_one_goes_back(api: Api) -> None:
    first, second = letters(api, 2)
    assert api.post("dead/retry", name="orders%3Adead", ids=[first]) == {"done": 1}
    (entry,) = api.site.redis("XRANGE", "orders", "-", "+")
    assert entry[1] == [b"data", b'{"order": 1}', b"type", b"placed", b"for_group", b"billing"]
    assert [row[0].decode() for row in api.site.redis("XRANGE", "orders:dead", "-", "+")] == [second]
    assert api.post("dead/retry", name="orders%3Adead", ids=[first]) == {"done": 0}
    assert api.site.redis("XLEN", "orders") == 1


def test_all_go_back(api: Api) -> None:
    letters(api, 230)
    assert api.post("dead/retry", name="orders%3Adead", ids=None) == {"done": 230}
    assert (api.site.redis("XLEN", "orders"), api.site.redis("XLEN", "orders:dead")) == (230, 0)


def test_one_and_all_are_deleted(api: Api) -> None:
    first, *_ = letters(api, 205)
    assert api.post("dead/delete", name="orders%3Adead", ids=[first]) == {"done": 1}
    assert api.post("dead/delete", name="orders%3Adead", ids=None) == {"done": 204}
    assert api.site.redis("EXISTS", "orders") == 0


def test_only_streams_of_dead_letters(api: Api) -> None:
    api.site.redis("XADD", "orders", "1-0", "data", "x")
    for name in ("orders", "%3Adead"):
        assert api.send("dead/delete", {"name": name, "ids": None}).status == 400
    assert api.site.redis("XLEN", "orders") == 1
    assert api.send("dead/retry", {"name": "no%3Adead", "ids": None}).status == 404


def test_nothing_is_lost_when_the_stream_is_no_stream(api: Api) -> None:
    letters(api, 1)
    api.site.redis("SET", "orders", "x")
    assert error(api.send("dead/retry", {"name": "orders%3Adead"})) == "the key of its stream holds something else"
    assert api.site.redis("XLEN", "orders:dead") == 1


def test_what_is_no_dead_letter_stays(api: Api) -> None:
    api.site.redis("XADD", "orders:dead", "1-0", "note", "x")
    assert "it is no dead letter" in error(api.send("dead/retry", {"name": "orders%3Adead"}))
    assert api.site.redis("XLEN", "orders:dead") == 1


def test_while_writes_are_paused_nothing_is_sent_back(api: Api) -> None:
    letters(api, 1)
    with api.site.node.connect() as peer:
        peer.do("CLIENT", "PAUSE", 60_000, "WRITE")
        assert api.send("dead/retry", {"name": "orders%3Adead"}).status == 503
        peer.do("CLIENT", "UNPAUSE")
    assert api.post("dead/retry", name="orders%3Adead") == {"done": 1}


def test_one_goes_back_in_one_commit(serve: MakeSite, tmp_path: object) -> None:
    api = Api(serve("--appendonly", "yes", "--dir", str(tmp_path)))
    (letter,) = letters(api, 1)
    before = int(api.site.node.info("persistence")["database_commits"])
    assert api.post("dead/retry", name="orders%3Adead", ids=[letter]) == {"done": 1}
    assert int(api.site.node.info("persistence")["database_commits"]) == before + 1
    assert (api.site.redis("XLEN", "orders"), api.site.redis("XLEN", "orders:dead")) == (1, 0)


def test_letters_on_disk_only(serve: MakeSite, tmp_path: object) -> None:
    api = Api(serve("--appendonly", "yes", "--dir", str(tmp_path), "--stream-memory", "1", "--http-rate-limit", "0"))
    with api.site.node.connect() as peer:
        for _ in range(250):
            peer.do("XADD", "orders:dead", "*", "data", b"x" * 2000, "group", "g")
    assert api.post("dead/retry", name="orders%3Adead") == {"done": 250}
    assert api.site.redis("XLEN", "orders") == 250
