"""What a caller gives a hook -> what is sent. Pure, but for the request id of a message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_channel_provider.connections import is_whole
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.hooks import _request_id

if TYPE_CHECKING:
    from airflow_channel_provider.connections import ChannelTalkSettings
    from airflow_channel_provider.contract.model import NativeFunction
    from airflow_channel_provider.contract.shapes import Shape
    from airflow_channel_provider.contract.structures import Field

__all__ = ["as_id", "as_mapping", "as_text", "channel_of", "completed", "has_request_id", "identified"]


_MADE_OF_TEXT = (int, date, UUID)


def as_mapping(method: str, params: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """
    Return the parameters, none as an empty mapping.

    :raises ChannelConfigurationError: they are no mapping.
    """
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            f"{method}: params must be a mapping of names to values, not {type(params).__name__}.",
            method=method,
        )
    return params


def as_text(value: object) -> Any:
    """
    Return as its text what a text may have become on its way: a whole number, a time, a UUID; anything else as it is.
    """
    return str(value) if isinstance(value, _MADE_OF_TEXT) and not isinstance(value, bool) else value


def as_id(value: object) -> str | None:
    """
    Return the id of a channel as text: one that looks like a number may arrive as one; none as None.

    :raises ChannelConfigurationError: it is no text that could name anything.
    """
    if value is None:
        return None
    text = str(value)
    if not is_whole(text):
        raise ChannelConfigurationError(
            "The channel ID holds half of a surrogate pair, which is no character; give it as Channel Talk shows it."
        )
    return text


def channel_of(
    function: NativeFunction,
    params: Mapping[str, Any],
    channel_id: str | None,
    settings: ChannelTalkSettings,
) -> str | None:
    """
    Return the channel whose token a call takes: the argument's, else the parameters', else the connection's.

    :return: None for the app token.
    :raises ChannelConfigurationError: the function needs a channel and none is known, or two are named.
    """
    if function.wants_app_token:
        return None
    named = params.get("channelId")
    if channel_id and named and str(named) != str(channel_id):
        raise ChannelConfigurationError(
            f"{function.name}: channel_id and params['channelId'] name different channels; a token acts in one "
            "channel only. Give one of them.",
            method=function.name,
        )
    channel = channel_id or named or settings.channel_id
    if channel is None and function.wants_channel_token:
        raise ChannelConfigurationError(
            f"{function.name} acts in a channel and none is known: pass channel_id, or set a default channel ID in "
            f"connection {settings.conn_id!r}.",
            method=function.name,
        )
    return as_id(channel)


def completed(
    function: NativeFunction,
    params: Mapping[str, Any],
    channel_id: str | None,
    settings: ChannelTalkSettings,
) -> dict[str, Any]:
    """
    Return a copy of the parameters with what the connection knows filled in, and ids as texts.

    :param channel_id: the channel that the call is about, where one is named.
    """
    known = {"channelId": channel_id or settings.channel_id, "appId": settings.app_id}
    complete = dict(params)
    for name, value in known.items():
        if function.needs(name) and value is not None and not _is_given(complete, name):
            complete[name] = value
    return _texts_of_fields(function.params.fields, complete)


def _texts_of_fields(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, Any]:
    # A template that is rendered to a value, and a column of a database, have texts as numbers.
    return {
        name: value if value.__class__ is str or name not in fields else _texts(fields[name].shape, value)
        for name, value in values.items()
    }


def _texts(shape: Shape, value: Any) -> Any:
    """Return a value with each whole number as its text where the function takes a text, however deep."""
    from airflow_channel_provider.contract.shapes import Text
    from airflow_channel_provider.contract.structures import Either, ListOf, Record

    if isinstance(shape, Either):
        shape = next((one for one in shape.shapes if one.fits(value)), shape.shapes[0])
    if isinstance(shape, Text):
        return as_text(value)
    if isinstance(shape, ListOf) and isinstance(value, (list, tuple)):
        return [_texts(shape.of, one) for one in value]
    if isinstance(shape, Record) and isinstance(value, Mapping):
        return _texts_of_fields(shape.fields, value)
    return value


def identified(function: NativeFunction, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return the parameters, those of a message with a request id.

    :param params: complete, and known to be what JSON can hold: the id is made of them.
    """
    dto = params.get("dto")
    if not function.is_message or not isinstance(dto, Mapping) or dto.get("requestId"):
        return params
    return {**params, "dto": {**dto, "requestId": _request_id.for_call(function.name, params)}}


def has_request_id(params: Mapping[str, Any]) -> bool:
    """Tell whether the service will recognise a repetition of this message."""
    dto = params.get("dto")
    return isinstance(dto, Mapping) and bool(dto.get("requestId"))


def _is_given(params: Mapping[str, Any], name: str) -> bool:
    # An older server spells the App ID appID.
    return any(params.get(spelling) is not None for spelling in (name, name.replace("Id", "ID")))
