"""The example for Prometheus: it is valid, its alerts go off when they should, and a real Prometheus scrapes by it."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from live import HOST, Start, free_port, wait_for
from servers import running

from .shown import DEPLOY, need, output_of, problems

yaml = pytest.importorskip("yaml")

CONFIG = DEPLOY / "prometheus/prometheus.yml"
RULES = DEPLOY / "prometheus/airwave-rules.yml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

# For each alert series, in promtool's notation a value each minute, and the minute at which it must have gone off. At
# the beginning none has.
HERE = 'job="airwave",instance="a:1"'
GOES_OFF: dict[str, tuple[dict[str, str], int]] = {
    "AirwaveDown": ({f"up{{{HERE}}}": "1 1 0x20"}, 5),
    "AirwaveRefusesWrites": ({f"airwave_database_refusing_writes{{{HERE}}}": "0 0 1x20"}, 3),
    "AirwaveFaults": ({f"airwave_unexpected_errors_total{{{HERE}}}": "0 0 1x20"}, 5),
    "AirwaveSlowSubscribersLose": (
        {
            f'airwave_limit_disconnections_total{{{HERE},buffer="output"}}': "0 0 3x20",
            f"airwave_messages_dropped_total{{{HERE}}}": "0x30",
        },
        5,
    ),
    "AirwaveLoopHeld": ({f"airwave_event_loop_lag_recent_seconds{{{HERE}}}": "0 0 1.5x20"}, 6),
    "AirwaveCpuBound": ({f"process_cpu_seconds_total{{{HERE}}}": "0+59x40"}, 30),
    "AirwaveNearlyFull": (
        {f"airwave_clients{{{HERE}}}": "10 10 95x20", f"airwave_clients_max{{{HERE}}}": "100x30"},
        10,
    ),
    "AirwaveRejects": (
        {f"airwave_connections_rejected_total{{{HERE}}}": "0 0 1x20", f"airwave_accept_pauses_total{{{HERE}}}": "0x30"},
        5,
    ),
    "AirwaveGroupBehind": (
        {f'airwave_stream_group_lag{{{HERE},db="0",stream="orders",group="billing"}}': "0 0 20000+500x60"},
        40,
    ),
    "AirwavePendingForLong": (
        {f'airwave_stream_group_oldest_pending_seconds{{{HERE},db="0",stream="orders",group="billing"}}': "0+60x40"},
        30,
    ),
}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_what_an_alert_looks_at_exists(rule: dict[str, Any]) -> None:
    expression = rule["expr"].replace('up{job="airwave"}', "airwave_info")  # Prometheus's own
    assert problems(expression) == []
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


def test_the_files_are_valid() -> None:
    promtool = need("promtool")
    assert f"{len(ALERTS)} rules found" in output_of(promtool, "check", "rules", RULES)
    assert "SUCCESS" in output_of(promtool, "check", "config", "--syntax-only", CONFIG)
    assert yaml.safe_load(CONFIG.read_text())["rule_files"] == [RULES.name]


def test_there_is_a_case_for_every_alert() -> None:
    assert set(GOES_OFF) == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("alert", GOES_OFF)
def test_an_alert_goes_off_when_it_should(alert: str, tmp_path: Path) -> None:
    series, minute = GOES_OFF[alert]
    rule = next(rule for rule in ALERTS if rule["alert"] == alert)
    # Without rows for the annotations promtool would compare them: the rules are tested without.
    bare = {"groups": [{"name": "one", "rules": [{**rule, "annotations": {}}]}]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(bare))
    fields = {"job": "airwave", "instance": "a:1"}
    if "stream" in next(iter(series)):
        fields |= {"db": "0", "stream": "orders", "group": "billing"}
    if alert == "AirwaveSlowSubscribersLose":
        fields |= {"buffer": "output"}
    expected = [{"exp_labels": {**fields, **rule["labels"]}, "exp_annotations": {}}]
    case = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [
                    {"eval_time": "1m", "alertname": alert, "exp_alerts": []},
                    {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected},
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(case))
    assert "SUCCESS" in output_of(need("promtool"), "test", "rules", tmp_path / "test.yml")


@pytest.mark.slow
def test_a_real_prometheus_scrapes_by_the_example(start: Start, tmp_path: Path) -> None:
    prometheus = need("prometheus")
    http_port, own_port = free_port(), free_port()
    node = start("--bind", HOST, "--http-port", str(http_port), "--requirepass", "secret", "--appendonly", "yes",
                 "--dir", str(tmp_path))  # fmt: skip
    with node.connect() as peer:
        peer.do("AUTH", "secret")
        peer.do("XADD", "orders", "*", "a", "b")
        peer.do("XGROUP", "CREATE", "orders", "billing", "0")
        peer.do("GET", "orders")
    (tmp_path / "password").write_text("secret")
    config = CONFIG.read_text().replace("/run/secrets/airwave_password", str(tmp_path / "password"))
    config = config.replace("airwave:8379", f"{HOST}:{http_port}").replace(" 15s", " 1s")
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / RULES.name).write_text(RULES.read_text())
    command = [prometheus, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb"]
    with running([*command, f"--web.listen-address={HOST}:{own_port}"], tmp_path, "ready to receive web requests"):

        def ask(query: str) -> list[Any]:
            url = f"http://{HOST}:{own_port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
            with urllib.request.urlopen(url) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
                return found

        wait_for(lambda: ask('up{job="airwave"} == 1'), "a scrape")
        (lag,) = ask("airwave_stream_group_lag")
        assert (lag["metric"]["stream"], lag["metric"]["group"], lag["value"][1]) == ("orders", "billing", "1")
        (down,) = ask('count(up{job="airwave"})')
        assert down["value"][1] == "1"
        assert ask("airwave_database_commits_total > 0")
        assert ask('airwave_command_duration_seconds_bucket{command="xadd",le="+Inf"} == 1')
        assert ask("scrape_samples_scraped > 100")
