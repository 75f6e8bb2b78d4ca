"""
The generated chats, messages and people as the text of their JSON, in the plain dialect.

Texts are filled into templates, since a page of 500 chats as dictionaries would cost ten times as much to write.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from airflow_channel_provider.emulator.generated_numbers import mixed

_DIGITS = 8
_IDS = re.compile(r"(chat|user|member)-g-(\d{8})")
_PLANS = ("free", "basic", "pro")
_PRIORITIES = ("low", "medium", "high")
_NAMES = ("김하늘", "이서준", "박지우", "최민서", "Ada Park", "Noa Kim", "정다은", "강도윤")
_SENTENCES = (
    "안녕하세요, 주문한 상품은 언제 도착하나요?",
    "Where is my parcel? It should have been here on Monday.",
    "사이즈를 잘못 골랐어요. 교환할 수 있을까요?",
    "확인해 드릴게요. 잠시만 기다려 주세요.",
    'The page says "sold out", but the shop has one 🙂',
    "감사합니다!\n좋은 하루 보내세요.",
    "송장 번호는 1234-5678 입니다.",
    "Could you send the invoice again, please?",
)
CHAT_TAGS = ("vip", "refund", "배송")
_QUOTED_NAMES = tuple(json.dumps(name) for name in _NAMES)
_QUOTED_SENTENCES = tuple(json.dumps(text)[1:-1] for text in _SENTENCES)
_QUOTED_TAGS = tuple(json.dumps(tag) for tag in CHAT_TAGS)

_CHAT = (
    '{"id":"%(id)s","channelId":%(channel)s,"userId":"user-g-%(user)08d","state":"%(state)s","managed":true,'
    '"priority":"%(priority)s","name":%(name)s,"description":null,"assigneeId":%(manager)s,"managerIds":%(managers)s,'
    '"tags":[%(tags)s],"profile":{"plan":"%(plan)s","orders":%(orders)d,"note":{"step":%(version)d}},'
    '"source":{"medium":{"mediumType":"native"}},"createdAt":%(created)d,"updatedAt":%(updated)d,'
    '"firstOpenedAt":%(created)d,"openedAt":%(created)d,"closedAt":%(closed)s,"firstAskedAt":%(created)d,'
    '"frontMessageId":"%(last)s","frontUpdatedAt":%(updated)d,"deskMessageId":"%(last)s","deskUpdatedAt":%(updated)d,'
    '"userLastMessageId":"%(last)s","waitingTime":%(waiting)d,"replyCount":%(replies)d,"oneStop":%(one_stop)s,'
    '"version":%(version)d}'
)
_USER = (
    '{"id":"user-g-%(number)08d","channelId":%(channel)s,"memberId":"member-g-%(number)08d","type":"member",'
    '"member":true,"name":%(name)s,"email":"user-%(number)d@example.com","mobileNumber":"+8210%(phone)08d",'
    '"profile":{"name":%(name)s,"plan":"%(plan)s","point":%(point)d.5},"tags":[%(tags)s],"language":"ko",'
    '"country":"KR","blocked":false,"sessionsCount":%(version)d,"lastSeenAt":%(updated)d,"createdAt":%(created)d,'
    '"updatedAt":%(updated)d,"version":%(version)d}'
)
_MESSAGE = (
    '{"chatKey":"userChat-%(chat)s","id":"%(id)s","mainKey":"userChat-%(chat)s","channelId":%(channel)s,'
    '"chatType":"userChat","chatId":"%(chat)s","personType":"%(person_type)s","personId":%(person)s,"requestId":null,'
    '"language":"ko","plainText":"%(text)s","blocks":[{"type":"text","value":"%(text)s"}],"state":"sent",'
    '"createdAt":%(created)d,"updatedAt":%(updated)d,"editedAt":%(edited)s,"version":%(version)d}'
)
_EVENT = (
    '{"id":"event-g-%(user)08d-%(number)d","channelId":%(channel)s,"userId":"user-g-%(user)08d","name":"%(name)s",'
    '"property":{"amount":%(amount)d},"createdAt":%(created)d}'
)


_CALL = (
    '{"id":"call-g-%(chat)08d","channelId":%(channel)s,"userChatId":"chat-g-%(chat)08d","managerIds":[%(manager)s],'
    '"direction":"%(direction)s","state":"ended","missedReason":null,"from":"+821000000000","to":"+8215880000",'
    '"createdAt":%(created)d,"updatedAt":%(ended)d,"engagedAt":%(engaged)d,"closedAt":%(ended)d}'
)


def chat_id(number: int) -> str:
    """The id of a chat."""
    return f"chat-g-{number:08d}"


def number_of(kind: str, thing_id: str) -> int | None:
    """
    Return the number in an id, None where it is the id of something else.

    :param kind: chat, user or member.
    """
    found = _IDS.fullmatch(thing_id)
    return int(found[2]) if found and found[1] == kind else None


def message_id(chat: int, number: int) -> str:
    """The id of a message; the messages of a chat sort by it as by time."""
    return f"msg-g-{chat:08d}-{number:06d}"


@dataclass(frozen=True, slots=True)
class Texts:
    """
    Writes the things of one channel.

    :param channel: its id, quoted.
    :param managers: the ids of its managers, quoted.
    :param seed: other seeds write other texts.
    """

    channel: str
    managers: tuple[str, ...]
    seed: int

    def chat(
        self, number: int, *, user: int, state: str, created: int, updated: int, messages: int, version: int
    ) -> str:
        """A user chat; times in epoch milliseconds."""
        bits = mixed(self.seed + 2, number)
        manager = self.managers[bits % len(self.managers)] if self.managers and state != "initial" else "null"
        return _CHAT % {
            "id": chat_id(number),
            "channel": self.channel,
            "user": user,
            "state": state,
            "priority": _PRIORITIES[bits % 3],
            "name": _QUOTED_NAMES[user % len(_NAMES)],
            "manager": manager,
            "managers": f"[{manager}]" if manager != "null" else "[]",
            "tags": _QUOTED_TAGS[bits % 3] if bits % 5 == 0 else "",
            "plan": _PLANS[bits % 3],
            "orders": bits % 40,
            "created": created,
            "updated": updated,
            "closed": updated if state == "closed" else "null",
            "last": message_id(number, messages - 1),
            "waiting": bits % 600_000,
            "replies": messages // 2,
            "one_stop": "true" if messages < 4 else "false",
            "version": version,
        }

    def user(self, number: int, *, created: int, updated: int, version: int) -> str:
        """A user; times in epoch milliseconds."""
        bits = mixed(self.seed + 3, number)
        return _USER % {
            "number": number,
            "channel": self.channel,
            "name": _QUOTED_NAMES[number % len(_NAMES)],
            "phone": bits % 100_000_000,
            "plan": _PLANS[(bits + version) % 3],
            "point": bits % 10_000 + version,
            "tags": _QUOTED_TAGS[bits % 3] if bits % 4 == 0 else "",
            "created": created,
            "updated": updated,
            "version": version,
        }

    def message(
        self, chat: int, number: int, *, user: int, created: int, edited: int | None, version: int
    ) -> str:
        """A message; times in epoch milliseconds, ``edited`` None where it never was."""
        bits = mixed(self.seed + 4 + chat, number)
        written_by_user = number % 2 == 0 or not self.managers
        person = f'"user-g-{user:08d}"' if written_by_user else self.managers[bits % len(self.managers)]
        text = _QUOTED_SENTENCES[bits % len(_SENTENCES)]
        return _MESSAGE % {
            "chat": chat_id(chat),
            "id": message_id(chat, number),
            "channel": self.channel,
            "person_type": "user" if written_by_user else "manager",
            "person": person,
            "text": text if edited is None else f"{text} ({version})",
            "created": created,
            "updated": created if edited is None else edited,
            "edited": "null" if edited is None else edited,
            "version": version,
        }

    def event(self, user: int, number: int, *, created: int) -> str:
        """An event of a user; ``created`` in epoch milliseconds."""
        bits = mixed(self.seed + 5, user * 8 + number)
        return _EVENT % {
            "user": user,
            "number": number,
            "channel": self.channel,
            "name": "checkout" if bits % 2 else "visit",
            "amount": bits % 90_000,
            "created": created,
        }

    def call(self, chat: int, *, created: int) -> str:
        """A call in a chat; ``created`` in epoch milliseconds."""
        bits = mixed(self.seed + 8, chat)
        return _CALL % {
            "chat": chat,
            "channel": self.channel,
            "manager": self.managers[bits % len(self.managers)] if self.managers else "",
            "direction": "inbound" if bits % 3 else "outbound",
            "created": created,
            "engaged": created + 4_000,
            "ended": created + 4_000 + bits % 600_000,
        }
