"""
Calls made of the contract: the smallest that keeps it, and for each of its rules one that breaks just that.

Nothing here knows a function: ids that have to exist are those that the caller hands in, by the name of the parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_channel_provider.contract.model import NativeFunction
from airflow_channel_provider.contract.shapes import (
    Duration,
    Enumeration,
    Flag,
    Number,
    Rule,
    Shape,
    Text,
    Whole,
)
from airflow_channel_provider.contract.sources import Source
from airflow_channel_provider.contract.structures import Either, Field, ListOf, MapOf, Record

Seeds = Mapping[str, Any]
ODD: tuple[Any, ...] = ({"x": 1}, 5, "x", ["x"])
"""One of them is of another type, whatever a shape is. A mapping first: the hook makes a text of a number."""


@dataclass(frozen=True)
class Broken:
    """A value that breaks one rule: where, which, and the value as a whole."""

    path: str
    rule: Rule
    value: Any

    def under(self, outer: str, value: Any) -> Broken:
        dot = "." if self.path and not self.path.startswith("[") else ""
        return Broken(f"{outer}{dot}{self.path}", self.rule, value)


def smallest(shape: Shape, seeds: Seeds, name: str = "") -> Any:
    """Return the smallest value that fits."""
    if name in seeds:
        return seeds[name]
    if isinstance(shape, Record):
        return _record(shape, seeds)
    if isinstance(shape, ListOf):
        return [smallest(shape.of, seeds, name.removesuffix("s"))] * shape.least
    if isinstance(shape, Either):
        return smallest(shape.shapes[0], seeds, name)
    if isinstance(shape, Text):
        return "x" * shape.least
    if isinstance(shape, Enumeration):
        return shape.spelt[0]
    if isinstance(shape, Whole):
        return shape.least or 0
    if isinstance(shape, Duration):
        return {"seconds": int(shape.least_seconds)}
    if isinstance(shape, Flag):
        return False
    assert isinstance(shape, (MapOf, Number)), shape
    return {} if isinstance(shape, MapOf) else 0


def _record(shape: Record, seeds: Seeds, without: str = "", one: str | None = None) -> dict[str, Any]:
    """Return the fields that it needs but for one; of those that exclude each other, the one that is named."""
    names = [name for name, field in shape.fields.items() if field.required and name != without]
    if shape.one_of:
        others = [name for name in shape.one_of if name != without]
        wanted = one or next((name for name in names if name in others), others[0])
        names = [name for name in names if name not in shape.one_of] + [wanted]
    return {name: _of_field(shape, name, seeds) for name in names}


def _of_field(shape: Record, name: str, seeds: Seeds) -> Any:
    known = shape.fields.get(name)
    return "x" if known is None else smallest(known.shape, seeds, name)


def broken(function: NativeFunction, seeds: Seeds) -> list[Broken]:
    """Return a call for each rule of a function, each of which breaks that one and no other."""
    calls = list(_inside(function.params, function.params.by, seeds))
    limits = function.params.limits(function.params.by)
    return [*calls, *(case for rule in limits for case in _limit(function.params, rule, seeds))]


def _cases(shape: Shape, by: Source, seeds: Seeds) -> Iterator[Broken]:
    """Yield a value for each rule of a shape and of all that it holds."""
    yield Broken("", shape.type_rule(by), next(value for value in ODD if not shape.fits(value)))
    of = shape.by or by
    for rule in shape.limits(of):
        yield from _limit(shape, rule, seeds)
    yield from _inside(shape, of, seeds)


def _limit(shape: Shape, rule: Rule, seeds: Seeds) -> Iterator[Broken]:
    for value in _beyond(shape, rule, seeds):
        yield Broken("", rule, value)
    if isinstance(shape, Record) and rule.kind == "unknown":
        yield Broken("surplus", rule, {**_record(shape, seeds), "surplus": 1})


def _beyond(shape: Shape, rule: Rule, seeds: Seeds) -> list[Any]:
    if isinstance(shape, Text):
        return _beyond_text(shape, rule)
    if isinstance(shape, ListOf):
        return _beyond_list(shape, rule, seeds)
    if isinstance(shape, Enumeration):
        return [shape.prefix + ("UNSPECIFIED" if rule.kind == "specified" else "OTHER")]
    if isinstance(shape, Whole):
        return [number for number in (_step(shape.least, -1), _step(shape.most, 1)) if number is not None]
    if isinstance(shape, Duration):
        just = shape.least_seconds - 0.5
        return [f"{just:g}s", {"seconds": int(just), "nanos": 500_000_000}]
    if isinstance(shape, Record) and rule.kind == "one_of":
        both = {name: _of_field(shape, name, seeds) for name in shape.one_of[:2]}
        none = {name: value for name, value in _record(shape, seeds).items() if name not in shape.one_of}
        is_needed = any(name in shape.fields and shape.fields[name].required for name in shape.one_of)
        return [{**_record(shape, seeds), **both}, *([] if is_needed else [none])]
    return []


def _step(limit: int | None, step: int) -> int | None:
    return None if limit is None else limit + step


def _beyond_text(shape: Text, rule: Rule) -> list[Any]:
    if rule.kind == "pattern":
        return [text for text in ("a b", "a@b") if not re.fullmatch(str(shape.pattern), text)]
    return [""] if shape.most is None else ["x" * (shape.most + 1)]


def _beyond_list(shape: ListOf, rule: Rule, seeds: Seeds) -> list[Any]:
    item = smallest(shape.of, seeds)
    if rule.kind == "advice":
        return [[item] * ((shape.advised or 0) + 1)]
    low = [[item] * (shape.least - 1)] if shape.least else []
    return low + ([] if shape.most is None else [[item] * (shape.most + 1)])


def _inside(shape: Shape, by: Source, seeds: Seeds) -> Iterator[Broken]:
    if isinstance(shape, Record):
        for name, field in shape.fields.items():
            yield from _of_fields(shape, name, field, by, seeds)
    elif isinstance(shape, Either):
        cases = (case for inner in shape.shapes for case in _cases(inner, by, seeds))
        yield from (case for case in cases if case.path or case.rule.kind != "type")
    elif isinstance(shape, ListOf):
        others = [smallest(shape.of, seeds)] * (shape.least - 1)
        yield from (case.under("[0]", [case.value, *others]) for case in _cases(shape.of, by, seeds))
    elif isinstance(shape, MapOf) and shape.of is not None:
        yield from (case.under("ko", {"ko": case.value}) for case in _cases(shape.of, by, seeds))


def _of_fields(shape: Record, name: str, field: Field, by: Source, seeds: Seeds) -> Iterator[Broken]:
    if field.required is not None:
        yield Broken(name, field.rules(by)[0], _record(shape, seeds, without=name))
    covered = _covered(field, by)
    one = name if name in shape.one_of else None
    for case in _cases(field.shape, by, seeds):
        if (case.path, case.rule) not in covered:
            beside = dict([field.only_where]) if field.only_where and case.rule.kind != "type" else {}
            yield case.under(name, {**_record(shape, seeds, one=one), **beside, name: case.value})


def _covered(field: Field, by: Source, path: str = "") -> set[tuple[str, Rule]]:
    """Return the rules of its shape that no value can break, since it would be as good as none."""
    return {(path, rule) for rule in field.shape.rules(by)} - {(path, rule) for rule in field.rules(by)}


def rules_of(shape: Shape, by: Source, path: str = "") -> Iterator[tuple[str, Rule]]:
    """Yield each rule of a shape and of all that it holds, with the path that a case above has."""
    of = shape.by or by
    yield from ((path, rule) for rule in shape.rules(by))
    if isinstance(shape, Record):
        for name, field in shape.fields.items():
            inner = f"{path}.{name}".lstrip(".")
            yield from ((inner, rule) for rule in field.rules(of) if rule.kind == "required")
            covered = _covered(field, of, inner)
            yield from (one for one in rules_of(field.shape, of, inner) if one not in covered)
    elif isinstance(shape, Either):
        for one in shape.shapes:
            found = rules_of(one, of, path)
            yield from ((where, rule) for where, rule in found if where != path or rule.kind != "type")
    elif isinstance(shape, ListOf):
        yield from rules_of(shape.of, of, f"{path}[0]")
    elif isinstance(shape, MapOf) and shape.of is not None:
        yield from rules_of(shape.of, of, f"{path}.ko")
