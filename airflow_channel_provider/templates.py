"""
Only the text of the DAG file is a template, and it is rendered once. Everything else is data.

Airflow itself guarantees that for an ``XComArg``, and for ``expand`` over one. It does not for arguments that
``expand_kwargs`` takes from an XCom, which it renders like text of the DAG file. Nor does it for an operator that is
rendered twice, as ``dag.test()`` of Airflow 2 does after a wait in the triggerer: values of the first rendering are
templates in the second. This module adds both guarantees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import MappedOperator, OperatorPartial

try:
    from airflow.sdk.definitions._internal.expandinput import ListOfDictsExpandInput
except ImportError:  # Airflow 2
    from airflow.models.expandinput import ListOfDictsExpandInput  # type: ignore[attr-defined, no-redef]


class ArrivingArguments(ListOfDictsExpandInput):
    """The argument of ``expand_kwargs``; the result of a task in it is data."""

    def resolve(
        self, context: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> tuple[Mapping[str, Any], set[int]]:
        """Return the arguments of one mapped task, and the ids of the values that Airflow must not render."""
        arguments, _ = super().resolve(context, *args, **kwargs)
        given = self.value[context["ti"].map_index] if isinstance(self.value, Sized) else self.value
        if isinstance(given, Mapping):
            # Airflow names the XComArgs in it, which are then never resolved.
            return arguments, set()
        return arguments, {id(value) for value in arguments.values()}


class Partial:
    """The result of ``partial()``."""

    def __init__(self, plain: OperatorPartial) -> None:
        self._plain = plain

    def expand(self, **mapped_kwargs: Any) -> MappedOperator:
        """Map over the given arguments."""
        return self._plain.expand(**mapped_kwargs)

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> MappedOperator:
        """Map over a list of arguments, or over an XCom that is one."""
        mapped = self._plain.expand_kwargs(kwargs, strict=strict)
        mapped.expand_input = ArrivingArguments(kwargs)
        return mapped


def text_of(value: Any) -> Any:
    """Return the value of a text enumeration's member, where Jinja takes its name; other values unchanged."""
    return value.value if isinstance(value, str) and isinstance(value, Enum) else value


class TemplatesOfTheFile:
    """Makes an operator or a sensor render text of the DAG file only. Comes before Airflow's own base."""

    _is_rendered = False

    if not TYPE_CHECKING:  # type checkers know it from Airflow

        @classmethod
        def partial(cls, **kwargs: Any) -> Partial:
            """Fix arguments for mapping."""
            return Partial(super().partial(**kwargs))

        def render_template(
            self, content: Any, context: Any, jinja_env: Any = None, seen_oids: set[int] | None = None
        ) -> Any:
            """Render a value, and what it holds."""
            if id(content) not in (seen_oids or ()):
                content = text_of(content)
            return super().render_template(content, context, jinja_env, seen_oids)

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        if parent is self and self._is_rendered:
            return
        super()._do_render_template_fields(parent, *args, **kwargs)  # type: ignore[misc]
        self._is_rendered = self._is_rendered or parent is self
