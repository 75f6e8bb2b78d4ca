"""
No secret in a message: every text of a service passes through :func:`quote` before a person or a log can see it.

Known secrets are found however they are written: escaped (:mod:`.unescape`), in Base64 or hexadecimal, cut, or broken
by spaces and signs. Unknown secrets are recognised by their form: a JWT, a value beside a name such as ``password``, a
long word of random characters. A text is redacted before it is cut, since half a secret might not be recognised.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from airflow_channel_provider.api.spellings import base64_of, spellings_of
from airflow_channel_provider.api.unescape import (
    UnescapedText,
    comparable_letters,
    is_blank,
    unescape,
    verbatim,
)

REDACTED = "***"
MAX_QUOTE_LENGTH = 300
"""Maximum number of characters of a service's text in a message."""

MIN_PART_LENGTH, MAX_PART_LENGTH = 6, 12
"""A run of half the letters of a secret, within these bounds, is redacted."""

_WINDOW, _END = 16_384, 384
_ENCODED_MIN = 5
"""Shorter secrets are not searched for in Base64, where they would match by chance."""

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*")
_NAMED = re.compile(
    r"(?:(?:access|refresh|device|session|auth|id)[_-]?token|secret|pass(?:word|wd|phrase)|credentials?"
    r"|(?:api|private)[_-]?key)[\\\"']*\s{0,8}[:=]\s{0,8}[\\\"']*"
    r"(?P<value>[^\\\"'\s,;&<>{}]{8,})",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:(?<!unexpected )token|secret|pass(?:word|wd|phrase)|credentials?|api[_ -]?key|authorization)"
    r"[\"']?\s{0,4}"
    r"(?:(?:is|was|value|given|provided|received|invalid|wrong|unknown|[:=])\s{0,4}){0,3}"
    r"[\"'`\u2018\u201c](?P<value>[^\s\"'`\u2018\u2019\u201c\u201d]{4,})[\"'`\u2019\u201d]",
    re.IGNORECASE,
)
_BEARER = re.compile(
    r"(?:\bBearer\s{1,8}"
    r"|\bauthorization[\\\"']{0,4}\s{0,4}[:=]\s{0,4}[\\\"']{0,4}(?:[a-z]{2,12}\s{1,4})?)"
    r"(?P<value>[^\s\\\"',;]+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9_+/=.~-]{24,}")
_WORD_MIN, _WORD_NUMBERS_MIN = 24, 3
_NUMBER = re.compile(r"[0-9]+")

Span = tuple[int, int]


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """
    Replace the secrets, and everything that looks like a token, by ``***``.

    :param text: any text.
    :param secrets: texts that must not appear; empty ones are ignored.
    """
    return _redacted(text, secrets, by_look=True)


def redact_known(text: str, secrets: Collection[str]) -> str:
    """As :func:`redact`, for known secrets only."""
    return _redacted(text, secrets, by_look=False)


def quote(text: str, secrets: Collection[str] = (), *, limit: int = MAX_QUOTE_LENGTH) -> str:
    """
    Return a service's text for a message: redacted, on one line, printable, cut.

    :param text: any text; may hold lone surrogates, control characters and megabytes.
    :param secrets: texts that must not appear.
    :param limit: maximum number of characters.
    """
    if len(text) > _WINDOW:
        # The end of the window may hold the beginning of a secret, too short to be recognised.
        text = _redacted(text[:_WINDOW], secrets, by_look=True, but_for=[(_WINDOW - _END, _WINDOW)])
    else:
        text = redact(text, secrets)
    text = _one_line(text.encode("utf-8", "replace").decode())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _redacted(text: str, secrets: Collection[str], *, by_look: bool, but_for: Iterable[Span] = ()) -> str:
    unescaped = unescape(text)
    if unescaped is None:
        return REDACTED  # no ordinary text is encoded so often
    spans, known = list(but_for), tuple(filter(None, secrets))
    for view in (unescaped,) if unescaped.text == text else (verbatim(text), unescaped):
        spans += (*_exact(view, known), *_parts(view, known), *(_looks(view) if by_look else ()))
    return _without(text, spans)


def _without(text: str, spans: Iterable[Span]) -> str:
    """Replace spans; those that touch or overlap become one ``***``."""
    pieces, at = list[str](), 0
    for start, end in sorted(spans):
        if start > at or not pieces:
            pieces += (text[at:start], REDACTED)
        at = max(at, end)
    return "".join((*pieces, text[at:]))


def _exact(view: UnescapedText, secrets: tuple[str, ...]) -> Iterator[Span]:
    """Find the usual spellings of a secret; the only way to find one that is short or has no letters."""
    for spelling in _spellings(secrets):
        start = view.text.find(spelling)
        while start >= 0:
            after = start + len(spelling)
            yield view.span(start, after - 1)
            start = view.text.find(spelling, after)


def _parts(view: UnescapedText, secrets: tuple[str, ...]) -> Iterator[Span]:
    """Find each part of a secret that is long enough, with any signs and spaces between its letters."""
    letters, positions = comparable_letters(view)
    signs = {sign for secret in secrets for sign in secret if not sign.isalnum() and not sign.isspace()}
    for length, parts in _searched_parts(secrets).items():
        for first, last in _runs(letters, length, parts):
            # The signs that a secret begins or ends with are no letters, and belong to it.
            start = _as_far_as(view.text, positions[first], -1, signs)
            end = _as_far_as(view.text, positions[last], 1, signs)
            yield view.span(start, end)


def _as_far_as(text: str, position: int, step: int, signs: set[str]) -> int:
    """Extend a position over such signs, with at most one blank before each."""
    place, blanks = position + step, 0
    while 0 <= place < len(text) and blanks <= 1:
        if unicodedata.normalize("NFKC", text[place]) in signs:
            position, blanks = place, 0
        elif is_blank(text[place]):
            blanks += 1
        else:
            break
        place += step
    return position


def _runs(letters: str, length: int, parts: frozenset[str]) -> Iterator[Span]:
    """Yield the first and last position of the longest stretches in which every part is one of these."""
    first, last = -1, -1
    for position in range(len(letters) - length + 1):
        if letters[position : position + length] in parts:
            if position > last:
                if first >= 0:
                    yield first, last
                first = position
            last = position + length - 1
    if first >= 0:
        yield first, last


@lru_cache(maxsize=8)
def _spellings(secrets: tuple[str, ...]) -> frozenset[str]:
    return frozenset(spelling for secret in secrets for spelling in spellings_of(secret))


@lru_cache(maxsize=8)
def _searched_parts(secrets: tuple[str, ...]) -> dict[int, frozenset[str]]:
    """Return the parts of the secrets to search for, by their length."""
    found: dict[int, set[str]] = {}
    for form in (form for secret in secrets for form in _forms(secret)):
        letters, _ = comparable_letters(verbatim(form))
        if len(letters) >= MIN_PART_LENGTH:
            length = min(MAX_PART_LENGTH, max(MIN_PART_LENGTH, len(letters) // 2))
            parts = found.setdefault(length, set())
            parts.update(letters[at : at + length] for at in range(len(letters) - length + 1))
    return {length: frozenset(parts) for length, parts in found.items()}


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, unescaped, in Base64 at any alignment, and in hexadecimal."""
    yield secret
    unescaped = unescape(secret)
    if unescaped is not None and unescaped.text != secret:
        yield unescaped.text
    if len(secret) >= _ENCODED_MIN:
        yield from base64_of(secret)
        yield secret.encode("utf-8", "surrogatepass").hex()


def _looks(view: UnescapedText) -> Iterator[Span]:
    """Find what looks like an unknown credential."""
    for pattern in (_NAMED, _SAID, _BEARER):
        for found in pattern.finditer(view.text):
            yield view.span(found.start("value"), found.end("value") - 1)
    for found in _JWT.finditer(view.text):
        yield view.span(found.start(), found.end() - 1)
    for found in _WORD.finditer(view.text):
        if any(map(_is_random, re.split(r"[/.]", found[0]))):
            yield view.span(found.start(), found.end() - 1)


def _is_random(word: str) -> bool:
    """Return whether a word looks random, unlike a name or an id: lower and upper case letters mixed with digits."""
    return (
        len(word) >= _WORD_MIN
        and not word.isupper()
        and not word.islower()
        and len(_NUMBER.findall(word)) >= _WORD_NUMBERS_MIN
    )
