"""
The webhooks of channels: what happened, as a request to each address that asked for it.

The vendor's documents do not agree on what ``event`` is in a body, so a webhook has one of two forms: ``verb``, as in
the samples (``push`` of a ``message``), or ``scope``, the name of the event (``message.created.userChat``). Things are
spelled in the plain dialect in both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_channel_provider.contract.webhooks import EVENTS
from airflow_channel_provider.emulator.dialect import plain_word, write_thing
from airflow_channel_provider.emulator.jsontypes import dump
from airflow_channel_provider.emulator.outgoing import OutgoingRequest, is_http_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import Channel, World

EVENT_FORMS = ("verb", "scope")
_FIELDS = ("name", "url", "token", "channel_id", "events", "event_form")
_MESSAGE_EVENTS = {"userChat": "message.created.userChat", "group": "message.created.teamChat"}
_VERBS = {"message": "push", "userChat": "push", "deleted": "delete"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    An address that gets events; see :meth:`build`.

    :param channel_id: whose events; None: those of all channels.
    """

    name: str
    url: str = field(repr=False)
    channel_id: str | None
    events: frozenset[str]
    event_form: str

    @classmethod
    def build(cls, given: Mapping[str, JSON]) -> Webhook:
        """
        A webhook as a setting has it.

        :param given: ``name`` and ``url``, and any of ``token`` (added to the URL as its parameter ``token``),
            ``channel_id``, ``events`` (all unless given) and ``event_form``.
        :raises ValueError: it is none.
        """
        unknown = sorted(set(given) - set(_FIELDS))
        if unknown:
            raise ValueError(f"a webhook has {', '.join(_FIELDS)}, not {', '.join(unknown)}")
        url, token, channel_id = given.get("url"), given.get("token"), given.get("channel_id")
        if not isinstance(url, str) or not is_http_url(url):
            raise ValueError("url of a webhook must be a URL with http or https")
        texts = {"token": token, "channel_id": channel_id}
        for name, value in texts.items():
            if value is not None and not isinstance(value, str):
                raise ValueError(f"{name} of a webhook must be a string")
        events = given.get("events")
        if events is not None and not (isinstance(events, list) and all(event in EVENTS for event in events)):
            raise ValueError(f"events of a webhook must be a list of any of {', '.join(EVENTS)}")
        form = given.get("event_form", EVENT_FORMS[0])
        if form not in EVENT_FORMS:
            raise ValueError(f"event_form must be one of {', '.join(EVENT_FORMS)}")
        if token is not None:
            url += f"{'&' if '?' in url else '?'}token={quote(token, safe='')}"
        return cls(str(given.get("name")), url, channel_id, frozenset(events or EVENTS), form)

    def takes(self, event: str, channel_id: str) -> bool:
        """Return whether it gets an event of a channel."""
        return event in self.events and self.channel_id in (None, channel_id)

    def request(self, event: str, entity: JSONObject, refers: JSONObject) -> OutgoingRequest:
        """What is sent to it about an event."""
        body = dump(write_body(self.event_form, event, entity, refers))
        return OutgoingRequest("POST", self.url, body, {"Content-Type": "application/json"})


def write_body(form: str, event: str, entity: JSONObject, refers: JSONObject) -> JSONObject:
    """
    The body of a webhook.

    :param form: one of :data:`EVENT_FORMS`.
    :param event: one of :data:`~airflow_channel_provider.contract.webhooks.EVENTS`.
    :param entity: the message, user chat or user.
    :param refers: what belongs to it, by kind.
    """
    subject, _, rest = event.partition(".")
    kind = subject if subject in ("message", "userChat") else "user"
    verb = _VERBS.get(subject) or _VERBS.get(rest, "upsert")
    return {
        "event": event if form == "scope" else verb,
        "type": kind,
        "entity": write_thing(kind, entity, "plain"),
        "refers": {name: write_thing(name, thing, "plain") for name, thing in refers.items()},
    }


def announce_message(world: World, message: JSONObject) -> None:
    """Announce a message; direct chats and private groups are not announced."""
    channel, kind = world.channels.get(message["channelId"]), message["chatType"]
    if channel is None or kind not in _MESSAGE_EVENTS:
        return
    chat = (channel.groups if kind == "group" else channel.user_chats).get(message["chatId"])
    if chat is None or (kind == "group" and plain_word(str(chat["scope"]), "GROUP_SCOPE_") == "private"):
        return
    person, people = message["personType"], {"manager": channel.managers, "user": channel.users}
    writer = people.get(person, {}).get(message["personId"])
    refers = {kind: chat} if writer is None else {person: writer, kind: chat}
    _announce(world, _MESSAGE_EVENTS[kind], channel, message, refers)


def announce_opened(world: World, channel: Channel, chat: JSONObject) -> None:
    """Announce a user chat that is open now."""
    user = channel.users.get(chat.get("userId", ""))
    last = next(reversed(world.messages.listing(chat["id"])), None)
    refers = {"user": user, "message": last}
    known = {name: thing for name, thing in refers.items() if thing is not None}
    _announce(world, "userChat.opened", channel, chat, known)


def announce_user(world: World, channel: Channel, user: JSONObject, what: str) -> None:
    """
    Announce a user.

    :param what: ``upserted.contact``, ``upserted.subscription`` or ``deleted``.
    """
    kind = "lead" if str(user.get("type", "")).lower().endswith("lead") else "member"
    _announce(world, f"{kind}.{what}", channel, user, {})


def _announce(
    world: World, event: str, channel: Channel, entity: JSONObject, refers: Mapping[str, JSONObject]
) -> None:
    now = world.clock.now()
    for webhook in world.webhooks.values():
        if webhook.takes(event, channel.id):
            world.outbox.add(
                "webhook", webhook.name, event, webhook.request(event, entity, dict(refers)), now
            )
