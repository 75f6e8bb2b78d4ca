"""What the page of conversations shows: one channel, one chat, bounded, and who can do what there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_channel_provider.emulator.chat_view import chat_view
from airflow_channel_provider.emulator.commands import fit_arguments
from airflow_channel_provider.emulator.conversation import open_chat, write_message

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

RUN = {
    "name": "run",
    "scope": "desk",
    "actionFunctionName": "run",
    "alfMode": "disable",
    "autoCompleteFunctionName": "suggest",
    "description": "Runs it",
    "paramDefinitions": [{"name": "dag", "type": "string", "required": True, "autoComplete": True}],
}
ASK = {"name": "ask", "scope": "front", "actionFunctionName": "ask", "alfMode": "disable"}


def view(driver: Driver, **query: str) -> Any:
    return json.loads(json.dumps(chat_view(driver.emulator, query)))


def test_the_first_group_of_the_first_channel_is_shown_at_first(driver: Driver) -> None:
    shown = view(driver)
    assert (shown["channel_id"], shown["chat"]["id"], shown["messages"]) == ("ch-1", "group-ch-1-1", [])
    assert shown["chats"][:3] == [
        {"id": "group-ch-1-1", "type": "group", "title": "Support", "state": None},
        {"id": "group-ch-1-2", "type": "group", "title": "Sales", "state": None},
        {"id": "chat-ch-1-10", "type": "userChat", "title": "Emi Tanaka", "state": "opened"},
    ]
    assert [one["id"] for one in shown["channels"]] == ["ch-1", "ch-2", "ch-3"]
    assert shown["managers"] == [
        {"id": "manager-ch-1-1", "name": "Mina Seo"},
        {"id": "manager-ch-1-2", "name": "Noah Weiss"},
    ]
    assert shown["users"][0] == {"id": "user-ch-1-1", "name": "Ada Kim"}
    assert view(driver, channel_id="ch-2")["chat"]["id"] == "group-ch-2-1"


def test_a_chat_shows_its_messages_with_buttons_and_threads(driver: Driver) -> None:
    web = {"title": "Look", "action": {"type": "web", "url": "https://example.com"}}
    odd = {"title": "Odd", "action": {"type": "mail"}}
    blocks = [{"type": "text", "value": "<b>Done</b> &amp; dusted"}]
    dto = {"botName": "Bot", "blocks": blocks, "buttons": [web, odd]}
    root = driver.call("writeGroupMessage", groupId="group-ch-1-1", dto=dto)["message"]
    write_message(
        driver.emulator.world, {"chat_id": "group-ch-1-1", "text": "Thanks", "root_message_id": root["id"]}
    )
    first, reply = view(driver, chat_id="group-ch-1-1")["messages"]
    assert (first["writer"], first["writer_type"], first["text"]) == ("Bot", "bot", "Done & dusted")
    assert first["buttons"] == [
        {"title": "Look", "kind": "web", "url": "https://example.com"},
        {"title": "Odd", "kind": None, "url": None},
    ]
    assert (reply["writer"], reply["text"], reply["root_message_id"]) == ("Mina Seo", "Thanks", root["id"])


def test_each_kind_of_person_sees_the_commands_of_its_scope(driver: Driver) -> None:
    driver.app_call("registerCommands", commands=[RUN, ASK])
    shown = view(driver)
    assert [command["name"] for command in shown["user_commands"]] == ["ask"]
    (command,) = shown["manager_commands"]
    assert (command["app_id"], command["name"], command["description"]) == ("demo-app", "run", "Runs it")
    assert command["parameters"] == [
        {
            "name": "dag",
            "type": "string",
            "required": True,
            "description": "",
            "choices": [],
            "suggests": True,
        }
    ]
    driver.call("toggleCommand", appId="demo-app", commandEnabled=False)
    assert view(driver)["manager_commands"] == []
    # In the other channels they are on.
    assert len(view(driver, channel_id="ch-2")["manager_commands"]) == 1


def test_a_new_chat_is_the_first_of_its_kind_and_what_was_sent_is_listed(driver: Driver) -> None:
    url = "http://127.0.0.1:1/hook"
    driver.emulator.configure({"webhooks": [{"name": "airflow", "url": url, "token": "CANARY"}]})
    chat = open_chat(driver.emulator.world, {"channel_id": "ch-1", "text": "Hello?"})
    shown = view(driver)
    assert shown["chats"][2]["id"] == chat["id"]
    assert [(entry["what"], entry["to"], entry["state"]) for entry in shown["sent"]] == [
        ("userChat.opened", "airflow", "waiting"),
        ("message.created.userChat", "airflow", "waiting"),
    ]
    assert "CANARY" not in json.dumps(shown)


def test_the_view_is_bounded(driver: Driver) -> None:
    world = driver.emulator.world
    for number in range(250):
        write_message(world, {"chat_id": "group-ch-1-1", "text": f"{number}"})
        open_chat(world, {"channel_id": "ch-1"})
    shown = view(driver)
    assert (len(shown["messages"]), len(shown["chats"])) == (200, 100)
    assert shown["messages"][-1]["text"] == "249"


def test_what_is_not_there_is_no_view(driver: Driver) -> None:
    with pytest.raises(ValueError, match="no chat 'x'"):
        view(driver, chat_id="x")
    with pytest.raises(ValueError, match="no channel 'x'"):
        view(driver, channel_id="x")
    driver.emulator.configure({"channels": []})
    shown = view(driver)
    assert (shown["channel_id"], shown["chat"], shown["chats"], shown["managers"]) == (None, None, [], [])


def test_a_command_without_parameters_takes_none() -> None:
    assert fit_arguments(ASK, {}) == {}
