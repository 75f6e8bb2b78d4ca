"""
Reads an answer that is no success at first sight: a refusal, no answer of this service at all, or a success after all.

What is no answer of the service, such as the HTML page of a gateway, says nothing about a secret, a token or a
permission, whatever its status. Pure: returns a result or raises an error of the tree.
"""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlsplit

from airflow_channel_provider.api.classify import (
    ErrorKind,
    classify,
    classify_app_function,
    to_error,
    with_unclear_status,
)
from airflow_channel_provider.api.error_body import (
    Refusal,
    from_body,
    from_error,
    is_error,
    is_error_body,
    is_service_error,
    named_status,
    texts_of,
    unwrap_quoted,
)
from airflow_channel_provider.api.json_body import JSON, refusal_json
from airflow_channel_provider.api.redaction import quote
from airflow_channel_provider.api.transport import Response
from airflow_channel_provider.contract.functions import is_token_request
from airflow_channel_provider.exceptions import ChannelResponseError

_QUOTABLE_BYTES = 2**19
"""So much of a body that is no JSON is looked at: more characters than quoting looks at, whatever their size, so that
the cut here can't lay half a secret bare there."""

_CLEAR_BY_STATUS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BETWEEN = (
    "The service does not answer in this form, so a proxy, a gateway, a firewall or a login page may have answered "
    "instead. Check these, and host, port and schema of the connection."
)


def read_refusal(
    response: Response,
    body: dict[str, JSON] | None,
    *,
    method: str,
    secrets: Collection[str],
    now: float,
    channel_id: str | None,
    app_function: bool,
) -> JSON:
    """
    Raise what an answer says, or take the result out of it if it says nothing; see :func:`.envelope.read_native`.

    :param body: what its body is, if its status is one of success; None: no JSON object.
    """
    status = response.status
    token_request = not app_function and is_token_request(method)
    if 200 <= status < 300:
        if body is None:
            raise_no_envelope(response, method=method, secrets=secrets, quotable=not token_request)
        refusal = _refusal(body, status, app_function=app_function)
        if refusal is None:
            return body.get("result") if "result" in body or "error" in body else body
    else:
        raise_redirect(response, method=method, secrets=secrets)
        refusal = _refusal_by_status(response, method, secrets, quotable=not token_request)
    if app_function:
        kind = classify_app_function(refusal)
    else:
        refusal = unwrap_quoted(refusal)
        kind = classify(refusal, token_request=token_request, channel_id=channel_id)
        refusal = with_unclear_status(refusal, kind)
    raise to_error(
        refusal,
        kind,
        method=method,
        headers=response.headers,
        secrets=secrets,
        now=now,
        remedy=_remedy(kind, method if token_request else "", channel_id),
    )


def _refusal(body: dict[str, JSON], status: int, *, app_function: bool) -> Refusal | None:
    """None for success."""
    error = body.get("error")
    if error and is_error(error):
        return from_error(error, status=status, body=body, believed=not app_function)
    bare = "result" not in body and "error" not in body
    if bare and isinstance(body.get("errors"), list) and _is_error_status(body.get("status")):
        # An error answer that lost its status on the way; an app's own answer never had one.
        return from_body(body, status=status if app_function else body["status"])
    named = named_status(body) if bare and not app_function else None
    if named is not None:
        return from_body(body, status=named)
    result = body if bare else body.get("result")
    if not app_function and isinstance(result, dict) and result.get("success") is False:
        texts = texts_of([result.get("errorMessage"), result.get("validationErrors")])
        return Refusal(status, type="success=false", text=texts)
    return None


def _is_error_status(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599


def _refusal_by_status(
    response: Response, method: str, secrets: Collection[str], *, quotable: bool
) -> Refusal:
    status = response.status
    body = refusal_json(response.body)
    if status >= 400 and (is_error_body(body) if status >= 500 else is_service_error(body)):
        error = body.get("error")
        return (
            from_error(error, status=status, body=body) if is_error(error) else from_body(body, status=status)
        )
    # A status alone may refuse what a token may not do, but not a token request.
    silent = status in _CLEAR_BY_STATUS and quotable and not response.body.strip()
    if status != HTTPStatus.TOO_MANY_REQUESTS and not silent:
        raise_no_envelope(response, method=method, secrets=secrets, quotable=quotable)
    # Whoever sets a limit is to be waited for; that of an older server says nothing but its numbers.
    text = _beginning(response)
    words = texts_of(body) if is_error_body(body) else text if quotable and _is_prose(text) else ""
    return Refusal(status, text=words or _phrase(status), evidence=body)


def raise_redirect(response: Response, *, method: str, secrets: Collection[str]) -> None:
    """
    Refuse a redirect: the token would travel to wherever it points.

    :raises ChannelResponseError: the status is 3xx.
    """
    if not 300 <= response.status < 400:
        return
    location = next((value for name, value in response.headers.items() if name.lower() == "location"), "")
    try:
        parts = urlsplit(location)
        target = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else ""
    except ValueError:
        target = ""
    where = f" to {quote(target, secrets, limit=100)}" if target else ""
    raise ChannelResponseError(
        f"{method}: the service answered with a redirect{where} (HTTP {response.status}). Redirects are not followed, "
        "since they would carry the token to another host. Correct host and schema of the connection, and check "
        "whether a proxy, a gateway or a login page redirects.",
        method=method,
        http_status=response.status,
        from_intermediary=True,
    )


def raise_no_envelope(
    response: Response, *, method: str, secrets: Collection[str], quotable: bool = True
) -> NoReturn:
    """
    Refuse an answer that is none of this service.

    :param quotable: whether a body that is plain text or HTML may be quoted. JSON is never quoted: a broken
        answer may hold tokens or people's data.
    :raises ChannelResponseError: always.
    """
    size = len(response.body)
    text = _beginning(response)
    what = "an empty body" if not size else f"{size:,} bytes that are not a valid answer"
    said = f": {quote(text, secrets)}" if size and quotable and _is_prose(text) else ""
    message = f"{method}: the service answered HTTP {response.status} with {what}{said}"
    from_intermediary = 400 <= response.status < 500 or _is_page(text)
    if from_intermediary:
        message = f"{message.removesuffix('.')}. {_BETWEEN}"
    raise ChannelResponseError(
        message, method=method, http_status=response.status, from_intermediary=from_intermediary
    )


def _beginning(response: Response) -> str:
    return response.body[:_QUOTABLE_BYTES].decode("utf-8", "replace")


def _is_page(text: str) -> bool:
    """Return whether a text is HTML, or XML, which no answer of the service is."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def _is_prose(text: str) -> bool:
    start = text.lstrip("\ufeff \t\r\n")[:1]
    return _is_page(text) or (start.isalpha() and "\ufffd" not in text)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _remedy(kind: ErrorKind, token_method: str, channel_id: str | None) -> str:
    """What to do, for each refusal that people can do something about."""
    if kind is ErrorKind.PERMISSION:
        if token_method and channel_id is not None:
            return (
                f"Install the app on the channel {channel_id!r}; if no channel works, check the App Secret "
                "(the password of the connection)."
            )
        return (
            "Tick the function among the app's permissions in the developer portal, and install the app on "
            "the channel."
        )
    if kind is ErrorKind.AUTHENTICATION:
        return {
            "issueToken": "Check the App Secret (the password of the connection); "
            "a reissued secret ends the one before.",
            "refreshToken": "The refresh token can't be used any more; a new token must be issued.",
        }.get(token_method, "The access token was not accepted.")
    if kind is ErrorKind.TOKEN_QUOTA:
        return "An app may request 10 tokens in 30 minutes, for all its channels and tasks together."
    return ""
