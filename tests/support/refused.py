"""Refusals of the service as a test writes them down, and the check that each lands in its class of error."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_channel_provider.api.envelope import read_native
from airflow_channel_provider.api.transport import Response
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelPermissionError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelTokenQuotaError,
)

NOW = 1_700_000_000.0
AUTH, PERMISSION, LIMITED = ChannelAuthenticationError, ChannelPermissionError, ChannelRateLimitError
QUOTA, OTHER = ChannelTokenQuotaError, ChannelRequestError


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, raw)


def common(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"type": "common", "message": message, **more}}


def plain(status: int, message: str = "no", kind: str = "Some Error", **more: Any) -> dict[str, Any]:
    return {"status": status, "type": kind, "language": "en", "errors": [{"message": message, **more}]}


def proxied(upstream: Any, tail: str = "") -> dict[str, Any]:
    text = upstream if isinstance(upstream, str) else json.dumps(upstream)
    return common(f"request failed, body: {text}{tail}")


@dataclass(frozen=True)
class Refused:
    """
    An answer, and the error that is to come of it.

    :param http_status: of the error; ``status`` is that of the answer.
    :param after: after how many seconds the error says to come again.
    :param says: what else it says.
    """

    id: str
    body: Any
    error: type[ChannelRequestError]
    http_status: int
    service_message: str
    status: int = 200
    code: int | str | None = None
    error_type: str | None = None
    method: str = "getChannel"
    channel_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float | None = None
    says: str = ""


def assert_lands_in_its_class(case: Refused) -> None:
    """Read the answer of a case, and hold the error against it."""
    response = answer(case.body, case.status, case.headers)
    with pytest.raises(ChannelRequestError) as caught:
        read_native(response, method=case.method, now=NOW, channel_id=case.channel_id)
    error = caught.value
    assert (type(error), error.method, error.http_status) == (case.error, case.method, case.http_status)
    assert (error.code, error.error_type) == (case.code, case.error_type)
    assert error.service_message == case.service_message
    assert str(error).startswith(f"{case.method} was refused (HTTP {case.http_status}")
    assert case.says in str(error)
    if isinstance(error, ChannelRateLimitError):
        at = None if case.after is None else datetime.fromtimestamp(NOW + case.after, tz=timezone.utc)
        assert (error.retry_after_seconds, error.retry_at) == (case.after, at)
    else:
        assert case.after is None
