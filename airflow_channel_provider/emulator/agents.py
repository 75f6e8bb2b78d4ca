"""The agents who answer user chats: they open, close, snooze and take them, at once or some time later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_channel_provider.contract.parts import USER_CHAT_STATE
from airflow_channel_provider.emulator.webhooks import announce_opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_channel_provider.emulator.jsontypes import JSON, JSONObject
    from airflow_channel_provider.emulator.state import World

STATES = USER_CHAT_STATE.plain_names
_STAMPS = {"opened": "openedAt", "closed": "closedAt", "snoozed": "snoozedAt"}
_KNOWN = ("user_chat_id", "state", "assignee_id", "after_seconds")


def set_state(chat: JSONObject, state: str, stamp: int) -> None:
    """
    Bring a user chat into a state.

    :param chat: changed in place.
    :param state: one of :data:`STATES`.
    :param stamp: epoch milliseconds.
    """
    chat.update(state=state, version=chat["version"] + 1, updatedAt=stamp)
    if state in _STAMPS:
        chat[_STAMPS[state]] = stamp


def change_state(world: World, chat: JSONObject, state: str, stamp: int) -> None:
    """
    Bring a user chat into a state, and announce it if it is open now and was not before.

    :param chat: changed in place; this and the others as of :func:`set_state`.
    """
    was_open = USER_CHAT_STATE.plain(str(chat["state"])) == "opened"
    set_state(chat, state, stamp)
    channel = world.channels.get(chat["channelId"])
    if state == "opened" and not was_open and channel is not None:
        announce_opened(world, channel, chat)


def change_chat(world: World, wanted: Mapping[str, JSON]) -> None:
    """
    Let an agent change a user chat.

    :param wanted: user_chat_id, and any of state, assignee_id (null: nobody) and after_seconds.
    :raises ValueError: no such chat, or no such change.
    """
    unknown = sorted(set(wanted) - set(_KNOWN))
    if unknown:
        raise ValueError(f"a user chat has {', '.join(_KNOWN)} to change, not {', '.join(unknown)}")
    chat_id = wanted.get("user_chat_id")
    if _find(world, chat_id) is None:
        raise ValueError(f"no user chat {chat_id!r}")
    changes = {key: wanted[key] for key in ("state", "assignee_id") if key in wanted}
    if "state" in changes:
        changes["state"] = USER_CHAT_STATE.plain(str(changes["state"]))
    if changes.get("state", STATES[0]) not in STATES:
        raise ValueError(f"state must be one of {', '.join(STATES)}")
    after_seconds = float(wanted.get("after_seconds") or 0)
    if not 0 <= after_seconds < 1e9:
        raise ValueError("after_seconds must be a number from 0 up")
    now = world.clock.now()
    world.scheduler.schedule(now + after_seconds, lambda moment: _change(world, chat_id, changes, moment))
    world.scheduler.run_due(now)


def close_chat_later(world: World, chat: JSONObject, now: float) -> None:
    """
    Let an agent handle a message, if the settings say so: the chat is open now, and closed some time later.

    :param chat: the user chat that the message is in.
    :param now: epoch seconds.
    """
    after_seconds = world.settings.user_chats_close_after_seconds
    if after_seconds is not None:
        # An app's message is no reason to tell of an open chat: whoever answers chats that open would never end.
        set_state(chat, "opened", int(now * 1000))
        change_chat(world, {"user_chat_id": chat["id"], "state": "closed", "after_seconds": after_seconds})


def _change(world: World, chat_id: JSON, changes: Mapping[str, JSON], moment: float) -> None:
    chat, stamp = _find(world, chat_id), int(moment * 1000)
    if chat is None:  # the channels were replaced meanwhile
        return
    if "state" in changes:
        change_state(world, chat, changes["state"], stamp)
    if "assignee_id" in changes:
        chat.update(assigneeId=changes["assignee_id"], version=chat["version"] + 1, updatedAt=stamp)


def _find(world: World, chat_id: JSON) -> JSONObject | None:
    return next(
        (channel.user_chats[chat_id] for channel in world.channels.values() if chat_id in channel.user_chats),
        None,
    )
