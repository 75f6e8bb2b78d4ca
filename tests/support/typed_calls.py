"""
A DAG file with every operator, sensor and notifier, extract_all, and every argument of each, made from the signatures.

What is made is only read by type checkers. A new operator, or a new argument, is in it by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

from airflow_channel_provider.operators.extract import extract_all
from support.arrivals import notifiers, operators
from support.signatures import parameters, takes_others, typed_mapping

HEAD = """
from datetime import datetime, timedelta, timezone

{imports}

class Wrong:
    pass

"""
OF_A_TASK = """
from airflow.sdk import task


@task
def rows() -> list[dict[str, int]]:
    return [{"id": 1}]


DataTableLoadOperator(task_id="a", table_name="a", items=rows())
"""
"""What a task gives, as DAG files write it."""
SAMPLES = {
    "str": '"a"',
    "bool": "True",
    "int": "1",
    "float": "1.5",
    "timedelta": "timedelta(seconds=1)",
    "datetime": "datetime(2026, 1, 1, tzinfo=timezone.utc)",
    "dict[str, Any]": '{"a": 1}',
    "Mapping[str, Any]": '{"a": 1}',
    "MutableMapping[str, Any]": '{"a": 1}',
    "Sequence[str]": '["a"]',
    "Sequence[Mapping[str, Any]]": '[{"a": 1}]',
    "Collection[Any]": "[1]",
    "Callbacks": "print",
    "Callable[[Context], None]": "print",
    "Callable[[Context, Any], None]": "print",
    "Any": '"a"',
}
"""A value of each type that an argument may have; where there is none, the argument may be None or text."""


@dataclass(frozen=True)
class Argument:
    """
    One argument of a class.

    :param wants: its type, as the signature has it.
    """

    name: str
    wants: str
    is_required: bool

    @property
    def sample(self) -> str:
        """A value that it takes."""
        first = next((sample for kind, sample in SAMPLES.items() if self.wants.startswith(kind)), None)
        if first is None:
            first = "None" if self.wants.endswith("| None") else '"a"'
        return first

    @property
    def takes_anything(self) -> bool:
        return self.wants == "Any"


def arguments(function: Any) -> list[Argument]:
    """The arguments of a class or function: those in its signature, and those in the typed mapping that it names."""
    found = []
    for one in parameters(function):
        if takes_others(one):
            typed = typed_mapping(one)
            found += [
                Argument(name, getattr(wants, "__forward_arg__", str(wants)), name in typed.__required_keys__)
                for name, wants in typed.__annotations__.items()
            ]
        else:
            found.append(Argument(one.name, str(one.annotation), one.default is Parameter.empty))
    return found


def right_file() -> str:
    """Return a file in which every argument has a value of its type."""
    calls = [
        f"{cls.__name__}({', '.join(f'{one.name}={one.sample}' for one in arguments(cls))})"
        for cls in _dag_parts()
    ]
    return _head() + "\n".join(calls) + "\n" + OF_A_TASK


def wrong_file() -> tuple[str, dict[int, str]]:
    """Return a file in which each call has one mistake, and which line is wrong in what."""
    text = _head()
    wrong = {}
    for what, call in _wrong_calls():
        wrong[text.count("\n") + 1] = what
        text += call + "\n"
    return text, wrong


def _wrong_calls() -> Iterator[tuple[str, str]]:
    for cls in _dag_parts():
        required = {one.name: one.sample for one in arguments(cls) if one.is_required}
        for one in arguments(cls):
            if not one.takes_anything:
                given = {**required, one.name: "Wrong()"}
                yield f"{cls.__name__}.{one.name}", _call(cls, given)
        for name in required:
            given = {other: value for other, value in required.items() if other != name}
            yield f"{cls.__name__} without {name}", _call(cls, given)
        yield f"{cls.__name__} with one that is not there", _call(cls, {**required, "group": '"Support"'})


def _call(cls: Any, given: dict[str, str]) -> str:
    return f"{cls.__name__}({', '.join(f'{name}={value}' for name, value in given.items())})"


def _dag_parts() -> list[Any]:
    return [*operators(), *notifiers(), extract_all]


def _head() -> str:
    imports = sorted(f"from {cls.__module__} import {cls.__name__}" for cls in _dag_parts())
    return HEAD.format(imports="\n".join(imports))
