"""
Open API v5 over the same people, chats and messages as the App Store API: what is written here is read there.

A pair of keys is one channel. Every answer says in its headers what is left of the channel's rate limit. Answers are
in the plain dialect: times in epoch milliseconds, the words of enums.
"""

from __future__ import annotations

import hmac
import math
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from airflow_channel_provider.contract.open_api import BASE_PATH, find_operation
from airflow_channel_provider.emulator.answers import Answer
from airflow_channel_provider.emulator.dialect import write_result
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.open_api_operations import HANDLERS
from airflow_channel_provider.emulator.open_api_request import OpenApiRequest, RefusedError, missing
from airflow_channel_provider.emulator.quota import FixedWindow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.contract.open_api import Operation
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.request_record import RequestRecord
    from airflow_channel_provider.emulator.state import Channel, World


def access_key_of(channel_id: str) -> str:
    """The access key of a channel."""
    return f"open-key-{channel_id}"


def access_secret_of(channel_id: str) -> str:
    """The access secret of a channel."""
    return f"open-secret-{channel_id}"


class OpenApi:
    """
    Answers the requests below ``/open/v5``.

    :param world: what is read and written.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._windows: dict[str, FixedWindow] = {}

    def answer(
        self, record: RequestRecord, verb: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """
        Carry out one request.

        :param record: gets what the journal wants to know.
        :param path: decoded, below ``/open/v5``.
        :param query: as it was sent.
        """
        limits: dict[str, str] = {}
        try:
            channel = self._channel_of(headers)
            record.scope = f"channel:{channel.id}"
            limits = self._limited(channel, record.at)
            operation, variables = _operation(verb, path)
            parsed_query = parse_qs(query, keep_blank_values=True)
            if record.forgets_cursor:
                parsed_query.pop("since", None)
            if channel.generated is not None:
                channel.generated.live_on(self._world.settings.changes_per_request, record.at)
            request = OpenApiRequest(
                self._world, channel, operation, variables, parsed_query, _read(body), record.at
            )
            record.params = {**request.body, **{name: values[-1] for name, values in request.query.items()}}
            record.request_id = request.body.get("requestId")
            result = HANDLERS[verb, operation.path](request)
            record.acted, record.repeated = verb != "GET", request.repeated
            # A page that was put together from texts is one already.
            written = result if isinstance(result, bytes) else dump(write_result(result, "plain"))
            return Answer(200, written, limits)
        except RefusedError as refused:
            record.error = refused.message
            return _refusal(refused, limits)

    def refusal(self, fault: str, options: JSONObject, at: float) -> Answer | None:
        """
        Refuse a request that a fault hits, in the words of this service; None where the fault has no words of its own.

        :param fault: its name.
        :param options: of the fault.
        :param at: epoch seconds.
        """
        if fault == "unauthorized":
            return _refusal(RefusedError(401, "unauthorizedError", "unauthorized"), {})
        if fault != "rate_limit":
            return None
        reset_seconds, limit = options["reset_after_seconds"], self._world.settings.open_api_rate_limit
        if options["shape"] == "retry_after":
            headers = {"Retry-After": str(math.ceil(reset_seconds))}
        else:
            headers = _limit_headers(limit, 0, at + reset_seconds)
        return _refusal(_over_the_limit(headers), {})

    def _channel_of(self, headers: Mapping[str, str]) -> Channel:
        key, secret = headers.get("x-access-key", ""), headers.get("x-access-secret", "")
        for channel in self._world.channels.values():
            pair = (access_key_of(channel.id), access_secret_of(channel.id))
            if all(
                hmac.compare_digest(a.encode(), b.encode()) for a, b in zip((key, secret), pair, strict=True)
            ):
                return channel
        raise RefusedError(401, "unauthorizedError", "unauthorized")

    def _limited(self, channel: Channel, at: float) -> dict[str, str]:
        """Count the request; return the headers about the limit."""
        settings = self._world.settings
        window = self._windows.setdefault(channel.id, FixedWindow(0, 60))
        window.limit = settings.open_api_rate_limit
        window.window_seconds = settings.open_api_rate_limit_window_seconds
        allowed = window.hit(at)
        limits = _limit_headers(window.limit, window.remaining(at), window.ends_at(at))
        if not allowed:
            raise _over_the_limit(limits)
        return limits


def _limit_headers(limit: int, remaining: int, reset_at: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(math.ceil(reset_at)),
    }


def _over_the_limit(headers: Mapping[str, str]) -> RefusedError:
    return RefusedError(429, "rateLimitError", "rate limit exceeded", headers)


def _operation(verb: str, path: str) -> tuple[Operation, dict[str, str]]:
    found = find_operation(verb, path.removeprefix(BASE_PATH))
    if found is None or (verb, found[0].path) not in HANDLERS:
        raise missing("endpoint")
    return found


def _read(body: bytes) -> JSON:
    if not body.strip():
        return None
    try:
        return load(body)
    except ValueError:
        raise RefusedError(400, "badRequestError", "the body is no JSON") from None


def _refusal(refused: RefusedError, limits: dict[str, str]) -> Answer:
    body = {
        "type": refused.kind,
        "status": refused.status,
        "language": "en",
        "errors": [{"message": refused.message}],
    }
    return Answer(refused.status, dump(body), dict(refused.headers or limits))
