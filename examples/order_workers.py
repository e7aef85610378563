"""Orders for workers: retried when they fail, kept as dead letters when nothing helps, and tried again.

    python examples/order_workers.py

The engine is in the process. With AIRWAVE_URL=redis://127.0.0.1:6379 the orders go through a server, and workers can
run anywhere, with as many processes as you like:

    airwave worker order_workers:bus --app-dir examples --processes 2
    airwave dead orders list
"""

import asyncio
import os
from dataclasses import dataclass

import airwave
from airwave.bus import Entry, exponential
from airwave.bus.dead import list_dead, retry_dead

bus = airwave.Bus(os.environ.get("AIRWAVE_URL", "memory://"))
done: asyncio.Queue[str] = asyncio.Queue()
bank_is_open = asyncio.Event()


@dataclass
class Order:
    number: int
    cents: int


@bus.worker("orders", group="billing", retries=2, backoff=exponential(0.05, 1.0), timeout=10.0, concurrency=4)
async def bill(order: Order, entry: Entry) -> None:
    if order.cents <= 0:
        raise ValueError(f"order {order.number} costs {order.cents}")
    if order.number == 3 and entry.attempts == 1:
        raise ConnectionError("the bank does not answer")  # it will, next time
    if order.cents > 100_000 and not bank_is_open.is_set():
        raise PermissionError("large sums are booked while the bank is open")
    await done.put(f"order {order.number} is billed, attempt {entry.attempts}")


async def dead_letters(count: int) -> list[str]:
    """Wait until so many orders were given up, and tell why."""
    while len(letters := await list_dead(bus.redis, "orders")) < count:
        await asyncio.sleep(0.02)
    return sorted(f"given up after {each.attempts} attempts: {each.error}" for each in letters)


async def main() -> None:
    async with bus:
        for order in Order(1, 995), Order(2, 0), Order(3, 4_200), Order(4, 250_000):
            await bus.send("orders", order, key=f"order-{order.number}")
        await bus.send("orders", Order(1, 995), key="order-1")  # sent twice: it is billed once
        await bus.send("orders", Order(5, 100), delay=0.2)
        print(*sorted([await done.get() for _ in range(3)]), sep="\n")
        print(*await dead_letters(2), sep="\n")

        bank_is_open.set()
        print(await retry_dead(bus.redis, "orders"), "orders are tried again")
        print(await done.get())
        print(*await dead_letters(1), sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
