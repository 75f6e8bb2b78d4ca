"""What happens in a channel is told to the addresses that asked for it, in both published forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.webhook_receiver import WebhookReceiver

from airflow_channel_provider.contract.open_api import BASE_PATH
from airflow_channel_provider.contract.webhooks import EVENTS
from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.emulator.__main__ import _parser, _read_settings
from airflow_channel_provider.emulator.open_api import access_key_of, access_secret_of
from airflow_channel_provider.emulator.webhooks import EVENT_FORMS, Webhook, write_body
from airflow_channel_provider.inbound.webhooks import read_webhook

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

URL = "http://127.0.0.1:1/hook"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def emulator() -> Iterator[EmulatorThread]:
    with EmulatorThread({"webhook_retry_seconds": 0.01}) as running:
        yield running


def ended(emulator: EmulatorThread, receiver: WebhookReceiver, count: int) -> list[Any]:
    """The deliveries, once so many requests have arrived and none is under way."""
    receiver.wait_for(count)
    while any(entry["state"] in ("sending", "waiting") for entry in emulator.deliveries()):
        receiver.wait_for(count)
    return emulator.deliveries()


@pytest.mark.parametrize("form", EVENT_FORMS)
def test_a_new_chat_and_its_message_are_told(
    emulator: EmulatorThread, receiver: WebhookReceiver, form: str
) -> None:
    emulator.set_webhook("airflow", receiver.url, token="t&1", event_form=form)
    chat = emulator.open_chat("ch-1", user_id="user-ch-1-2", text="Hello?")
    deliveries = ended(emulator, receiver, 2)
    assert [(entry["event"], entry["state"], entry["http_status"]) for entry in deliveries] == [
        ("userChat.opened", "delivered", 200),
        ("message.created.userChat", "delivered", 200),
    ]
    assert {got.path for got in receiver.received} == {"/hook?token=t%261"}
    assert "t&1" not in str(deliveries)
    assert "t%261" not in str(deliveries)
    read = {event.name: event for event in (read_webhook(got.body) for got in receiver.received) if event}
    assert read["userChat.opened"].extra["user_chat_id"] == chat["id"]
    assert read["userChat.opened"].extra["user_id"] == "user-ch-1-2"
    assert read["message.created.userChat"].extra["person_id"] == "user-ch-1-2"
    bodies = {got.body["type"]: got.body for got in receiver.received}
    assert bodies["message"]["refers"]["user"]["id"] == "user-ch-1-2"
    assert bodies["message"]["refers"]["userChat"]["id"] == chat["id"]
    assert bodies["userChat"]["entity"]["state"] == "opened"
    assert isinstance(bodies["message"]["entity"]["createdAt"], int)


def test_it_is_sent_until_the_receiver_takes_it(emulator: EmulatorThread, receiver: WebhookReceiver) -> None:
    receiver.statuses = [503, None, 500]
    emulator.set_webhook("airflow", receiver.url, events=["userChat.opened"])
    emulator.open_chat("ch-1", text="Hello?")
    (entry,) = ended(emulator, receiver, 4)
    assert (entry["state"], entry["attempts"]) == ("delivered", 4)
    assert [got.body for got in receiver.received] == [receiver.received[0].body] * 4


def test_a_receiver_that_comes_back_gets_what_it_missed(emulator: EmulatorThread) -> None:
    with WebhookReceiver() as receiver:
        port = receiver.port
    emulator.set_webhook("airflow", receiver.url, events=["message.created.teamChat"])
    for number in range(3):
        emulator.write_message("group-ch-1-1", f"message {number}")
    while not all(entry["attempts"] for entry in emulator.deliveries()):
        pass
    with WebhookReceiver(port) as back:
        deliveries = ended(emulator, back, 3)
        assert sorted(got.body["entity"]["plainText"] for got in back.received) == [
            "message 0",
            "message 1",
            "message 2",
        ]
    assert {entry["state"] for entry in deliveries} == {"delivered"}


def test_a_receiver_that_refuses_is_not_asked_again(
    emulator: EmulatorThread, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [401]
    emulator.set_webhook("airflow", receiver.url, events=["userChat.opened"])
    emulator.open_chat("ch-1")
    (entry,) = ended(emulator, receiver, 1)
    assert (entry["state"], entry["error"], entry["attempts"]) == ("refused", "HTTP 401", 1)


def test_a_webhook_is_blocked_until_it_is_set_anew(
    emulator: EmulatorThread, receiver: WebhookReceiver
) -> None:
    emulator.configure(webhook_failures_until_blocked=2)
    receiver.statuses = [500, 500]
    emulator.set_webhook("airflow", receiver.url, events=["userChat.opened"])
    emulator.open_chat("ch-1")
    assert [entry["state"] for entry in ended(emulator, receiver, 2)] == ["blocked"]
    assert emulator.webhooks()[0]["blocked_at"] is not None
    emulator.open_chat("ch-1")
    assert [entry["state"] for entry in emulator.deliveries()] == ["blocked", "blocked"]
    emulator.set_webhook("airflow", receiver.url, events=["userChat.opened"])
    emulator.open_chat("ch-1")
    assert ended(emulator, receiver, 3)[-1]["state"] == "delivered"
    emulator.set_webhook("airflow", None)
    emulator.open_chat("ch-1")
    assert (len(emulator.deliveries()), emulator.webhooks()) == (3, [])


def test_only_what_was_asked_for_is_told(driver: Driver) -> None:
    driver.emulator.configure(
        {
            "channels": [
                {"id": "ch-1", "groups": [{"id": "open"}, {"id": "closed", "scope": "private"}]},
                {"id": "ch-2"},
            ],
            "webhooks": [
                {"name": "all", "url": URL},
                {"name": "first", "url": URL, "channel_id": "ch-1"},
                {"name": "people", "url": URL, "events": ["member.deleted"]},
            ],
        }
    )
    bot = {"plainText": "x", "botName": "b"}
    driver.call("writeGroupMessage", groupId="open", dto=bot)
    driver.call("writeGroupMessage", groupId="closed", dto=bot)
    made = driver.call("createDirectChat", managerIds=["manager-ch-1-1", "manager-ch-1-2"])
    written = {"plainText": "x", "managerId": "manager-ch-1-1"}
    driver.call("writeDirectChatMessageAsManager", directChatId=made["directChat"]["id"], dto=written)
    driver.call("writeUserChatMessage", "ch-2", userChatId="chat-ch-2-1", dto=bot)
    driver.call("deleteUser", userId="user-ch-1-1")
    assert [(entry["target"], entry["event"]) for entry in driver.emulator.outbox.listing()] == [
        ("all", "message.created.teamChat"),
        ("first", "message.created.teamChat"),
        ("all", "message.created.userChat"),
        ("all", "member.deleted"),
        ("first", "member.deleted"),
        ("people", "member.deleted"),
    ]


def test_users_and_chats_that_change_are_told(driver: Driver) -> None:
    driver.emulator.configure({"webhooks": [{"name": "w", "url": URL, "event_form": "scope"}]})
    driver.call("createLead", profile={"name": "Kim"})
    driver.call("createUser", profile={"name": "Kim"})
    changed = {"unsubscribeEmail": True}
    driver.call("patchUser", userId="user-ch-1-1", body=changed, updateMask="unsubscribeEmail")
    driver.call("upsertMember", memberId="new", body={"tags": ["a"]}, updateMask="tags")
    driver.call("createUserChat", userId="user-ch-1-1")
    for state in ("CLOSED", "OPENED", "OPENED"):
        full = f"USER_CHAT_STATE_{state}"
        driver.call("updateUserChatState", userChatId="chat-ch-1-1", state=full, botName="Bot")
    assert [entry["event"] for entry in driver.emulator.outbox.listing()] == [
        "lead.upserted.contact",
        "member.upserted.contact",
        "member.upserted.subscription",
        "member.upserted.contact",
        "member.upserted.contact",
        "userChat.opened",
        "userChat.opened",
    ]


def test_what_open_api_changes_is_told_too(driver: Driver) -> None:
    driver.emulator.configure({"webhooks": [{"name": "w", "url": URL}]})
    keys = {"x-access-key": access_key_of("ch-1"), "x-access-secret": access_secret_of("ch-1")}

    def send(verb: str, path: str, **body: Any) -> None:
        driver.send(verb, f"{BASE_PATH}{path}", json.dumps(body).encode(), **keys)
        assert driver.status == 200

    send("POST", "/users", profile={"name": "Kim"})
    send("PATCH", "/users/user-ch-1-1", tags=["a"])
    send("POST", "/users/user-ch-1-1/user-chats")
    send("POST", "/user-chats/chat-ch-1-1/messages", plainText="x")
    send("POST", "/groups/group-ch-1-1/messages", plainText="x")
    send("DELETE", "/users/user-ch-1-1")
    assert [entry["event"] for entry in driver.emulator.outbox.listing()] == [
        "lead.upserted.contact",
        "member.upserted.contact",
        "userChat.opened",
        "message.created.userChat",
        "message.created.teamChat",
        "member.deleted",
    ]


@pytest.mark.parametrize("form", EVENT_FORMS)
@pytest.mark.parametrize("event", EVENTS)
def test_the_provider_reads_both_forms_of_each_event(event: str, form: str) -> None:
    entities: dict[str, dict[str, Any]] = {
        "message": {"chatType": "group" if event.endswith("teamChat") else "userChat", "chatId": "c"},
        "userChat": {"state": "USER_CHAT_STATE_OPENED"},
        "lead": {"type": "lead"},
        "member": {"type": "USER_TYPE_MEMBER"},
    }
    entity = {"id": "e", "channelId": "ch", **entities[event.partition(".")[0]]}
    read = read_webhook(write_body(form, event, entity, {}))
    assert read is not None
    # A verb does not tell a subscription from a contact.
    told = event.replace("subscription", "contact") if form == "verb" else event
    assert (read.name, read.channel_id) == (told, "ch")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": None}, "url of a webhook must be a URL"),
        ({"url": "ftp://h"}, "url of a webhook must be a URL"),
        ({"token": 1}, "token of a webhook must be a string"),
        ({"channel_id": []}, "channel_id of a webhook must be a string"),
        ({"events": "userChat.opened"}, "events of a webhook must be a list"),
        ({"events": ["userChat.shut"]}, "events of a webhook must be a list"),
        ({"events": [[]]}, "events of a webhook must be a list"),
        ({"event_form": "both"}, "event_form must be one of verb, scope"),
        ({"secret": "x"}, "a webhook has name, url, token, channel_id, events, event_form, not secret"),
    ],
)
def test_a_webhook_that_is_none_is_refused(given: dict[str, Any], told: str) -> None:
    wanted = {"name": "w", "url": URL, **given}
    with pytest.raises(ValueError, match=told):
        Webhook.build(wanted)
    with pytest.raises(ValueError, match=told):
        EmulatorThread({"webhooks": [wanted]})


def test_a_webhook_does_not_show_its_token() -> None:
    webhook = Webhook.build({"name": "w", "url": f"{URL}?a=b", "token": "t0p"})
    assert "t0p" not in repr(webhook)
    assert webhook.url == f"{URL}?a=b&token=t0p"


def test_the_command_line_names_a_webhook() -> None:
    settings = _read_settings(_parser().parse_args(["--webhook", f"{URL}?token=t"]))
    assert settings.webhooks == [{"name": "command line", "url": f"{URL}?token=t"}]
    assert "webhooks" not in settings.public()
