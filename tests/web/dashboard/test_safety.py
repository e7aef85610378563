"""What comes over the wire stays text: names, messages, fields and values that would like to be more."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from live import Peer
from playwright.sync_api import expect

from ..site import Site
from .conftest import OpenPage

pytestmark = pytest.mark.slow

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&<b>"
# In names of clients neither spaces nor line ends are allowed.
EVIL_NAME = "<img/src=x/onerror=document.title='owned'><script>document.title='owned'</script>"
KEY = quote(EVIL, safe="")


@pytest.fixture
def evil(site: Site) -> Site:
    """Everything that can have a name has an evil one."""
    site.redis("FLUSHALL")
    with site.node.connect() as peer:
        peer.do("CLIENT", "SETNAME", EVIL_NAME)
        peer.do("CONFIG", "SET", "slowlog-log-slower-than", 0)
        peer.do("XADD", EVIL, "1-0", EVIL, EVIL)
        peer.do("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
        peer.do("XADD", f"{EVIL}:dead", "1-0", "data", EVIL, "error", EVIL)
        peer.do("XGROUP", "CREATE", EVIL, EVIL, "0")
        peer.do("XREADGROUP", "GROUP", EVIL, EVIL, "STREAMS", EVIL, ">")
    return site


@pytest.fixture
def listener(evil: Site) -> Iterator[Peer]:
    with evil.node.connect() as peer:
        peer.do("CLIENT", "SETNAME", EVIL_NAME)
        peer.do("CLIENT", "SETINFO", "LIB-NAME", EVIL_NAME)
        peer.do("SUBSCRIBE", EVIL)
        peer.do("PSUBSCRIBE", f"{EVIL}*")
        yield peer


@pytest.mark.usefixtures("listener")
def test_nothing_that_somebody_sent_becomes_more_than_text(evil: Site, visit: OpenPage) -> None:
    window = visit(evil, "channels")
    page = window.page
    places = [
        ("channels", EVIL),
        ("channels?kind=patterns", f"{EVIL}*"),
        ("streams", EVIL),
        (f"stream/{KEY}", EVIL),
        (f"stream/{KEY}/groups", EVIL),
        (f"stream/{KEY}/pending/{KEY}", EVIL),
        (f"stream/{KEY}%3Adead", f"{EVIL}:dead"),
        ("clients", EVIL_NAME),
        ("slowlog", EVIL),
    ]
    for where, text in places:
        window.go("settings")
        expect(page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
        window.go(where)
        expect(page.get_by_text(text).first).to_be_visible()
        for summary in page.locator(".entries summary").all():
            summary.click()
        for button in page.get_by_role("button", name="Inspect").all():
            button.click()
            expect(page.locator(".entrycell pre").first).to_have_text(EVIL)
        assert "owned" not in page.title() or EVIL in page.title()
        assert page.locator("main img, main script, main b b").count() == 0
    window.go(f"channel/{KEY}")
    expect(page.get_by_role("region", name="Who listens").get_by_text(EVIL_NAME).first).to_be_visible()
    for message in (EVIL, f'{{"{EVIL_NAME}": "</pre><script>{EVIL_NAME}"}}'):
        evil.redis("PUBLISH", EVIL, message)
        expect(page.get_by_role("log").get_by_role("listitem").first).to_contain_text("document.title='owned'")
    assert page.locator("main img, main script").count() == 0
    window.go("clients")
    page.get_by_role("button", name="Kill").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(EVIL_NAME)
    assert page.locator("dialog img, dialog script").count() == 0
    page.keyboard.press("Escape")


def test_html_cannot_be_made_even_by_a_script(site: Site, visit: OpenPage) -> None:
    window = visit(site, allowed=("TrustedHTML", "Trusted Type", "Content Security Policy"))
    with pytest.raises(Exception, match="TrustedHTML"):
        window.page.evaluate("document.body.innerHTML = '<b>x</b>'")
    blocked = window.page.evaluate(
        """url => new Promise(done => {
            const told = event => done(event.effectiveDirective);
            document.addEventListener("securitypolicyviolation", told, { once: true });
            document.body.append(Object.assign(document.createElement("img"), { src: url }));
        })""",
        "https://example.invalid/x.png",
    )
    assert blocked == "img-src"
    window.tried("https://example.invalid/x.png")
