"""
Benlly's token endpoint (OAuth 2.0, RFC 6749): a user's credentials, or a refresh token, for a pair of tokens.

One call is one request, never repeated. Errors come as the framework behind writes them, ``error`` with a
``message`` or an ``error_description``; a refusal says which field of the connection to look at. No credential, and
nothing of an answer that holds tokens, ever appears in a message.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

from airflow_channel_provider.api.benlly import encoded, is_refusal
from airflow_channel_provider.api.classify import ErrorKind, classify_status, to_error
from airflow_channel_provider.api.error_body import from_body
from airflow_channel_provider.api.json_body import JSON, refusal_json, to_json
from airflow_channel_provider.api.refusals import raise_no_envelope, raise_redirect
from airflow_channel_provider.api.token_answer import (
    TOKEN_TIMEOUT_SECONDS,
    TokenAnswer,
    is_header_safe,
    seconds_of,
)
from airflow_channel_provider.api.transport import Response, Transport
from airflow_channel_provider.exceptions import ChannelResponseError

_PATH = "/api/oauth/token"
_CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
_USER_ERRORS = ("invalid_grant", "invalid_credentials", "access_denied")
_LOGIN, _REFRESH = "login", "refresh_token"
_CLIENT_REMEDY = "Check the fields extra client_id and extra client_secret of the connection."
_LOGIN_REMEDY = "Check the fields extra username and extra user_password of the connection."


class BenllyOAuthClient:
    """
    Asks for tokens in the name of one client. Holds none, may be shared by threads.

    :param transport: to the service.
    :param client_id: of the client that the developer registered.
    :param client_secret: of the same client.
    :param body_encoding: ``form`` or ``json``.
    :param now: epoch seconds; only measures resets of rate limits.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        client_id: str,
        client_secret: str,
        body_encoding: str = "form",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._encoding = body_encoding
        self._now = now

    def log_in(self, username: str, password: str) -> TokenAnswer:
        """
        Exchange a user's name and password for a pair.

        :raises ChannelAuthenticationError: the client or the user was refused.
        :raises ChannelResponseError: no valid token in the answer.
        :raises ChannelRequestError: refused for another reason.
        :raises ChannelError: what :meth:`Transport.send` raises.
        """
        params = {"grant_type": "password", "username": username, "password": password}
        return self._ask(_LOGIN, params, secret=password, remedy=_LOGIN_REMEDY)

    def refresh(self, refresh_token: str, *, remedy: str = "") -> TokenAnswer:
        """
        Exchange a refresh token for the next pair. An answer without a new one leaves the old one good (RFC 6749, 6).

        :param refresh_token: to be considered used up by this.
        :param remedy: a sentence on what to do where it is refused.
        :raises ChannelError: as :meth:`log_in`.
        """
        params = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        answer = self._ask(_REFRESH, params, secret=refresh_token, remedy=remedy)
        if answer.refresh_token:
            return answer
        return TokenAnswer(answer.access_token, refresh_token, answer.expires_in_seconds)

    def _ask(self, operation: str, params: dict[str, str], *, secret: str, remedy: str) -> TokenAnswer:
        headers, body = encoded({**params, **self._client}, self._encoding)
        response = self._transport.send(
            "POST",
            _PATH,
            body=body,
            headers=headers,
            operation=operation,
            total_timeout_seconds=TOKEN_TIMEOUT_SECONDS,
        )
        if not 200 <= response.status < 300:
            self._refuse(response, operation, (secret, self._client["client_secret"]), remedy)
        try:
            answer = to_json(response.body)
        except ValueError:
            answer = None
        return _token_answer(answer, operation, response.status)

    def _refuse(self, response: Response, operation: str, secrets: tuple[str, ...], remedy: str) -> NoReturn:
        body = refusal_json(response.body)
        raise_redirect(response, method=operation, secrets=secrets)
        if not is_refusal(response, body, may_be_silent=False):
            raise_no_envelope(response, method=operation, secrets=secrets, quotable=False)
        error = body.get("error") if isinstance(body, dict) else None
        kind = _kind(response.status, error, operation)
        raise to_error(
            from_body(body, status=response.status),
            kind,
            method=operation,
            headers=response.headers,
            secrets=secrets,
            now=self._now(),
            remedy=_remedy(kind, error, remedy),
        )


def _kind(status: int, error: JSON, operation: str) -> ErrorKind:
    kind = classify_status(status)
    if kind is not ErrorKind.OTHER or status >= 500:
        return kind
    # The request is complete, so that what is called invalid in it can only be the refresh token.
    stale = operation == _REFRESH and error == "invalid_request"
    return ErrorKind.AUTHENTICATION if stale or error in (*_CLIENT_ERRORS, *_USER_ERRORS) else kind


def _remedy(kind: ErrorKind, error: JSON, remedy: str) -> str:
    if kind is not ErrorKind.AUTHENTICATION:
        return ""
    return _CLIENT_REMEDY if error in _CLIENT_ERRORS else remedy


def _token_answer(answer: JSON, operation: str, status: int) -> TokenAnswer:
    def refuse(why: str) -> NoReturn:
        raise ChannelResponseError(
            f"{operation}: the service's answer holds no valid token: {why}.",
            method=operation,
            http_status=status,
        )

    if not isinstance(answer, dict):
        refuse("it is not a JSON object")
    access_token, refresh_token = answer.get("access_token"), answer.get("refresh_token") or ""
    if not is_header_safe(access_token):
        refuse("access_token is missing, empty or not valid in an HTTP header")
    if refresh_token and not is_header_safe(refresh_token):
        refuse("refresh_token is not valid in an HTTP header")
    seconds = seconds_of(answer.get("expires_in"))
    if seconds is None:
        refuse("expires_in is missing or not a number of seconds above 0")
    return TokenAnswer(access_token, refresh_token, seconds)
