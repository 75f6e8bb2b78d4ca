from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from unit.emulator.conftest import broken_rules

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

WRITE: Any = {"userChatId": "chat-ch-1-1", "dto": {"botName": "b", "plainText": "hello", "requestId": "r-1"}}


def refusal(body: Any) -> tuple[int, str]:
    """Status and message of a proxied refusal."""
    inner = json.loads(body["error"]["message"].removeprefix("request failed, body: "))
    return inner["status"], inner["errors"][0]["message"]


def test_a_message_is_kept_as_it_was_written(driver: Driver) -> None:
    message = driver.call("writeUserChatMessage", **WRITE)["message"]
    assert message == {
        "id": "msg-00000001",
        "channelId": "ch-1",
        "chatType": "userChat",
        "chatId": "chat-ch-1-1",
        "personType": "bot",
        "personId": "b",
        "requestId": "r-1",
        "createdAt": "2023-11-14T22:13:20Z",
        "version": "1",
        "state": "MESSAGE_STATE_SENT",
        "plainText": "hello",
    }
    assert driver.control("messages") == [message]


def test_a_repeated_request_id_answers_the_first_message(driver: Driver) -> None:
    first = driver.call("writeUserChatMessage", **WRITE)
    driver.time += 100_000
    again = driver.call("writeUserChatMessage", **{**WRITE, "dto": {**WRITE["dto"], "plainText": "other"}})
    assert again == first
    assert driver.last()["repeated"] is True
    assert driver.emulator.stats()["messages"] == 1


def test_request_ids_are_told_apart_by_chat_and_kind_of_chat(driver: Driver) -> None:
    dto = WRITE["dto"]
    driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)
    driver.call("writeUserChatMessage", userChatId="chat-ch-1-2", dto=dto)
    driver.call("writeGroupMessage", groupId="group-ch-1-1", dto=dto)
    driver.call("writeGroupMessage", "ch-2", groupId="group-ch-2-1", dto=dto)
    assert driver.emulator.stats()["messages"] == 4


@pytest.mark.parametrize("request_id", [None, ""])
def test_without_a_request_id_every_call_is_a_message(driver: Driver, request_id: str | None) -> None:
    for _ in range(2):
        driver.call(
            "writeGroupMessage", groupId="group-ch-1-1", dto={"botName": "b", "requestId": request_id}
        )
    assert driver.emulator.stats()["messages"] == 2


@pytest.mark.parametrize(
    ("method", "params", "person"),
    [
        ("writeGroupMessage", {"groupId": "group-ch-1-1", "dto": {"botName": "b"}}, ("bot", "b")),
        (
            "writeGroupMessageAsManager",
            {"groupId": "group-ch-1-1", "dto": {"managerId": "manager-ch-1-1"}},
            ("manager", "manager-ch-1-1"),
        ),
        (
            "writeUserChatMessageAsUser",
            {"userChatId": "chat-ch-1-1", "dto": {"userId": "user-ch-1-1"}},
            ("user", "user-ch-1-1"),
        ),
    ],
)
def test_the_writer_is_who_the_dto_names(driver: Driver, method: str, params: Any, person: Any) -> None:
    message = driver.call(method, **params)["message"]
    assert (message["personType"], message["personId"]) == person


BUTTON = {"title": "t", "action": {"type": "web", "attributes": {"url": "u"}}}
FILE = {"url": "u", "mime": "m", "fileName": "f"}


@pytest.mark.parametrize(
    ("dto", "rules"),
    [
        ({"plainText": "x"}, ["dto one_of"]),
        ({"botName": "b", "managerId": "manager-ch-1-1"}, ["dto one_of"]),
        ({"botName": "b", "plainText": 5}, ["dto.plainText type"]),
        ({"botName": "b", "blocks": [{"type": "divider"}]}, ["dto.blocks[0].type name"]),
        ({"botName": "b", "blocks": "x"}, ["dto.blocks type"]),
        ({"botName": "b", "requestId": 5}, ["dto.requestId type"]),
        ({"botName": "b", "options": ["private"]}, ["dto.options[0] name"]),
        ({"botName": "b", "options": ["MESSAGE_OPTION_LOUD"]}, ["dto.options[0] name"]),
        ({"botName": "b", "buttons": [BUTTON] * 3}, ["dto.buttons count"]),
        ({"botName": "b", "buttons": [{**BUTTON, "title": "x" * 31}]}, ["dto.buttons[0].title length"]),
        ({"botName": "b", "buttons": [{"title": "t"}]}, ["dto.buttons[0].action required"]),
        ({"botName": "b", "buttons": [{"title": "t", "action": {}}]}, ["dto.buttons[0].action one_of"]),
        ({"botName": "b", "files": [FILE] * 31}, ["dto.files count"]),
        ({"botName": "b", "files": [{"url": "u"}]}, ["dto.files[0].mime required", "dto.files[0].fileName required"]),
        ({"botName": "b" * 31}, ["dto.botName length"]),
        ({"botName": "b@c"}, ["dto.botName pattern"]),
        ("text", ["dto type"]),
    ],
)  # fmt: skip
def test_a_message_beyond_the_limits_is_refused_and_not_kept(
    driver: Driver, dto: Any, rules: list[str]
) -> None:
    body = driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)
    assert broken_rules(body) == rules
    assert driver.emulator.stats()["messages"] == 0


@pytest.mark.parametrize("size", [10, 11, 30])
def test_as_many_files_as_the_protos_say_are_taken(driver: Driver, size: int) -> None:
    dto = {"botName": "b", "files": [FILE] * size}
    message = driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)["message"]
    assert len(message["files"]) == size


def test_a_lenient_emulator_is_as_mild_as_can_be(make_driver: type[Driver]) -> None:
    driver = make_driver(contract="lenient")
    dto: Any = {
        "botName": "b" * 99,
        "managerId": "nobody",
        "buttons": [{}] * 9,
        "options": ["loud"],
        "files": [],
    }
    assert "message" in driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)
    assert refusal(driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto={}))[0] == 422
    for dto in ({"botName": 5}, {"botName": "b", "buttons": [5]}):
        body = driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)
        assert [rule.split()[1] for rule in broken_rules(body)] == ["type"]
    assert broken_rules(driver.call("writeUserChatMessage", dto={"botName": "b"})) == ["userChatId required"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"userChatId": "nowhere", "dto": {"botName": "b"}}, "userChat not found"),
        ({"userChatId": "chat-ch-1-1", "dto": {"managerId": "nobody"}}, "manager not found"),
    ],
)
def test_a_message_to_nobody_is_a_404(driver: Driver, params: Any, message: str) -> None:
    assert refusal(driver.call("writeUserChatMessage", **params)) == (404, message)


def test_as_manager_wants_a_manager(driver: Driver) -> None:
    body = driver.call("writeUserChatMessageAsManager", userChatId="chat-ch-1-1", dto={"botName": "b"})
    assert broken_rules(body) == ["dto.managerId required"]


def test_a_reply_is_counted_in_the_thread_that_it_shares_with_its_root(make_driver: type[Driver]) -> None:
    driver = make_driver(dialect="plain")
    group: Any = {"groupId": "group-ch-1-1"}
    root = driver.call("writeGroupMessage", **group, dto={"botName": "b"})["message"]
    assert "thread" not in root
    place = {**group, "rootMessageId": root["id"]}
    first = driver.call("writeGroupMessage", **place, dto={"botName": "b"}, broadcast=True)["message"]
    for manager_id in ("manager-ch-1-2", "manager-ch-1-2"):
        driver.call("writeGroupMessageAsManager", **place, dto={"managerId": manager_id})
    people = {"managerIds": ["manager-ch-1-2"], "repliedManagerIds": ["manager-ch-1-2"]}
    assert first["thread"] == {"id": root["id"], "managerIds": [], "repliedManagerIds": [], "replyCount": 1}
    assert (first["rootMessageId"], first["broadcastedMsg"]) == (root["id"], True)
    kept = driver.control("messages")
    assert [message["thread"] for message in kept] == [{"id": root["id"], **people, "replyCount": 3}] * 4
    assert [message.get("rootMessageId") for message in kept] == [None, *[root["id"]] * 3]
    assert [message.get("broadcastedMsg") for message in kept] == [None, True, None, None]


@pytest.mark.parametrize("root_id", ["nothing", "msg-00000001"])
def test_only_a_lenient_emulator_takes_a_reply_to_what_is_not_there(
    make_driver: type[Driver], root_id: str
) -> None:
    for contract in ("strict", "lenient"):
        driver = make_driver(contract=contract)
        driver.call("writeGroupMessage", groupId="group-ch-1-2", dto={"botName": "b"})
        reply = driver.call(
            "writeGroupMessage", groupId="group-ch-1-1", dto={"botName": "b"}, rootMessageId=root_id
        )
        if contract == "strict":
            assert refusal(reply) == (404, "rootMessage not found")
        else:
            assert reply["message"]["thread"] == {"id": root_id, "replyCount": 1}


def test_an_empty_root_is_none(driver: Driver) -> None:
    message = driver.call(
        "writeGroupMessage", groupId="group-ch-1-1", dto={"botName": "b"}, rootMessageId=""
    )["message"]
    assert not {"thread", "rootMessageId"} & set(message)


def test_a_patched_message_keeps_its_identity(driver: Driver) -> None:
    message = dict(driver.call("writeUserChatMessage", **WRITE)["message"])
    place = {"chatId": "chat-ch-1-1", "chatType": "userChat", "messageId": message["id"]}
    body = {"state": "MESSAGE_STATE_REMOVED", "id": "x", "plainText": "x"}
    patched = driver.call("patchMessage", **place, body=body, updateMask=["state", "id"])["message"]
    assert patched == {**message, "state": "MESSAGE_STATE_REMOVED", "version": "2"}
    elsewhere = driver.call(
        "patchMessage", **{**place, "chatId": "chat-ch-1-2"}, body=body, updateMask="state"
    )
    assert refusal(elsewhere) == (404, "message not found")
    other_type = driver.call("patchMessage", **{**place, "chatType": "group"}, body=body, updateMask="state")
    assert refusal(other_type) == (404, "message not found")


def test_old_messages_fall_off_with_their_request_ids(driver: Driver) -> None:
    box = driver.emulator.world.messages
    box._kept = 2
    for n in range(3):
        dto = {"botName": "b", "requestId": f"r-{n}"}
        driver.call("writeUserChatMessage", userChatId="chat-ch-1-1", dto=dto)
    assert [m["requestId"] for m in box.listing()] == ["r-1", "r-2"]
    assert box.repeated("ch-1", "userChat", "chat-ch-1-1", "r-0") is None
    assert box.get("msg-00000001") is None
    assert box.count == 3
