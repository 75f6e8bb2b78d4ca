"""
How arguments are read after their templates are rendered.

A template renders to text, so an argument that takes a list or a mapping also takes JSON text of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import as_text, is_nothing

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

_TEXT_FIELDS = ("text", "markdown", "bot_name")
_JSON_FIELDS = ("blocks", "buttons", "files", "options", "web_page", "form")
CONTENT_FIELDS: Sequence[str] = (*_TEXT_FIELDS, *_JSON_FIELDS)
"""The templated arguments for the content of a message."""


def json_value(name: str, value: Any, *, in_full: bool = False) -> Any:
    """
    Return a value; text is parsed as JSON.

    :param in_full: whether a number keeps the digits that a float has no room for, as the items of a file do.
    :raises ChannelConfigurationError: it is text that is not JSON, or an object has a field twice.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    from airflow_channel_provider.bulk.json_values import DuplicateFieldError, parse_json, unique_fields

    try:
        return parse_json(value) if in_full else json.loads(value, object_pairs_hook=unique_fields)
    except DuplicateFieldError as error:
        raise ChannelConfigurationError(
            f"{name} {error}. Only one of the two values would be used; remove the other."
        ) from None
    except (ValueError, RecursionError):
        raise ChannelConfigurationError(
            f"{name} is text that is not valid JSON, or is nested too deeply. Pass a list or a mapping, or JSON text "
            "of one; a template renders JSON with the filter tojson, as in {{ value | tojson }}."
        ) from None


def names(name: str, value: Any) -> list[Any]:
    """
    Return a list of names: one name, a list of them, or JSON text of a list. Whole numbers among them become texts.

    :raises ChannelConfigurationError: it is something else.
    """
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


def content_of(source: Any) -> dict[str, Any]:
    """
    Return the content of a message as arguments of :func:`.message_dto`.

    :raises ChannelConfigurationError: a list or mapping was rendered to text that is not JSON.
    """
    content = {name: getattr(source, name) for name in (*_TEXT_FIELDS, "private", "silent")}
    return {**content, **{name: json_value(name, getattr(source, name)) for name in _JSON_FIELDS}}


def storage_path(argument: str, address: object, *, below: str = "") -> ObjectStoragePath:
    """
    Return the path of an address.

    :param argument: names it in the message.
    :param address: a path, or anything that ``ObjectStoragePath`` takes.
    :param below: what is meant below the address, which is a folder then.
    :raises ChannelConfigurationError: it is not an address, or this task cannot reach it.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    text = str(address)
    if is_nothing(text):
        raise ChannelConfigurationError(
            f"{argument} has no value: it is {text!r}, which is what a template makes of a missing value. Correct the "
            "template, or the task that its value comes from."
        )
    if below:
        text = f"{text.rstrip('/')}/{below}"
    try:
        is_kept = _bare(urlsplit(text).geturl()) == _bare(text)
        path: ObjectStoragePath = ObjectStoragePath(text)
        _ = path.fs
    except Exception as error:
        raise ChannelConfigurationError(
            f"{argument} is not the address of a file that this task can reach ({type(error).__name__}: {error}). "
            "Give a path, or an address such as s3://conn_id@bucket/name.jsonl whose connection exists and whose "
            "provider package is installed."
        ) from error
    if not is_kept:
        raise ChannelConfigurationError(
            f"Airflow would drop a part of the address in {argument} and use another file: remove a ? or # at the end, "
            "tabs, line breaks and spaces at the beginning."
        )
    if text.endswith("/"):
        raise ChannelConfigurationError(f"{argument} names a folder ({text}); give the path of a file.")
    return path


def _bare(address: str) -> str:
    return address.replace("/", "").lower()
