"""
What a person may give to a command: params of its DAG, and the values that they get for what was typed. Pure.

The sentences of errors are for the person in the chat.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_channel_provider.contract.parts import CHOICES, COMMAND_PARAMETER, PARAMETER_DESCRIPTION
from airflow_channel_provider.contract.sources import COMMAND_SCHEMA

MOST_CHOICES = CHOICES.most or 0
_LONGEST_DESCRIPTION = PARAMETER_DESCRIPTION.most or 0
_TYPES = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}
_PYTHON_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))


class InputError(ValueError):
    """An argument of a command is wrong; the message says so to the person who has typed it."""


class ParamLike(Protocol):
    """A ``Param`` of Airflow, as a DAG file makes it or as a server reads it."""

    value: Any
    description: str | None
    schema: dict[str, Any]


class ParamsLike(Protocol):
    """The ``params`` of a DAG."""

    def __iter__(self) -> Any: ...

    def get_param(self, key: str) -> Any:
        """Return one of them."""


@dataclass(frozen=True)
class Parameter:
    """
    A param of a DAG that a person in a chat may give.

    :param kind: its type in JSON Schema: string, integer, number or boolean.
    :param choices: the only values that it may have, with the names that are shown; none where it is free.
    :param examples: values that are suggested.
    """

    name: str
    kind: str
    required: bool
    description: str | None = None
    choices: tuple[tuple[str, Any], ...] = ()
    examples: tuple[tuple[str, Any], ...] = field(default=())

    @property
    def suggestions(self) -> tuple[tuple[str, Any], ...]:
        """What is suggested while a person types."""
        return self.choices if len(self.choices) > MOST_CHOICES else self.examples

    def wire(self) -> dict[str, Any]:
        """Return it as the App Store takes it."""
        found: dict[str, Any] = {"name": self.name, "type": _TYPES[self.kind], "required": self.required}
        if self.description:
            found["description"] = _cut(self.description, _LONGEST_DESCRIPTION)
        if 0 < len(self.choices) <= MOST_CHOICES:
            found["choices"] = [{"name": name, "value": value} for name, value in self.choices]
        elif self.suggestions:
            found["autoComplete"] = True
        return found

    def value_of(self, given: Any) -> Any:
        """
        Return the value of the param for what a person has given.

        :raises InputError: it is of another type, or none of the choices.
        """
        for name, value in self.choices:
            if given == value or (isinstance(given, str) and given in (name, str(value))):
                return value
        if self.choices:
            names = ", ".join(name for name, _ in self.choices[:MOST_CHOICES])
            more = ", ..." if len(self.choices) > MOST_CHOICES else ""
            raise InputError(f"{self.name} must be one of {names}{more}.")
        found = _CASTS[self.kind](given)
        if found is None:
            raise InputError(f"{self.name} must be {_WORDS[self.kind]}.")
        return found


def parameters_of(params: ParamsLike, named: Sequence[str] | None = None) -> tuple[Parameter, ...]:
    """
    Return the parameters of a command.

    :param params: of the DAG.
    :param named: the params that a person may give; default: each one that a chat can ask for.
    :raises ValueError: a param that has to be given can't be given in a chat, or a name is no param.
    """
    for name in named or ():
        if name not in set(params):
            raise ValueError(f"the DAG has no param {name!r}")
    found = []
    for name in params if named is None else named:
        param = params.get_param(name)
        parameter = _parameter(name, param)
        if parameter is not None and (named is not None or _fits(parameter)):
            found.append(parameter)
        elif named is not None or not _is_set(param.value):
            raise ValueError(
                f"the param {name!r} can't be given in a chat: it must be a text, a number, or true or false, and its "
                f"name have at most 20 characters; give it a default"
            )
    return tuple(found)


def arguments_of(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the params of a run for what a person has typed; what is left out keeps its default.

    :raises InputError: something is missing, too much or wrong.
    """
    known = {parameter.name: parameter for parameter in parameters}
    if unknown := [name for name in given if name not in known and _is_given(given[name])]:
        raise InputError(f"There is no parameter {_cut(unknown[0], 40)}.")
    found = {}
    for name, parameter in known.items():
        if _is_given(given.get(name)):
            found[name] = parameter.value_of(given[name])
        elif parameter.required:
            raise InputError(f"{name} is missing.")
    return found


def suggestions_for(parameter: Parameter, typed: object) -> list[dict[str, Any]]:
    """Return the suggestions for what a person has typed so far."""
    text = typed.strip().lower() if isinstance(typed, str) else ""
    return [
        {"name": name, "value": value}
        for name, value in parameter.suggestions
        if text in name.lower() or text in str(value).lower()
    ]


def _parameter(name: str, param: ParamLike) -> Parameter | None:
    schema = param.schema or {}
    if "const" in schema:
        return None
    kind = _kind_of(schema, param.value)
    if kind is None:
        return None
    types = schema.get("type")
    may_be_null = types is None or (isinstance(types, list) and "null" in types)
    has_default = _is_set(param.value) and (param.value is not None or may_be_null)
    shown = schema.get("values_display")
    labels = shown if isinstance(shown, Mapping) else {}
    return Parameter(
        name,
        kind,
        required=not has_default,
        description=param.description or schema.get("title"),
        choices=_named(schema.get("enum"), labels),
        examples=_named(schema.get("examples"), labels),
    )


def _kind_of(schema: Mapping[str, Any], value: Any) -> str | None:
    types = schema.get("type")
    wanted = [one for one in (types if isinstance(types, list) else [types]) if one not in (None, "null")]
    if not wanted and schema.get("enum"):
        value = next((one for one in schema["enum"] if one is not None), None)
    if not wanted:
        if value is None or not _is_set(value):
            return "string"
        return next((kind for python_type, kind in _PYTHON_TYPES if isinstance(value, python_type)), None)
    if "string" in wanted:
        return "string"
    return wanted[0] if len(wanted) == 1 and wanted[0] in _TYPES else None


def _is_set(value: Any) -> bool:
    """Return whether a param has a default; Airflow marks a missing one with a value of its own."""
    return value is None or isinstance(value, (str, int, float, bool, list, tuple, dict))


def _is_given(value: Any) -> bool:
    return value is not None and value != ""


def _named(values: Any, labels: Mapping[Any, Any]) -> tuple[tuple[str, Any], ...]:
    found: Iterable[Any] = values if isinstance(values, (list, tuple)) else ()
    return tuple(
        (str(labels.get(value, value)), value) for value in found if isinstance(value, (str, int, float))
    )


def _fits(parameter: Parameter) -> bool:
    return not COMMAND_PARAMETER.check(parameter.wire(), COMMAND_SCHEMA)


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


# ---- values


def _as_text(given: Any) -> str | None:
    if isinstance(given, bool):
        return str(given).lower()
    return str(given) if isinstance(given, (str, int, float)) else None


def _as_number(given: Any) -> float | None:
    if isinstance(given, bool):
        return None
    try:
        number = float(given) if isinstance(given, (str, int, float)) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < float("inf") else None


def as_whole(given: Any) -> int | None:
    """Return the whole number that is given, perhaps as a text; None if it is none."""
    if isinstance(given, str):
        return int(given) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", given) else None
    number = _as_number(given)
    return int(number) if number is not None and number.is_integer() and abs(number) < 1e18 else None


def _as_flag(given: Any) -> bool | None:
    if isinstance(given, bool):
        return given
    return {"true": True, "false": False}.get(str(given).strip().lower())


_CASTS = {"string": _as_text, "integer": as_whole, "number": _as_number, "boolean": _as_flag}
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
