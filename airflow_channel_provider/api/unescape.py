"""
Undo the escapes in a text, and remember where in the text each character came from.

JSON, Python and JavaScript escapes, percent encoding and HTML character references are undone, also nested ones. Two
texts are compared by their letters and digits alone, without signs, spaces, accents and case. Each step takes linear
time.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

DEPTH_LIMIT = 8
"""Maximum number of nested encodings."""

_HEX = "[0-9a-fA-F]"
_BYTE = r"(?:%|\\x)"
_ESCAPE = re.compile(
    rf"(?P<bytes>{_BYTE}[c-fC-F]{_HEX}(?:{_BYTE}[89abAB]{_HEX}){{1,3}})"
    rf"|{_BYTE}(?P<byte>{_HEX}{{2}})"
    rf"|[\\%]u(?P<u4>{_HEX}{{4}})|\\U(?P<u8>{_HEX}{{8}})|\\u\{{(?P<u>{_HEX}{{1,6}})\}}"
    r"|\\(?P<octal>[0-3][0-7]{2})"
    r"|\\(?P<blank>[abfnrtv0])"
    r"|\\(?P<sign>[^\w\s])"
    r"|(?P<reference>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?)"
)
_NUMBERS = {"byte": 16, "u4": 16, "u8": 16, "u": 16, "octal": 8}
_NOT_HEX = re.compile(r"[%\\x]+")
_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0"


@dataclass(frozen=True, slots=True)
class UnescapedText:
    """
    A text without escapes, with the position of each character in the original text.

    :param text: the characters.
    :param starts: where each character begins in the original text.
    :param ends: where each character ends there.
    """

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the part of the original text that these characters came from."""
        return self.starts[first], self.ends[last]


def verbatim(text: str) -> UnescapedText:
    """Return a text unchanged."""
    return UnescapedText(text, list(range(len(text))), list(range(1, len(text) + 1)))


def unescape(text: str) -> UnescapedText | None:
    """
    Undo all escapes and references.

    :return: None where more than :data:`DEPTH_LIMIT` encodings are nested.
    """
    unescaped = verbatim(text)
    for _ in range(DEPTH_LIMIT):
        once = _unescape_once(unescaped)
        if once is None:
            return unescaped
        unescaped = once
    return unescaped if _unescape_once(unescaped) is None else None


def _unescape_once(unescaped: UnescapedText) -> UnescapedText | None:
    """Undo one encoding; None where there is none."""
    text, at = unescaped.text, 0
    pieces, starts, ends = list[str](), list[int](), list[int]()
    for found in _ESCAPE.finditer(text):
        decoded = _decode_escape(found)
        if decoded == found[0]:
            continue
        first, after = found.span()
        pieces += (text[at:first], decoded)
        starts += unescaped.starts[at:first] + [unescaped.starts[first]] * len(decoded)
        ends += unescaped.ends[at:first] + [unescaped.ends[after - 1]] * len(decoded)
        at = after
    if not at:
        return None
    pieces.append(text[at:])
    return UnescapedText("".join(pieces), starts + unescaped.starts[at:], ends + unescaped.ends[at:])


def _decode_escape(found: re.Match[str]) -> str:
    kind, value = found.lastgroup or "", found[found.lastgroup or 0]
    if kind in _NUMBERS:
        number = int(value, _NUMBERS[kind])
        return chr(number) if number <= 0x10FFFF else found[0]
    if kind == "bytes":
        return bytes.fromhex(_NOT_HEX.sub("", value)).decode("utf-8", "replace")
    if kind == "blank":
        return " "
    return value if kind == "sign" else html.unescape(value)


def is_blank(character: str) -> bool:
    """Return whether a character is invisible: a space, a control character, a character without width."""
    return character.isspace() or not character.isprintable() or character in _INVISIBLE_LETTERS


def comparable_letters(unescaped: UnescapedText) -> tuple[str, list[int]]:
    """
    Keep only letters and digits, in lower case and without accents.

    :return: the letters, and the position of each in ``unescaped.text``.
    """
    letters, positions = list[str](), list[int]()
    for position, character in enumerate(unescaped.text):
        if character.isascii():
            if character.isalnum():
                letters.append(character.lower())
                positions.append(position)
            continue
        for plain in unicodedata.normalize("NFKD", character).lower():
            if plain.isalnum() and not is_blank(plain):
                letters.append(plain)
                positions.append(position)
    return "".join(letters), positions
