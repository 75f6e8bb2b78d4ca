"""Arguments that a template may have rendered to text: read as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = ["json_value", "names", "params_mapping"]


def json_value(name: str, value: Any, *, in_full: bool = False) -> Any:
    """
    Return a value, read as JSON if a template rendered it to text.

    :param in_full: whether a number keeps the digits that a float has no room for, as the items of a file do.
    :raises ChannelConfigurationError: it is text and no JSON, or names a field of an object twice.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    from airflow_channel_provider.bulk.json_values import FieldTwiceError, json_of_line, object_of_json

    try:
        return json_of_line(value) if in_full else json.loads(value, object_pairs_hook=object_of_json)
    except FieldTwiceError as error:
        raise ChannelConfigurationError(
            f"{name} {error}, and only one of the two would be read; leave the other out."
        ) from None
    except (ValueError, RecursionError):
        raise ChannelConfigurationError(
            f"{name} is text and no JSON, or nested too deeply; pass a list or mapping, or a template that renders to "
            "JSON (such as {{ value | tojson }})."
        ) from None


def names(name: str, value: Any) -> list[Any]:
    """
    Return a list of names: one name, a list of them, or JSON text of a list. Whole numbers among them become texts.

    :raises ChannelConfigurationError: it is something else.
    """
    from airflow_channel_provider.prepared_call import as_text

    if isinstance(value, str):
        value = json_value(name, value) if value.lstrip().startswith("[") else value or None
    if value is None:
        return []
    value = as_text(value)
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise ChannelConfigurationError(
            f"{name} must be a name or a list of names, not {type(value).__name__}."
        )
    return [as_text(one) for one in value]


def params_mapping(value: Any) -> dict[str, Any]:
    """
    Return the parameters of a function as a mapping; whether JSON can hold it is checked where it is sent.

    :param value: a mapping, JSON text of one, or None.
    :raises ChannelConfigurationError: it is something else.
    """
    params = json_value("function_params", value)
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            f"function_params must be a mapping of names to values, or JSON text of one, not {type(params).__name__}."
        )
    return dict(params)
