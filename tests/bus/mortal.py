"""A worker in a process of its own, to be killed: `python mortal.py URL STREAM hang|die|work`.

It prints a line for each call of its handler.
"""

import asyncio
import os
import signal
import sys

import airwave.asyncio
from airwave.bus.backoff import constant
from airwave.bus.options import Options
from airwave.bus.worker import Worker


async def main(url: str, stream: str, what: str) -> None:
    async def handle(data: bytes, entry: object) -> None:
        print(data.decode(), entry.attempts, flush=True)  # type: ignore[attr-defined]
        if what == "hang":
            await asyncio.Event().wait()
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)

    client = airwave.asyncio.connect(url)
    options = Options(retries=50 if what == "work" else 1, backoff=constant(0), claim_after=0.05, concurrency=3)
    worker = Worker(client, stream=stream, group="g", handler=handle, options=options)
    await worker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
