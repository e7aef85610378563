"""Kinds of URLs."""

import subprocess
import sys

import pytest

from airwave.urls import is_embedded, of_server


@pytest.mark.parametrize(
    ("url", "embedded"), [("memory://", True), ("file:///data", True), ("redis://h", False), ("unix:///s", False)]
)
def test_an_engine_in_the_process_has_a_scheme_of_its_own(url: str, embedded: bool) -> None:
    assert is_embedded(url) is embedded


def test_a_url_of_a_server_is_given_back() -> None:
    assert of_server("rediss://host") == "rediss://host"


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://host", "REDIS://host"])
def test_any_other_url_is_refused_with_what_there_is(url: str) -> None:
    with pytest.raises(ValueError, match=r"a URL begins with one of memory://, file://, redis://, rediss://, unix://"):
        of_server(url)


def test_a_client_of_a_server_does_not_import_the_engine() -> None:
    program = (
        "import sys, airwave, airwave.bus, airwave.cache; airwave.connect('redis://localhost')\n"
        "print([name for name in sys.modules if name.startswith(('airwave.session', 'airwave.embedded', 'sqlite3'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
