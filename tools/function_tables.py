"""The tables of native functions, operations of Open API and streams for the docs, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_channel_provider.contract import parts
from airflow_channel_provider.contract.functions import CATALOGUE, LISTINGS
from airflow_channel_provider.contract.model import NativeFunction
from airflow_channel_provider.contract.open_api import OPERATIONS
from airflow_channel_provider.contract.shapes import Rule, Shape
from airflow_channel_provider.contract.sources import Source
from airflow_channel_provider.contract.structures import Either, Field, ListOf, MapOf, Record
from airflow_channel_provider.extract.streams import BELONGS, STREAMS, Kind, Stream

SHARED = {id(shape): name for name, shape in vars(parts).items() if isinstance(shape, Record)}
"""Name of each shared object, by its identity."""

_VERB = re.compile(r"^(?:must (?:have|be) |is )")
_TOKENS = {"none": "no token", "app": "app token", "channel": "channel token", "any": "app or channel token"}
_REPEATED = {
    "read": "changes nothing",
    "idempotent": "twice is the same as once",
    "request_id": "twice is the same as once with the same `dto.requestId`",
    "unsafe": "never repeated after an unclear outcome",
}


def tables() -> str:
    """Return the sections of all functions, and of what they share."""
    functions = "\n".join(_function(function) for function in CATALOGUE.values())
    shared = "\n".join(_shared(name) for name in sorted(SHARED.values()))
    return f"## Functions\n\n{functions}\n## Objects\n\n{shared}"


def _function(function: NativeFunction) -> str:
    told = [_TOKENS[function.scope.value], _REPEATED[function.retry.value]]
    if function.listing is not None:
        told.append(f"lists `{function.listing.items}`, pages by `{function.listing.paging.value}`")
    return f"### {function.name}\n\n{'; '.join(told)}.\n\n{_table(function.params)}"


def _shared(name: str) -> str:
    return f"### {_title(name)}\n\n{_table(getattr(parts, name))}"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _table(shape: Record) -> str:
    rows = [
        f"| `{name}` | {_kind(field.shape)} | {_rules(field, shape.by)} |"
        for name, field in shape.fields.items()
    ]
    table = (
        ["| parameter | what it is | rules |", "|---|---|---|", *rows] if rows else ["No parameter is known."]
    )
    whole = [f"It {_rule(rule)}." for rule in shape.limits(shape.by) if rule.kind == "one_of"]
    closed = ["No other is allowed."] if shape.closed else []
    return "\n".join([*table, "", *([" ".join([*whole, *closed]), ""] if whole or closed else [])])


def _kind(shape: Shape) -> str:
    if isinstance(shape, Record) and id(shape) in SHARED:
        title = _title(SHARED[id(shape)])
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    if isinstance(shape, ListOf):
        return f"list: {_kind(shape.of)}"
    if isinstance(shape, MapOf):
        return "object" if shape.of is None else f"object, by language: {_inside(shape.of)}"
    if isinstance(shape, Either):
        return " or ".join(_kind(one) for one in shape.shapes)
    return _inside(shape) if isinstance(shape, Record) else shape.words.removeprefix("a ")


def _inside(shape: Shape) -> str:
    if not isinstance(shape, Record):
        return _kind(shape)
    fields = (
        f"`{name}` ({_rules(field, shape.by) or _kind(field.shape)})" for name, field in shape.fields.items()
    )
    return "object with " + ", ".join(fields)


def _rules(field: Field, by: Source) -> str:
    own = field.rules(by)
    covered = set(field.shape.rules(by)).difference(own)
    required = [rule for rule in own if rule.kind == "required"]
    limits = [rule for rule in _limits(field.shape, by) if rule not in covered]
    return "; ".join(map(_rule, [*required, *limits]))


def _limits(shape: Shape, by: Source) -> Iterator[Rule]:
    """Yield the rules of a value and of its items that have no table of their own."""
    of = shape.by or by
    if isinstance(shape, Record):
        return
    yield from (rule for rule in shape.limits(of) if rule.kind != "specified")
    if isinstance(shape, ListOf):
        yield from (Rule(rule.kind, f"each {rule.text}", rule.source) for rule in _limits(shape.of, of))
    elif isinstance(shape, Either):
        for one in shape.shapes:
            yield from _limits(one, of)


def _rule(rule: Rule) -> str:
    text = _VERB.sub("", rule.text)
    return f"{text} `{rule.source.strength.value}`".replace("|", "\\|")


def listings() -> str:
    """Return the table of the functions that list."""
    rows = [f"| `{name}` | `{one.items}` | `{one.paging.value}` |" for name, one in LISTINGS.items()]
    return "\n".join(["| function | field of the answer | pages |", "|---|---|---|", *rows, ""])


_SENT_AGAIN = {
    "read": "yes, a read",
    "idempotent": "yes",
    "request_id": "yes, with its `requestId`",
    "unsafe": "no",
}


def operations() -> str:
    """Return the table of the operations of Open API."""
    rows = [
        f"| `{row.verb} {row.path}` | {row.summary} | {', '.join(f'`{name}`' for name in row.required)} "
        f"| {f'`{row.items}`' if row.items else ''} | {_SENT_AGAIN[row.retry.value]} |"
        for row in OPERATIONS
    ]
    head = "| call | what it does | `query_params` that it needs | list of | sent again after a lost answer |"
    return "\n".join([head, "|---|---|---|---|---|", *rows, ""])


def streams() -> str:
    """Return the table of the streams that are extracted, and one of the columns of each."""
    rows = [
        f"| [`{stream.name}`](#{stream.name}) | {', '.join(f'`{name}`' for name in stream.key)} | "
        f"{BELONGS[stream.source]} |"
        for stream in STREAMS.values()
    ]
    head = ["| stream | key | a row belongs to |", "|---|---|---|", *rows]
    return "\n".join([*head, "", *map(_columns, STREAMS.values())])


def _columns(stream: Stream) -> str:
    by_kind = {kind: [name for name, other in stream.columns.items() if other is kind] for kind in Kind}
    rows = [
        f"| {kind.value} | {', '.join(f'`{name}`' for name in names)} |"
        for kind, names in by_kind.items()
        if names
    ]
    return "\n".join([f"### {stream.name}", "", "| type | columns |", "|---|---|", *rows, ""])
