"""What a caller gives a hook becomes an immutable :class:`PreparedCall`.

:func:`prepare` fills in what the connection knows, checks the parameters against the vendor's contract, chooses the
token and gives a message its request id. It is pure: it looks nothing up and sends nothing. Hooks, operators, bulk
tasks and alerts all send what it returns, and :mod:`.retry` reads from it what may be sent again.

A rule that the vendor's schemas or protos check stops the call. A rule that is known by a type or prose only becomes a
warning of the call. What JSON can't hold is refused in any case. Messages name types and sizes, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.ids import as_text, optional_id
from airflow_channel_provider.request_ids import RequestId
from airflow_channel_provider.values import Values

if TYPE_CHECKING:
    from airflow_channel_provider.connections import ChannelTalkSettings
    from airflow_channel_provider.contract.model import NativeFunction, RetryClass
    from airflow_channel_provider.contract.shapes import Shape, Violation
    from airflow_channel_provider.contract.structures import Field

NewRequestId: TypeAlias = str | Callable[[str, Mapping[str, Any]], RequestId] | None
"""For a message without a ``requestId``: the id, which the next try of the task sends as well; or a function that makes
one of method and parameters; or None, so that it is sent without one."""

_DESCRIBED_AT_MOST = 5
WAY_OUT = (
    "The call was not sent. If the service accepts it now, allow it with contract = off in the section "
    '[channel_talk], or with ChannelTalkHook(contract="off").'
)


class PreparedCall(Values):
    """
    One call as it will be sent.

    :param method: name of the function, or of the endpoint.
    :param params: complete, as JSON can hold them.
    :param channel_id: the channel whose token the call takes; None: the app token.
    :param retry_class: whether the call may be repeated after an unclear outcome.
    :param request_id: by which the service recognises a repetition; None: it does not.
    :param warnings: uncertain rules of the contract that the call breaks.
    """

    method: str
    retry_class: RetryClass
    params: Mapping[str, Any] = MappingProxyType({})
    channel_id: str | None = None
    request_id: RequestId | None = None
    warnings: Sequence[Violation] = ()

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "params")
        return f"PreparedCall({', '.join(shown)})"

    @property
    def is_repeatable(self) -> bool:
        """Whether sending the call twice has the same effect as sending it once."""
        kind = self.retry_class
        return kind.is_harmless or (kind.is_message and self.request_id is not None)

    @property
    def is_repeatable_in_next_try(self) -> bool:
        """Whether the next try of the task sends the same call, with the same request id."""
        return self.retry_class.is_harmless or (self.request_id is not None and self.request_id.is_lasting)


def prepare(
    method: str,
    params: Mapping[str, Any] | None,
    *,
    settings: ChannelTalkSettings,
    channel_id: str | None = None,
    request_id: NewRequestId = None,
    enforce_contract: bool = True,
) -> PreparedCall:
    """
    Return a call of a native function as it will be sent.

    :param settings: of the connection, which fills in ``channelId`` and ``appId``.
    :param channel_id: the channel to act in; None: ``params["channelId"]``, else the connection's.
    :param request_id: for a message that has none.
    :param enforce_contract: whether the vendor's contract counts, or only JSON.
    :raises ChannelConfigurationError: the function is a token request; a parameter or the channel is missing or
        invalid; or the parameters break a certain rule of the contract.
    """
    from airflow_channel_provider.contract import functions

    if not isinstance(method, str):
        raise ChannelConfigurationError(
            f"The name of the function (method) must be a text, not {type(method).__name__}."
        )
    if functions.is_token_request(method):
        raise ChannelConfigurationError(
            f"{method} can't be called directly: its token requests would not be counted, and the limit is 10 in "
            "30 minutes. Use get_access_token().",
            method=method,
        )
    function = functions.lookup(method)
    given = as_mapping(method, params)
    channel_id = optional_id("channel_id", channel_id)
    channel = _channel_of(function, given, channel_id, settings)
    complete = _completed(function, given, channel or channel_id, settings)
    warnings = check(function, complete, enforce_contract=enforce_contract)
    sent, its_id = _with_request_id(function, complete, request_id)
    return PreparedCall(method, function.retry, sent, channel, its_id, warnings)


# ---- token and parameters


def as_mapping(method: str, params: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """
    Return the parameters; None becomes an empty mapping.

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


def _channel_of(
    function: NativeFunction,
    params: Mapping[str, Any],
    channel_id: str | None,
    settings: ChannelTalkSettings,
) -> str | None:
    """Return the channel of the token: the argument's, else the parameters', else the connection's."""
    if function.wants_app_token:
        return None
    named = optional_id("params['channelId']", params.get("channelId"))
    if channel_id and named and named != channel_id:
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
    return channel


def _completed(
    function: NativeFunction,
    params: Mapping[str, Any],
    channel_id: str | None,
    settings: ChannelTalkSettings,
) -> dict[str, Any]:
    """Return a copy of the parameters with what the connection knows filled in, and ids as texts."""
    known = {"channelId": channel_id or settings.channel_id, "appId": settings.app_id}
    complete = dict(params)
    for name, value in known.items():
        if function.needs(name) and value is not None and not _is_given(complete, name):
            complete[name] = value
    return _texts_of_fields(function.params.fields, complete)


def _is_given(params: Mapping[str, Any], name: str) -> bool:
    # An older server spells the App ID appID.
    return any(params.get(spelling) is not None for spelling in (name, name.replace("Id", "ID")))


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


# ---- contract


def check(
    function: NativeFunction, params: Mapping[str, Any], *, enforce_contract: bool
) -> Sequence[Violation]:
    """
    Refuse what the service would refuse, before it costs a request.

    :param params: complete.
    :return: the uncertain rules of the contract that they break.
    :raises ChannelConfigurationError: JSON can't hold them, or they break a certain rule.
    """
    _refuse_unwritable(function.name, params)
    found = function.violations(params) if enforce_contract else ()
    if certain := [violation for violation in found if violation.rule.source.strength.is_certain]:
        hint = _misspelt(function, params, certain)
        raise ChannelConfigurationError(
            f"{function.name}: {described(certain)}{hint or '.'} {WAY_OUT}", method=function.name
        )
    return found


def _misspelt(function: NativeFunction, params: Mapping[str, Any], found: Sequence[Violation]) -> str:
    """Return which given names are probably those of absent parameters, such as user_chat_id for userChatId."""
    from difflib import get_close_matches

    absent = {_plain(one.path): one.path for one in found if one.rule.kind == "required"}
    hints = []
    for name in params if absent else ():
        near = None if name in function.params.fields else get_close_matches(_plain(name), absent, n=1)
        if near:
            hints.append(f"; you gave {name}, did you mean {absent[near[0]]}?")
    return "".join(hints)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _refuse_unwritable(method: str, params: Mapping[str, Any]) -> None:
    from airflow_channel_provider.api.json_body import unwritable

    try:
        problem = unwritable(params)
    except RecursionError:
        problem = "", "is nested too deeply or contains itself"
    if problem is not None:
        raise ChannelConfigurationError(f"{method}: params{problem[0]} {problem[1]}.", method=method)


def described(found: Sequence[Violation]) -> str:
    """Return the broken rules in words, the first few of them."""
    shown = found[:_DESCRIBED_AT_MOST]
    words = [f"{violation.under('params')} ({violation.rule.source})" for violation in shown]
    more = len(found) - len(words)
    return "; ".join([*words, *([f"and {more} more"] if more else [])])


# ---- request id


def identified(
    message: Mapping[str, Any], new_id: Callable[[], RequestId] | None
) -> tuple[Mapping[str, Any], RequestId | None]:
    """
    Return a message with its request id: the one that it has, else a new one.

    :param new_id: makes one; None: a message without one is sent without one.
    """
    if given := message.get("requestId"):
        return message, RequestId(given)
    if new_id is None:
        return message, None
    request_id = new_id()
    return {**message, "requestId": request_id.value}, request_id


def _with_request_id(
    function: NativeFunction, params: Mapping[str, Any], new: NewRequestId
) -> tuple[Mapping[str, Any], RequestId | None]:
    dto = params.get("dto")
    # Most calls have none, and Mapping asks all of its subclasses about a type that it does not know.
    if dto is None or not isinstance(dto, Mapping):
        return params, None
    new_id: Callable[[], RequestId] | None = None
    if function.is_message and new is not None:
        new_id = partial(RequestId, new) if isinstance(new, str) else partial(new, function.name, params)
    message, request_id = identified(dto, new_id)
    return params if message is dto else {**params, "dto": message}, request_id
