"""Files that are served as they are: read once, known by a hash of what is in them."""

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class File:
    """A file.

    Args:
        path: where it is; it is read now.
        headers: what goes with it.
    """

    def __init__(self, path: Path, headers: Mapping[str, str] | None = None) -> None:
        self._body = path.read_bytes()
        self._type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self._tag = hashlib.sha256(self._body).hexdigest()[:32]
        self._headers = {"Cache-Control": "no-cache", **(headers or {})}

    async def serve(self, request: web.Request) -> web.Response:
        """The file; or, to somebody who has it already, that it is the same."""
        tags = request.if_none_match or ()
        same = any(each.value in (self._tag, "*") for each in tags)
        if same:
            response = web.Response(status=304, headers=self._headers)
        else:
            response = web.Response(body=self._body, content_type=self._type, charset="utf-8", headers=self._headers)
        response.etag = self._tag
        return response


def routes(app: web.Application) -> None:
    """Add the JavaScript client to an application."""
    app.router.add_get("/airwave.js", File(STATIC / "airwave.js").serve)
