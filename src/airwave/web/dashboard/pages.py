"""The files of the pages. They are the same for everybody, and hold nothing that has to be kept from anybody."""

from aiohttp import web

from airwave.web.dashboard.gate import not_found, open_to_all
from airwave.web.files import STATIC, File

FOLDER = STATIC / "dashboard"
_SUFFIXES = (".html", ".js", ".css", ".svg")

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # Text is never taken for HTML: assigning to innerHTML is an error, whatever a script may do.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)


def routes(app: web.Application) -> None:
    """Add them to an application. They are read when they are asked for first."""
    paths = {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.suffix in _SUFFIXES}
    read: dict[str, File] = {}

    async def answer(request: web.Request) -> web.Response:
        open_to_all(request)
        name = request.match_info.get("name", "index.html")
        if name not in paths:
            raise not_found(f"there is nothing at {request.path}")
        if name not in read:
            read[name] = File(paths[name], {"Content-Security-Policy": POLICY})
        return await read[name].serve(request)

    app.router.add_get("/", answer)
    app.router.add_get("/dashboard/{name:.+}", answer)
