"""
Shapes of JSON values: what a parameter may be, and what of it is wrong. Pure; values are described by their type and
size and never repeated.

A shape is data: people read its rules, the documentation lists them, and tests make calls that break them.
:meth:`Shape.check` returns nothing for a valid value, so a valid call costs little. Shapes that contain other shapes
are in :mod:`~airflow_channel_provider.contract.structures`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from airflow_channel_provider.contract.sources import INFERRED, Source
from airflow_channel_provider.values import Values

JSON: TypeAlias = Any


class Rule(Values):
    """
    One rule for a value.

    :param kind: required, type, length, count, advice, range, pattern, name, specified, unknown or one_of.
    :param text: the rule, as the end of a sentence that begins with the path.
    :param source: the source of the rule.
    """

    kind: str
    text: str
    source: Source


class Violation(Values):
    """
    A rule that a value breaks.

    :param rule: the rule.
    :param found: type or size of the value, never the value.
    :param path: the place, such as ``columns[0].type``.
    """

    rule: Rule
    found: str
    path: str = ""

    def under(self, outer: str) -> Violation:
        """Return the same violation with a longer path."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return self._replace(path=f"{outer}{dot}{self.path}")

    def __str__(self) -> str:
        return f"{self.path} {self.rule.text}, it {self.found}"


class Shape:
    """
    The rules for a value.

    :param by: the source of its limits; None: the source of the parameter.
    """

    words = "a value"
    """Its name in a sentence, with an article."""

    def __init__(self, by: Source | None = None) -> None:
        self.by = by

    def check(self, value: JSON, by: Source) -> Sequence[Violation]:
        """
        Return the violations of a value.

        :param value: the value; an absent one is not checked.
        :param by: who names the parameter, and so its type.
        """
        if not self.fits(value):
            return (Violation(self.type_rule(by), f"is {type_of(value)}"),)
        return self.beyond(value, self.by or by)

    def rules(self, by: Source) -> Sequence[Rule]:
        """
        Return all rules for the value itself, without those for its parts.

        :param by: who names the parameter, and so its type.
        """
        return (self.type_rule(by), *self.limits(self.by or by))

    def type_rule(self, by: Source) -> Rule:
        """Return the rule about its type."""
        return Rule("type", f"must be {self.words}", by.of_type())

    def fits(self, value: JSON) -> bool:
        """Return whether the value is of this type."""
        raise NotImplementedError

    def limits(self, by: Source) -> Sequence[Rule]:
        """Return the rules for a value of this type."""
        return ()

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        """Return the rules of :meth:`limits` that a value breaks."""
        return ()

    def is_absent(self, value: JSON) -> bool:
        """Return whether a value counts as absent."""
        return value is None

    def broken(self, kind: str, by: Source, found: str) -> Sequence[Violation]:
        """Return the violation of one of the limits."""
        return (Violation(next(rule for rule in self.limits(by) if rule.kind == kind), found),)


class Text(Shape):
    """
    A text.

    :param least: minimum number of characters; from 1 on, a required text of spaces counts as absent.
    :param most: maximum number of characters.
    :param pattern: the whole text must match it.
    :param form: the pattern in words, as the end of "must".
    :param also: another spelling of the parameter's name that the service accepts.
    """

    words = "a text"

    def __init__(
        self,
        by: Source | None = None,
        *,
        least: int = 0,
        most: int | None = None,
        pattern: str | None = None,
        form: str = "",
        also: str | None = None,
    ) -> None:
        super().__init__(by)
        self.least: Final = least
        self.most: Final = most
        self.pattern: Final = pattern
        self.form: Final = form
        self.also: Final = also

    def fits(self, value: JSON) -> bool:
        return isinstance(value, str)

    def limits(self, by: Source) -> Sequence[Rule]:
        found = []
        if self.least or self.most is not None:
            size = f"{extent(self.least, self.most)} {plural('character', self.most or self.least)}"
            found.append(Rule("length", f"must have {size}", by))
        if self.pattern is not None:
            found.append(Rule("pattern", f"must {self.form}", by))
        return found

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        size = len(value)
        if size < self.least or (self.most is not None and size > self.most):
            return self.broken("length", by, f"has {size}")
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return self.broken("pattern", by, f"is {type_of(value)}")
        return ()

    def is_absent(self, value: JSON) -> bool:
        return value is None or (self.least > 0 and isinstance(value, str) and not value.strip())


class Enumeration(Shape):
    """
    One of several names, in exactly this spelling.

    :param names: the names that the service knows.
    :param prefix: the prefix of each name.
    :param numbers: the same as numbers, if the service accepts them.
    :param unspecified: the source that refuses the name ``UNSPECIFIED``, which each enumeration of a proto has.
    """

    words = "a name"

    def __init__(
        self,
        names: tuple[str, ...],
        by: Source | None = None,
        *,
        prefix: str = "",
        numbers: tuple[int, ...] = (),
        unspecified: Source = INFERRED,
    ) -> None:
        super().__init__(by)
        self.names: Final = names
        self.prefix: Final = prefix
        self.numbers: Final = numbers
        self.unspecified: Final = unspecified

    @property
    def spelt(self) -> tuple[str, ...]:
        """The names as they are sent, with their prefix."""
        return tuple(self.prefix + name for name in self.names)

    @property
    def plain_names(self) -> tuple[str, ...]:
        """The names in lower case and without their prefix, as some answers write them."""
        return tuple(name.lower() for name in self.names)

    def plain(self, text: str) -> str:
        """Return a name in that form, however it is written."""
        return text.strip().lower().removeprefix(self.prefix.lower())

    def fits(self, value: JSON) -> bool:
        return isinstance(value, str) or (is_number(value) and value in self.numbers)

    def limits(self, by: Source) -> Sequence[Rule]:
        names = Rule("name", f"must be one of {', '.join(self.spelt)}", by.of_type())
        specified = Rule("specified", f"must not be {self.prefix}UNSPECIFIED", self.unspecified)
        return (names, specified) if self.prefix else (names,)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if not isinstance(value, str) or value in self.spelt:
            return ()
        if self.prefix and value == f"{self.prefix}UNSPECIFIED":
            return self.broken("specified", by, "is")
        return self.broken("name", by, "is another text")


class Number(Shape):
    """A number."""

    words = "a number"

    def fits(self, value: JSON) -> bool:
        return is_number(value)


class Whole(Shape):
    """
    A whole number.

    :param least: smallest.
    :param most: largest.
    """

    words = "a whole number"

    def __init__(
        self,
        by: Source | None = None,
        *,
        least: int | None = None,
        most: int | None = None,
    ) -> None:
        super().__init__(by)
        self.least: Final = least
        self.most: Final = most

    def fits(self, value: JSON) -> bool:
        return is_number(value) and (isinstance(value, int) or value.is_integer())

    def limits(self, by: Source) -> Sequence[Rule]:
        is_free = self.least is None and self.most is None
        return () if is_free else (Rule("range", f"must be {extent(self.least, self.most)}", by),)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if self.least is not None and value < self.least:
            return self.broken("range", by, "is smaller")
        if self.most is not None and value > self.most:
            return self.broken("range", by, "is larger")
        return ()


class Flag(Shape):
    """True or false."""

    words = "true or false"

    def fits(self, value: JSON) -> bool:
        return isinstance(value, bool)


class Duration(Shape):
    """
    A duration: ``{"seconds": 90, "nanos": 0}``, or a text such as ``90s``.

    :param least_seconds: minimum.
    :param form: what it is for, as the end of the rule's sentence.
    """

    words = 'a duration, such as {"seconds": 90} or "90s"'

    def __init__(
        self,
        by: Source | None = None,
        *,
        least_seconds: float = 0,
        form: str = "",
    ) -> None:
        super().__init__(by)
        self.least_seconds: Final = least_seconds
        self.form: Final = form

    def fits(self, value: JSON) -> bool:
        return seconds_of(value) is not None

    def limits(self, by: Source) -> Sequence[Rule]:
        return (Rule("range", f"must be at least {self.least_seconds:g} seconds {self.form}".rstrip(), by),)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        is_long = (seconds_of(value) or 0) >= self.least_seconds
        return () if is_long else self.broken("range", by, "is shorter")


_SECONDS = r"-?\d{1,12}(\.\d{1,9})?s"
_COUNT = r"-?\d{1,12}"


def seconds_of(value: JSON) -> float | None:
    """Return a duration in seconds; None if it is not one."""
    if isinstance(value, str):
        return float(value[:-1]) if re.fullmatch(_SECONDS, value, re.ASCII) else None
    if not is_object(value):
        return None
    seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
    if isinstance(seconds, str) and re.fullmatch(_COUNT, seconds, re.ASCII):
        seconds = int(seconds)
    if not (is_number(seconds) and is_number(nanos) and abs(seconds) < 1e12 and abs(nanos) < 1e9):
        return None
    return float(seconds + nanos / 1e9)


def is_object(value: JSON) -> bool:
    """Return whether this is an object of JSON."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - the first is ten times as fast


def is_number(value: JSON) -> bool:
    """Return whether this is a number of JSON."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def type_of(value: JSON) -> str:
    """Describe a value by its type and size."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return f"a text of {len(value)} {plural('character', len(value))}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if is_object(value):
        return f"an object of {len(value)}"
    return "a number" if is_number(value) else f"a {type(value).__name__}"


def extent(least: float | None, most: float | None) -> str:
    """Return limits in words."""
    if most is None:
        return f"at least {least:g}"
    return f"at most {most:g}" if not least else f"{least:g} to {most:g}"


def plural(noun: str, number: int) -> str:
    """Return the noun in the form that follows a number."""
    return noun if number == 1 else f"{noun}s"
