"""Reads the results of Channel Talk's token functions: a valid pair of tokens, or an error."""

from __future__ import annotations

import re
from typing import NoReturn

from airflow_channel_provider.api.json_body import JSON
from airflow_channel_provider.api.token_answer import TokenAnswer, is_header_safe, seconds_of
from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelResponseError


def issued(result: JSON) -> TokenAnswer:
    """
    Read the result of ``issueToken``.

    :raises ChannelResponseError: it holds no valid token.
    """
    return _token_answer(result, "issueToken")


def refreshed(result: JSON) -> TokenAnswer:
    """
    Read the result of ``refreshToken``.

    :raises ChannelAuthenticationError: the refresh token was refused by a "success" of empty strings.
    :raises ChannelResponseError: it holds no valid token.
    """
    if _is_empty_answer(result):
        raise ChannelAuthenticationError(
            "refreshToken was answered with empty tokens: the refresh token was refused. A new token must be issued.",
            method="refreshToken",
            http_status=200,
        )
    return _token_answer(result, "refreshToken")


def _is_empty_answer(result: JSON) -> bool:
    return (
        isinstance(result, dict) and not _field(result, "accessToken") and not _field(result, "refreshToken")
    )


def _token_answer(result: JSON, method: str) -> TokenAnswer:
    if not isinstance(result, dict):
        _refuse(method, "it has no result")
    access_token, refresh_token = _field(result, "accessToken") or "", _field(result, "refreshToken")
    if not is_header_safe(refresh_token):
        _refuse(method, "refreshToken is missing, empty or not valid in an HTTP header")
    if access_token and not is_header_safe(access_token):
        _refuse(method, "accessToken is not valid in an HTTP header")
    seconds = seconds_of(_field(result, "expiresIn"))
    if seconds is None:
        _refuse(method, "expiresIn is missing or not a number of seconds above 0")
    return TokenAnswer(access_token, refresh_token, seconds)


def _field(result: dict[str, JSON], name: str) -> JSON:
    """An older server spelled the fields in snake case."""
    value = result.get(name)
    return value if value is not None else result.get(re.sub("[A-Z]", lambda big: f"_{big[0].lower()}", name))


def _refuse(method: str, why: str) -> NoReturn:
    raise ChannelResponseError(
        f"{method}: the service's answer holds no valid token: {why}.", method=method, http_status=200
    )
