"""
The streams that can be extracted: one row a stream, with its columns and their types.

A field that is not among the columns is kept and reported; see :mod:`.schema`. Source: the vendor's OpenAPI document of
v5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    """A moment; the service has published it as epoch milliseconds and as text of ISO 8601."""
    JSON = "JSON"
    """A list or a mapping, kept whole as text of JSON."""


class Source(Enum):
    """Where the rows of a stream come from."""

    CHATS = "chats"
    """The list of chats itself."""
    USERS = "users"
    """The users in the answers of the list of chats."""
    OF_CHATS = "of chats"
    """A list for each chat of the window."""
    OF_USERS = "of users"
    """A list for each user who has a chat in the window."""
    OF_GROUPS = "of groups"
    """A list for each group."""
    LIST = "list"
    """A list that is short, whole in each window."""
    ONE = "one"
    """A single object."""
    RANGE = "range"
    """A list that the service filters by time."""


@dataclass(frozen=True, slots=True)
class Stream:
    """
    One stream.

    :param name: as users call it.
    :param source: where its rows come from.
    :param path: of its list, below ``/open/v5``; ``{id}`` stands for the chat, user or group.
    :param items: the field of the answer that holds the rows.
    :param columns: names and kinds of the fields that are known.
    :param key: the columns that identify a row.
    """

    name: str
    source: Source
    path: str
    items: str
    columns: Mapping[str, Kind]
    key: tuple[str, ...] = ("id",)


CHAT_LIST = "/user-chats"
GROUP_LIST = "/groups"
CUSTOM = "profile"
"""The field that holds the fields which a channel defines itself."""

_KINDS = {
    "": Kind.TEXT,
    "i": Kind.INTEGER,
    "n": Kind.NUMBER,
    "b": Kind.BOOLEAN,
    "t": Kind.TIME,
    "j": Kind.JSON,
}


def _columns(text: str) -> Mapping[str, Kind]:
    """Read names with the initial of their kind behind a colon; a text has none."""
    pairs = (word.partition(":") for word in text.split())
    return MappingProxyType({name: _KINDS[kind] for name, _, kind in pairs})


_MESSAGE = _columns(
    "id chatKey mainKey threadKey meetKey frontKey channelId chatType chatId personType personId requestId language "
    "plainText blocks:j buttons:j files:j webPage:j form:j options:j log:j reactions:j state thread:j rootMessageId "
    "threadRoot:b threadMsg:b broadcastedMsg:b createdAt:t updatedAt:t editedAt:t removedByWriter:b marketing:j "
    "supportBot:j workflow:j alf:j writingType version:i"
)

_STREAMS = (
    Stream(
        "user_chats",
        Source.CHATS,
        CHAT_LIST,
        "userChats",
        _columns(
            "id channelId userId state missedReason managed:b priority contactMediumType name title description "
            "assigneeId managerIds:j teamId tags:j profile:j source:j handling:j createdAt:t updatedAt:t "
            "firstOpenedAt:t openedAt:t firstQueuedAt:t queuedAt:t askedAt:t firstAskedAt:t firstRepliedAt:t "
            "firstRepliedAtAfterOpen:t closedAt:t snoozedAt:t expiresAt:t frontMessageId deskMessageId "
            "userLastMessageId frontUpdatedAt:t deskUpdatedAt:t firstAssigneeIdAfterOpen oneStop:b waitingTime:i "
            "avgReplyTime:i totalReplyTime:i resolutionTime:i replyCount:i operationWaitingTime:i "
            "operationAvgReplyTime:i operationTotalReplyTime:i operationResolutionTime:i operationReplyCount:i "
            "goalEventName goalState goalCheckedAt:t version:i"
        ),
    ),
    Stream("messages", Source.OF_CHATS, f"{CHAT_LIST}/{{id}}/messages", "messages", _MESSAGE),
    Stream(
        "users",
        Source.USERS,
        "/users/{id}",
        "users",
        _columns(
            "id channelId memberId veilId unifiedId type member:b name email mobileNumber landlineNumber avatarUrl "
            "profile:j tags:j userImportTags:j language systemLanguage country timeZone province city latitude:n "
            "longitude:n web:j mobile:j sessionsCount:i lastSeenAt:t createdAt:t updatedAt:t alert:i unread:i "
            "hasChat:b hasPushToken:b named:b blocked:b mobileNumberQualified:b emailQualified:b unsubscribeEmail:b "
            "unsubscribeEmailUpdatedAt:t unsubscribeTexting:b unsubscribeTextingUpdatedAt:t unsubscribeAppPush:b "
            "unsubscribeAppPushUpdatedAt:t mainChatId popUpChatId managedKey:i version:i"
        ),
    ),
    Stream(
        "user_events",
        Source.OF_USERS,
        "/users/{id}/events",
        "events",
        _columns("id userId channelId name property:j nameI18nMap:j createdAt:t expireAt:t"),
    ),
    Stream(
        "managers",
        Source.LIST,
        "/managers",
        "managers",
        _columns(
            "id channelId accountId name description email mobileNumber roleId removed:b operator:b operatorScore:n "
            "touchScore:n autoAssignCapacity:i doNotDisturb:b statusEmoji statusText avatarUrl profile:j createdAt:t "
            "updatedAt:t removedAt:t"
        ),
    ),
    Stream(
        "groups",
        Source.LIST,
        GROUP_LIST,
        "groups",
        _columns(
            "id channelId title name scope managerIds:j icon description liveMeetId active:b createdAt:t updatedAt:t"
        ),
    ),
    Stream("group_messages", Source.OF_GROUPS, f"{GROUP_LIST}/{{id}}/messages", "messages", _MESSAGE),
    Stream(
        "bots",
        Source.LIST,
        "/bots",
        "bots",
        _columns("id channelId name description color avatarUrl ai:b createdAt:t"),
    ),
    Stream(
        "chat_tags",
        Source.LIST,
        "/chat-tags",
        "chatTags",
        _columns("id channelId key name colorVariant description followerIds:j createdAt:t"),
    ),
    Stream(
        "channel",
        Source.ONE,
        "/channel",
        "channel",
        _columns(
            "id name botName color timeZone country domain phoneNumber homepageUrl description state bizGrade "
            "working:b inOperation:b operationTimeRanges:j defaultPluginId createdAt:t updatedAt:t"
        ),
    ),
    Stream(
        "call_logs",
        Source.RANGE,
        "/meet/call/log",
        "",
        _columns(
            "channelId userChatId managerIds:j direction state missedReason from to createdAt:t updatedAt:t "
            "engagedAt:t closedAt:t"
        ),
        key=("userChatId", "createdAt"),
    ),
)

STREAMS: Mapping[str, Stream] = MappingProxyType({stream.name: stream for stream in _STREAMS})
"""Every stream by its name."""

BELONGS: Mapping[Source, str] = MappingProxyType(
    {
        Source.CHATS: "the window in which the chat last changed",
        Source.OF_CHATS: "the window of its chat, with all other messages of the chat",
        Source.USERS: "the window of each chat of the user",
        Source.OF_USERS: "the window of each chat of the user, with all other events of the user",
        Source.OF_GROUPS: "the window in which it last changed",
        Source.LIST: "each window",
        Source.ONE: "each window",
        Source.RANGE: "the window for which the service gives it",
    }
)
"""To which window a row belongs, for the documentation."""
