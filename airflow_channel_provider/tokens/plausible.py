"""
What may be believed of a value that a store or an answer holds. Whoever reads one asks here, and nowhere else.

A store can be written by another program, another release, a broken disk or a person. What a decision reads has to be
plausible, or its document counts as lost: a :class:`ValueError` or a :class:`TypeError` says so. What only people read
is put right instead. Nothing that the provider writes itself is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Sized
from typing import Any, TypeGuard, TypeVar

__all__ = [
    "AHEAD_SECONDS",
    "LONGEST_LIFE_SECONDS",
    "MOST_BYTES",
    "MOST_COUNTED",
    "MOST_ENTRIES",
    "counts",
    "few",
    "flags",
    "is_name",
    "is_time",
    "latest",
    "life",
    "names",
    "one_more",
    "plain",
    "shown",
    "times",
]

T = TypeVar("T")

MOST_BYTES = 12 * 2**20
"""Of a document; the busiest day fills two thirds of it."""

MOST_ENTRIES = 10_000
"""Of one kind in a document, such as the tokens of so many scopes."""

MOST_COUNTED = 1_000_000
"""Where counting stops; 57 years of refusals, one every half an hour."""

AHEAD_SECONDS = 600.0
"""So far may a time that was written lie ahead of the clock that reads it: that was set back, or leases are longer."""

LONGEST_LIFE_SECONDS = 366 * 86_400.0
"""No token is believed to live longer, whatever an answer says."""

ERROR_TEXT_LENGTH = 500

_FURTHEST_SECONDS = 32_503_680_000.0  # the year 3000, and as far before 1970
_MOST_CODE = 10**15
_NUMBERS, _WHOLE, _FLAGS = frozenset({float, int}), frozenset({int}), frozenset({bool})
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def is_time(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number of seconds that a clock can show: not infinite, not of another age."""
    return type(value) in _NUMBERS and -_FURTHEST_SECONDS <= value <= _FURTHEST_SECONDS  # type: ignore[operator]


def times(values: Collection[Any]) -> None:
    """
    Look at times of a clock; see :func:`is_time`.

    :raises ValueError: one is none.
    """
    for value in values:
        if not -_FURTHEST_SECONDS <= value <= _FURTHEST_SECONDS:
            raise ValueError("no time")
    if not _NUMBERS.issuperset(map(type, values)):
        raise ValueError("no time")


def counts(values: Collection[Any]) -> None:
    """
    Look at how often something happened.

    :raises ValueError: nobody has counted that.
    """
    for value in values:
        if not 0 <= value <= MOST_COUNTED:
            raise ValueError("no count")
    if not _WHOLE.issuperset(map(type, values)):
        raise ValueError("no count")


def one_more(counted: int) -> int:
    """Count on, up to an end."""
    return min(counted + 1, MOST_COUNTED)


def flags(values: Collection[Any]) -> None:
    """
    Look at yes and no.

    :raises ValueError: one is neither.
    """
    if not _FLAGS.issuperset(map(type, values)):
        raise ValueError("no flag")


def names(values: Sequence[Any]) -> None:
    """
    Look at what names something: printable, and no half of a character.

    :raises ValueError: one is no name.
    :raises TypeError: one is no text.
    """
    if not "".join(values).isprintable():
        raise ValueError("no name")


def is_name(value: object, length: int) -> bool:
    """Tell whether a value may name something, and is no longer than that."""
    return isinstance(value, str) and len(value) <= length and value.isprintable()


def life(seconds: float) -> None:
    """
    Look at how long a token lives.

    :raises ValueError: no token does.
    """
    if not 0 <= seconds <= LONGEST_LIFE_SECONDS:
        raise ValueError("no life")


def few(*kinds: Sized) -> None:
    """
    See that there is not too much of a kind.

    :raises ValueError: there is.
    """
    for kind in kinds:
        if len(kind) > MOST_ENTRIES:
            raise ValueError("too many")


def latest(found: Mapping[str, T], ends_at: Callable[[T], float], *, most: int) -> dict[str, T]:
    """Keep no more entries than that, far fewer than :func:`few` lets through: those that end last."""
    if len(found) <= most:
        return dict(found)
    return {key: found[key] for key in sorted(found, key=lambda key: ends_at(found[key]))[-most:]}


def shown(value: object, length: int) -> str:
    """
    Put a text right that people may see and no decision reads: no control characters, no half of a character, cut.

    :return: an empty text for what is none.
    """
    if not isinstance(value, str):
        return ""
    if not value.isprintable():
        value = _NO_TEXT.sub(" ", value[: 4 * length]).encode(errors="replace").decode()
    return value if len(value) <= length else f"{value[: length - 1]}…"


def plain(value: object) -> str | int | None:
    """Put right what an error told: a text, a number such as a status, or nothing."""
    if isinstance(value, str):
        return shown(value, ERROR_TEXT_LENGTH)
    return value if type(value) is int and abs(value) <= _MOST_CODE else None
