"""A transport behind which there is nothing: it records requests and gives each the same answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_channel_provider.api.transport import Response, Transport


class FakeTransport(Transport):
    """
    Records requests.

    :param body: of the answer: bytes, or a value that is written as JSON.
    """

    def __init__(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("https://service.example")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = Response(status, headers or {}, content)
        self.sent: list[dict[str, Any]] = []

    def send(self, http_method: str, path: str, **kwargs: Any) -> Response:
        self.sent.append({"http_method": http_method, "path": path, **kwargs})
        return self.answer
