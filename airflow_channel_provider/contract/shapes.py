"""
Shapes of JSON values: what a parameter may be, and what of it is wrong. Pure; values are described by their type and
size and never repeated.

A shape is data: a newcomer reads it, the documentation is made of it, and tests make the calls that break it from it.
:meth:`Shape.check` returns nothing for a value that fits, which is all that a good call costs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from airflow_channel_provider.contract.sources import INFERRED, Source, Strength

__all__ = [
    "Duration",
    "Either",
    "Enumeration",
    "Field",
    "Flag",
    "ListOf",
    "MapOf",
    "Number",
    "Record",
    "Shape",
    "Text",
    "Violation",
    "Whole",
    "record",
]

JSON: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Violation:
    """
    A rule that a value breaks.

    :param kind: of the rule: required, type, length, count, range, pattern, name, unknown or one_of.
    :param rule: what it demands, as the end of a sentence that begins with the path.
    :param found: type or size of what is there, never the value.
    :param source: who says so.
    :param path: where, such as ``columns[0].type``.
    """

    kind: str
    rule: str
    found: str
    source: Source
    path: str = ""

    def under(self, outer: str) -> Violation:
        """The same, seen from one level further out."""
        dot = "." if self.path and not self.path.startswith("[") else ""
        return replace(self, path=f"{outer}{dot}{self.path}")

    def __str__(self) -> str:
        return f"{self.path} {self.rule}, it {self.found}"


class Shape:
    """What a value may be."""

    words = "a value"
    """What it is called, with its article."""
    by: Source | None = None
    """Who sets its limits; None: who names the parameter."""

    def check(self, value: JSON, by: Source) -> Sequence[Violation]:
        """
        Return what is wrong with a value.

        :param value: what is given; what is absent is not checked.
        :param by: who names the parameter, and so its type.
        """
        if not self.fits(value):
            return (Violation("type", f"must be {self.words}", f"is {type_of(value)}", by.of_type()),)
        return self.beyond(value, self.by or by)

    def fits(self, value: JSON) -> bool:
        """Tell whether the value is of this type."""
        raise NotImplementedError

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        """Return the limits that a value of this type breaks."""
        return ()

    def is_absent(self, value: JSON) -> bool:
        """Tell whether a value is as good as none."""
        return value is None


@dataclass(frozen=True)
class Text(Shape):
    """
    A text.

    :param least: fewest characters; from 1 on, a required text of spaces is as good as none.
    :param most: most characters.
    :param pattern: what all of it must match.
    :param form: the pattern in words, as the end of "must".
    :param also: another spelling of the parameter's name that the service takes.
    """

    by: Source | None = None
    least: int = 0
    most: int | None = None
    pattern: str | None = None
    form: str = ""
    also: str | None = None

    words = "a text"

    def fits(self, value: JSON) -> bool:
        return isinstance(value, str)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if not self.least <= len(value) <= (len(value) if self.most is None else self.most):
            rule = f"must have {extent(self.least, self.most)} {plural('character', self.most)}"
            return (Violation("length", rule, f"has {len(value)}", by),)
        if self.pattern is not None and re.fullmatch(self.pattern, value) is None:
            return (Violation("pattern", f"must {self.form}", f"is {type_of(value)}", by),)
        return ()

    def is_absent(self, value: JSON) -> bool:
        return value is None or (self.least > 0 and isinstance(value, str) and not value.strip())


@dataclass(frozen=True)
class Enumeration(Shape):
    """
    One of some names, spelt exactly so.

    :param names: what the service knows.
    :param prefix: what each of them begins with.
    :param numbers: the same as numbers, where the service takes them.
    :param unspecified: who refuses the name ``UNSPECIFIED``, which each enumeration of a proto has.
    """

    names: tuple[str, ...]
    by: Source | None = None
    prefix: str = ""
    numbers: tuple[int, ...] = ()
    unspecified: Source = INFERRED

    words = "a name"

    @property
    def spelt(self) -> tuple[str, ...]:
        """The names as they are sent."""
        return tuple(self.prefix + name for name in self.names)

    def fits(self, value: JSON) -> bool:
        return isinstance(value, str) or (is_number(value) and value in self.numbers)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if not isinstance(value, str) or value in self.spelt:
            return ()
        if self.prefix and value == f"{self.prefix}UNSPECIFIED":
            return (Violation("name", "must be specified", "is UNSPECIFIED", self.unspecified),)
        return (
            Violation("name", f"must be one of {', '.join(self.spelt)}", "is another text", by.of_type()),
        )


@dataclass(frozen=True)
class Number(Shape):
    """A number."""

    words = "a number"

    def fits(self, value: JSON) -> bool:
        return is_number(value)


@dataclass(frozen=True)
class Whole(Shape):
    """
    A whole number.

    :param least: smallest.
    :param most: largest.
    """

    by: Source | None = None
    least: int | None = None
    most: int | None = None

    words = "a whole number"

    def fits(self, value: JSON) -> bool:
        return is_number(value) and (isinstance(value, int) or value.is_integer())

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if (self.least is None or value >= self.least) and (self.most is None or value <= self.most):
            return ()
        found = "is smaller" if self.least is not None and value < self.least else "is larger"
        return (Violation("range", f"must be {extent(self.least, self.most)}", found, by),)


@dataclass(frozen=True)
class Flag(Shape):
    """True or false."""

    words = "true or false"

    def fits(self, value: JSON) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Duration(Shape):
    """
    A length of time: ``{"seconds": 90, "nanos": 0}``, or a text such as ``90s``.

    :param least_seconds: shortest.
    """

    by: Source | None = None
    least_seconds: float | None = None

    words = 'a duration, such as {"seconds": 90} or "90s"'

    def fits(self, value: JSON) -> bool:
        return seconds_of(value) is not None

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        if self.least_seconds is None or (seconds_of(value) or 0) >= self.least_seconds:
            return ()
        return (Violation("range", f"must be at least {self.least_seconds:g} seconds", "is shorter", by),)


@dataclass(frozen=True)
class ListOf(Shape):
    """
    A list.

    :param of: what each of its items is.
    :param least: fewest items.
    :param most: most items.
    :param advised: number of items above which it is not sure that the service takes them.
    """

    of: Shape
    by: Source | None = None
    least: int = 0
    most: int | None = None
    advised: int | None = None

    words = "a list"

    def fits(self, value: JSON) -> bool:
        return isinstance(value, (list, tuple))

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        size = len(value)
        if size < self.least or (self.most is not None and size > self.most):
            rule = f"must have {extent(self.least, self.most)} {plural('item', self.most)}"
            return (Violation("count", rule, f"has {size}", by),)
        found: list[Violation] = []
        if self.advised is not None and size > self.advised:
            rule = f"should have at most {self.advised} items"
            found.append(Violation("count", rule, f"has {size}", INFERRED))
        for index, item in enumerate(value):
            found += [inner.under(f"[{index}]") for inner in self.of.check(item, by)]
        return found


@dataclass(frozen=True)
class MapOf(Shape):
    """
    An object with whatever keys, such as languages.

    :param of: what each of its values is; None: whatever JSON holds.
    """

    of: Shape | None = None

    words = "an object"

    def fits(self, value: JSON) -> bool:
        return is_object(value)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        of = self.of
        if of is None:
            return ()
        return [found.under(str(key)) for key, item in value.items() for found in of.check(item, by)]


@dataclass(frozen=True)
class Either(Shape):
    """
    One of some shapes, told apart by their types.

    :param shapes: which.
    """

    shapes: tuple[Shape, ...]

    @property
    def words(self) -> str:  # type: ignore[override]
        """All of them."""
        return " or ".join(shape.words for shape in self.shapes)

    def fits(self, value: JSON) -> bool:
        return any(shape.fits(value) for shape in self.shapes)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        return next(shape.check(value, by) for shape in self.shapes if shape.fits(value))


@dataclass(frozen=True, slots=True)
class Field:
    """
    A parameter, or a field of an object.

    :param shape: what it may be.
    :param required: who says that it must be there; None: nobody.
    """

    shape: Shape
    required: Source | None = None


@dataclass(frozen=True)
class Record(Shape):
    """
    An object whose fields are known; see :func:`record`.

    :param by: who names the fields.
    :param fields: by name.
    :param closed: whether it may have no other fields.
    :param one_of: fields of which exactly one has to be filled.
    """

    by: Source
    fields: Mapping[str, Field] = field(default_factory=dict)
    closed: bool = False
    one_of: tuple[str, ...] = ()

    words = "an object"

    def __getitem__(self, name: str) -> Shape:
        """What one of its fields may be."""
        return self.fields[name].shape

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the fields that must be there."""
        return tuple(name for name, known in self.fields.items() if known.required is not None)

    def fits(self, value: JSON) -> bool:
        return is_object(value)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        found: list[Violation] = []
        for name, known in self.fields.items():
            item = value.get(name)
            if item is None and isinstance(known.shape, Text) and known.shape.also:
                item = value.get(known.shape.also)
            if known.required is not None and known.shape.is_absent(item):
                absent = "is absent" if item is None else "is empty"
                found.append(Violation("required", "is required", absent, known.required, name))
            elif item is not None or (name in value and by.strength is Strength.SCHEMA):
                found += [inner.under(name) for inner in known.shape.check(item, by)]
        return [*found, *self._keys(value, by)] if self.closed or self.one_of else found

    def _keys(self, value: Mapping[str, JSON], by: Source) -> Sequence[Violation]:
        found: list[Violation] = []
        if self.closed:
            also = {known.shape.also for known in self.fields.values() if isinstance(known.shape, Text)}
            unknown = [name for name in value if name not in self.fields and name not in also]
            found += [Violation("unknown", "is no field here", "is given", by, str(name)) for name in unknown]
        if self.one_of:
            filled = [name for name in self.one_of if value.get(name) not in (None, "")]
            if len(filled) != 1:
                rule = f"needs exactly one of {', '.join(self.one_of)}"
                found.append(Violation("one_of", rule, f"has {' and '.join(filled) or 'none'}", by))
        return found


def record(
    by: Source,
    needs: Mapping[str, Shape | tuple[Shape, Source]] | None = None,
    takes: Mapping[str, Shape] | None = None,
    *,
    closed: bool = False,
    one_of: tuple[str, ...] = (),
) -> Record:
    """
    Declare an object.

    :param by: who names its fields, and which of them are needed.
    :param needs: the fields that must be there; with who says so, where that is somebody else.
    :param takes: the fields that may be there.
    :param closed: whether it may have no other fields.
    :param one_of: fields of which exactly one has to be filled.
    """
    needed = {
        name: Field(*given) if isinstance(given, tuple) else Field(given, by)
        for name, given in (needs or {}).items()
    }
    taken = {name: Field(shape) for name, shape in (takes or {}).items() if name not in needed}
    return Record(by, {**needed, **taken}, closed, one_of)


def is_object(value: JSON) -> bool:
    """Tell whether this is an object of JSON."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - the first is ten times as fast


def is_number(value: JSON) -> bool:
    """Tell whether this is a number of JSON."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SECONDS = re.compile(r"-?\d+(\.\d{1,9})?s", re.ASCII)


def seconds_of(value: JSON) -> float | None:
    """Return a duration in seconds, None where it is none."""
    if isinstance(value, str):
        return float(value[:-1]) if _SECONDS.fullmatch(value) else None
    if not isinstance(value, Mapping):
        return None
    seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
    if isinstance(seconds, str) and re.fullmatch(r"-?\d{1,12}", seconds, re.ASCII):
        seconds = int(seconds)
    if not (is_number(seconds) and is_number(nanos) and abs(seconds) < 1e12 and abs(nanos) < 1e9):
        return None
    return float(seconds + nanos / 1e9)


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
    if isinstance(value, Mapping):
        return f"an object of {len(value)}"
    return "a number" if is_number(value) else f"a {type(value).__name__}"


def extent(least: float | None, most: float | None) -> str:
    """Say between which limits something is."""
    if most is None:
        return f"at least {least:g}"
    return f"at most {most:g}" if not least else f"{least:g} to {most:g}"


def plural(noun: str, number: int | None) -> str:
    """Return the noun as it stands after that number."""
    return noun if number == 1 else f"{noun}s"
