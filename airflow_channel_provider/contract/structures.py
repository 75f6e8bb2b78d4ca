"""Shapes that contain others: lists, objects, and one of several. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from airflow_channel_provider.contract.shapes import (
    JSON,
    Rule,
    Shape,
    Text,
    Violation,
    extent,
    is_object,
    plural,
)
from airflow_channel_provider.contract.sources import INFERRED, Source, Strength
from airflow_channel_provider.values import Values


class ListOf(Shape):
    """
    A list.

    :param of: shape of each item.
    :param least: minimum number of items.
    :param most: maximum number of items.
    :param advised: number of items above which the service may refuse.
    """

    words = "a list"

    def __init__(
        self,
        of: Shape,
        by: Source | None = None,
        *,
        least: int = 0,
        most: int | None = None,
        advised: int | None = None,
    ) -> None:
        super().__init__(by)
        self.of: Final = of
        self.least: Final = least
        self.most: Final = most
        self.advised: Final = advised

    def fits(self, value: JSON) -> bool:
        return isinstance(value, (list, tuple))

    def limits(self, by: Source) -> Sequence[Rule]:
        found = []
        if self.least or self.most is not None:
            size = f"{extent(self.least, self.most)} {plural('item', self.most or self.least)}"
            found.append(Rule("count", f"must have {size}", by))
        if self.advised is not None:
            found.append(Rule("advice", f"should have at most {self.advised} items", INFERRED))
        return found

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        size, of = len(value), self.of
        if size < self.least or (self.most is not None and size > self.most):
            return self.broken("count", by, f"has {size}")
        found: list[Violation] = []
        if self.advised is not None and size > self.advised:
            found += self.broken("advice", by, f"has {size}")
        for index, item in enumerate(value):
            if inner := of.check(item, by):
                found += [violation.under(f"[{index}]") for violation in inner]
        return found


class MapOf(Shape):
    """
    An object with any keys, such as languages.

    :param of: shape of each value; None: any JSON.
    """

    words = "an object"

    def __init__(self, of: Shape | None = None) -> None:
        super().__init__()
        self.of: Final = of

    def fits(self, value: JSON) -> bool:
        return is_object(value)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        of = self.of
        if of is None:
            return ()
        return [found.under(str(key)) for key, item in value.items() for found in of.check(item, by)]


class Either(Shape):
    """
    One of several shapes, distinguished by their types.

    :param shapes: the shapes.
    """

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        super().__init__()
        self.shapes: Final = shapes

    @property
    def words(self) -> str:  # type: ignore[override]
        """All of them."""
        return " or ".join(shape.words for shape in self.shapes)

    def fits(self, value: JSON) -> bool:
        return any(shape.fits(value) for shape in self.shapes)

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        return next(shape.check(value, by) for shape in self.shapes if shape.fits(value))


class Field(Values):
    """
    A parameter, or a field of an object.

    :param shape: shape of its value.
    :param required: the source that requires it; None: it is optional.
    :param only_where: another field and its value: only then do the limits of this one apply; None: always.
    """

    shape: Shape
    required: Source | None = None
    only_where: tuple[str, JSON] | None = None

    def counts(self, violation: Violation, beside: Mapping[str, JSON]) -> bool:
        """
        Return whether a rule of the shape applies.

        :param violation: of the rule.
        :param beside: the object, with its other fields.
        """
        if self.only_where is None or violation.rule.kind == "type":
            return True
        name, value = self.only_where
        return bool(beside.get(name) == value)

    def rules(self, by: Source) -> Sequence[Rule]:
        """
        Return all rules for it, also the one that it is required.

        :param by: the source of the field.
        """
        rules = self.shape.rules(by)
        if self.required is None:
            return rules
        # A required text that is too short counts as absent.
        covered = isinstance(self.shape, Text) and self.shape.most is None
        kept = [rule for rule in rules if rule.kind != "length" or not covered]
        return [Rule("required", "is required", self.required), *kept]


class Record(Shape):
    """
    An object whose fields are known; see :func:`record`.

    :param by: the source of the fields.
    :param fields: by name.
    :param closed: whether it may have no other fields.
    :param one_of: fields of which exactly one has to be filled.
    """

    words = "an object"
    by: Source

    def __init__(
        self,
        by: Source,
        fields: Mapping[str, Field],
        *,
        closed: bool = False,
        one_of: tuple[str, ...] = (),
    ) -> None:
        super().__init__(by)
        self.fields: Final = fields
        self.closed: Final = closed
        self.one_of: Final = one_of

    def __getitem__(self, name: str) -> Shape:
        """Return the shape of a field."""
        return self.fields[name].shape

    def fits(self, value: JSON) -> bool:
        return is_object(value)

    def limits(self, by: Source) -> Sequence[Rule]:
        found = [Rule("one_of", f"needs exactly one of {', '.join(self.one_of)}", by)] if self.one_of else []
        return [*found, Rule("unknown", "is no field here", by)] if self.closed else found

    def beyond(self, value: JSON, by: Source) -> Sequence[Violation]:
        found: list[Violation] = []
        for name, known in self.fields.items():
            item, shape = value.get(name), known.shape
            if item is None and isinstance(shape, Text) and shape.also:
                item = value.get(shape.also)
            if known.required is not None and shape.is_absent(item):
                absent = "is absent" if item is None else "is empty"
                found.append(Violation(known.rules(by)[0], absent, name))
            # A schema refuses null for an optional field; elsewhere null is the same as absent.
            elif (item is not None or (name in value and by.strength is Strength.SCHEMA)) and (
                inner := shape.check(item, by)
            ):
                found += [broken.under(name) for broken in inner if known.counts(broken, value)]
        return [*found, *self._keys(value, by)] if self.closed or self.one_of else found

    def _keys(self, value: Mapping[str, JSON], by: Source) -> Sequence[Violation]:
        found: list[Violation] = []
        if self.closed:
            also = {known.shape.also for known in self.fields.values() if isinstance(known.shape, Text)}
            unknown = [str(name) for name in value if name not in self.fields and name not in also]
            found += [self.broken("unknown", by, "is given")[0].under(name) for name in unknown]
        if self.one_of:
            filled = [name for name in self.one_of if value.get(name) not in (None, "")]
            if len(filled) != 1:
                found += self.broken("one_of", by, f"has {' and '.join(filled) or 'none'}")
        return found


def record(
    by: Source,
    needs: Mapping[str, Shape | tuple[Shape, Source]] | None = None,
    takes: Mapping[str, Shape | Field] | None = None,
    *,
    closed: bool = False,
    one_of: tuple[str, ...] = (),
) -> Record:
    """
    Declare an object.

    :param by: the source of its fields, and of which are required.
    :param needs: the required fields; with a source of their own, if it is another.
    :param takes: the optional fields.
    :param closed: whether it may have no other fields.
    :param one_of: fields of which exactly one has to be filled.
    """
    needed = {
        name: Field(*given) if isinstance(given, tuple) else Field(given, by)
        for name, given in (needs or {}).items()
    }
    taken = {
        name: given if isinstance(given, Field) else Field(given)
        for name, given in (takes or {}).items()
        if name not in needed
    }
    return Record(by, {**needed, **taken}, closed=closed, one_of=one_of)
