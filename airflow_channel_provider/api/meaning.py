"""
What a text means, character by character, and where in the text each character stands.

JSON, Python and JavaScript escapes, percent encoding and HTML character references are undone, also where one is
wrapped in another. Whoever compares two texts by what they mean compares what is left when signs, spaces, accents and
the case of letters are taken away as well. Each step is linear in the length of the text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

__all__ = ["DEPTH_LIMIT", "Meaning", "is_blank", "letters_of", "meaning_of", "verbatim"]

DEPTH_LIMIT = 8
"""So many encodings may be wrapped in each other."""

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
class Meaning:
    """
    A text in which each character knows where it comes from.

    :param text: the characters.
    :param starts: where each begins in the text that they were read from.
    :param ends: where each ends there.
    """

    text: str
    starts: list[int]
    ends: list[int]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return what the characters from the first to the last were read from."""
        return self.starts[first], self.ends[last]


def verbatim(text: str) -> Meaning:
    """Return a text as it is written."""
    return Meaning(text, list(range(len(text))), list(range(1, len(text) + 1)))


def meaning_of(text: str) -> Meaning | None:
    """
    Undo all escapes and references.

    :return: None where more than :data:`DEPTH_LIMIT` of them are wrapped in each other.
    """
    meaning = verbatim(text)
    for _ in range(DEPTH_LIMIT):
        plainer = _undone(meaning)
        if plainer is None:
            return meaning
        meaning = plainer
    return meaning if _undone(meaning) is None else None


def _undone(meaning: Meaning) -> Meaning | None:
    """Undo one encoding; None where there is none."""
    text, at = meaning.text, 0
    pieces, starts, ends = list[str](), list[int](), list[int]()
    for found in _ESCAPE.finditer(text):
        meant = _meant_by(found)
        if meant == found[0]:
            continue
        first, after = found.span()
        pieces += (text[at:first], meant)
        starts += meaning.starts[at:first] + [meaning.starts[first]] * len(meant)
        ends += meaning.ends[at:first] + [meaning.ends[after - 1]] * len(meant)
        at = after
    if not at:
        return None
    pieces.append(text[at:])
    return Meaning("".join(pieces), starts + meaning.starts[at:], ends + meaning.ends[at:])


def _meant_by(found: re.Match[str]) -> str:
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
    """Tell whether nothing is to be seen of a character: a space, a control character, one of no width."""
    return character.isspace() or not character.isprintable() or character in _INVISIBLE_LETTERS


def letters_of(meaning: Meaning) -> tuple[str, list[int]]:
    """
    Keep nothing but letters and digits, in their plainest form: no case, no accent, nothing invisible.

    :return: them, and the position of each among the characters of the meaning.
    """
    letters, positions = list[str](), list[int]()
    for position, character in enumerate(meaning.text):
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
