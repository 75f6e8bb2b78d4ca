"""What happens to user chats by itself, and every list page by page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.lists import next_field
from unit.emulator.conftest import settle

from airflow_channel_provider.contract.functions import LISTINGS
from airflow_channel_provider.contract.model import Paging
from airflow_channel_provider.emulator.agents import change_chat
from airflow_channel_provider.emulator.control_plane import ControlPlane

if TYPE_CHECKING:
    from unit.emulator.conftest import Driver

CHAT = "chat-ch-1-1"


def chat(driver: Driver) -> Any:
    return driver.call("getUserChat", userChatId=CHAT)["userChat"]


def change(driver: Driver, **wanted: Any) -> None:
    change_chat(driver.emulator.world, {"user_chat_id": CHAT, **wanted})


def test_desk_changes_a_chat_at_once(driver: Driver) -> None:
    change(driver, state="USER_CHAT_STATE_SNOOZED", assignee_id="manager-ch-1-1")
    changed = chat(driver)
    assert (changed["state"], changed["assigneeId"]) == ("USER_CHAT_STATE_SNOOZED", "manager-ch-1-1")
    assert changed["snoozedAt"] == "2023-11-14T22:13:20Z"


def test_desk_changes_a_chat_later_and_in_order(driver: Driver) -> None:
    change(driver, state="closed", after_seconds=20)
    change(driver, assignee_id="manager-ch-1-1", after_seconds=10)
    seen = []
    for _ in range(3):
        seen.append((chat(driver)["state"], chat(driver).get("assigneeId")))
        driver.time += 10
    assert seen == [
        ("USER_CHAT_STATE_OPENED", None),
        ("USER_CHAT_STATE_OPENED", "manager-ch-1-1"),
        ("USER_CHAT_STATE_CLOSED", "manager-ch-1-1"),
    ]
    # The stamp is of the moment it happened, not of the one it was looked at.
    assert chat(driver)["closedAt"] == "2023-11-14T22:13:40Z"


def test_a_chat_that_is_gone_when_its_time_has_come_is_let_alone(driver: Driver) -> None:
    change(driver, state="closed", after_seconds=5)
    driver.emulator.configure({"channels": [{"id": "ch-1", "user_chats": []}]})
    driver.time += 10
    assert "error" in driver.call("getUserChat", userChatId=CHAT)


def write(driver: Driver, request_id: str) -> None:
    dto = {"plainText": "?", "botName": "bot", "requestId": request_id}
    driver.call("writeUserChatMessage", userChatId=CHAT, dto=dto)


def test_desk_deals_with_messages_where_the_settings_say_so(make_driver: type[Driver]) -> None:
    driver = make_driver(user_chats_close_after_seconds=5)
    write(driver, "one")
    driver.time += 4
    assert chat(driver)["state"] == "USER_CHAT_STATE_OPENED"
    driver.time += 1
    assert chat(driver)["state"] == "USER_CHAT_STATE_CLOSED"
    write(driver, "one")  # the same message opens nothing
    assert chat(driver)["state"] == "USER_CHAT_STATE_CLOSED"
    write(driver, "two")
    assert chat(driver)["state"] == "USER_CHAT_STATE_OPENED"


def test_what_is_due_has_happened_whoever_looks(make_driver: type[Driver]) -> None:
    driver = make_driver(user_chats_close_after_seconds=5)
    keys = {"x-access-key": "open-key-ch-1", "x-access-secret": "open-secret-ch-1"}
    control, query = ControlPlane(driver.emulator), {"channel_id": "ch-1", "kind": "userChats"}

    def from_open_api() -> Any:
        return driver.send("GET", f"/open/v5/user-chats/{CHAT}", b"", **keys)["userChat"]

    def from_control() -> Any:
        chats = settle(control.handle("GET", "/_emulator/open_api_state", query, b""))
        return next(one for one in json.loads(chats.body)["items"] if one["id"] == CHAT)

    for look in (from_open_api, from_control):
        write(driver, look.__name__)
        assert look()["state"] == "opened"
        driver.time += 5
        found = look()
        assert (found["state"], found["closedAt"]) == ("closed", int(driver.time * 1000))


def test_nobody_is_at_the_desk_unless_the_settings_say_so(driver: Driver) -> None:
    write(driver, "one")
    driver.time += 1e6
    assert chat(driver)["state"] == "USER_CHAT_STATE_OPENED"


# Lists


def fill(driver: Driver) -> None:
    contact = {"mediumType": "email", "address": "a@example.com", "defaultMediumLanguage": "en"}
    user = driver.call("findOrCreateContactAndUser", **contact)["user"]["id"]
    for number in range(7):
        driver.call("createUserChat", userId=user)
        driver.call("createAppSchemas", schemas=[{"key": f"k{number}", "name": "n"}])
        driver.call("createEvent", userId=user, name="order", property={f"p{number}": 1})


def listed(driver: Driver, method: str, place: dict[str, Any]) -> Any:
    more = {"mediumType": "email", "address": "a@example.com", "eventName": "order"}
    if LISTINGS[method].paging is Paging.CURSOR:
        cursor = {} if place.get("since") is None else {"cursor": place["since"]}
        return driver.app_call(method, limit=place["limit"], **cursor)
    return driver.call(method, pagination={"sortOrder": "SORT_ORDER_ASC", **place}, **more)


@pytest.mark.parametrize(
    "method", [name for name, listing in LISTINGS.items() if listing.paging is not Paging.WHOLE]
)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_every_list_comes_page_by_page_and_ends(driver: Driver, method: str, limit: int) -> None:
    fill(driver)
    listing = LISTINGS[method]
    whole = listed(driver, method, {"limit": 100})[listing.items]
    pages, cursor = [], None
    while True:
        page = listed(driver, method, {"limit": limit, "since": cursor})
        pages.append(page[listing.items])
        cursor = page.get(next_field(listing))
        if cursor is None:
            break
    assert len(whole) > 1
    assert [item for page in pages for item in page] == whole
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1]


@pytest.mark.parametrize("method", ["searchManagers", "listActiveOAuthManagerTargets"])
def test_a_service_that_forgets_its_cursor_answers_the_first_page_again(driver: Driver, method: str) -> None:
    first = listed(driver, method, {"limit": 1})
    second = {"limit": 1, "since": first[next_field(LISTINGS[method])]}
    driver.emulator.faults.inject("first_page", method=method)
    assert listed(driver, method, second) == first
    assert listed(driver, method, second) != first
