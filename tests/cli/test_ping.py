"""airwave ping."""

import re

from .conftest import airwave


def test_round_trips(url):
    done = airwave("ping", "--url", url, "--count", "3")
    *pongs, summary = done.stdout.splitlines()
    assert len(pongs) == 3
    assert all(re.fullmatch(rf"PONG from {url}: \d+\.\d{{3}} ms", pong) for pong in pongs)
    assert re.fullmatch(r"3 round trip\(s\): min [\d.]+, median [\d.]+, max [\d.]+ ms", summary)
    assert done.stderr == ""
    assert done.returncode == 0
