"""
No secret in a message: every text of a service passes through :func:`quote` before a person or a log can
see it.

Secrets that the caller knows are blotted in each spelling that an echo may have; tokens that nobody knows
yet (a broken token answer) are recognised by their look. Blotting comes before cutting, since half a secret
would not be recognised.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

__all__ = ["BLOT", "QUOTE_LIMIT", "blot", "quote"]

BLOT = "***"
QUOTE_LIMIT = 300
"""Characters of a service's text that a message quotes at most."""

_WINDOW = 65_536
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*")
_NAMED = re.compile(
    r"((?:(?:access|refresh|device)[_-]?token|secret|password)[\\\"']*\s{0,8}[:=]\s{0,8}[\\\"']*)"
    r"[^\\\"'\s,;&<>{}]{8,}",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bBearer\s{1,8})[^\s\"',;]+", re.IGNORECASE)


def _spellings(secrets: Collection[str]) -> list[str]:
    spellings: set[str] = set()
    for secret in secrets:
        if secret:
            spellings |= {
                secret,
                json.dumps(secret)[1:-1],
                percent_encode(secret, safe=""),
                quote_plus(secret),
            }
            spellings |= {html.escape(secret), percent_encode(secret, safe="").lower()}
            spellings.add(_one_line(secret))
    return sorted(spellings - {""}, key=len, reverse=True)


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _blot_spellings(text: str, spellings: list[str]) -> str:
    for spelling in spellings:
        text = text.replace(spelling, BLOT)
    return text


def blot(text: str, secrets: Collection[str] = ()) -> str:
    """
    Replace the secrets, and whatever looks like a token, by ``***``.

    :param text: any text.
    :param secrets: what must not appear; empty ones are ignored.
    """
    text = _blot_spellings(text, _spellings(secrets))
    text = _JWT.sub(BLOT, text)
    text = _NAMED.sub(rf"\g<1>{BLOT}", text)
    return _BEARER.sub(rf"\g<1>{BLOT}", text)


def quote(text: str, secrets: Collection[str] = (), *, limit: int = QUOTE_LIMIT) -> str:
    """
    Make a service's text fit to be quoted: blotted, on one line, printable, cut.

    :param text: any text; may hold lone surrogates, control characters and megabytes.
    :param secrets: what must not appear.
    :param limit: characters to keep at most.
    """
    spellings = _spellings(secrets)
    if len(text) > _WINDOW:
        longest = len(spellings[0]) if spellings else 0
        # Once the whole ones are gone, only the end of the window can hold a part of a secret.
        text = blot(text[:_WINDOW], secrets)[: -longest or None]
    text = text.encode("utf-8", "replace").decode()
    # Joining lines may put a secret together that was none before.
    text = _blot_spellings(_one_line(blot(text, secrets)), spellings)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
