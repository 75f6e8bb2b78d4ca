"""What the call of a hook becomes: the event that the same webhook is at the route with a token."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.function_calls import body_of
from support.fuzzing import cases

from airflow_channel_provider.assets import sanitize_uri
from airflow_channel_provider.contract.parts import DECLARED_HOOKS
from airflow_channel_provider.contract.sources import HOOK_SCHEMA
from airflow_channel_provider.contract.webhooks import HOOK_EVENTS
from airflow_channel_provider.inbound.function_call import read_call
from airflow_channel_provider.inbound.hooks import event_of, hooks_of, read_hook
from airflow_channel_provider.inbound.webhooks import asset_uri, read_webhook

TOKEN = "a-webhook-token-of-these-tests-0123456789"
CHAT = {"event": "userChat.opened", "entity": {"id": "chat-1", "channelId": "ch-1", "version": 1}}
MESSAGE = {
    "event": "message.created.userChat",
    "entity": {"id": "m-1", "channelId": "ch-1", "chatId": "c-1", "plainText": "hello"},
}


def received(body: Any, *, query: Any = None, wrap: str = "request", channel: str | None = None) -> Any:
    raw = base64.b64encode(body if isinstance(body, bytes) else json.dumps(body).encode()).decode()
    request = {"headers": {}, "query": query or {}, "rawBodyBase64": raw}
    params = {"deliveryId": "d-1", wrap: request} if wrap else {"deliveryId": "d-1", **request}
    context = {"channel": {"id": channel}} if channel else {}
    return read_call(body_of("airflow.hook.webhook.received", params, **context))


def read(call: Any, event: str = "webhook.received", **more: Any) -> Any:
    return read_hook(call, event, **more)


@pytest.mark.parametrize("wrap", ["request", "original", ""])
def test_a_webhook_is_the_same_event_as_at_the_route_with_a_token(wrap: str) -> None:
    assert read(received(CHAT, wrap=wrap)) == read_webhook(CHAT)


def test_text_comes_only_where_the_address_asks_for_it() -> None:
    assert "text" not in read(received(MESSAGE)).extra
    assert read(received(MESSAGE, query={"text": "true"})).extra["text"] == "hello"


@pytest.mark.parametrize("body", [b"", b"\xff", {"ping": 1}, b"[]"])
def test_a_webhook_of_somebody_else_is_an_event_of_its_own(body: Any) -> None:
    event = read(received(body), default_channel_id="ch-9")
    assert (event.name, event.channel_id) == ("webhook.received", "ch-9")
    assert event.extra == {"event": "webhook.received", "channel_id": "ch-9", "delivery": event.delivery}
    with pytest.raises(ValueError, match="no channel is known"):
        read(received(body))


def test_a_delivery_is_known_by_its_id_whatever_text_that_is() -> None:
    ids = ["first", "first-1", "first-12", "f_rst", "%", "ch-1", "배달", 'a"b', "a\\b"]

    def delivery(given: str, channel: str = "ch-1") -> str:
        body = body_of("airflow.hook.app.installed", {"deliveryId": given}, channel={"id": channel})
        event = read(read_call(body), "app.installed")
        assert event.extra["delivery"] == event.delivery
        return str(event.delivery)

    found = [delivery(one) for one in (*ids, *ids)]
    assert found[: len(ids)] == found[len(ids) :]
    assert len(set(found)) == len(ids)
    # The events of the last minutes are searched for it as for a piece of text.
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in found)
    assert delivery("first", "ch-2") not in found


def test_what_happens_to_the_app_is_an_event_of_the_channel() -> None:
    body = body_of(
        "airflow.hook.app.installed", {}, caller={"type": "manager", "id": "m-1"}, channel={"id": "ch-1"}
    )
    call = read_call(body)
    event = read(call, "app.installed")
    assert event.extra == {
        "event": "app.installed",
        "channel_id": "ch-1",
        "delivery": call.digest[:32],
        "manager_id": "m-1",
    }


def test_what_is_declared_fits_the_schema_and_the_assets() -> None:
    for token in (None, "too-short", TOKEN):
        hooks = hooks_of(token)
        assert not DECLARED_HOOKS.check({"hooks": hooks}, HOOK_SCHEMA)
        assert len(hooks) == len(HOOK_EVENTS) - (token != TOKEN)
        for hook in hooks:
            assert event_of(hook["actionFunctionName"]) == hook["type"]
            sanitize_uri(urlsplit(asset_uri("ch-1", hook["type"])))
    assert event_of("airflow.hook.oauth.connected") is None
    assert event_of("app.installed") is None


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("rawBodyBase64"), inner)
    ),
    max_leaves=8,
)


@pytest.mark.fuzz
@given(params=VALUES, event=st.sampled_from(HOOK_EVENTS))
@cases(60)
def test_any_call_is_an_event_or_an_error_in_words(params: Any, event: str) -> None:
    call = read_call(body_of("airflow.hook." + event, params))
    found = read(call, event, default_channel_id="ch-1")
    assert found is None or all(isinstance(value, str) for value in found.extra.values())
