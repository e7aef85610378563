"""The fan-out that Airwave is compared with: a message is encoded once, and gets to all."""

import asyncio
import json

from airwave.bench.starlette_app import Hub, make_app


def test_a_message_gets_to_all_clients_of_events() -> None:
    async def scene() -> list[bytes]:
        hub = Hub()
        assert hub.publish("nobody hears this") == 0
        clients = [hub.events() for _ in range(3)]
        waiting = [asyncio.create_task(anext(client)) for client in clients]
        await asyncio.sleep(0)
        assert hub.publish("hi") == 3
        got = [await task for task in waiting]
        for client in clients:
            await client.aclose()
        assert hub.publish("all have gone") == 0
        return got

    got = asyncio.run(scene())
    assert got[0] is got[1] is got[2]
    assert got[0].startswith(b"data: ")
    assert got[0].endswith(b"\n\n")
    assert json.loads(got[0][6:]) == {"channel": "news:today", "data": "hi"}


def test_it_has_the_routes_that_the_load_uses() -> None:
    assert [route.path for route in make_app().routes] == ["/events", "/publish", "/ws"]
