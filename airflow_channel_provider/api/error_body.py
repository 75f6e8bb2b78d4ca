"""
Reads the error in an answer: from an envelope, from a plain error body, or from text that quotes another answer.

The newest error body names its kind (``commonErrorCode`` or ``operationErrorCode``) and lists the invalid fields
(``details``) with their values, which are never shown.

Pure: any JSON is accepted, of any depth and size, and nothing is raised. Of a very large body only the beginning is
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from airflow_channel_provider.api.json_body import JSON, first_json

_QUOTED_ANSWER = re.compile(r"request failed,? {0,4}body: ?", re.IGNORECASE)
_QUOTED_TOKEN_ANSWER = re.compile(r"token fetch fail(?:ed)?,? {0,4}response: ?", re.IGNORECASE)
_HTML_STATUS = re.compile(r"<title>\s{0,20}(?:HTTP Status |Error |HTTP )?([45]\d\d)\b", re.IGNORECASE)
_TEXT_KEYS = ("message", "error_description", "errorMessage", "detail")
_ERROR_CODES = ("commonErrorCode", "operationErrorCode")
_SAID_OF_NOTHING = ("language",)
"""Texts of an error that mean no error."""
_SERVICE_KEYS = {"status", "type", *_ERROR_CODES}
_ERROR_KEYS = {*_SERVICE_KEYS, "errors", "error", "message", "error_description", "code"}
_STATUS_BY_COMMON_CODE = {
    "entitynotfound": 404,
    "validationfailed": 422,
    "invalidcursor": 422,
    "internalerror": 500,
    "unauthorized": 401,
    "forbidden": 403,
    "ratelimitexceeded": 429,
}
_DEPTH_LIMIT = 4
_TEXTS_LIMIT = 20
_WIDTH_LIMIT = 100
_TEXT_CHARACTERS = 2**17
"""More than a quotation has, so that the cut here can't leave half a secret visible there."""
_CODE_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A refusal in the service's own words, secrets not removed yet.

    :param status: HTTP status; that of a quoted answer, where it names one.
    :param code: of the error envelope.
    :param type: of the error envelope or body, may be empty.
    :param text: may be empty; at most :data:`_TEXT_CHARACTERS` characters.
    :param evidence: the decoded body that may name a reset.
    :param in_envelope: from an ``error`` envelope, not from the status of a plain body.
    :param quoted: quotes the answer of an upstream service.
    :param token_answer: quotes an answer of the token service.
    :param explained: the quoted answer has a status.
    """

    status: int
    code: int | str | None = None
    type: str = ""
    text: str = field(default="", repr=False)
    evidence: JSON = field(default=None, repr=False)
    in_envelope: bool = False
    quoted: bool = False
    token_answer: bool = False
    explained: bool = False


def is_error(error: JSON) -> bool:
    """Whether the ``error`` of an envelope says that the call failed; one that says nothing comes with success."""
    if isinstance(error, dict):
        others = (value for name, value in error.items() if name not in ("code", *_SAID_OF_NOTHING))
        return bool(_code(error.get("code"))) or any(
            value.strip() if isinstance(value, str) else value for value in others
        )
    if isinstance(error, str):
        return bool(error.strip())
    return bool(error)


def is_error_body(body: JSON) -> bool:
    """Whether a body that came with an error status describes an error."""
    return isinstance(body, dict) and not _ERROR_KEYS.isdisjoint(body)


def is_service_error(body: JSON) -> bool:
    """Whether a body describes an error as Channel Talk does; a ``message`` or a text alone may be any gateway's."""
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    return (isinstance(error, dict) and is_error(error)) or not _SERVICE_KEYS.isdisjoint(body)


def named_status(body: dict[str, JSON]) -> int | None:
    """Return the status of an error body of the newest kind, which has a code of its own; None for any other body."""
    if any(_text(body.get(key)) for key in _ERROR_CODES):
        return _status(body.get("status")) or _common_status(body)
    return None


def from_error(error: JSON, *, status: int, body: JSON, believed: bool = True) -> Refusal:
    """
    Read the ``error`` of an envelope.

    :param believed: whether a common error code in it stands for a status.
    """
    if not isinstance(error, dict):
        return Refusal(status, text=texts_of(error), evidence=body, in_envelope=True)
    named = named_status(error) if believed and status < 400 else None
    return Refusal(
        named or status,
        code=_code(error.get("code")),
        type=_type(error),
        text=texts_of([error.get("message"), _details(error)]),
        evidence=body,
        in_envelope=True,
        explained=named is not None,
    )


def from_body(body: JSON, *, status: int) -> Refusal:
    """Read a plain error body such as ``{"status": 422, "type": "...", "errors": [{"message": "..."}]}``."""
    if not isinstance(body, dict):
        return Refusal(status)
    return Refusal(status, code=_code(body.get("code")), type=_type(body), text=texts_of(body), evidence=body)


def unwrap_quoted(refusal: Refusal) -> Refusal:
    """Replace a refusal that quotes the answer of an upstream service by what that answer says."""
    for _ in range(_DEPTH_LIMIT):
        token_match = _QUOTED_TOKEN_ANSWER.search(refusal.text)
        match = token_match or _QUOTED_ANSWER.search(refusal.text)
        if match is None:
            break
        refusal = replace(refusal, quoted=True, token_answer=refusal.token_answer or token_match is not None)
        behind = _behind(refusal, refusal.text[match.end() :])
        if behind.text == refusal.text:
            return behind
        refusal = behind
    return refusal


def _behind(refusal: Refusal, quoted: str) -> Refusal:
    body = _quoted_json(quoted)
    if not isinstance(body, dict):
        title = _HTML_STATUS.search(quoted[:4096])
        return replace(refusal, status=int(title[1]), explained=True) if title else refusal
    error = body.get("error")
    inner = error if isinstance(error, dict) else {}
    status = next(
        filter(None, (_status(part.get(key)) for part in (body, inner) for key in _STATUS_KEYS)), None
    )
    status = status or _common_status(body) or _common_status(inner)
    text, kind = texts_of(body), _type(body) or _type(inner)
    return replace(
        refusal,
        status=status or refusal.status,
        type=kind or refusal.type,
        text=text or refusal.text,
        evidence=body,
        explained=refusal.explained or status is not None,
    )


_STATUS_KEYS = ("status", "statusCode", "code")


def _quoted_json(text: str) -> JSON:
    try:
        value = first_json(text)
        return first_json(value) if isinstance(value, str) else value
    except ValueError:
        return None


def texts_of(value: JSON) -> str:
    """
    Collect what an error says to people: messages, descriptions, the entries of ``errors`` (a list, or
    texts by field).

    :param value: any JSON.
    """
    found: dict[str, None] = {}
    for text in _texts(value, _DEPTH_LIMIT):
        found[text] = None
        if len(found) >= _TEXTS_LIMIT:
            break
    return "; ".join(found)[:_TEXT_CHARACTERS]


def _texts(value: JSON, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if text := value[:_TEXT_CHARACTERS].strip():
            yield text
    elif depth and isinstance(value, list):
        for item in value[:_WIDTH_LIMIT]:
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, dict):
        known = [value[key] for key in ("error", *_TEXT_KEYS, "errors") if value.get(key)]
        others = (inner for key, inner in value.items() if key != "details")
        for item in [*known, *_details(value)] or islice(others, _WIDTH_LIMIT):
            yield from _texts(item, depth - 1)


def _details(body: dict[str, JSON]) -> list[str]:
    """Return a text for each invalid field."""
    details = body.get("details")
    found = details[:_WIDTH_LIMIT] if isinstance(details, list) else ()
    return [text for detail in found if isinstance(detail, dict) and (text := _detail(detail))]


def _detail(detail: dict[str, JSON]) -> str:
    """Return all of a detail but its value: field, problem and rule."""
    index, rule = detail.get("index"), _text(detail.get("protoConstraint"))
    is_place = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < 10**_CODE_DIGITS
    place = ".".join(filter(None, (_text(detail.get("model")), _text(detail.get("field")))))
    words = " ".join(filter(None, (_text(detail.get("message")), f"({rule})" if rule else "")))
    return ": ".join(filter(None, (place + (f"[{index}]" if is_place else ""), words)))


def _type(body: dict[str, JSON]) -> str:
    """Return the kind of an error, from any of the fields that may hold it."""
    named = (_text(body.get(key)) for key in ("type", *_ERROR_CODES))
    return next((name for name in named if name and not name.endswith("_UNSPECIFIED")), "")


def _common_status(body: dict[str, JSON]) -> int | None:
    """Return the HTTP status that a common error code stands for, in either of its spellings."""
    word = _text(body.get("commonErrorCode")).lower().removeprefix("common_error_code_").replace("_", "")
    return _STATUS_BY_COMMON_CODE.get(word)


def _text(value: JSON) -> str:
    return value[:_TEXT_CHARACTERS].strip() if isinstance(value, str) else ""


def _code(value: JSON) -> int | str | None:
    """Return the code of an error, None if it means "no error"; a number that is not a code becomes text."""
    if isinstance(value, str):
        text = _text(value)
        return text if text not in ("", "0") else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if abs(value) >= 10**_CODE_DIGITS:
        return str(value)
    return value or None


def _status(value: JSON) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[45]\d\d", value, re.ASCII):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599 else None
