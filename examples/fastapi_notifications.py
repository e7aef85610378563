"""Notifications for the users of a FastAPI application, live in their browsers.

    python examples/fastapi_notifications.py
    curl -N http://127.0.0.1:8000/users/42/notifications
    curl http://127.0.0.1:8000/users/42/notifications --json '{"text": "Your order has left"}'

The engine is in the process. For several processes or machines, name a server: AIRWAVE_URL=redis://127.0.0.1:6379
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import airwave

URL = os.environ.get("AIRWAVE_URL", "memory://")
client = airwave.asyncio.connect(URL, decode_responses=True, socket_timeout=None)


class Notification(BaseModel):
    text: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await client.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/users/{user_id}/notifications")
async def notify(user_id: int, notification: Notification) -> dict[str, int]:
    """Tell a user; the answer says how many of their pages got it."""
    return {"receivers": await client.publish(f"notifications:user:{user_id}", notification.model_dump_json())}


@app.get("/users/{user_id}/notifications")
async def notifications(user_id: int) -> StreamingResponse:
    """A user's notifications as Server-Sent Events."""
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(f"notifications:user:{user_id}")

    async def events() -> AsyncIterator[str]:
        try:
            yield ": you are subscribed\n\n"
            async for message in pubsub.listen():
                yield f"data: {message['data']}\n\n"
        finally:
            await pubsub.aclose()

    return StreamingResponse(events(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
