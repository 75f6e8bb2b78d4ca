"""
The shapes that several functions share: ids, pages, messages, users, commands, tables.

No other code writes a limit that has a name here as a number: ``BUTTONS.most``.
"""

from __future__ import annotations

from airflow_channel_provider.contract.shapes import (
    Duration,
    Enumeration,
    Flag,
    Number,
    Text,
    Whole,
)
from airflow_channel_provider.contract.sources import (
    COMMAND_SCHEMA,
    CORE,
    HACK,
    HOOK_SCHEMA,
    INFERRED,
    SCHEMA,
    SDK,
)
from airflow_channel_provider.contract.structures import Either, Field, ListOf, MapOf, record

# ---- what JSON is made of

FLAG = Flag()
TEXT = Text()
TEXTS = ListOf(TEXT)
OBJECT = MapOf()
ID = NAME = Text(least=1)
APP_ID = Text(least=1, also="appID")
# Sent as text with commas, a list, or an object with paths; at least one path.
MASK = Either(
    (Text(CORE, least=1), ListOf(TEXT, CORE, least=1), record(CORE, {"paths": ListOf(TEXT, least=1)}))
)

# ---- pages

SORT_ORDER = Enumeration(("ASC", "DESC", "BOTH"), prefix="SORT_ORDER_", numbers=(1, 2, 3), unspecified=HACK)
PAGE_SIZE = Whole(least=1, most=500)
PAGINATION = record(HACK, {"sortOrder": SORT_ORDER, "limit": PAGE_SIZE}, {"since": TEXT})

# ---- people

MANAGER_IDS = ListOf(ID, HACK, least=1, most=50)
MEMBER_ID = Text(CORE, least=1, most=64, pattern=r"\S*", form="have no space in it")
EVENT_NAME = Text(CORE, least=1, most=64)
TAGS = ListOf(TEXT, HACK, most=20)
USER_BODY = record(
    SDK,
    takes={
        "mobileNumberQualified": FLAG,
        "emailQualified": FLAG,
        "profile": OBJECT,
        "profileOnce": OBJECT,
        "tags": TAGS,
        "blocked": FLAG,
        "unsubscribeEmail": FLAG,
        "unsubscribeTexting": FLAG,
        "language": TEXT,
    },
)

# ---- user chats

USER_CHAT_STATE = Enumeration(
    ("OPENED", "CLOSED", "SNOOZED", "INITIAL", "QUEUED", "MISSED"),
    prefix="USER_CHAT_STATE_",
    unspecified=HACK,
)
ALF_TURN_MODE = Enumeration(("SINGLE", "MULTIPLE"), prefix="USER_CHAT_DESIRED_ALF_TURN_MODE_")
# The server behind has a separate call to snooze a chat, and only that one has a duration.
SNOOZE = Field(
    Duration(CORE, least_seconds=60, form="to snooze a chat"),
    only_where=("state", f"{USER_CHAT_STATE.prefix}SNOOZED"),
)

# ---- messages

BOT_NAME = Text(CORE, least=1, most=30, pattern=r"[^@#$%:/]+", form="have none of @ # $ % : / in it")
MESSAGE_OPTION = Enumeration(
    (
        "ACT_AS_MANAGER",
        "ALERT_TO_WRITER",  # only of the server behind
        "DISPLAY_AS_CHANNEL",
        "DO_NOT_POST",
        "DO_NOT_SEARCH",
        "DO_NOT_SEND_APP",
        "DO_NOT_UPDATE_DESK",
        "IMMUTABLE",
        "PRIVATE",
        "SILENT",
        "SILENT_TO_MANAGER",
        "SILENT_TO_USER",
    ),
    prefix="MESSAGE_OPTION_",
)
MESSAGE_STATE = Enumeration(("SENDING", "SENT", "FAILED", "REMOVED"), prefix="MESSAGE_STATE_")
MESSAGE_COLOR = Enumeration(
    ("COBALT", "GREEN", "ORANGE", "RED", "BLACK", "PINK", "PURPLE"), prefix="MESSAGE_COLOR_VARIANT_"
)
# The sources show an action in three shapes, and none says which one is accepted: with one of three names for the
# action, or with a type and either attributes or fields of its own.
ACTION = record(SDK, one_of=("type", "webAction", "commandAction", "wamAction"))
BUTTON_TITLE = Text(least=1, most=30)
BUTTON = record(HACK, {"title": BUTTON_TITLE, "action": ACTION}, {"colorVariant": MESSAGE_COLOR})
BUTTONS = ListOf(BUTTON, HACK, most=2)
FILE = record(HACK, {"url": ID, "mime": ID, "fileName": ID})
# The protos of the server behind accept 10 files, of another shape, in a new message.
FILES = ListOf(FILE, HACK, most=30, advised=10)
# Not every field of a type of block is listed: the service's models leave blocks open.
BLOCK = record(
    SDK,
    {"type": Enumeration(("text", "code", "bullets"), CORE)},
    {"value": TEXT, "language": TEXT, "blocks": ListOf(OBJECT)},
)
_CONTENT = {
    "plainText": TEXT,
    "blocks": ListOf(BLOCK),
    "buttons": BUTTONS,
    "files": FILES,
    "options": ListOf(MESSAGE_OPTION),
    "webPage": OBJECT,
    "form": OBJECT,
    "customPayload": OBJECT,
    "requestId": TEXT,
}
_WRITERS = {"botName": BOT_NAME, "managerId": TEXT, "userId": TEXT}
DTO = record(HACK, takes={**_WRITERS, **_CONTENT}, one_of=tuple(_WRITERS))
DTO_OF_MANAGER = record(HACK, {"managerId": (ID, SDK)}, _CONTENT, one_of=tuple(_WRITERS))
DTO_OF_USER = record(HACK, {"userId": (ID, SDK)}, _CONTENT, one_of=tuple(_WRITERS))
MESSAGE_BODY = record(SDK, takes={"options": ListOf(MESSAGE_OPTION), "state": MESSAGE_STATE})

# ---- commands


def _translated(name_length: int, description_length: int | None = None) -> MapOf:
    """Names by language, such as ``{"ko": {"name": "…", "description": "…"}}``."""
    needs = {"name": Text(least=1, most=name_length)}
    if description_length is not None:
        needs["description"] = Text(most=description_length)
    return MapOf(record(COMMAND_SCHEMA, needs, closed=True))


_ALF_DESCRIPTION = Text(most=1500)
CHOICE = record(
    COMMAND_SCHEMA,
    {"name": TEXT, "value": Either((TEXT, Number(), FLAG))},
    {"nameDescI18nMap": _translated(30, 100)},
    closed=True,
)
CHOICES = ListOf(CHOICE, most=10)
PARAMETER_DESCRIPTION = Text(most=50)
COMMAND_PARAMETER = record(
    COMMAND_SCHEMA,
    {
        "name": Text(least=1, most=20),
        "type": Enumeration(("string", "float", "int", "bool")),
        "required": FLAG,
    },
    {
        "description": PARAMETER_DESCRIPTION,
        "alfDescription": _ALF_DESCRIPTION,
        "nameDescI18nMap": _translated(20, 50),
        "choices": CHOICES,
        "autoComplete": FLAG,
    },
    closed=True,
)
COMMAND = record(
    COMMAND_SCHEMA,
    {
        "name": Text(least=1, most=30),
        "scope": Enumeration(("front", "desk")),
        "actionFunctionName": NAME,
        "alfMode": Enumeration(("disable", "recommend")),
    },
    {
        "alfDescription": _ALF_DESCRIPTION,
        "buttonName": Text(least=1, most=30),
        "buttonNameI18nMap": _translated(30),
        "description": Text(most=100),
        "nameDescI18nMap": _translated(30, 100),
        "autoCompleteFunctionName": NAME,
        "systemVersion": TEXT,
        "enabledByDefault": FLAG,
        "paramDefinitions": ListOf(COMMAND_PARAMETER, most=10),
    },
    closed=True,
)
COMMANDS = ListOf(COMMAND, COMMAND_SCHEMA, most=30)
# The answer of an app when the service asks for its commands and functions.
DECLARED_COMMANDS = record(COMMAND_SCHEMA, {"commands": COMMANDS}, closed=True)
DECLARED_FUNCTIONS = record(
    SDK,
    {"functions": ListOf(record(SDK, {"name": NAME, "inputSchema": OBJECT}, {"outputSchema": OBJECT}))},
    {"success": FLAG, "errorMessage": TEXT},
)

# The answer of an app when a command is run, and when the service asks for suggestions for a parameter.
COMMAND_RESULT = record(COMMAND_SCHEMA, {"type": NAME}, {"attributes": OBJECT}, closed=True)
SUGGESTIONS = record(
    COMMAND_SCHEMA,
    {
        "choices": ListOf(
            record(COMMAND_SCHEMA, {"name": TEXT, "value": CHOICE["value"]}, {"nameDescI18nMap": OBJECT})
        )
    },
    closed=True,
)

# ---- hooks of an app

HOOK_TYPE = Enumeration(
    (
        "app.installed",
        "app.uninstalled",
        "command.toggle",
        "config.saved",
        "config.deleted",
        "widget.installed",
        "widget.uninstalled",
        "webhook.received",
        "oauth.connected",
        "oauth.disconnected",
    )
)
FUNCTION_NAME = Text(least=1, most=255, pattern=r"[a-zA-Z_][a-zA-Z0-9._]*", form="be the name of a function")
ENDPOINT_TOKEN = Text(
    least=32, most=128, pattern=r"[A-Za-z0-9_-]+", form="have only letters, digits, _ and -"
)
HOOK = record(
    HOOK_SCHEMA,
    {"type": HOOK_TYPE, "actionFunctionName": FUNCTION_NAME},
    {
        "systemVersion": Text(least=1, most=50, pattern=r"[A-Za-z0-9._-]+", form="be a version"),
        "targetId": Text(least=1, most=255),
        "webhook": record(
            HOOK_SCHEMA,
            takes={"endpointToken": ENDPOINT_TOKEN, "executionScope": Enumeration(("app", "manager"))},
            closed=True,
        ),
    },
    closed=True,
)
DECLARED_HOOKS = record(HOOK_SCHEMA, {"hooks": ListOf(HOOK)}, closed=True)

# ---- data tables

OPERATOR_TYPE = Enumeration(
    (
        "BOOLEAN",
        "DATE",
        "DATETIME",
        "LIST_OF_STRING",
        "LIST_OF_NUMBER",
        "NUMBER",
        "STRING",
        "LIST_OF_OBJECT",
    ),
    prefix="OPERATOR_TYPE_",
    unspecified=INFERRED,
)
COLUMN = record(
    SCHEMA,
    {"key": NAME, "name": NAME, "type": OPERATOR_TYPE},
    {"nullable": FLAG, "description": TEXT},
    closed=True,
)
COLUMNS = ListOf(COLUMN, SCHEMA, least=1)
PRIMARY_KEY = ListOf(NAME)
ROWS = ListOf(OBJECT, SCHEMA, least=1, most=100)

# ---- the rest

APP_COMMERCE = record(SDK, {"appCommerceType": ID, "appCommerceId": ID}, {"appCommerceDomain": TEXT})
APP_SCHEMA = record(
    SDK, {"key": ID, "name": NAME}, {"type": OPERATOR_TYPE, "defaultWatch": FLAG, "defaultWidth": Whole()}
)
