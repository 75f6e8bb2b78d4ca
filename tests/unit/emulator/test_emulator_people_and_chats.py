from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from unit.emulator.conftest import broken_rules

from airflow_channel_provider.contract.functions import CATALOGUE

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver


def refusal(body: Any) -> tuple[int, str]:
    """Status and message of a proxied refusal."""
    inner = json.loads(body["error"]["message"].removeprefix("request failed, body: "))
    return inner["status"], inner["errors"][0]["message"]


ASCENDING = {"sortOrder": "SORT_ORDER_ASC"}


def test_groups_are_listed_by_name_page_by_page(driver: Driver) -> None:
    channel = driver.emulator.world.channels["ch-1"]
    base = channel.groups["group-ch-1-1"]
    for n in range(3):
        channel.groups[f"g{n}"] = {**base, "id": f"g{n}", "title": f"Team {n}"}
    channel.groups["secret"] = {**base, "id": "secret", "title": "AAA", "scope": "private"}
    pagination: dict[str, Any]
    seen, pagination = [], {**ASCENDING, "limit": 2}
    for _ in range(3):
        answer = driver.call("searchGroups", pagination=pagination)
        seen.append([group["title"] for group in answer["groups"]])
        pagination = {**ASCENDING, "limit": 2, "since": answer.get("next")}
    assert seen == [["Sales", "Support"], ["Team 0", "Team 1"], ["Team 2"]]
    assert pagination["since"] is None


def test_a_group_added_between_pages_moves_no_other(driver: Driver) -> None:
    groups = driver.emulator.world.channels["ch-1"].groups
    first = driver.call("searchGroups", pagination={**ASCENDING, "limit": 1})
    groups["new"] = {**groups["group-ch-1-1"], "id": "new", "title": "Accounting"}
    second = driver.call("searchGroups", pagination={**ASCENDING, "limit": 1, "since": first["next"]})
    assert [g["title"] for g in (*first["groups"], *second["groups"])] == ["Sales", "Support"]


def test_managers_come_by_their_ids_and_not_by_their_names(driver: Driver) -> None:
    managers = driver.emulator.world.channels["ch-1"].managers
    managers["a-0"] = {**managers["manager-ch-1-1"], "id": "a-0", "name": "Zoe"}
    found = driver.call("searchManagers", pagination={**ASCENDING, "limit": 500})["managers"]
    assert [manager["id"] for manager in found] == ["a-0", "manager-ch-1-1", "manager-ch-1-2"]


@pytest.mark.parametrize("order", ["SORT_ORDER_DESC", 2])
def test_managers_can_be_listed_backwards(driver: Driver, order: Any) -> None:
    options = {"limit": 1, "sortOrder": order}
    first = driver.call("searchManagers", pagination=options)
    second = driver.call("searchManagers", pagination={**options, "since": first["next"]})
    assert [m["name"] for m in (*first["managers"], *second["managers"])] == ["Noah Weiss", "Mina Seo"]
    assert "next" not in second


@pytest.mark.parametrize(
    ("pagination", "rule"),
    [
        ({**ASCENDING, "limit": 501}, "pagination.limit range"),
        ({**ASCENDING, "limit": -1}, "pagination.limit range"),
        ({**ASCENDING, "limit": 0}, "pagination.limit range"),
        ({**ASCENDING, "limit": True}, "pagination.limit type"),
        ({**ASCENDING, "limit": "5"}, "pagination.limit type"),
        (ASCENDING, "pagination.limit required"),
        ({"limit": 5}, "pagination.sortOrder required"),
        ({"limit": 5, "sortOrder": "asc"}, "pagination.sortOrder name"),
        ({"limit": 5, "sortOrder": "SORT_ORDER_UNSPECIFIED"}, "pagination.sortOrder specified"),
        ({"limit": 5, "sortOrder": 0}, "pagination.sortOrder type"),
        ([1], "pagination type"),
    ],
)
def test_a_wrong_pagination_is_refused(driver: Driver, pagination: Any, rule: str) -> None:
    assert broken_rules(driver.call("searchManagers", pagination=pagination)) == [rule]


def test_a_cursor_of_nobody_is_refused(driver: Driver) -> None:
    answer = driver.call("searchManagers", pagination={**ASCENDING, "limit": 5, "since": "%"})
    assert refusal(answer)[0] == 422


def test_managers_come_in_a_batch_of_those_that_exist(driver: Driver) -> None:
    answer = driver.call("batchGetManagers", managerIds=["manager-ch-1-2", "nobody", "manager-ch-1-1"])
    assert [manager["id"] for manager in answer["managers"]] == ["manager-ch-1-2", "manager-ch-1-1"]
    for size in (0, 51):
        assert broken_rules(driver.call("batchGetManagers", managerIds=["x"] * size)) == ["managerIds count"]
    assert driver.call("getManager", managerId="manager-ch-1-1")["manager"]["name"] == "Mina Seo"
    assert driver.call("getRole", roleId="role-1")["role"]["id"] == "role-1"
    assert refusal(driver.call("getRole", roleId="role-2")) == (404, "role not found")


def test_a_user_is_found_by_member_id(driver: Driver) -> None:
    assert driver.call("searchUser", memberId="member-ch-1-3")["user"]["id"] == "user-ch-1-3"
    assert refusal(driver.call("searchUser", memberId="nobody")) == (404, "user not found")


@pytest.mark.parametrize(
    "mask", ["tags,profile.name", ["tags", "profile.name"], {"paths": ["tags", "profile.name"]}]
)
def test_only_masked_fields_are_patched(driver: Driver, mask: Any) -> None:
    body = {"tags": ["vip"], "profile": {"name": "New", "email": "e"}, "blocked": True, "id": "x"}
    user = driver.call("patchUser", userId="user-ch-1-1", body=body, updateMask=mask)["user"]
    assert (user["tags"], user["profile"], user.get("blocked")) == (["vip"], {"name": "New"}, None)
    assert (user["id"], user["name"]) == ("user-ch-1-1", "New")


@pytest.mark.parametrize(
    ("body", "mask", "rule"),
    [
        ({"tags": ["t"] * 21}, "tags", "body.tags count"),
        ({"profile": 3}, "profile", "body.profile type"),
        ({"tags": []}, 5, "updateMask type"),
        ({"tags": []}, "", "updateMask length"),
        ({"tags": []}, [], "updateMask count"),
        ({"tags": []}, {"paths": []}, "updateMask.paths count"),
        ({"tags": []}, {}, "updateMask.paths required"),
        ([], "tags", "body type"),
    ],
)
def test_a_wrong_patch_is_refused_and_changes_nothing(
    driver: Driver, body: Any, mask: Any, rule: str
) -> None:
    before = dict(driver.emulator.world.channels["ch-1"].users["user-ch-1-1"])
    answer = driver.call("patchUser", userId="user-ch-1-1", body=body, updateMask=mask)
    assert broken_rules(answer) == [rule]
    assert driver.emulator.world.channels["ch-1"].users["user-ch-1-1"] == before


def test_a_member_is_upserted_once(driver: Driver) -> None:
    calls = [
        driver.call("upsertMember", memberId="m", body={"profile": {"name": n}}, updateMask="profile")
        for n in "ab"
    ]
    assert calls[0]["user"]["id"] == calls[1]["user"]["id"] == "user-new-1"
    assert driver.call("searchUser", memberId="m")["user"]["name"] == "b"


def test_users_are_created_and_deleted_for_good(driver: Driver) -> None:
    lead = driver.call("createLead", profile={"name": "L"})["user"]
    member = driver.call("createUser", profile={"name": "M"})["user"]
    assert [(u["type"], u["name"]) for u in (lead, member)] == [
        ("USER_TYPE_LEAD", "L"),
        ("USER_TYPE_MEMBER", "M"),
    ]
    assert driver.call("deleteUser", userId=lead["id"]) == {}
    assert refusal(driver.call("deleteUser", userId=lead["id"])) == (404, "user not found")
    assert refusal(driver.call("getUser", userId=lead["id"])) == (404, "user not found")


def test_a_contact_is_found_again_and_leads_to_its_chats(driver: Driver) -> None:
    params = {"mediumType": "phone", "address": "+821012345678", "defaultMediumLanguage": "ko"}
    first, again = (driver.call("findOrCreateContactAndUser", **params) for _ in range(2))
    assert first == again
    user_id = first["user"]["id"]
    chat = driver.call("createUserChat", userId=user_id)["userChat"]
    found = driver.call("searchUserChatsByContact", mediumType="phone", address="+821012345678")
    assert [c["id"] for c in found["userChats"]] == [chat["id"]]
    assert driver.call("findContactsByUser", userId=user_id, mediumType="phone")["contacts"] == [
        first["contact"]
    ]
    assert driver.call("findContactsByAddress", mediumType="phone", address="none")["contacts"] == []


@pytest.mark.parametrize(
    ("state", "kept", "stamped"),
    [
        ("USER_CHAT_STATE_CLOSED", "USER_CHAT_STATE_CLOSED", "closedAt"),
        ("USER_CHAT_STATE_SNOOZED", "USER_CHAT_STATE_SNOOZED", "snoozedAt"),
    ],
)
def test_a_chat_changes_its_state(driver: Driver, state: str, kept: str, stamped: str) -> None:
    driver.time += 5
    chat = driver.call("updateUserChatState", userChatId="chat-ch-1-1", state=state, botName="b")["userChat"]
    assert (chat["state"], chat[stamped], chat["version"]) == (kept, "2023-11-14T22:13:25Z", "2")
    assert driver.call("getUserChat", userChatId="chat-ch-1-1")["userChat"] == chat


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"state": "closed"}, "state name"),
        ({"botName": "a@b"}, "botName pattern"),
        ({"botName": "x" * 31}, "botName length"),
        ({"duration": {"seconds": 59}}, "duration range"),
        ({"duration": "59.5s"}, "duration range"),
        ({"duration": 60}, "duration type"),
    ],
)
def test_a_wrong_state_bot_name_or_duration_is_refused(driver: Driver, changed: Any, rule: str) -> None:
    params = {"userChatId": "chat-ch-1-1", "state": "USER_CHAT_STATE_SNOOZED", "botName": "b", **changed}
    assert broken_rules(driver.call("updateUserChatState", **params)) == [rule]
    assert driver.call("getUserChat", userChatId="chat-ch-1-1")["userChat"]["version"] == "1"


@pytest.mark.parametrize("method", ["updateUserChatState", "updateUserChatStateByUser"])
@pytest.mark.parametrize(("state", "kept"), [("CLOSED", True), ("OPENED", True), ("SNOOZED", False)])
def test_only_a_snooze_has_a_shortest_duration(driver: Driver, method: str, state: str, kept: bool) -> None:
    params = {"userChatId": "chat-ch-1-1", "state": f"USER_CHAT_STATE_{state}", "duration": "59s"}
    named = params if method.endswith("ByUser") else {**params, "botName": "b"}
    answer = driver.call(method, **named)
    assert ("userChat" in answer) is kept
    assert (not CATALOGUE[method].violations({"channelId": "ch-1", **named})) is kept
    # What is no duration is none, whatever the state.
    assert broken_rules(driver.call(method, **{**named, "duration": "long"})) == ["duration type"]


def test_nobody_can_miss_a_chat_on_purpose(driver: Driver) -> None:
    params = {"userChatId": "chat-ch-1-1", "state": "USER_CHAT_STATE_MISSED", "botName": "b"}
    assert refusal(driver.call("updateUserChatState", **params))[0] == 422


@pytest.mark.parametrize("member_id", ["m" * 65, "m 1", "m\t"])
def test_a_member_id_that_nobody_can_have_is_refused(driver: Driver, member_id: str) -> None:
    assert broken_rules(driver.call("searchUser", memberId=member_id))[0].startswith("memberId ")


def test_chats_are_opened_by_medium_once(driver: Driver) -> None:
    params: Any = {"userId": "user-ch-1-1", "mediumType": "app", "mediumTopicKey": "order-1"}
    ids = {driver.call("findOrCreateUserChatByMedium", **params)["userChat"]["id"] for _ in range(2)}
    other = driver.call("findOrCreateUserChatByMedium", **{**params, "mediumTopicKey": "order-2"})[
        "userChat"
    ]["id"]
    assert len(ids) == 1
    assert other not in ids
    found = driver.call(
        "searchUserChatsByMedium", userId="user-ch-1-1", mediumType="app", mediumTopicKey="order-1"
    )
    assert {chat["id"] for chat in found["userChats"]} == ids


def test_the_rest_of_the_chat_functions_answer_the_chat(driver: Driver) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("manageUserChat", {}),
        ("updateUserChatStateByUser", {"state": "USER_CHAT_STATE_OPENED"}),
        ("startUserChatFromUserByMedium", {"mediumType": "app"}),
        ("submitHandlingWorkflowButton", {}),
    ]
    for method, more in calls:
        assert driver.call(method, userChatId="chat-ch-1-1", **more)["userChat"]["id"] == "chat-ch-1-1"


def test_a_direct_chat_is_found_by_its_people_and_takes_messages(driver: Driver) -> None:
    people = ["manager-ch-1-2", "manager-ch-1-1"]
    chat = driver.call("findOrCreateDirectChat", managerIds=people)["directChat"]
    assert driver.call("findOrCreateDirectChat", managerIds=people[::-1])["directChat"] == chat
    assert driver.call("createDirectChat", managerIds=people)["directChat"]["id"] != chat["id"]
    dto = {"managerId": people[0], "plainText": "hi"}
    message = driver.call("writeDirectChatMessageAsManager", directChatId=chat["id"], dto=dto)["message"]
    assert message["chatType"] == "directChat"
    assert refusal(driver.call("createDirectChat", managerIds=["x"])) == (404, "manager not found")
