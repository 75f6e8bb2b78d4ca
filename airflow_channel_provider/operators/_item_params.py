"""The parameters of each call of a bulk task, made of its item.

Airflow renders an operator's templates once, before it runs. These are rendered for each item, with ``item`` beside
what every template knows: compiled once, and what does not mention the item rendered once. What an item holds is never
taken for a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["ITEM", "item_params"]

ITEM = "item"
Rendered = Callable[[Mapping[str, Any]], Any]
ParamsOf = Callable[[Any], Mapping[str, Any] | None]


def item_params(
    params: Mapping[str, Any] | ParamsOf | None, env: Environment, context: Mapping[str, Any]
) -> ParamsOf:
    """
    Return what makes parameters of an item's value.

    :param params: a mapping whose texts are templates, or a callable.
    :param env: of the task's templates.
    :param context: of the task.
    :raises ChannelConfigurationError: it is neither, or a template is none.
    """
    if callable(params):
        return _guarded(params)
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            f"params must be a mapping of names to values or templates, or a callable that makes one of an item, not "
            f"{type(params).__name__}."
        )
    # None is no text to send to anybody.
    env = env.overlay(finalize=lambda value: "" if value is None else value)
    shared = dict(context)
    try:
        made = _compiled(dict(params), env, shared)
    except Exception as error:
        raise ChannelConfigurationError(f"params: {type(error).__name__}: {error}") from error
    if not callable(made):
        return lambda value: made
    return _guarded(lambda value: made({**shared, ITEM: value}))


def _guarded(params: ParamsOf) -> ParamsOf:
    def of_item(value: Any) -> Mapping[str, Any] | None:
        try:
            return params(value)
        except ChannelError:
            raise
        except Exception as error:
            raise ChannelConfigurationError(
                f"No params could be made of the item: {type(error).__name__}: {error}"
            ) from error

    return of_item


def _compiled(value: Any, env: Environment, shared: Mapping[str, Any]) -> Any:
    """Return the value, or what renders it where it depends on the item."""
    if isinstance(value, str):
        return _compiled_text(value, env, shared)
    if isinstance(value, Mapping):
        fields = {name: _compiled(inner, env, shared) for name, inner in value.items()}
        if not any(map(callable, fields.values())):
            return fields
        return lambda names: {name: _rendered(inner, names) for name, inner in fields.items()}
    if isinstance(value, (list, tuple)):
        parts = [_compiled(inner, env, shared) for inner in value]
        if not any(map(callable, parts)):
            return parts
        return lambda names: [_rendered(inner, names) for inner in parts]
    return value


def _compiled_text(text: str, env: Environment, shared: Mapping[str, Any]) -> Any:
    from jinja2 import meta

    if "{" not in text:
        return text
    template = env.from_string(text)
    if ITEM in meta.find_undeclared_variables(env.parse(text)):
        return template.render
    return template.render(shared)


def _rendered(value: Any, names: Mapping[str, Any]) -> Any:
    return value(names) if callable(value) else value
