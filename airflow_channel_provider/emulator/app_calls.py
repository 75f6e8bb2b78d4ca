"""Calls from the App Store to an app: one signed PUT each, to the endpoint where the app serves its functions.

A call does not touch the emulator, so it can wait in a thread of its own while the emulator goes on. Its outcome is
noted afterwards in the :class:`AppCallLog`.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_channel_provider.contract.signing import SIGNATURE_HEADER, signature_of
from airflow_channel_provider.emulator.journal import redact
from airflow_channel_provider.emulator.jsontypes import dump, load
from airflow_channel_provider.emulator.outgoing import (
    MOST_ANSWER_BYTES,
    NotReachedError,
    OutgoingRequest,
    is_http_url,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject

# The context of a call that no person has caused, and that is about no channel.
BY_THE_STORE: JSONObject = {"caller": {"type": "system", "id": "system"}, "channel": {"id": ""}}
CALLS_KEPT = 10_000
_SHOWN_CHARACTERS = 200
_HEX = re.compile(r"([0-9a-fA-F]{2})+")


class AppCallError(Exception):
    """An app was not reached, or its answer is not one of an app; the message says which."""


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
        if not is_http_url(url) or urlsplit(url).query:
            raise ValueError("function_endpoint must be a URL with http or https and without a query")
        if not isinstance(signing_key, str) or not _HEX.fullmatch(signing_key):
            raise ValueError("signing_key must be hexadecimal, two digits a byte")
        return cls(url.rstrip("/"), bytes.fromhex(signing_key))


@dataclass(frozen=True, slots=True)
class AppCall:
    """
    One call of a function of an app.

    :param app_id: whose function.
    :param endpoint: of that app.
    :param method: full name of the function.
    :param params: what it takes.
    :param context: who calls, and on which channel.
    :param system_version: which version of the system it is to answer.
    """

    app_id: str
    endpoint: Endpoint
    method: str
    params: JSONObject = field(default_factory=dict, repr=False)
    context: JSONObject = field(default_factory=lambda: BY_THE_STORE, repr=False)
    system_version: str = "v1"

    def request(self) -> OutgoingRequest:
        """The call as it is sent, signed."""
        call = {"method": self.method, "params": self.params, "context": self.context}
        body = dump({**call, "systemVersion": self.system_version})
        signature = signature_of(self.endpoint.signing_key, body)
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
        return OutgoingRequest("PUT", f"{self.endpoint.url}/{self.system_version}", body, headers)

    def send(self) -> AppAnswer:
        """Send it, and read what comes back."""
        try:
            status, body = send(self.request())
        except NotReachedError as error:
            return AppAnswer(self, None, error=f"the function endpoint was not reached: {error}")
        try:
            return AppAnswer(self, status, read_result(self.method, status, body))
        except AppCallError as error:
            return AppAnswer(self, status, error=str(error))


@dataclass(frozen=True, slots=True)
class AppAnswer:
    """
    The outcome of a call to an app.

    :param call: which.
    :param http_status: None: no answer came.
    :param value: the result, as the app gave it.
    :param error: why there is no result; None: there is.
    """

    call: AppCall
    http_status: int | None
    value: JSON = None
    error: str | None = None

    def result(self) -> JSON:
        """
        The result.

        :raises AppCallError: there is none.
        """
        if self.error is not None:
            raise AppCallError(self.error)
        return self.value


def send_all(calls: Sequence[AppCall]) -> list[AppAnswer]:
    """
    Send calls one after the other, and none after one that failed.

    :return: what became of those that were sent; the last one may be an error.
    """
    answers: list[AppAnswer] = []
    for call in calls:
        answers.append(call.send())
        if answers[-1].error is not None:
            break
    return answers


def read_result(method: str, status: int, answer: bytes) -> JSON:
    """
    Read the envelope of an answer.

    :param method: that was called, for the message.
    :raises AppCallError: it holds no result.
    """
    body: JSON = None
    if len(answer) <= MOST_ANSWER_BYTES:
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
    """Return an app's reason for a refusal, in either form of the vendor's kits."""
    error = error if isinstance(error, dict) else {}
    texts = [error[name] for name in ("message", "error") if isinstance(error.get(name), str)]
    return f": {texts[0][:_SHOWN_CHARACTERS]}" if texts else ""


class AppCallLog:
    """
    The calls to apps, without secrets; bounded, the oldest fall off. Numbers start at 1 and never repeat.

    :param kept: how many.
    """

    def __init__(self, kept: int = CALLS_KEPT) -> None:
        self._entries: deque[JSONObject] = deque(maxlen=kept)
        self._count = 0

    def note(self, answer: AppAnswer, at: float) -> None:
        """
        Note what became of a call.

        :param at: epoch seconds.
        """
        self._count += 1
        call = answer.call
        outcome = "ok" if answer.error is None else "unreachable" if answer.http_status is None else "refused"
        entry = {"n": self._count, "at": at, "app_id": call.app_id, "method": call.method}
        entry |= {"params": redact(call.params), "context": redact(call.context)}
        entry |= {"http_status": answer.http_status, "outcome": outcome, "error": answer.error}
        self._entries.append({**entry, "result": redact(answer.value)})

    def since(self, n: int = 0) -> list[JSONObject]:
        """The calls after number ``n``, oldest first."""
        first = self._count - len(self._entries) + 1
        return list(islice(self._entries, max(0, n + 1 - first), None))
