"""
The catalogue of native functions: what each wants, which token it needs, and whether it may be sent twice.

One row a function. Functions that the service gained since are callable all the same; they are treated with
the greatest caution: any token, never repeated, no parameter known to be missing. Where the sources
disagree on the token, the channel token is assumed; where they are unsure whether a repetition is harmless,
it is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from airflow_channel_provider.api.json_body import JSON
from airflow_channel_provider.exceptions import ChannelConfigurationError

__all__ = [
    "CATALOGUE",
    "NativeFunction",
    "RetryClass",
    "TokenScope",
    "check_params",
    "is_token_request",
    "lookup",
]


class RetryClass(Enum):
    """Whether a call whose fate is unknown may be repeated."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent"
    """Writes, but twice leaves the same as once."""
    REQUEST_ID = "request_id"
    """A message: only with the same ``dto.requestId``."""
    UNSAFE = "unsafe"
    """Never."""

    @property
    def is_harmless(self) -> bool:
        """Whether twice is the same as once, whatever the call carries."""
        return self in (RetryClass.READ, RetryClass.IDEMPOTENT)

    @property
    def is_message(self) -> bool:
        """Whether a request id is what makes twice the same as once."""
        return self is RetryClass.REQUEST_ID


class TokenScope(Enum):
    """Which token a function wants."""

    NONE = "none"
    """None: it hands them out."""
    APP = "app"
    """The app's own, whatever channel the call is about."""
    CHANNEL = "channel"
    """The one of a channel."""
    ANY = "any"
    """As the caller says."""


@dataclass(frozen=True, slots=True)
class NativeFunction:
    """
    A function of the service.

    :param name: the ``method`` on the wire.
    :param scope: token that it needs.
    :param retry: whether it may be repeated.
    :param required: parameters that it can't do without; nested ones with a dot.
    """

    name: str
    scope: TokenScope
    retry: RetryClass
    required: tuple[str, ...] = ()

    @property
    def wants_app_token(self) -> bool:
        """Whether it takes the app's own token, whatever channel the call is about."""
        return self.scope is TokenScope.APP

    @property
    def wants_channel_token(self) -> bool:
        """Whether it can't do without a channel."""
        return self.scope is TokenScope.CHANNEL

    @property
    def is_message(self) -> bool:
        """Whether it writes a message, which a request id makes unique."""
        return self.retry.is_message


_NONE, _APP, _CHANNEL, _ANY = TokenScope.NONE, TokenScope.APP, TokenScope.CHANNEL, TokenScope.ANY
_READ, _SAME, _ID, _UNSAFE = RetryClass.READ, RetryClass.IDEMPOTENT, RetryClass.REQUEST_ID, RetryClass.UNSAFE

_ROWS: tuple[tuple[str, TokenScope, RetryClass, str], ...] = (
    # Tokens
    ("issueToken", _NONE, _UNSAFE, "secret"),
    ("refreshToken", _NONE, _UNSAFE, "refreshToken"),
    # App-owned
    ("registerCommands", _APP, _SAME, "appId commands"),
    ("getCommands", _APP, _READ, "appId"),
    ("toggleCommand", _ANY, _SAME, "channelId appId commandEnabled"),
    ("getCommandChannelActivations", _CHANNEL, _READ, "appId channelId"),
    ("registerExtension", _APP, _SAME, "appId extensionName systemVersion"),
    ("unregisterExtension", _APP, _SAME, "appId extensionName systemVersion"),
    ("getAlfTaskVersions", _APP, _READ, "appId"),
    ("getAppNotebookVersions", _APP, _READ, "appId"),
    ("listActiveOAuthManagerTargets", _APP, _READ, "limit"),
    ("createAppDataTable", _APP, _UNSAFE, "appId tableName columns"),
    ("createAppDataTableSchema", _APP, _UNSAFE, "channelId appId tableName columns"),
    ("getAppDataTableSchema", _APP, _READ, "channelId appId tableName"),
    # Idempotent for a table with a primary key only, and the call does not show whether there is one.
    ("upsertAppDataTableRows", _APP, _UNSAFE, "channelId appId tableName rows"),
    ("checkInstall", _ANY, _READ, "channelId appId"),
    ("registerInstallHook", _APP, _SAME, ""),
    ("registerToggleHook", _APP, _SAME, ""),
    ("registerAppWidgets", _APP, _SAME, ""),
    ("writeSystemLog", _CHANNEL, _UNSAFE, "channelId appId"),
    # Messages
    ("writeGroupMessage", _CHANNEL, _ID, "channelId groupId dto"),
    ("writeGroupMessageAsManager", _CHANNEL, _ID, "channelId groupId dto dto.managerId"),
    ("writeUserChatMessage", _CHANNEL, _ID, "channelId userChatId dto"),
    ("writeUserChatMessageAsManager", _CHANNEL, _ID, "channelId userChatId dto dto.managerId"),
    ("writeUserChatMessageAsUser", _CHANNEL, _ID, "channelId userChatId dto dto.userId"),
    ("writeDirectChatMessageAsManager", _CHANNEL, _ID, "channelId directChatId dto dto.managerId"),
    ("patchMessage", _CHANNEL, _SAME, "channelId chatId chatType messageId body updateMask"),
    # Managers, users, contacts
    ("getManager", _CHANNEL, _READ, "channelId managerId"),
    ("batchGetManagers", _CHANNEL, _READ, "channelId managerIds"),
    ("searchManagers", _CHANNEL, _READ, "channelId"),
    ("getRole", _CHANNEL, _READ, "channelId roleId"),
    ("getUser", _CHANNEL, _READ, "channelId userId"),
    ("searchUser", _CHANNEL, _READ, "channelId memberId"),
    ("createLead", _CHANNEL, _UNSAFE, "channelId profile"),
    ("createUser", _CHANNEL, _UNSAFE, "channelId profile"),
    ("upsertMember", _CHANNEL, _SAME, "channelId memberId body updateMask"),
    ("patchUser", _CHANNEL, _SAME, "channelId userId body updateMask"),
    ("deleteUser", _CHANNEL, _SAME, "channelId userId"),
    ("findOrCreateContactAndUser", _CHANNEL, _SAME, "channelId mediumType address defaultMediumLanguage"),
    ("findContactsByUser", _CHANNEL, _READ, "channelId userId mediumType"),
    ("findContactsByAddress", _CHANNEL, _READ, "channelId mediumType address"),
    ("createEvent", _CHANNEL, _UNSAFE, "channelId userId name"),
    # User chats
    ("getUserChat", _CHANNEL, _READ, "channelId userChatId"),
    ("manageUserChat", _CHANNEL, _UNSAFE, "channelId userChatId"),
    ("createUserChat", _CHANNEL, _UNSAFE, "channelId userId"),
    ("findOrCreateUserChatByMedium", _CHANNEL, _SAME, "channelId userId mediumType"),
    ("updateUserChatState", _CHANNEL, _SAME, "channelId userChatId state botName"),
    ("updateUserChatStateByUser", _CHANNEL, _SAME, "channelId userChatId state"),
    ("startUserChatFromUserByMedium", _CHANNEL, _UNSAFE, "channelId userChatId mediumType"),
    ("searchUserChatsByContact", _CHANNEL, _READ, "channelId mediumType address"),
    ("searchUserChatsByMedium", _CHANNEL, _READ, "userId mediumType"),
    ("submitHandlingWorkflowButton", _CHANNEL, _UNSAFE, "channelId userChatId"),
    # Groups, channel, direct chat, other
    ("getGroup", _CHANNEL, _READ, "channelId groupId"),
    ("searchGroups", _CHANNEL, _READ, "channelId"),
    ("getChannel", _CHANNEL, _READ, "channelId"),
    ("createDirectChat", _CHANNEL, _UNSAFE, "channelId managerIds"),
    ("findOrCreateDirectChat", _CHANNEL, _SAME, "channelId managerIds"),
    ("getPlugin", _CHANNEL, _READ, "channelId pluginId"),
    (
        "registerCommerce",
        _CHANNEL,
        _UNSAFE,
        "channelId pluginId appCommerce appCommerce.appCommerceType appCommerce.appCommerceId",
    ),
    ("deregisterCommerce", _CHANNEL, _SAME, "channelId pluginId appCommerce"),
    ("createMediumLink", _CHANNEL, _UNSAFE, "channelId mediumType"),
    ("deleteMediumLink", _CHANNEL, _SAME, "channelId mediumType"),
    ("searchUserChatSchemas", _CHANNEL, _READ, "channelId"),
    ("searchUserSchemas", _CHANNEL, _READ, "channelId"),
    ("searchEventSchemasByEventName", _CHANNEL, _READ, "channelId eventName"),
    ("createAppSchemas", _CHANNEL, _SAME, "channelId schemas"),
    ("issueEntityToken", _CHANNEL, _UNSAFE, "channelId entityType entityId"),
    # Their parameters are published nowhere.
    ("searchArticles", _CHANNEL, _READ, ""),
    ("getArticle", _CHANNEL, _READ, ""),
    ("getRevision", _CHANNEL, _READ, ""),
)

CATALOGUE: Mapping[str, NativeFunction] = MappingProxyType(
    {
        name: NativeFunction(name, scope, retry, tuple(required.split()))
        for name, scope, retry, required in _ROWS
    }
)
"""Every function that the sources name, by its name."""

# An older server spells it so, and today's may ignore the case: one of the two is enough.
_OTHER_SPELLINGS = {"appId": "appID"}


def lookup(method: str) -> NativeFunction:
    """
    Find a function; one that the catalogue does not know is treated with the greatest caution.

    :param method: name on the wire, case matters.
    :raises ChannelConfigurationError: it is no text.
    """
    if not isinstance(method, str):
        raise ChannelConfigurationError(
            f"The name of the function (method) is a text, not {type(method).__name__}."
        )
    return CATALOGUE.get(method) or NativeFunction(method, TokenScope.ANY, RetryClass.UNSAFE)


def is_token_request(method: str) -> bool:
    """Whether the function hands out tokens, and so costs quota: only the token manager may call it."""
    return lookup(method).scope is TokenScope.NONE


def check_params(function: NativeFunction, params: Mapping[str, JSON] | None) -> None:
    """
    Refuse what the service would refuse, before it costs a request.

    :param function: from :func:`lookup`.
    :param params: complete, with what the connection fills in; None: none.
    :raises ChannelConfigurationError: not a mapping with string keys, a value that JSON can't hold, or a
        required parameter is missing (absent, None, or an empty text).
    """
    if params is None:
        params = {}
    if not isinstance(params, Mapping):
        raise ChannelConfigurationError(
            f"{function.name}: params must be a mapping of names to values, not {type(params).__name__}.",
            method=function.name,
        )
    try:
        problem = next(_problems("params", dict(params)), None)
    except RecursionError:
        problem = "params is nested too deeply or contains itself"
    if problem is not None:
        raise ChannelConfigurationError(f"{function.name}: {problem}.", method=function.name)
    missing = [name for name in function.required if _is_missing(params, name)]
    if missing:
        names = ", ".join(missing)
        raise ChannelConfigurationError(f"{function.name}: params lack {names}.", method=function.name)


def _problems(path: str, value: JSON) -> Iterator[str]:
    """Paths and types, never values: they may be anybody's data."""
    if value is None or isinstance(value, (str, bool, int)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            yield f"{path} is not a finite number, JSON has no NaN or Infinity"
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str):
                yield from _problems(f"{path}.{key}", item)
            else:
                yield f"{path} has a key that is no text ({type(key).__name__})"
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _problems(f"{path}[{index}]", item)
    else:
        yield f"{path} is a {type(value).__name__}, which JSON can't hold"


def _is_missing(params: Mapping[str, JSON], name: str) -> bool:
    value: JSON = params
    for step in name.split("."):
        value = _step(value, step)
    return value is None or (isinstance(value, str) and not value.strip())


def _step(value: JSON, name: str) -> JSON:
    if not isinstance(value, Mapping):
        return None
    found = value.get(name)
    return value.get(_OTHER_SPELLINGS.get(name, name)) if found is None else found
