"""Reads what a stranger may send, within a limit, and writes answers that hold what strangers have named."""

from __future__ import annotations

import json
from typing import Any

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse


class Json(JSONResponse):
    """Names come from services and stores: half of a surrogate pair in one is escaped, since UTF-8 can't hold it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


async def read_body(request: Request, most_bytes: int, too_large: str) -> bytes:
    """
    Read the body of a request, and no more of it than it may have.

    :param too_large: what is said of a larger one.
    :raises HTTPException: it is larger (413).
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise HTTPException(413, too_large)
    return bytes(body)
