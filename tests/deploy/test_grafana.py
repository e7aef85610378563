"""The Grafana dashboard: each metric that it asks for exists, and each that exists is asked for."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from airwave.web.metrics import FIGURES

from .shown import DEPLOY, KNOWN, OF_PROMETHEUS, labels, names, need, output_of, problems

yaml = pytest.importorskip("yaml")

DASHBOARD = json.loads((DEPLOY / "grafana/airwave.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel.get("targets", ())]
SHOWN_OTHERWISE = {
    "airwave_info": "the variable $instance",
    "airwave_start_time_seconds": "annotations",
    "airwave_clients_max": "an alert",
    "airwave_database_enabled": "which figures there are shows it",
    "airwave_database_last_save_timestamp_seconds": "of interest to scripts only",
    "airwave_web_expired": "no trouble",
}


def expression(target: dict[str, Any]) -> str:
    """As Prometheus gets it."""
    return str(target["expr"]).replace("$__rate_interval", "5m").replace("$instance", ".*")


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_panel_asks_for_exists(title: str, target: dict[str, Any]) -> None:
    assert problems(expression(target)) == [], title
    assert "instance" in labels(expression(target)), "it must follow the variable"


@pytest.mark.parametrize(("title", "target"), TARGETS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_legend_names_labels_that_are_there(title: str, target: dict[str, Any]) -> None:
    expr = expression(target)
    there = OF_PROMETHEUS.union(*[KNOWN[name] for name in names(expr)])
    if " by (" in expr:
        there = set(re.findall(r"\w+", re.findall(r"by \(([^()]*)\)", expr)[0]))
    elif expr.startswith(("sum(", "max(")):
        there = {"instance"}  # a single number: the legend is not shown
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= there, title


def test_every_figure_is_shown() -> None:
    asked = {name for _, target in TARGETS for name in names(expression(target))}
    for figure in FIGURES:
        used = figure.full_name in asked or f"{figure.name}_bucket" in asked
        assert used != (figure.name in SHOWN_OTHERWISE), figure.name


def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    annotations = [each["expr"].replace("$instance", ".*") for each in DASHBOARD["annotations"]["list"]]
    expressions = [*annotations, *[expression(target) for _, target in TARGETS]]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"SUCCESS: {len(expressions)} rules found" in output_of(need("promtool"), "check", "rules", file)


def test_every_source_of_data_is_the_variable() -> None:
    targets = [target for _, target in TARGETS]
    panels = [panel for panel in PANELS if panel["type"] != "row"]
    for each in (*panels, *targets, *DASHBOARD["annotations"]["list"], DASHBOARD["templating"]["list"][1]):
        assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "instance"]
    assert all(each["expr"].count("$instance") == 1 for each in DASHBOARD["annotations"]["list"])


def test_panels_have_places_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_it_is_provisioned_from_where_compose_puts_it() -> None:
    provisioning = DEPLOY / "grafana/provisioning"
    provider = yaml.safe_load((provisioning / "dashboards/airwave.yaml").read_text())
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    services = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text())["services"]
    folder = provider["providers"][0]["options"]["path"]
    assert f"../grafana/airwave.json:{folder}/airwave.json:ro" in services["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
