"""User code as mypy --strict sees it: lines that are wrong say so; it is checked, never run."""

import dataclasses

import airwave
from airwave.bus import Failure, Gap, Message, RequestError, exponential

bus = airwave.Bus("memory://", grace=5.0, socket_timeout=3.0)


@dataclasses.dataclass
class Order:
    id: int


@bus.on("orders:{user_id}", concurrency=4, queue=10, when_full="drop-oldest")
async def ordered(order: Order, user_id: int, message: Message) -> None:
    print(order.id, user_id, message.channel.upper())


@bus.worker("orders", group="billing", retries=5, backoff=exponential(1.0, 60.0), timeout=30.0, concurrency=8)
async def bill(order: Order) -> None:
    print(order.id)


@bus.reply("double")
def double(number: int) -> int:
    return number * 2


@bus.on_gap
async def gap(gap: Gap) -> None:
    print(gap.channels[0].upper(), gap.since.year, gap.dropped)


@bus.on_error
def failed(failure: Failure) -> None:
    print(failure.handler.upper(), failure.message.data.hex())


@bus.on("news", when_full="explode")  # error: arg-type
async def news(text: str) -> None:
    print(text)


@bus.on_error  # error: type-var
def wrong(failure: int) -> None:
    print(failure)


async def main() -> None:
    async with bus:
        receivers: int = await bus.publish("orders:1", Order(1))
        entry: str = await bus.send("orders", Order(1), key="once", delay=30.0)
        try:
            answer: int = await bus.request("double", 21, timeout=1.0, result=int)
            order: str = await bus.request("double", 21, result=Order)  # error: arg-type
        except RequestError as error:
            print(error, receivers, entry, answer, order)
        await ordered(Order(1), "1", Message("c", b"", "t"))  # error: arg-type
        print(bus.stats.events.handled + bus.stats.workers.handled)
