"""The ways in which a known secret may be written: they are masked in logs, and looked for in a service's texts."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

_URL_ALPHABET = str.maketrans("+/", "-_")


def spellings_of(secret: str) -> set[str]:
    """Return the spellings of a secret in JSON, Python, HTML, forms and the URI of a connection."""
    spellings = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }
    for spelling in tuple(spellings):
        percent = percent_encode(spelling, safe="", errors="surrogatepass")
        spellings |= {percent, re.sub("%..", lambda found: found[0].lower(), percent)}
        spellings |= {percent_encode(spelling, errors="surrogatepass")}
        spellings |= {quote_plus(spelling, errors="surrogatepass")}
    return (spellings | {html.escape(secret)}) - {""}


def base64_of(secret: str) -> set[str]:
    """Return the Base64 of a secret for each alignment, without the characters that depend on its surroundings."""
    content, found = secret.encode("utf-8", "surrogatepass"), set[str]()
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + content).decode()
        # The first characters hold bits of what stands before, and the last one bits of what follows.
        padding = -(before + len(content)) % 3
        core = encoded[-(-before * 8 // 6) : len(encoded) - padding - bool(padding)]
        found |= {core, core.translate(_URL_ALPHABET)}
    return found
