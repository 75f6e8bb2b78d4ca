"""Reads what a stranger may send, within a limit."""

from __future__ import annotations

from fastapi import HTTPException, Request


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
