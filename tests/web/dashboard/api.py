"""The JSON API of the dashboard, as its pages use it."""

import json
from typing import Any
from urllib.parse import urlencode

from ..site import Answer, Site


class Api:
    """The API of a server.

    Args:
        headers: sent with each request.
    """

    def __init__(self, site: Site, **headers: str) -> None:
        self.site = site
        self._headers = headers

    def ask(self, path: str, **words: Any) -> Answer:
        query = urlencode({name.rstrip("_"): value for name, value in words.items()})
        return self.site.get(f"/api/{path}?{query}", **self._headers)

    def get(self, path: str, **words: Any) -> Any:
        """What is answered; it must be good."""
        answer = self.ask(path, **words)
        assert answer.status == 200, answer.body
        return answer.json

    def send(self, path: str, body: Any, **headers: str) -> Answer:
        about = {"Content-Type": "application/json", **self._headers, **headers}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.site.ask("POST", f"/api/{path}", data, about)

    def post(self, path: str, **body: Any) -> Any:
        """What is answered; it must be good."""
        answer = self.send(path, body)
        assert answer.status == 200, answer.body
        return answer.json


def error(answer: Answer) -> str:
    """The text of an error."""
    assert answer.status >= 400
    return str(answer.json["error"])
