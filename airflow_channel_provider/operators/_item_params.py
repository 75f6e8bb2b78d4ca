"""The parameters of each call of a bulk task, rendered from its item.

Airflow renders an operator's templates once, before it runs. These templates are compiled once and rendered for each
item, with the variable ``item`` beside the usual ones; a template without ``item`` is rendered once. Only text of the
DAG file is a template, marked as :class:`ItemTemplate` when the task's fields are rendered: what arrives at run time,
such as an XCom or an item, is never rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import BuiltinMethodType, FunctionType
from typing import TYPE_CHECKING, Any

from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.templates import text_of

if TYPE_CHECKING:
    from jinja2 import Environment, Template

ITEM = "item"
Rendered = Callable[[Mapping[str, Any]], Any]
_FORMATS = ("format", "format_map")
"""A Jinja sandbox replaces these methods by functions of its own, or checks them when they are called."""
ParamsOf = Callable[[Any], Mapping[str, Any] | None]


class ItemTemplate(str):
    """Text of the DAG file that is rendered for each item."""

    __slots__ = ()


def item_templates(value: Any, resolve: Callable[[Any], Any], arrived: Collection[int] = ()) -> Any:
    """
    Return a value with each text of the DAG file as an :class:`ItemTemplate`, and each ``XComArg`` resolved.

    :param resolve: returns the value of an ``XComArg``, and anything else unchanged.
    :param arrived: ids of the values that Airflow has already resolved.
    """
    if id(value) in arrived:
        return value
    if isinstance(value, str):
        return ItemTemplate(text_of(value))
    if isinstance(value, Mapping):
        return {name: item_templates(inner, resolve, arrived) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [item_templates(inner, resolve, arrived) for inner in value]
    return resolve(value)


def item_params(
    params: Mapping[str, Any] | ParamsOf | None, env: Environment, context: Mapping[str, Any]
) -> ParamsOf:
    """
    Return a function from an item's value to the parameters of its call.

    :param params: a mapping whose item templates are rendered, or a callable.
    :param env: of the task's templates.
    :param context: of the task.
    :raises ChannelConfigurationError: it is neither, or a template has a syntax error.
    """
    if callable(params):
        return _guarded(params)
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            "function_params must be a mapping of names to values or templates, or a callable that returns one for an "
            f"item, not {'text' if isinstance(params, str) else type(params).__name__}."
        )
    shared = dict(context)
    try:
        made = _compiled(dict(params), _for_items(env), shared)
    except Exception as error:
        raise ChannelConfigurationError(f"function_params: {type(error).__name__}: {error}") from error
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
                f"The params of the item could not be created: {type(error).__name__}: {error}"
            ) from error

    return of_item


def _for_items(env: Environment) -> Environment:
    # None becomes an empty text: nobody should receive the word None.
    env = env.overlay(finalize=lambda value: "" if value is None else value)
    attribute_of, element_of = env.getattr, env.getitem

    def data_first(obj: Any, attribute: str) -> Any:
        # A column may have the name of a method of a mapping: values, items, copy.
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return _never_shown(obj, attribute_of(obj, attribute), attribute)

    def data_only(obj: Any, argument: Any) -> Any:
        return _never_shown(obj, element_of(obj, argument), argument)

    env.getattr = data_first  # type: ignore[method-assign]
    env.getitem = data_only  # type: ignore[method-assign]
    return env


def _never_shown(obj: object, found: Any, name: object) -> Any:
    """Return an attribute; wrap a method of a text, number, list or mapping, so that it can't be rendered as text."""
    is_method = isinstance(obj, (dict, list, str, float, int)) and (
        isinstance(found, BuiltinMethodType) if name not in _FORMATS else isinstance(found, FunctionType)
    )
    return _Method(found, name) if is_method else found


class _Method:
    """A method of a value, such as ``upper`` of a text: it can be called, but not rendered as text."""

    def __init__(self, method: Callable[..., Any], name: object) -> None:
        self._method = method
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._method(*args, **kwargs)

    def __str__(self) -> str:
        from jinja2 import UndefinedError

        raise UndefinedError(
            f"{self._name!r} is a method, and the item has no such field: correct the name, or call it."
        )


def _compiled(value: Any, env: Environment, shared: Mapping[str, Any]) -> Any:
    """Return the value, or a function that renders it where it depends on the item."""
    if isinstance(value, ItemTemplate):
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
    from jinja2.nativetypes import NativeEnvironment

    if "{" not in text:
        return str(text)
    template = env.from_string(text)
    render = _native(template) if isinstance(env, NativeEnvironment) else template.render
    parsed = env.parse(text)
    # A template that includes another file may use the item there.
    names_files = any(True for _ in meta.find_referenced_templates(parsed))
    return render if names_files or ITEM in meta.find_undeclared_variables(parsed) else render(shared)


def _native(template: Template) -> Rendered:
    """
    Return a function that renders a template to the value of its expression.

    Jinja's own native rendering would parse text as Python, and turn a phone number into a number.
    """
    from jinja2 import Undefined

    def render(names: Mapping[str, Any]) -> Any:
        parts = list(template.root_render_func(template.new_context(dict(names))))
        # An undefined value and a method raise an error when they are rendered as text.
        is_value = len(parts) == 1 and not isinstance(parts[0], (Undefined, _Method))
        return parts[0] if is_value else "".join(map(str, parts))

    return render


def _rendered(value: Any, names: Mapping[str, Any]) -> Any:
    return value(names) if callable(value) else value
