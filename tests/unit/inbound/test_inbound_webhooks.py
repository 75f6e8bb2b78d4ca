"""What the body of a webhook becomes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.assets import sanitize_uri
from airflow_channel_provider.contract.webhooks import EVENTS
from airflow_channel_provider.inbound.webhooks import is_same_token, read_webhook

MESSAGE = {
    "id": "m-1",
    "channelId": "ch-1",
    "chatType": "userChat",
    "chatId": "chat-1",
    "personType": "user",
    "personId": "u-1",
    "plainText": "my card number is 4111",
    "createdAt": 1_764_400_000_123,
}
CHAT = {"id": "chat-1", "channelId": "ch-1", "userId": "u-1", "state": "opened", "version": 3}
USER = {"id": "u-1", "channelId": "ch-1", "type": "member", "memberId": "m-7"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"event": "push", "type": "message", "entity": MESSAGE}, "message.created.userChat"),
        ({"event": "message.created.userChat", "entity": MESSAGE}, "message.created.userChat"),
        (
            {"event": "push", "type": "Message", "entity": {**MESSAGE, "chatType": "group"}},
            "message.created.teamChat",
        ),
        ({"event": "upsert", "type": "UserChat", "entity": CHAT}, "userChat.opened"),
        ({"event": "userChat.opened", "entity": CHAT}, "userChat.opened"),
        ({"event": "upsert", "type": "User", "entity": USER}, "member.upserted.contact"),
        ({"event": "delete", "type": "user", "entity": {**USER, "type": "lead"}}, "lead.deleted"),
        ({"event": "member.upserted.subscription", "entity": USER}, "member.upserted.subscription"),
    ],
)
def test_both_published_forms_are_read(body: dict[str, Any], name: str) -> None:
    event = read_webhook(body)
    assert event is not None
    assert (event.name, event.channel_id) == (name, "ch-1")
    assert event.name in EVENTS


@pytest.mark.parametrize(
    "body",
    [
        {"event": "upsert", "type": "userChat", "entity": {**CHAT, "state": "closed"}},
        {"event": "update", "type": "message", "entity": MESSAGE},
        {"event": "delete", "type": "message", "entity": MESSAGE},
        {"event": "push", "type": "bot", "entity": {"id": "b-1"}},
    ],
)
def test_what_no_scope_names_is_nothing(body: dict[str, Any]) -> None:
    assert read_webhook(body) is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "not a JSON object"),
        ({"event": 1, "entity": {}}, "event or entity"),
        ({"event": "userChat.opened"}, "event or entity"),
        ({"event": "userChat.opened", "entity": {"id": "a/../b", "channelId": "ch-1"}}, "no id"),
        ({"event": "userChat.opened", "entity": {"id": "chat-1"}}, "no channel"),
        ({"event": "userChat.opened", "entity": {"id": "chat-1", "channelId": "ch 1"}}, "no channel"),
    ],
)
def test_what_is_no_webhook_says_why(body: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_webhook(body)


def test_the_event_holds_ids_and_no_text_unless_asked_for() -> None:
    body = {"event": "push", "type": "message", "entity": MESSAGE}
    event = read_webhook(body)
    assert event is not None
    assert event.extra == {
        "event": "message.created.userChat",
        "channel_id": "ch-1",
        "message_id": "m-1",
        "user_chat_id": "chat-1",
        "person_type": "user",
        "person_id": "u-1",
        "happened_at": "2025-11-29T07:06:40.123+00:00",
        "delivery": event.delivery,
    }
    with_text = read_webhook(body, with_text=True)
    assert with_text is not None
    assert with_text.extra["text"] == "my card number is 4111"


def test_a_delivery_is_the_same_in_both_forms_and_another_for_another_change() -> None:
    forms = [
        {"event": "userChat.opened", "entity": CHAT},
        {"event": "upsert", "type": "userChat", "entity": {**CHAT, "name": "renamed"}},
        {"event": "userChat.opened", "entity": {**CHAT, "version": 4}},
    ]
    first, second, third = (read_webhook(form) for form in forms)
    assert first
    assert second
    assert third
    assert first.delivery == second.delivery != third.delivery


def test_a_connection_names_the_channel_of_a_body_that_does_not() -> None:
    event = read_webhook({"event": "userChat.opened", "entity": {"id": "chat-1"}}, default_channel_id="ch-9")
    assert event is not None
    assert event.channel_id == "ch-9"


@pytest.mark.fuzz
@cases(300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    ),
    st.sampled_from(["push", "upsert", "delete", *EVENTS]),
    st.sampled_from(["message", "userChat", "user", ""]),
    st.dictionaries(
        st.sampled_from([*MESSAGE, *USER, "state", "version", "updatedAt"]), st.text() | st.integers()
    ),
)
def test_any_body_is_an_event_nothing_or_an_error(
    body: Any, event: str, kind: str, entity: dict[str, Any]
) -> None:
    for one in (body, {"event": event, "type": kind, "entity": entity}, {"event": event, "entity": body}):
        try:
            found = read_webhook(one)
        except ValueError:
            continue
        if found is not None:
            assert found.name in EVENTS
            assert all(isinstance(value, str) for value in found.extra.values())


def test_tokens_of_any_length_are_compared() -> None:
    assert is_same_token("a-token", "a-token")
    assert not is_same_token("a-tokem", "a-token")
    assert not is_same_token("", "a-token")
    assert not is_same_token("\ud800", "a-token")


@pytest.mark.parametrize("uri", ["channeltalk://ch-1/userChat.opened", "channeltalk://ch-1/userChat.opened/"])
def test_the_uri_of_an_event_is_normalized(uri: str) -> None:
    assert sanitize_uri(urlsplit(uri)).geturl() == "channeltalk://ch-1/userChat.opened"


@pytest.mark.parametrize(
    "uri",
    [
        "channeltalk:///userChat.opened",
        "channeltalk://ch-1",
        "channeltalk://ch-1/userChat.closed",
        "channeltalk://a@b/x",
    ],
)
def test_a_wrong_uri_is_an_error(uri: str) -> None:
    with pytest.raises(ValueError, match=r"channeltalk://CHANNEL_ID/EVENT|no event"):
        sanitize_uri(urlsplit(uri))
