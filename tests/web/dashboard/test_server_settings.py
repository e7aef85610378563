"""The settings, to be read only."""

from airwave.settings import Settings

from ..conftest import MakeSite
from ..site import KEY
from .api import Api


def test_all_settings_with_what_they_mean(api: Api) -> None:
    rows = {row["name"]: row for row in api.get("settings")["settings"]}
    assert list(rows) == [row.name for row in Settings.describe()]
    assert rows["port"]["value"] == str(api.site.node.port)
    assert rows["port"]["changed"] is True
    assert rows["hz"] == {
        "name": "hz",
        "value": "10",
        "default": "10",
        "changed": False,
        "doc": Settings.describe()[list(rows).index("hz")].doc,
        "section": rows["hz"]["section"],
        "mutable": True,
    }


def test_secrets_are_never_shown(serve: MakeSite) -> None:
    site = serve("--requirepass", "hunter2", "--http-token-key", KEY)
    answer = Api(site, Authorization="Bearer hunter2").ask("settings")
    assert b"hunter2" not in answer.body
    assert KEY.encode() not in answer.body
    rows = {row["name"]: row["value"] for row in answer.json["settings"]}
    assert rows["requirepass"] == rows["http-token-key"] == "••••••••"
