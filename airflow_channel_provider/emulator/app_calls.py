"""Calls from the App Store to an app: one signed PUT each, to the endpoint where the app serves its functions.

A call touches nothing of the emulator, so that it can wait in a thread of its own while the emulator goes on.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_channel_provider.emulator.jsontypes import dump, load

if TYPE_CHECKING:
    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

# The context of a call that no person has caused, and that is about no channel.
BY_THE_STORE: JSONObject = {"caller": {"type": "system", "id": "system"}, "channel": {"id": ""}}
# How long the service waits is published nowhere.
_TIMEOUT_SECONDS = 5.0
_MOST_ANSWER_BYTES = 2**20
_SHOWN_CHARACTERS = 200
_HEX = re.compile(r"([0-9a-fA-F]{2})+")


class AppCallError(Exception):
    """An app was not reached, or did not answer as an app does; the message says which."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    Where an app serves its functions; see :meth:`build`.

    :param url: without the version of the system.
    :param signing_key: signs the calls.
    """

    url: str
    signing_key: bytes = field(repr=False)

    @classmethod
    def build(cls, url: JSON, signing_key: JSON) -> Endpoint:
        """
        An endpoint as a setting has it.

        :param url: a whole one.
        :param signing_key: in hexadecimal, as the service shows it.
        :raises ValueError: it is none.
        """
        if not isinstance(url, str) or not _is_endpoint(url):
            raise ValueError("function_endpoint must be a URL with http or https and without a query")
        if not isinstance(signing_key, str) or not _HEX.fullmatch(signing_key):
            raise ValueError("signing_key must be hexadecimal, two digits a byte")
        return cls(url.rstrip("/"), bytes.fromhex(signing_key))


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
        )
    except ValueError:
        return False


def sign(signing_key: bytes, body: bytes) -> str:
    """
    The header ``x-signature`` of a call.

    :param signing_key: its bytes, not their digits.
    :param body: exactly as it is sent.
    """
    return b64encode(hmac.digest(signing_key, body, "sha256")).decode()


def call_app(
    endpoint: Endpoint,
    method: str,
    params: JSONObject | None = None,
    *,
    context: JSONObject = BY_THE_STORE,
    system_version: str = "v1",
) -> JSON:
    """
    Call a function of an app.

    :param endpoint: of the app.
    :param method: full name of the function.
    :param params: what it takes.
    :param context: who calls, and on which channel.
    :param system_version: which version of the system it is to answer.
    :return: its result.
    :raises AppCallError: there is none.
    """
    call = {"method": method, "params": params or {}, "context": context, "systemVersion": system_version}
    status, answer = _put(endpoint, system_version, dump(call))
    return _result(method, status, answer)


def _put(endpoint: Endpoint, system_version: str, body: bytes) -> tuple[int, bytes]:
    from http.client import HTTPException
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request

    # Only what sends: no proxy, no redirect that is followed, and an error is an answer as any.
    opener = OpenerDirector()
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler())
    headers = {"Content-Type": "application/json", "x-signature": sign(endpoint.signing_key, body)}
    request = Request(f"{endpoint.url}/{system_version}", body, headers, method="PUT")  # noqa: S310
    try:
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(_MOST_ANSWER_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise AppCallError(f"the function endpoint was not reached: {type(reason).__name__}") from None


def _result(method: str, status: int, answer: bytes) -> JSON:
    body: JSON = None
    if len(answer) <= _MOST_ANSWER_BYTES:
        try:
            body = load(answer)
        except ValueError:
            body = None
    envelope = body if isinstance(body, dict) else {}
    if status != 200:
        raise AppCallError(f"{method} was answered with HTTP {status}{_in_words(envelope)}")
    if envelope.get("error"):
        raise AppCallError(f"{method} was refused{_in_words(envelope['error'])}")
    if "result" not in envelope:
        raise AppCallError(f"{method} was answered with something else than a result or an error")
    return envelope["result"]


def _in_words(error: JSON) -> str:
    """What an app says of its refusal, in whichever of the two forms that the vendor's kits have."""
    error = error if isinstance(error, dict) else {}
    texts = [error[name] for name in ("message", "error") if isinstance(error.get(name), str)]
    return f": {texts[0][:_SHOWN_CHARACTERS]}" if texts else ""
