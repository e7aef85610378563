"""Files that are served as they are."""

from .site import Site


def test_the_module_is_served_with_its_type_and_is_asked_for_once(site: Site) -> None:
    answer = site.get("/airwave.js")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert b"export function connect(" in answer.body
    tag = answer.headers["etag"]
    again = site.get("/airwave.js", **{"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == tag
    assert site.get("/airwave.js", **{"If-None-Match": f'"other", {tag}'}).status == 304
    assert site.get("/airwave.js", **{"If-None-Match": '"other"'}).status == 200
    head = site.ask("HEAD", "/airwave.js")
    assert (head.status, head.body) == (200, b"")


def test_there_is_no_way_to_other_files(site: Site) -> None:
    for path in ("/airwave.js/", "/static/airwave.js", "/../app.py", "/%2e%2e/app.py", "/airwave.js%00"):
        assert site.get(path).status == 404
