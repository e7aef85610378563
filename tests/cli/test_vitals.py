"""The numbers of a server, and how fast they grow."""

from dataclasses import replace

import pytest

from airwave.cli.client import connect_raw
from airwave.cli.vitals import Rates, fields, rates, read, vitals


@pytest.fixture
def airwave_server(make_server):
    return make_server(kind="airwave")


def look(found, at_s=0.0):
    return vitals(found, None, at_s)


def test_airwave_tells_everything(airwave_server):
    airwave_server.client.publish("nobody", "hi")
    airwave_server.client.set("key", "value")
    now = read(connect_raw(airwave_server.url))
    assert now.server.startswith("airwave ")
    assert (now.published, now.delivered, now.keys, now.clients, now.slow_commands) == (1, 0, 1, 2, 0)
    assert (now.subscribers, now.slow, now.cut_off, now.dropped) == (0, 0, 0, 0)
    assert None not in vars(now).values()
    assert now.writes_ok


def test_redis_tells_most(server):
    server.client.publish("nobody", "hi")
    server.client.set("key", "value")
    now = read(connect_raw(server.url))
    assert now.server.startswith("redis ")
    assert (now.published, now.keys, now.delivered, now.slow, now.loop_lag_ms) == (1, 1, None, None, None)


def test_what_is_not_told_is_none_and_nothing_fails():
    now = look({})
    assert (now.published, now.commands, now.cpu_s, now.keys, now.server) == (None, None, None, 0, "redis")
    assert look({"connected_clients": "many", "used_cpu_user": "x", "used_cpu_sys": "1"}).clients is None
    assert look({"redis_version": "7.4.0", "server_name": "valkey", "valkey_version": "8.1"}).server == "valkey 8.1"


def test_publications_are_calls_where_they_are_not_counted():
    found = {"cmdstat_publish": "calls=3,usec=9", "cmdstat_spublish": "calls=2,usec=1"}
    assert look(found).published == 5
    assert look(found | {"pubsub_published": "7"}).published == 7
    assert look({"cmdstat_get": "calls=1"}).published == 0


def test_keys_of_all_databases_are_added_up():
    assert look({"db0": "keys=3,expires=0", "db12": "keys=4", "dbx": "keys=9", "database_size": "1"}).keys == 7


@pytest.mark.parametrize(
    ("found", "ok"),
    [
        ({}, True),
        ({"aof_last_write_status": "err"}, False),
        ({"rdb_last_bgsave_status": "err"}, False),
        ({"aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok"}, True),
    ],
)
def test_whether_the_disk_works(found, ok):
    assert look(found).writes_ok is ok


def test_fields_are_lines_with_a_colon():
    assert fields(b"# Server\r\nname:a:b\r\n\r\nodd\r\n") == {"name": "a:b"}


def test_rates_are_per_second():
    before = look({"total_commands_processed": "10", "used_cpu_user": "1", "used_cpu_sys": "0"}, 1.0)
    now = look({"total_commands_processed": "30", "used_cpu_user": "1.5", "used_cpu_sys": "0.5"}, 3.0)
    found = rates(before, now)
    assert (found.commands, found.cpu, found.published) == (10, 0.5, None)


def test_there_is_no_rate_without_two_looks_or_when_a_counter_began_anew():
    now = look({"total_commands_processed": "5"}, 2.0)
    assert rates(None, now) == Rates()
    assert rates(now, now) == Rates()
    assert rates(replace(now, commands=9, at_s=1.0), now).commands is None
