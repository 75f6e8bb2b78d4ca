"""
The two long lists, chats and the messages of a chat, in a channel that has generated chats.

Their pages are put together from texts. What is not generated stands among it in its place.
"""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING

from airflow_channel_provider.emulator.dialect import write_thing
from airflow_channel_provider.emulator.generated import Place, page_of_places
from airflow_channel_provider.emulator.jsontypes import dump
from airflow_channel_provider.emulator.open_api_request import page_arguments, write_cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_channel_provider.emulator.generated import GeneratedChats
    from airflow_channel_provider.emulator.jsontypes import JSONObject
    from airflow_channel_provider.emulator.open_api_request import OpenApiRequest


def page_of_chats(request: OpenApiRequest, chats: Iterable[JSONObject], state: str) -> bytes:
    """
    One page of the chats of a state, with the people beside them.

    :param chats: those of the state that are not generated.
    :param state: such as ``opened``.
    """
    generated = request.generated_chats()
    order = request.world.settings.open_api_chat_order
    limit, falling, beyond = page_arguments(request)
    others = _in_order(
        ((generated.place_of(chat, order), _text("userChat", chat)) for chat in chats), falling, beyond
    )
    listing = generated.listing(state, order, falling=falling, beyond=beyond)
    found = merge(others, listing, key=lambda item: item[0], reverse=falling)
    page, last = page_of_places(found, limit)
    ids = [place.item_id for place, _ in page]
    return _page(
        last,
        userChats=[text for _, text in page],
        users=_users(request, generated, ids),
        managers=[_text("manager", manager) for manager in request.channel.managers.values()],
        messages=[text for chat_id in ids if (text := _last_message(request, generated, chat_id))],
        sessions=[],
        chatTags=[],
    )


def page_of_messages(request: OpenApiRequest, chat_id: str, generated: list[tuple[Place, str]]) -> bytes:
    """
    One page of the messages of a chat.

    :param generated: those that are generated.
    """
    limit, falling, beyond = page_arguments(request)
    written = (
        (Place(float(message["createdAt"]), message["id"]), _text("message", message))
        for message in request.world.messages.listing(chat_id)
    )
    page, last = page_of_places(_in_order([*generated, *written], falling, beyond), limit)
    return _page(last, messages=[text for _, text in page], bots=[])


def _in_order(
    found: Iterable[tuple[Place, str]], falling: bool, beyond: Place | None
) -> Iterator[tuple[Place, str]]:
    left = (item for item in found if beyond is None or (item[0] < beyond if falling else item[0] > beyond))
    return iter(sorted(left, key=lambda item: item[0], reverse=falling))


def _users(request: OpenApiRequest, generated: GeneratedChats, chat_ids: list[str]) -> list[str]:
    texts: dict[str, str] = {}
    kept_users, kept_chats = request.channel.users, request.channel.user_chats
    for chat_id in chat_ids:
        kept = dict.get(kept_chats, chat_id)
        user_id = generated.user_id_of(chat_id) if kept is None else str(kept.get("userId"))
        if user_id not in texts:
            user = dict.get(kept_users, user_id)
            text = generated.user_text(user_id) if user is None else _text("user", user)
            if text is not None:
                texts[user_id] = text
    return list(texts.values())


def _last_message(request: OpenApiRequest, generated: GeneratedChats, chat_id: str) -> str | None:
    if written := request.world.messages.listing(chat_id):
        return _text("message", written[-1])
    return generated.last_message_of(chat_id)


def _text(kind: str, thing: JSONObject) -> str:
    return dump(write_thing(kind, thing, "plain")).decode()


def _page(last: Place | None, **lists: list[str]) -> bytes:
    following = [] if last is None else [f'"next":"{write_cursor(last)}"']
    parts = [*following, *(f'"{name}":[{",".join(texts)}]' for name, texts in lists.items())]
    return ("{" + ",".join(parts) + "}").encode()
