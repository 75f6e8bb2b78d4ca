"""
The table of native functions: one row per function.

A row has the name; the token that the function needs; whether it may be sent twice; the source of its parameters; the
required parameters; the optional ones; and, for a list, the field that holds the items and how its pages follow each
other. A parameter has a shape (:mod:`~airflow_channel_provider.contract.parts`), and a source of its own if that
differs. ``ID`` and ``NAME`` are one shape with two names: ``ID`` is for what identifies something, such as a
channel or an address, and ``NAME`` for any other text that must not be empty. The source of a row is the most certain
one that has the function with its parameters. Where they are published nowhere, it is ``OLD_SERVER``, and the row has
no parameters.

Functions that are not in the table can be called too. Nothing is assumed about them: any token, never repeated, unknown
parameters. If the sources disagree on the token, the channel token is used; if they are unsure whether a repetition is
harmless, the call is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from airflow_channel_provider.contract.model import (
    Listing,
    NativeFunction,
    Paging,
    RetryClass,
    TokenScope,
)
from airflow_channel_provider.contract.parts import (
    ALF_TURN_MODE,
    APP_COMMERCE,
    APP_ID,
    APP_SCHEMA,
    BOT_NAME,
    COLUMNS,
    COMMANDS,
    DTO,
    DTO_OF_MANAGER,
    DTO_OF_USER,
    EVENT_NAME,
    FLAG,
    ID,
    MANAGER_IDS,
    MASK,
    MEMBER_ID,
    MESSAGE_BODY,
    NAME,
    OBJECT,
    PAGE_SIZE,
    PAGINATION,
    PRIMARY_KEY,
    ROWS,
    SNOOZE,
    TEXT,
    TEXTS,
    USER_BODY,
    USER_CHAT_STATE,
)
from airflow_channel_provider.contract.shapes import Shape
from airflow_channel_provider.contract.sources import CORE, GUIDE, HACK, OLD_SERVER, SCHEMA, SDK, Source
from airflow_channel_provider.contract.structures import Field, ListOf, record

_NONE, _APP, _CHANNEL, _ANY = TokenScope.NONE, TokenScope.APP, TokenScope.CHANNEL, TokenScope.ANY
_READ, _SAME, _ID, _UNSAFE = RetryClass.READ, RetryClass.IDEMPOTENT, RetryClass.REQUEST_ID, RetryClass.UNSAFE


def _since(items: str) -> Listing:
    return Listing(items, Paging.SINCE)


def _cursor(items: str) -> Listing:
    return Listing(items, Paging.CURSOR)


def _whole(items: str) -> Listing:
    return Listing(items, Paging.WHOLE)


def _row(
    name: str,
    scope: TokenScope,
    retry: RetryClass,
    by: Source,
    needs: Mapping[str, Shape | tuple[Shape, Source]] | None = None,
    takes: Mapping[str, Shape | Field] | None = None,
    listing: Listing | None = None,
    *,
    closed: bool = False,
) -> NativeFunction:
    return NativeFunction(name, scope, retry, record(by, needs, takes, closed=closed), listing)


# Parameters that are used together.
_IN_CHANNEL = {"channelId": ID}
_OF_APP = {"appId": APP_ID}
_GROUP = {**_IN_CHANNEL, "groupId": ID}
_USER = {**_IN_CHANNEL, "userId": ID}
_USER_CHAT = {**_IN_CHANNEL, "userChatId": ID}
_DIRECT_CHAT = {**_IN_CHANNEL, "directChatId": ID}
_MEDIUM = {**_IN_CHANNEL, "mediumType": NAME}
_MEDIUM_ID = {"mediumId": TEXT}
_THREAD = {"rootMessageId": TEXT, "broadcast": FLAG}
_PAGES = {"pagination": PAGINATION}
_EXTENSION = {**_OF_APP, "extensionName": NAME, "systemVersion": NAME}
_TABLE = {**_IN_CHANNEL, **_OF_APP, "tableName": NAME}
_KEY = {"primaryKeyColumns": PRIMARY_KEY}
_COMMERCE = {**_IN_CHANNEL, "pluginId": ID, "appCommerce": APP_COMMERCE}

# fmt: off
_ROWS = (
    # ---- tokens
    _row("issueToken", _NONE, _UNSAFE, SDK, {"secret": NAME}, {"channelId": TEXT}),
    _row("refreshToken", _NONE, _UNSAFE, SDK, {"refreshToken": NAME}),

    # ---- what belongs to the app
    _row("registerCommands", _APP, _SAME, GUIDE, {**_OF_APP, "commands": COMMANDS}),
    _row("getCommands", _APP, _READ, OLD_SERVER, _OF_APP, {}, _whole("commands")),  # the answer itself is the list
    _row("toggleCommand", _CHANNEL, _SAME, OLD_SERVER, {**_IN_CHANNEL, **_OF_APP, "commandEnabled": FLAG}),
    _row("getCommandChannelActivations", _CHANNEL, _READ, OLD_SERVER, {**_OF_APP, **_IN_CHANNEL}),
    _row("registerExtension", _APP, _SAME, SDK, _EXTENSION),
    _row("unregisterExtension", _APP, _SAME, SDK, _EXTENSION),
    _row("getAlfTaskVersions", _APP, _READ, SDK, _OF_APP, {}, _whole("tasks")),
    _row("getAppNotebookVersions", _APP, _READ, SCHEMA, _OF_APP, {}, _whole("notebooks")),
    _row("listActiveOAuthManagerTargets", _APP, _READ, SCHEMA, {"limit": PAGE_SIZE}, {"cursor": NAME},
         _cursor("targets"), closed=True),
    _row("createAppDataTable", _APP, _UNSAFE, SCHEMA, {**_OF_APP, "tableName": NAME, "columns": COLUMNS}, _KEY,
         closed=True),
    _row("createAppDataTableSchema", _APP, _UNSAFE, SCHEMA, {**_TABLE, "columns": COLUMNS}, _KEY, closed=True),
    _row("getAppDataTableSchema", _APP, _READ, SCHEMA, _TABLE, closed=True),
    # Idempotent only for a table with a primary key, and the call does not show whether there is one.
    _row("upsertAppDataTableRows", _APP, _UNSAFE, SCHEMA, {**_TABLE, "rows": ROWS}, closed=True),
    _row("checkInstall", _ANY, _READ, OLD_SERVER, {**_IN_CHANNEL, **_OF_APP}),
    _row("registerInstallHook", _APP, _SAME, OLD_SERVER),
    _row("registerToggleHook", _APP, _SAME, OLD_SERVER),
    _row("registerAppWidgets", _APP, _SAME, OLD_SERVER),
    _row("writeSystemLog", _CHANNEL, _UNSAFE, OLD_SERVER, {**_IN_CHANNEL, **_OF_APP}),

    # ---- messages
    _row("writeGroupMessage", _CHANNEL, _ID, HACK, {**_GROUP, "dto": (DTO, SDK)}, _THREAD),
    _row("writeGroupMessageAsManager", _CHANNEL, _ID, HACK, {**_GROUP, "dto": (DTO_OF_MANAGER, SDK)}, _THREAD),
    _row("writeUserChatMessage", _CHANNEL, _ID, HACK, {**_USER_CHAT, "dto": (DTO, SDK)}),
    _row("writeUserChatMessageAsManager", _CHANNEL, _ID, HACK, {**_USER_CHAT, "dto": (DTO_OF_MANAGER, SDK)}),
    _row("writeUserChatMessageAsUser", _CHANNEL, _ID, HACK, {**_USER_CHAT, "dto": (DTO_OF_USER, SDK)}),
    _row("writeDirectChatMessageAsManager", _CHANNEL, _ID, HACK, {**_DIRECT_CHAT, "dto": (DTO_OF_MANAGER, SDK)},
         _THREAD),
    _row("patchMessage", _CHANNEL, _SAME, SDK, {**_IN_CHANNEL, "chatId": ID, "chatType": NAME, "messageId": ID,
                                                "body": MESSAGE_BODY, "updateMask": MASK}),

    # ---- managers, users, contacts
    _row("getManager", _CHANNEL, _READ, HACK, {**_IN_CHANNEL, "managerId": ID}),
    _row("batchGetManagers", _CHANNEL, _READ, HACK, {**_IN_CHANNEL, "managerIds": MANAGER_IDS}, {},
         _whole("managers")),
    _row("searchManagers", _CHANNEL, _READ, HACK, _IN_CHANNEL, _PAGES, _since("managers")),
    _row("getRole", _CHANNEL, _READ, SDK, {**_IN_CHANNEL, "roleId": ID}),
    _row("getUser", _CHANNEL, _READ, HACK, _USER),
    _row("searchUser", _CHANNEL, _READ, HACK, {**_IN_CHANNEL, "memberId": MEMBER_ID}),
    _row("createLead", _CHANNEL, _UNSAFE, SDK, {**_IN_CHANNEL, "profile": (OBJECT, CORE)}),
    _row("createUser", _CHANNEL, _UNSAFE, SDK, {**_IN_CHANNEL, "profile": OBJECT}),
    _row("upsertMember", _CHANNEL, _SAME, SDK, {**_IN_CHANNEL, "memberId": MEMBER_ID, "body": USER_BODY,
                                                "updateMask": (MASK, CORE)}),
    _row("patchUser", _CHANNEL, _SAME, HACK, {**_USER, "body": USER_BODY, "updateMask": MASK}),
    _row("deleteUser", _CHANNEL, _SAME, HACK, _USER),
    _row("findOrCreateContactAndUser", _CHANNEL, _SAME, SDK,
         {**_MEDIUM, "address": ID, "defaultMediumLanguage": NAME}, {**_MEDIUM_ID, "userToken": TEXT}),
    _row("findContactsByUser", _CHANNEL, _READ, SDK, {**_MEDIUM, "userId": ID}, _MEDIUM_ID, _whole("contacts")),
    _row("findContactsByAddress", _CHANNEL, _READ, SDK, {**_MEDIUM, "address": ID}, _MEDIUM_ID, _whole("contacts")),
    _row("createEvent", _CHANNEL, _UNSAFE, SDK, {**_USER, "name": (EVENT_NAME, CORE)}, {"property": OBJECT}),

    # ---- user chats
    _row("getUserChat", _CHANNEL, _READ, HACK, _USER_CHAT),
    _row("manageUserChat", _CHANNEL, _UNSAFE, SDK, _USER_CHAT),
    _row("createUserChat", _CHANNEL, _UNSAFE, HACK, _USER),
    _row("findOrCreateUserChatByMedium", _CHANNEL, _SAME, SDK, {**_USER, "mediumType": NAME},
         {**_MEDIUM_ID, "mediumTopicKey": TEXT, "mediumTopicLabels": TEXTS, "mediumProfile": OBJECT,
          "contactKey": TEXT, "desiredAlfTurnMode": ALF_TURN_MODE}),
    _row("updateUserChatState", _CHANNEL, _SAME, HACK, {**_USER_CHAT, "state": USER_CHAT_STATE, "botName": BOT_NAME},
         {"duration": SNOOZE}),
    _row("updateUserChatStateByUser", _CHANNEL, _SAME, SDK, {**_USER_CHAT, "state": USER_CHAT_STATE},
         {"duration": SNOOZE}),
    _row("startUserChatFromUserByMedium", _CHANNEL, _UNSAFE, SDK, {**_USER_CHAT, "mediumType": NAME},
         {**_MEDIUM_ID, "useQuickDeploy": FLAG, "showWelcomeMessage": FLAG, "tryOpen": FLAG}),
    _row("searchUserChatsByContact", _CHANNEL, _READ, SDK, {**_MEDIUM, "address": ID}, {**_MEDIUM_ID, **_PAGES},
         _since("userChats")),
    # The only one without a channel parameter: it uses the token's channel.
    _row("searchUserChatsByMedium", _CHANNEL, _READ, SDK, {"userId": ID, "mediumType": NAME},
         {**_MEDIUM_ID, "mediumTopicKey": TEXT}, _whole("userChats")),
    _row("submitHandlingWorkflowButton", _CHANNEL, _UNSAFE, SDK, _USER_CHAT, {"messageId": TEXT, "buttonId": TEXT}),

    # ---- groups, the channel, direct chats, the rest
    _row("getGroup", _CHANNEL, _READ, HACK, _GROUP),
    _row("searchGroups", _CHANNEL, _READ, HACK, _IN_CHANNEL, _PAGES, _since("groups")),
    _row("getChannel", _CHANNEL, _READ, HACK, _IN_CHANNEL),
    _row("createDirectChat", _CHANNEL, _UNSAFE, SDK, {**_IN_CHANNEL, "managerIds": ListOf(ID)}),
    _row("findOrCreateDirectChat", _CHANNEL, _SAME, SDK, {**_IN_CHANNEL, "managerIds": ListOf(ID)}),
    _row("getPlugin", _CHANNEL, _READ, HACK, {**_IN_CHANNEL, "pluginId": ID}),
    _row("registerCommerce", _CHANNEL, _UNSAFE, SDK, _COMMERCE, {"memberHash": FLAG}),
    _row("deregisterCommerce", _CHANNEL, _SAME, SDK, _COMMERCE),
    _row("createMediumLink", _CHANNEL, _UNSAFE, SDK, _MEDIUM, _MEDIUM_ID),
    _row("deleteMediumLink", _CHANNEL, _SAME, SDK, _MEDIUM, _MEDIUM_ID),
    _row("searchUserChatSchemas", _CHANNEL, _READ, SDK, _IN_CHANNEL, _PAGES, _since("schemas")),
    _row("searchUserSchemas", _CHANNEL, _READ, SDK, _IN_CHANNEL, _PAGES, _since("schemas")),
    _row("searchEventSchemasByEventName", _CHANNEL, _READ, SDK, {**_IN_CHANNEL, "eventName": NAME}, _PAGES,
         _since("schemas")),
    _row("createAppSchemas", _CHANNEL, _SAME, SDK, {**_IN_CHANNEL, "schemas": ListOf(APP_SCHEMA)}),
    _row("issueEntityToken", _CHANNEL, _UNSAFE, SDK, {**_IN_CHANNEL, "entityType": NAME, "entityId": ID}),
    # Their parameters are published nowhere.
    _row("searchArticles", _CHANNEL, _READ, OLD_SERVER),
    _row("getArticle", _CHANNEL, _READ, OLD_SERVER),
    _row("getRevision", _CHANNEL, _READ, OLD_SERVER),
)
# fmt: on

CATALOGUE: Mapping[str, NativeFunction] = MappingProxyType({row.name: row for row in _ROWS})
"""Every function of the sources, by name."""

LISTINGS: Mapping[str, Listing] = MappingProxyType(
    {row.name: row.listing for row in _ROWS if row.listing is not None}
)
"""The listings of the functions that list, by name of the function."""

_OPEN = record(OLD_SERVER)


def lookup(method: str) -> NativeFunction:
    """
    Return a function; nothing is assumed about one that is not in the table.

    :param method: name on the wire, case matters.
    """
    known = CATALOGUE.get(method) if isinstance(method, str) else None
    return known or NativeFunction(method, _ANY, _UNSAFE, _OPEN)


def is_token_request(method: str) -> bool:
    """Return whether the function issues tokens, and so costs quota: only the token manager may call it."""
    return lookup(method).scope is TokenScope.NONE
