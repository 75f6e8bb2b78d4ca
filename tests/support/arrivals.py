"""
The ways in which a value can come into an argument of an operator while a DAG runs.

Each takes an operator's class, the arguments that the DAG file writes, and those that arrive, of which every text that
holds braces is data; it returns the operator that a worker is given to run. What a task returned is there as its XCom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter, Signature
from itertools import count
from typing import Any

from airflow.providers.common.compat.sdk import BaseNotifier, BaseOperator, XComArg, task_group
from airflow.sdk.execution_time.comms import (
    ErrorResponse,
    GetXCom,
    GetXComCount,
    GetXComSequenceSlice,
    XComCountResponse,
    XComResult,
    XComSequenceSliceResult,
)

from support.airflow_features import find
from support.task_run import Supervisor
from tools.modules import modules

Arguments = Mapping[str, Any]


def public_classes(kind: type[Any]) -> list[type[Any]]:
    """What a user of the package finds of a kind, found where it lies."""
    public = [name for name in modules("operators", "sensors", "notifications") if "._" not in name]
    named = (getattr(module, name) for module in map(import_module, public) for name in _names(module))
    return [found for found in named if isinstance(found, type) and issubclass(found, kind)]


def operators() -> list[type[Any]]:
    """The operators, of which sensors are some."""
    return public_classes(BaseOperator)


def notifiers() -> list[type[Any]]:
    return public_classes(BaseNotifier)


def _names(module: Any) -> list[str]:
    return list(getattr(module, "__all__", ()))


class Gives(BaseOperator):
    """A task that has run before."""


class Upstream(Supervisor):
    """Airflow's side, where it knows what the tasks before have returned."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, Any] = {}
        self._numbers = count(1)

    def __call__(self, value: Any) -> Any:
        """Return a reference to what a task returned."""
        task_id = f"gives-{next(self._numbers)}"
        self._values[task_id] = value
        return XComArg(Gives(task_id=task_id))

    def answer(self, msg: Any) -> Any:
        if type(msg).__name__ == "GetTaskStateStore":  # not before Airflow 3.3
            return ErrorResponse(error=find("airflow.sdk.exceptions:ErrorType").TASK_STORE_NOT_FOUND)
        if isinstance(msg, GetXCom) and msg.task_id in self._values:
            return XComResult(key=msg.key, value=self._values[msg.task_id])
        if isinstance(msg, GetXComSequenceSlice) and msg.task_id in self._values:
            return XComSequenceSliceResult(root=[self._values[msg.task_id]])
        if isinstance(msg, GetXComCount):
            return XComCountResponse(len=1)
        return super().answer(msg)


def texts(value: Any) -> list[str]:
    """Return the texts that hold braces, wherever they are in a value."""
    if isinstance(value, Mapping):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, (list, tuple)):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) and "{{" in value else []


def with_texts(value: Any, instead: Callable[[str], Any]) -> Any:
    """Return a value with something else in the place of each text that holds braces."""
    if isinstance(value, Mapping):
        return {name: with_texts(inner, instead) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_texts(inner, instead) for inner in value]
    return instead(value) if isinstance(value, str) and "{{" in value else value


def _each(arriving: Arguments, instead: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: instead(value) for name, value in arriving.items()}


def _inside(arriving: Arguments, instead: Callable[[str], Any]) -> dict[str, Any]:
    return _each(arriving, lambda value: with_texts(value, instead))


def as_it_is(value: Any) -> Any:
    return value


# Not mapped


def argument(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, **_each(arriving, upstream))


def within_what_is_written(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, **_inside(arriving, upstream))


def default_args(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, default_args=_each(arriving, upstream))


def pulled_by_a_template(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, **_inside(arriving, lambda text: str(upstream(text))))


def dag_params(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, **_inside(arriving, lambda text: "{{ params.arrived }}"))


def variable(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls(task_id="t", **written, **_inside(arriving, lambda text: "{{ var.value.arrived }}"))


def argument_of_a_group(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return _made_in_a_group(cls, written, arriving, lambda group: group(**_each(arriving, upstream)))


# Mapped


def partial_and_expand(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    *fixed, mapped = arriving
    partial = cls.partial(task_id="t", **written, **{name: upstream(arriving[name]) for name in fixed})
    return partial.expand(**{mapped: upstream([arriving[mapped]])})


def expand(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls.partial(task_id="t", **written).expand(**_each(arriving, lambda value: upstream([value])))


def expand_what_is_made_by_map(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    made = _each(arriving, lambda value: upstream([value]).map(as_it_is))
    return cls.partial(task_id="t", **written).expand(**made)


def expand_what_is_concatenated(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    made = _each(arriving, lambda value: upstream([value]).concat(upstream([])))
    return cls.partial(task_id="t", **written).expand(**made)


def expand_a_written_list(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    made = _each(arriving, lambda value: [upstream(value)])
    return cls.partial(task_id="t", **written).expand(**made)


def expand_kwargs(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls.partial(task_id="t", **written).expand_kwargs(upstream([dict(arriving)]))


def expand_kwargs_made_by_map(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls.partial(task_id="t", **written).expand_kwargs(upstream([dict(arriving)]).map(as_it_is))


def expand_kwargs_each_an_xcom(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls.partial(task_id="t", **written).expand_kwargs([upstream(dict(arriving))])


def expand_kwargs_with_xcoms(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    return cls.partial(task_id="t", **written).expand_kwargs([_each(arriving, upstream)])


def mapped_group(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    mapped = _each(arriving, lambda value: upstream([value]))
    return _made_in_a_group(cls, written, arriving, lambda group: group.expand(**mapped))


def mapped_group_by_kwargs(cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream) -> Any:
    mapped = upstream([dict(arriving)])
    return _made_in_a_group(cls, written, arriving, lambda group: group.expand_kwargs(mapped))


def within_what_a_mapped_group_writes(
    cls: Any, written: Arguments, arriving: Arguments, upstream: Upstream
) -> Any:
    @task_group
    def group(text: Any) -> None:
        made.append(cls(task_id="t", **written, **_inside(arriving, lambda _: text)))

    made: list[Any] = []
    group.expand(text=upstream([texts(arriving)[0]]))
    return made[0]


def _made_in_a_group(cls: Any, written: Arguments, arriving: Arguments, call: Callable[[Any], Any]) -> Any:
    def group(**given: Any) -> None:
        made.append(cls(task_id="t", **written, **given))

    made: list[Any] = []
    group.__signature__ = Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in arriving])  # type: ignore[attr-defined]
    call(task_group(group))
    return made[0]


# What the DAG file itself writes


def written_argument(cls: Any, written: Arguments, more: Arguments) -> Any:
    return cls(task_id="t", **written, **more)


def written_default_args(cls: Any, written: Arguments, more: Arguments) -> Any:
    return cls(task_id="t", **written, default_args=dict(more))


def written_partial(cls: Any, written: Arguments, more: Arguments) -> Any:
    partial = cls.partial(task_id="t", **more)
    return partial.expand(**_each(written, lambda value: [value])) if written else partial.expand_kwargs([{}])


def written_expand(cls: Any, written: Arguments, more: Arguments) -> Any:
    return cls.partial(task_id="t", **written).expand(**_each(more, lambda value: [value]))


def written_expand_kwargs(cls: Any, written: Arguments, more: Arguments) -> Any:
    return cls.partial(task_id="t", **written).expand_kwargs([dict(more)])


WRITTEN_WAYS = (
    written_argument,
    written_default_args,
    written_partial,
    written_expand,
    written_expand_kwargs,
)
BY_TEMPLATE = (pulled_by_a_template, dag_params, variable)
WAYS = (
    argument,
    within_what_is_written,
    default_args,
    *BY_TEMPLATE,
    argument_of_a_group,
    partial_and_expand,
    expand,
    expand_what_is_made_by_map,
    expand_what_is_concatenated,
    expand_a_written_list,
    expand_kwargs,
    expand_kwargs_made_by_map,
    expand_kwargs_each_an_xcom,
    expand_kwargs_with_xcoms,
    mapped_group,
    mapped_group_by_kwargs,
    within_what_a_mapped_group_writes,
)
