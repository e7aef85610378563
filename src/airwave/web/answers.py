"""Answers of the HTTP API: JSON, and errors that say what to do."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

BODY_S = 30
NO_STORE = {"Cache-Control": "no-store"}


def json_answer(data: Any, status: int = 200) -> web.Response:
    """An answer that no cache keeps."""
    return web.Response(
        body=msgspec.json.encode(data) + b"\n", status=status, content_type="application/json", headers=NO_STORE
    )


def problem(kind: type[web.HTTPException], error: str, **headers: str) -> web.HTTPException:
    """An error to be raised, with the body `{"error": "..."}`."""
    return kind(
        text=msgspec.json.encode({"error": whole(error)}).decode() + "\n",
        content_type="application/json",
        headers={**NO_STORE, **headers},
    )


def whole(text: str) -> str:
    """A text without halves of characters, which what a client sends may have, and JSON may not."""
    return text.encode("utf-8", "backslashreplace").decode()


async def body_of(request: web.Request, size_max: int) -> bytes:
    """The body of a request.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than `size_max`.
        HTTPRequestTimeout: it does not come.
    """
    if (request.content_length or 0) > size_max:
        raise too_large(size_max)
    parts = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_any():
                size += len(part)
                if size > size_max:
                    raise too_large(size_max)
                parts.append(part)
    except TimeoutError:
        raise problem(web.HTTPRequestTimeout, f"the body did not come within {BODY_S} seconds") from None
    return b"".join(parts)


def too_large(size_max: int) -> web.HTTPException:
    """The error for a body that is too long."""
    error = web.HTTPRequestEntityTooLarge(size_max, size_max)
    error.content_type = "application/json"
    error.text = msgspec.json.encode({"error": f"longer than {size_max} bytes: see http-max-message-size"}).decode()
    return error
