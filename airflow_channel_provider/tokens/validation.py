"""
Checks of values that come from a store or from an answer. Nothing else in the package decides what is plausible.

A store can be written by another program, another release, a broken disk or a person. A value that a decision reads
must be plausible, or its document counts as lost: the checks raise :class:`ValueError` or :class:`TypeError`. A text
that only people read is repaired instead. Nothing that the provider writes itself fails here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence, Sized
from typing import Any, TypeGuard

MOST_BYTES = 12 * 2**20
"""Of a document; the busiest day fills two thirds of it."""

MOST_ENTRIES = 10_000
"""Maximum number of entries of one kind in a document, such as tokens."""

MOST_COUNTED = 1_000_000
"""Where counting stops; 57 years of refusals, one every half an hour."""

AHEAD_SECONDS = 600.0
"""Maximum time that a stored time may be ahead of the clock that reads it: the clock was set back, or leases are
longer."""

LONGEST_LIFE_SECONDS = 366 * 86_400.0
"""The longest life that is taken from an answer or a store."""

ERROR_TEXT_LENGTH = 500

_FURTHEST_SECONDS = 32_503_680_000.0  # the year 3000, and as far before 1970
_MOST_CODE = 10**15
_NUMBERS, _WHOLE, _FLAGS = frozenset({float, int}), frozenset({int}), frozenset({bool})
_NO_TEXT = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+"


def is_time(value: object) -> TypeGuard[float]:
    """Return whether a value is a number of seconds that a clock can show: finite, and within 1,000 years."""
    return type(value) in _NUMBERS and -_FURTHEST_SECONDS <= value <= _FURTHEST_SECONDS  # type: ignore[operator]


def check(
    *,
    times: Collection[Any],
    counts: Collection[Any],
    names: Sequence[Any],
    flags: Collection[Any],
    lives: Iterable[Any],
    collections: Iterable[Sized],
) -> None:
    """
    Check the values of a document, those of one kind together.

    :param times: times of a clock, see :func:`is_time`.
    :param counts: how often something happened.
    :param names: printable texts without half of a surrogate pair.
    :param flags: yes or no.
    :param lives: lives of tokens, seconds; computed only after the times were checked.
    :param collections: none of them may have too many entries.
    :raises ValueError: one of them is not plausible.
    :raises TypeError: a name is no text.
    """
    check_sizes(collections)
    check_times(times)
    check_counts(counts)
    check_names(names)
    if not _FLAGS.issuperset(map(type, flags)):
        raise ValueError("not a flag")
    check_lives(lives)


def check_times(values: Collection[Any]) -> None:
    """Check times of a clock."""
    for value in values:
        if not -_FURTHEST_SECONDS <= value <= _FURTHEST_SECONDS:
            raise ValueError("not a time")
    if not _NUMBERS.issuperset(map(type, values)):
        raise ValueError("not a time")


def check_counts(values: Collection[Any]) -> None:
    """Check numbers of times that something happened."""
    for value in values:
        if not 0 <= value <= MOST_COUNTED:
            raise ValueError("not a count")
    if not _WHOLE.issuperset(map(type, values)):
        raise ValueError("not a count")


def check_names(values: Sequence[Any]) -> None:
    """Check texts that name something."""
    if not "".join(values).isprintable():
        raise ValueError("not a name")


def check_lives(values: Iterable[float]) -> None:
    """Check lives of tokens, seconds."""
    for seconds in values:
        if not 0 <= seconds <= LONGEST_LIFE_SECONDS:
            raise ValueError("not the life of a token")


def check_sizes(collections: Iterable[Sized]) -> None:
    """Check that none of the collections has too many entries."""
    for collection in collections:
        if len(collection) > MOST_ENTRIES:
            raise ValueError("too many entries")


def increment(counted: int) -> int:
    """Count one more, up to the largest count that :func:`check_counts` accepts."""
    return min(counted + 1, MOST_COUNTED)


def is_name(value: object, length: int) -> bool:
    """Return whether a value is a printable text of at most ``length`` characters."""
    return isinstance(value, str) and len(value) <= length and value.isprintable()


def repaired(value: object, length: int) -> str:
    """
    Return a text that may be shown: without control characters and halves of surrogate pairs, at most ``length`` long.

    :return: empty if the value is no text.
    """
    if not isinstance(value, str):
        return ""
    if not value.isprintable():
        value = re.sub(_NO_TEXT, " ", value[: 4 * length]).encode(errors="replace").decode()
    return value if len(value) <= length else f"{value[: length - 1]}…"


def plain(value: object) -> str | int | None:
    """Return a value of an error as it may be stored: a repaired text, a number such as a status, or None."""
    if isinstance(value, str):
        return repaired(value, ERROR_TEXT_LENGTH)
    return value if type(value) is int and abs(value) <= _MOST_CODE else None
