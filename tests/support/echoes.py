"""The ways in which a service may write a secret back, and what is left of one that was written anyhow."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote as percent_encode

NAMES = {"/": "&sol;", "+": "&plus;", "=": "&equals;", "-": "&hyphen;", "_": "&lowbar;"}


def each(form: str) -> Callable[[str], str]:
    """Write every character in one way."""
    return lambda text: "".join(form.format(ord(character)) for character in text)


ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON, every character": each("\\u{:04x}"),
    "JSON, every character, in big letters": each("\\u{:04X}"),
    "JSON, the slash": lambda text: text.replace("/", "\\/"),
    "JavaScript": each("\\u{{{:x}}}"),
    "Python": each("\\x{:02x}"),
    "Python, long": each("\\U{:08x}"),
    "octal": each("\\{:03o}"),
    "HTML, decimal": each("&#{};"),
    "HTML, decimal, unended": each("&#{}"),
    "HTML, hexadecimal": each("&#x{:x};"),
    "HTML, names": lambda text: "".join(NAMES.get(sign, sign) for sign in text),
    "percent": each("%{:02X}"),
    "percent, small": each("%{:02x}"),
    "percent, the signs": lambda text: percent_encode(text, safe=""),
    "percent, as escape() of JavaScript": each("%u{:04x}"),
    "percent, twice": lambda text: percent_encode(each("%{:02x}")(text)),
    "percent in HTML in JSON": lambda text: each("\\u{:04x}")(each("&#{};")(percent_encode(text, safe=""))),
    "JSON in JSON": lambda text: json.dumps(json.dumps(each("\\u{:04x}")(text)))[1:-1],
    "the alphabet of URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "the other alphabet": lambda text: text.replace("-", "+").replace("_", "/"),
    "without padding": lambda text: text.rstrip("="),
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "Base64, behind one": lambda text: base64.b64encode(b"i" + text.encode() + b"me").decode(),
    "Base64, behind two": lambda text: base64.b64encode(b"id" + text.encode() + b"m").decode(),
    "Base64 of an authorization": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "Base64 in lines": lambda text: base64.encodebytes(text.encode() * 4).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, big": lambda text: text.encode().hex().upper(),
    "hexadecimal, with colons": lambda text: text.encode().hex(":"),
    "big letters": str.upper,
    "wide letters": lambda text: "".join(chr(ord(sign) + 0xFEE0) for sign in text),
    "its first half": lambda text: text[: len(text) // 2 + 2],
    "its last half": lambda text: text[len(text) // 2 - 2 :],
    "broken by a space": lambda text: f"{text[:9]} {text[9:]}",
    "broken by a line": lambda text: f"{text[:9]}\r\n{text[9:]}",
    "broken by an escaped line": lambda text: f"{text[:9]}\\n{text[9:]}",
    "broken by a tab": lambda text: f"{text[:9]}\t{text[9:]}",
    "spaced": lambda text: " ".join(text),
    "with nothing between": "\u200b".join,
    "with soft hyphens": "\u00ad".join,
    "with a NUL between": "\0".join,
    "with invisible letters": "\u3164".join,
}


def parts_of(secret: str, length: int) -> set[str]:
    """Return each run of so many letters and digits of a secret, in small letters."""
    letters = [sign.lower() for sign in secret if sign.isalnum()]
    return {"".join(letters[at : at + length]) for at in range(len(letters) - length + 1)}
