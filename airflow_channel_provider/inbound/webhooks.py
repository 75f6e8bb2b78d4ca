"""
Webhooks of Channel Talk: one request becomes one event, or nothing.

The vendor has published two forms of a body. In one, ``event`` is the name of a scope (``userChat.opened``). In another
it is a verb (``push``, ``upsert``), and ``type`` and ``entity`` say of what. Both are read. The events are named as the
scopes are.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_channel_provider.contract.webhooks import EVENTS

SCHEME = "channeltalk"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ID = re.compile(r"[\w.~-]{1,100}", re.ASCII)
_WRITTEN = ("push", "create", "upsert")
_CHATS = {"group": "message.created.teamChat", "userchat": "message.created.userChat"}
_ID_FIELDS = {
    "userId": "user_id",
    "memberId": "member_id",
    "personType": "person_type",
    "personId": "person_id",
    "rootMessageId": "root_message_id",
    "assigneeId": "assignee_id",
    "state": "state",
}
_VERSION_FIELDS = ("version", "updatedAt", "openedAt", "createdAt")


@dataclass(frozen=True)
class WebhookEvent:
    """
    One event.

    :param name: one of :data:`~airflow_channel_provider.contract.webhooks.EVENTS`.
    :param channel_id: where it happened.
    :param extra: ids, and what else is asked for; texts, numbers and nothing else.
    :param delivery: the same for each delivery of this event.
    """

    name: str
    channel_id: str
    delivery: str
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


def asset_uri(channel_id: str, event: str) -> str:
    """Return the URI of the asset that an event of a channel updates."""
    return f"{SCHEME}://{channel_id}/{event}"


def is_same_token(given: str, expected: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(
        hashlib.sha256(given.encode("utf-8", "replace")).digest(),
        hashlib.sha256(expected.encode("utf-8", "replace")).digest(),
    )


def read_webhook(
    body: object, *, default_channel_id: str | None = None, with_text: bool = False
) -> WebhookEvent | None:
    """
    Read the body of a webhook.

    :param body: decoded JSON.
    :param default_channel_id: the channel of a body that names none.
    :param with_text: whether ``extra`` gets the text of a message.
    :return: None for an event that no webhook scope names.
    :raises ValueError: it is no webhook of Channel Talk; the message says why, without a value of it.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - it came from outside
    entity = body.get("entity")
    if not isinstance(body.get("event"), str) or not isinstance(entity, Mapping):
        raise ValueError("event or entity is missing")  # noqa: TRY004 - as above
    name = _name(str(body["event"]), str(body.get("type") or ""), entity)
    if name is None:
        return None
    entity_id = _id_of(entity.get("id"))
    channel_id = _id_of(entity.get("channelId")) or _id_of(default_channel_id)
    if entity_id is None or channel_id is None:
        raise ValueError("the entity has no id, or no channel is known")
    extra = _extra(name, entity, entity_id, channel_id)
    extra["delivery"] = _delivery(name, channel_id, entity_id, entity)
    if with_text and isinstance(entity.get("plainText"), str):
        extra["text"] = entity["plainText"]
    return WebhookEvent(name, channel_id, extra["delivery"], extra)


def _name(event: str, kind: str, entity: Mapping[str, Any]) -> str | None:
    if event in EVENTS:
        return event
    verb, kind = event.lower(), kind.lower()
    if kind == "message" and verb in _WRITTEN:
        return _CHATS.get(str(entity.get("chatType") or "userChat").lower())
    if kind == "userchat" and verb in _WRITTEN and str(entity.get("state") or "").lower() == "opened":
        return "userChat.opened"
    person = str(entity.get("type") or ("member" if entity.get("member") else "lead")).lower()
    if kind == "user" and person in ("lead", "member"):
        if verb == "delete":
            return f"{person}.deleted"
        if verb in ("upsert", "update", "create", "push"):
            return f"{person}.upserted.contact"
    return None


def _id_of(value: object) -> str | None:
    """Return an id that a URI can hold; None for anything else."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    return text if _ID.fullmatch(text) else None


def _extra(name: str, entity: Mapping[str, Any], entity_id: str, channel_id: str) -> dict[str, str]:
    extra = {"event": name, "channel_id": channel_id}
    kind = name.split(".", 1)[0]
    if kind == "message":
        extra["message_id"] = entity_id
        chat_id = _id_of(entity.get("chatId"))
        if chat_id:
            extra["group_id" if name.endswith("teamChat") else "user_chat_id"] = chat_id
    else:
        extra["user_chat_id" if kind == "userChat" else "user_id"] = entity_id
    for field_name, key in _ID_FIELDS.items():
        if (value := _id_of(entity.get(field_name))) and key not in extra:
            extra[key] = value
    if at := _moment(
        entity.get("createdAt" if kind == "message" else "updatedAt") or entity.get("createdAt")
    ):
        extra["happened_at"] = at
    return extra


def _moment(value: object) -> str | None:
    """Return a time of either dialect as RFC 3339 in UTC."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            at = _EPOCH + timedelta(milliseconds=value)
        elif isinstance(value, str):
            at = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", value)).astimezone(timezone.utc)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return at.isoformat(timespec="milliseconds")


def _delivery(name: str, channel_id: str, entity_id: str, entity: Mapping[str, Any]) -> str:
    version = [str(entity.get(field_name)) for field_name in _VERSION_FIELDS]
    return delivery_id(name, channel_id, entity_id, *version)


def delivery_id(*parts: str) -> str:
    """
    Return what identifies an event that is delivered: 32 hex digits, of which no two hold each other.

    :param parts: the same in each delivery of one event, and in no delivery of another.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
