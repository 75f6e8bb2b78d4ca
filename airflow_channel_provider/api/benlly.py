"""
Benlly: authorize a channel that does not use OAuth, and take that back; and try a token. A call is one request.

The vendor publishes neither host, body encoding nor error shapes; so the host is the connection's, the
encoding can be chosen, and an error is read by its status first and by whatever it says second, as long as it
is JSON or says nothing: HTML and other texts are a gateway's. Neither the user's token, nor the channel's, nor
the ``device_token`` of the answer ever appears in a message.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import urlencode

from airflow_channel_provider.api.classify import ErrorKind, classify_status, to_error
from airflow_channel_provider.api.error_body import from_body, is_error_body
from airflow_channel_provider.api.json_body import JSON, refusal_json, to_body, to_json
from airflow_channel_provider.api.refusals import raise_no_envelope, raise_redirect
from airflow_channel_provider.api.token_answer import is_header_safe
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.connection_form import BODY_ENCODINGS, DEVICES
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelRequestError,
)

_CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
_TRIED_CHANNEL = 1
_TOKEN_ERRORS = ("invalid_token", "token_expired")
_REMEDIES = {
    ErrorKind.AUTHENTICATION: "Check the user's access token (the password of the connection, where it has one).",
    ErrorKind.PERMISSION: "The user of the access token may not use this channel.",
}


class BenllyClient:
    """
    Acts on channels from one device. Opens nothing before the first call, and holds no token.

    :param transport: to the service.
    :param device: one of :data:`DEVICES`.
    :param udid: identifier of the device; must stay the same for the same device.
    :param body_encoding: ``form`` or ``json``.
    :param now: epoch seconds; only measures resets of rate limits.
    :raises ChannelConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        device: str,
        udid: str,
        body_encoding: str = "form",
        now: Callable[[], float] = time.time,
    ) -> None:
        if device not in DEVICES:
            raise ChannelConfigurationError(
                f"The device of the connection must be one of {', '.join(DEVICES)}."
            )
        if not is_header_safe(udid):
            raise ChannelConfigurationError(
                "The udid of the connection is empty or holds spaces or special characters; a UUID will do."
            )
        if body_encoding not in BODY_ENCODINGS:
            raise ChannelConfigurationError(
                f"The body_encoding of the connection must be one of {', '.join(BODY_ENCODINGS)}."
            )
        self._transport = transport
        self._encoding = body_encoding
        self._now = now
        self._headers = {"X-Benlly-Request-Device": device, "X-Benlly-Udid": udid}

    def authorize_channel(
        self, channel_id: int | str, *, access_token: str, token: str | None = None
    ) -> dict[str, JSON]:
        """
        Permit interaction with a channel, once.

        :param channel_id: whole number above 0; digits as text are accepted.
        :param access_token: of the user.
        :param token: of the notification service; only for channels with the auth_type
            ``push_notification``.
        :return: the ``data`` object: udid, expired_at, expired, created_at, updated_at, and for
            ``push_notification`` device_token, which is a secret.
        :raises ChannelConfigurationError: an argument is wrong; nothing was sent.
        :raises ChannelRequestError: refused; by its status one of the subclasses.
        :raises ChannelResponseError: success without ``data``, or no answer of this service.
        :raises ChannelError: what :meth:`Transport.send` raises.
        """
        number = checked_id(channel_id)
        operation = f"authorize channel {number}"
        if token is not None and (not isinstance(token, str) or not token.strip()):
            raise ChannelConfigurationError(
                f"{operation}: the token is empty; leave it out for channels that are not push_notification.",
                method=operation,
            )
        headers, body = self._headers_for(access_token), None
        if token is not None:
            content_type, body = encoded({"token": token}, self._encoding)
            headers |= content_type
        response = self._transport.send(
            "POST",
            f"/api/v0.9/channel/{number}/authorize",
            body=body,
            headers=headers,
            operation=operation,
        )
        if (data := _data(response)) is None:
            self._refuse(response, operation, (access_token, *([token] if token else [])))
        return data

    def deauthorize_channel(self, channel_id: int | str, *, access_token: str) -> dict[str, JSON]:
        """
        Take the permission back, once.

        What this is answered with is published nowhere, so any JSON object that is no error is a success, and so is an
        empty body.

        :param channel_id: whole number above 0; digits as text are accepted.
        :param access_token: of the user.
        :return: the ``data`` object, empty where the answer has none.
        :raises ChannelError: as :meth:`authorize_channel`.
        """
        number = checked_id(channel_id)
        operation = f"deauthorize channel {number}"
        response = self._transport.send(
            "DELETE",
            f"/api/v0.9/channels/{number}/deauthorize",
            body=None,
            headers=self._headers_for(access_token),
            operation=operation,
        )
        data = _data(response)
        if data is None and not _is_silent_success(response):
            self._refuse(response, operation, (access_token,))
        return data or {}

    def accepts_token(self, access_token: str) -> tuple[bool, int]:
        """
        Try the access token on a read that changes nothing: the triggers of a channel.

        The vendor documents that read, and not how it refuses; so only success counts as accepted, and only what
        speaks of the token as refused. Anything in between, such as an unknown channel, says nothing about the token.

        :param access_token: of the user.
        :return: whether it was accepted, and the HTTP status.
        :raises ChannelAuthenticationError: the access token was refused.
        :raises ChannelError: no answer, or none of this service.
        """
        operation, secrets = "A read of a channel's triggers", (access_token,)
        path = f"/api/v0.9/channel/{_TRIED_CHANNEL}/triggers"
        response = self._transport.send(
            "GET", path, body=None, headers=self._headers_for(access_token), operation=operation
        )
        raise_redirect(response, method=operation, secrets=secrets)
        if 400 <= response.status < 500:
            body = refusal_json(response.body)
            if classify_status(response.status) is not ErrorKind.OTHER and not is_refusal(response, body):
                raise_no_envelope(response, method=operation, secrets=secrets)
            refusal = self._refusal(response, body, "The access token", secrets)
            if isinstance(refusal, ChannelAuthenticationError):
                raise refusal
            return False, response.status
        if response.status >= 500 or not isinstance(_json(response), (dict, list)):
            raise_no_envelope(response, method=operation, secrets=secrets)
        return True, response.status

    def _headers_for(self, access_token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {checked_token(access_token)}", **self._headers}

    def _refuse(self, response: Response, operation: str, secrets: tuple[str, ...]) -> NoReturn:
        body = refusal_json(response.body)
        raise_redirect(response, method=operation, secrets=secrets)
        if not is_refusal(response, body):
            raise_no_envelope(response, method=operation, secrets=secrets)
        raise self._refusal(response, body, operation, secrets)

    def _refusal(
        self, response: Response, body: JSON, operation: str, secrets: tuple[str, ...]
    ) -> ChannelRequestError:
        kind = classify_status(response.status)
        if kind is ErrorKind.OTHER and isinstance(body, dict) and body.get("error") in _TOKEN_ERRORS:
            kind = ErrorKind.AUTHENTICATION
        return to_error(
            from_body(body, status=response.status),
            kind,
            method=operation,
            headers=response.headers,
            secrets=secrets,
            now=self._now(),
            remedy=_REMEDIES.get(kind, ""),
        )


def encoded(params: Mapping[str, str], encoding: str) -> tuple[dict[str, str], bytes]:
    """
    Write parameters as a body.

    :param encoding: one of :data:`BODY_ENCODINGS`.
    :return: the header that names the encoding, and the body.
    :raises ChannelConfigurationError: a value is no text that can be written so.
    """
    try:
        body = urlencode(params).encode("ascii") if encoding == "form" else to_body(params)
    except UnicodeEncodeError:
        raise ChannelConfigurationError(
            f"One of {', '.join(params)} holds half of a surrogate pair, which is not a character; enter it again."
        ) from None
    return {"Content-Type": _CONTENT_TYPES[encoding]}, body


def is_refusal(response: Response, body: JSON, *, may_be_silent: bool = True) -> bool:
    """
    Return whether an answer that is no success is a refusal of the service, and not of what stands between.

    :param body: its JSON, where it starts with some.
    :param may_be_silent: whether the status alone may be a refusal.
    """
    if response.status < 400 or response.status >= 500:
        return response.status >= 500 and is_error_body(body)
    silent = may_be_silent and not response.body.strip()
    return silent or isinstance(body, dict) or classify_status(response.status) is ErrorKind.RATE_LIMIT


def _json(response: Response) -> JSON:
    try:
        return to_json(response.body)
    except ValueError:
        return None


def _data(response: Response) -> dict[str, JSON] | None:
    body = _json(response)
    data = body.get("data") if isinstance(body, dict) else None
    return data if 200 <= response.status < 300 and isinstance(data, dict) else None


def _is_silent_success(response: Response) -> bool:
    body = _json(response)
    silent = not response.body.strip() or (isinstance(body, dict) and not body.get("error"))
    return 200 <= response.status < 300 and silent


def checked_token(access_token: object) -> str:
    """
    Return the user's access token.

    :raises ChannelConfigurationError: no header can carry it.
    """
    if not is_header_safe(access_token):
        raise ChannelConfigurationError(
            "The user's access token (the password of the connection) is empty or holds spaces or special characters."
        )
    return access_token


def checked_id(channel_id: object) -> int:
    """
    Return the id of a channel as a number.

    :param channel_id: whole number above 0; digits as text are accepted.
    :raises ChannelConfigurationError: it is none.
    """
    if isinstance(channel_id, str) and re.fullmatch(r"\d{1,19}", channel_id.strip(), re.ASCII):
        channel_id = int(channel_id)
    if isinstance(channel_id, bool) or not isinstance(channel_id, int) or not 0 < channel_id < 10**19:
        raise ChannelConfigurationError("The channel_id of Benlly must be a whole number above 0.")
    return channel_id
