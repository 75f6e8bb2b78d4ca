"""
The table of operations of Open API v5: one row per operation.

A row has the verb, the path, a summary, whether it may be sent twice, and, for a list, the field that holds the items.
Other paths can be called too; a GET is then taken for a read, and everything else is never repeated.

Sources: the vendor's OpenAPI document of v5, and the vendor's own client for n8n, whose operations are all here. What
the document marks as removed (``/user-chats/cases``) is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from airflow_channel_provider.contract.model import RetryClass

BASE_PATH = "/open/v5"
MAX_PAGE_SIZE = 500
CHAT_STATES = ("opened", "closed", "snoozed", "queued", "initial", "missed")
"""The list of user chats shows one state at a time."""

_READ, _IDEMPOTENT = RetryClass.READ, RetryClass.IDEMPOTENT
_REQUEST_ID, _UNSAFE = RetryClass.REQUEST_ID, RetryClass.UNSAFE


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One operation.

    :param verb: HTTP method, upper case.
    :param path: below :data:`BASE_PATH`, with its variables in braces.
    :param summary: what it does, for the documentation.
    :param retry: whether a call whose outcome is unknown may be sent again.
    :param items: for a list: the field of the answer that holds the items.
    :param required: query parameters that it needs.
    """

    verb: str
    path: str
    summary: str
    retry: RetryClass
    items: str | None = None
    required: tuple[str, ...] = ()

    @property
    def answers_token(self) -> bool:
        """Whether the answer is a token or a JWT of a user."""
        return self.path.endswith("/issue")


def _get(path: str, summary: str, items: str | None = None, *required: str) -> Operation:
    return Operation("GET", path, summary, _READ, items, required)


_ORDER = "sortOrder"

OPERATIONS: tuple[Operation, ...] = (
    # Channel, bots, tags
    _get("/channel", "Read the channel"),
    _get("/bots", "List the bots", "bots"),
    Operation("POST", "/bots", "Create a bot or change the one of that name", _IDEMPOTENT),
    Operation("DELETE", "/bots/{botId}", "Delete a bot", _IDEMPOTENT),
    _get("/chat-tags", "List the chat tags", "chatTags"),
    # Managers
    _get("/managers", "List the managers", "managers"),
    _get("/managers/{managerId}", "Read a manager"),
    Operation("PUT", "/managers/{managerId}/status", "Set a manager's status", _IDEMPOTENT),
    # Groups
    _get("/groups", "List the public groups", "groups"),
    _get("/groups/{groupId}", "Read a group"),
    _get("/groups/@{groupName}", "Read a group by its name"),
    Operation("PATCH", "/groups/{groupId}", "Change a group", _IDEMPOTENT),
    _get("/groups/{groupId}/sessions", "List the members of a group"),
    _get("/groups/{groupId}/messages", "List the messages of a group", "messages", _ORDER),
    _get("/groups/@{groupName}/messages", "List the messages of a group by its name", "messages", _ORDER),
    _get("/groups/{groupId}/messages/file", "Get a signed address of a file", None, "key"),
    _get("/groups/@{groupName}/messages/file", "Get a signed address of a file by the group's name", None, "key"),
    Operation("POST", "/groups/{groupId}/messages", "Send a message to a group", _REQUEST_ID),
    Operation("POST", "/groups/@{groupName}/messages", "Send a message to a group by its name", _REQUEST_ID),
    _get("/groups/{groupId}/threads/{messageId}", "Read a thread"),
    _get("/groups/@{groupName}/threads/{messageId}", "Read a thread by the group's name"),
    _get("/groups/{groupId}/threads/{messageId}/messages", "List the messages of a thread", "messages"),
    _get("/groups/@{groupName}/threads/{messageId}/messages", "List the messages of a thread by the name", "messages"),
    # Users
    Operation("POST", "/users", "Create a lead", _UNSAFE),
    _get("/users/{userId}", "Read a user"),
    _get("/users/@{memberId}", "Read a user by the member ID"),
    Operation("PATCH", "/users/{userId}", "Change a user", _IDEMPOTENT),
    Operation("PUT", "/users/@{memberId}", "Create or change a user by the member ID", _IDEMPOTENT),
    Operation("DELETE", "/users/{userId}", "Delete a user", _IDEMPOTENT),
    Operation("DELETE", "/users/@{memberId}", "Delete a user by the member ID", _IDEMPOTENT),
    Operation("POST", "/users/{userId}/block", "Block a user", _IDEMPOTENT),
    Operation("DELETE", "/users/{userId}/block", "Unblock a user", _IDEMPOTENT),
    Operation("POST", "/users/{userId}/touch", "Count a visit of a user", _UNSAFE),
    Operation("PUT", "/users/{userId}/user-token/issue", "Issue a user token", _UNSAFE),
    Operation("PUT", "/users/@{memberId}/user-token/issue", "Issue a user token by the member ID", _UNSAFE),
    Operation("PUT", "/users/@{memberId}/session-jwt/issue", "Issue a session JWT by the member ID", _UNSAFE),
    _get("/users/{userId}/user-chats", "List the chats of a user", "userChats", _ORDER),
    Operation("POST", "/users/{userId}/user-chats", "Open a chat with a user", _UNSAFE),
    _get("/users/{userId}/events", "List the events of a user", "events", _ORDER),
    Operation("POST", "/users/{userId}/events", "Record an event of a user", _UNSAFE),
    # User chats
    _get("/user-chats", "List the user chats", "userChats"),
    _get("/user-chats/{userChatId}", "Read a user chat"),
    Operation("PATCH", "/user-chats/{userChatId}", "Change the description of a user chat", _IDEMPOTENT),
    Operation("DELETE", "/user-chats/{userChatId}", "Delete a user chat", _IDEMPOTENT),
    Operation("DELETE", "/user-chats/{userChatId}/remove", "Remove a user chat", _IDEMPOTENT),
    Operation("PUT", "/user-chats/{userChatId}/open", "Open a user chat", _UNSAFE),
    Operation("PATCH", "/user-chats/{userChatId}/close", "Close a user chat", _UNSAFE, None, ("botName",)),
    Operation(
        "PUT", "/user-chats/{userChatId}/snooze", "Snooze a user chat", _UNSAFE, None, ("botName", "duration")
    ),
    Operation("PATCH", "/user-chats/{userChatId}/invite", "Invite managers", _UNSAFE, None, ("botName",)),
    Operation(
        "PATCH", "/user-chats/{userChatId}/assign-to/managers/{managerId}", "Assign a user chat", _IDEMPOTENT
    ),
    _get("/user-chats/{userChatId}/sessions", "List the members of a user chat"),
    _get("/user-chats/{userChatId}/messages", "List the messages of a user chat", "messages", _ORDER),
    _get("/user-chats/{userChatId}/messages/file", "Get a signed address of a file", None, "key"),
    Operation("POST", "/user-chats/{userChatId}/messages", "Send a message to a user chat", _REQUEST_ID),
    _get("/user-chats/{userChatId}/meets/{messageId}/messages", "List what was said in a call", "messages", _ORDER),
    _get("/user-chats/{userChatId}/meets/{messageId}/recording", "Get a signed address of a call's recording"),
    # Calls, webhooks, marketing
    _get("/meet/call/log", "List the calls of at most 90 days", None, "from", "to"),
    _get("/meet/call/wrap-up-time", "Read the wrap-up times of at most 90 days", None, "from", "to"),
    _get("/webhooks", "List the webhooks", "webhooks"),
    _get("/webhooks/{webhookId}", "Read a webhook"),
    Operation("POST", "/webhooks", "Create a webhook", _UNSAFE),
    Operation("PATCH", "/webhooks/{webhookId}", "Change a webhook", _IDEMPOTENT),
    Operation("DELETE", "/webhooks/{webhookId}", "Delete a webhook", _IDEMPOTENT),
    _get("/mkt/campaigns", "List the campaigns", "campaigns"),
    _get("/mkt/one-time-msgs", "List the one-time messages", "oneTimeMsgs"),
)  # fmt: skip

_VARIABLE = re.compile(r"\{(\w+)\}")


def _pattern(path: str) -> re.Pattern[str]:
    parts = _VARIABLE.split(path)
    # The parts with an odd index are names of variables. An @ marks a name, so no id begins with it.
    return re.compile(
        "".join(
            f"(?P<{part}>[^/?#@][^/?#]*)" if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )


_PATTERNS: dict[tuple[str, int], list[tuple[Operation, re.Pattern[str]]]] = defaultdict(list)
"""By verb and number of slashes: no variable holds one, so a call fits no other row."""
for _operation in OPERATIONS:
    _PATTERNS[_operation.verb, _operation.path.count("/")].append((_operation, _pattern(_operation.path)))


def variables_of(path: str) -> tuple[str, ...]:
    """Return the names in braces of a path, in their order."""
    return tuple(_VARIABLE.findall(path))


def fill_path(path: str, values: Mapping[str, str]) -> str:
    """
    Return a path with its names in braces filled in, quoted so that each value stays one part of it.

    :param values: by name.
    """
    return _VARIABLE.sub(lambda match: quote(values[match[1]], safe=""), path)


def find_operation(verb: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """
    Return the row of a call and the value of each variable; None for a path that is not in the table.

    :param verb: HTTP method, upper case.
    :param path: below :data:`BASE_PATH`, filled in, without a query.
    """
    for operation, pattern in _PATTERNS.get((verb, path.count("/")), ()):
        if found := pattern.fullmatch(path):
            return operation, found.groupdict()
    return None


def operation_of(verb: str, path: str) -> Operation:
    """Return the row of a call; for a path that is not in the table, an assumed row with the path ``other``."""
    if (known := find_operation(verb, path)) is not None:
        return known[0]
    return Operation(verb, "other", "", _READ if verb == "GET" else _UNSAFE)
