"""Lets an operator's ``params`` be the parameters of a function, although Airflow claims the name for DAG params.

Airflow takes ``params`` out of an operator's arguments before the operator sees them, merges them with the DAG's
params and validates the result as such: an XCom or a JSON string is refused, and ``{{ params.x }}`` in templates
changes its meaning. So ``params`` is renamed to ``function_params`` on each way in - the constructor, ``partial``,
``expand`` and ``expand_kwargs`` - before Airflow looks at it. The DAG's own params are left as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.operators._templates import ArrivingArguments, Partial

if TYPE_CHECKING:
    from airflow.sdk.bases.operator import BaseOperatorMeta
else:
    BaseOperatorMeta = type(ChannelTalkBaseOperator)

__all__ = ["FunctionParamsMixin", "FunctionParamsOperator", "FunctionParamsPartial"]

Constructor = TypeVar("Constructor", bound=FunctionType)

NAME, ALIAS = "params", "function_params"


class _FunctionParamsMeta(BaseOperatorMeta):
    """Renames ``params`` before the metaclass of all operators can merge it with the DAG's params."""

    @classmethod
    def _apply_defaults(cls, func: Constructor) -> Constructor:
        applied = super()._apply_defaults(func)

        @wraps(applied)
        def with_function_params(self: Any, *args: Any, **kwargs: Any) -> Any:
            # What a mapped task gets was renamed when it was mapped. Its params are the DAG's, in Airflow 2 as a dict.
            if not kwargs.get("_airflow_from_mapped", getattr(self, "_BaseOperator__from_mapped", False)):
                kwargs = _renamed(kwargs)
            return applied(self, *args, **kwargs)

        # Airflow compares this with the wrapped function to find the outermost constructor.
        with_function_params.__wrapped__ = func
        return cast("Constructor", with_function_params)


class _FunctionArguments(ArrivingArguments):
    """What ``expand_kwargs`` takes from an XCom, renamed when it arrives."""

    @staticmethod
    def arrived(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the operator is to be given for arguments that a task returned."""
        return _renamed(arguments)


class FunctionParamsPartial(Partial):
    """The result of ``partial()``: renames ``params`` in what is expanded."""

    arriving = _FunctionArguments

    def expand(self, **mapped_kwargs: Any) -> Any:
        """Map over the given arguments."""
        return super().expand(**_renamed(mapped_kwargs))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        """Map over a list of arguments, or over an XCom that is one."""
        if isinstance(kwargs, (list, tuple)):
            kwargs = [_renamed(one) if isinstance(one, Mapping) else one for one in kwargs]
        return super().expand_kwargs(kwargs, strict=strict)


class FunctionParamsMixin(metaclass=_FunctionParamsMeta):
    """Makes ``params`` of an operator or sensor the parameters of a function; the first of its bases."""

    _partial_class = FunctionParamsPartial

    @classmethod
    def partial(cls, **kwargs: Any) -> FunctionParamsPartial:
        """Fix arguments for mapping; ``params`` means the function's parameters here as well."""
        return cast("FunctionParamsPartial", super().partial(**_renamed(kwargs)))  # type: ignore[misc]


class FunctionParamsOperator(FunctionParamsMixin, ChannelTalkBaseOperator):  # type: ignore[misc]
    """
    An operator whose ``params`` are the parameters of the function that it calls.

    :param params: the function's parameters. Once here, it is the DAG's params: the others have been renamed.
    :param function_params: the function's parameters, as field and as alias of the argument.
    """

    template_fields: Sequence[str] = ("function_params", *ChannelTalkBaseOperator.template_fields)
    template_fields_renderers = {"function_params": "json"}

    def __init__(
        self,
        *,
        params: Mapping[str, Any] | str | None = None,
        function_params: Mapping[str, Any] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(params=params, **kwargs)
        self.function_params = function_params


def _renamed(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Rename ``params`` to ``function_params``.

    A mapped task hands the DAG's params to the constructor as a ``ParamsDict``; those keep their name.
    """
    renamed = dict(kwargs)
    if NAME in renamed and type(renamed[NAME]).__name__ != "ParamsDict":
        value = renamed.pop(NAME)
        if value is not None:
            if renamed.get(ALIAS) is not None:
                raise TypeError(f"{NAME} and {ALIAS} are the same argument; give one of them")
            renamed[ALIAS] = copy.copy(value) if isinstance(value, dict) else value
    return renamed
