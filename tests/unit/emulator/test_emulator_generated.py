"""Generated chats: as many as asked for, the same each time, listed in order, and changing while they are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from unit.emulator.conftest import Driver

from airflow_channel_provider.emulator import EmulatorThread
from airflow_channel_provider.emulator.answers import Answer
from airflow_channel_provider.emulator.control_plane import ControlPlane

STATES = ("opened", "closed", "snoozed", "queued", "initial", "missed")
KEYS = {"x-access-key": "open-key-ch-1", "x-access-secret": "open-secret-ch-1"}
CHATS = 1_000
OTHERS = 10  # chats of the channel that are not generated


class Reader:
    """The Open API of one channel with generated chats."""

    def __init__(self, **settings: Any) -> None:
        self.driver = Driver(**{"generated_chats": CHATS, "open_api_rate_limit": 10_000_000, **settings})
        self.headers: dict[str, str] = {}

    def send(self, verb: str, path: str, query: str = "", body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        delivery = self.driver.emulator.handle(verb, f"/open/v5{path}", KEYS, data, None, query)
        assert delivery.answer is not None
        self.driver.status, self.headers = delivery.answer.status, delivery.answer.headers
        return json.loads(delivery.answer.body)

    def pages(self, path: str, items: str, query: str, limit: int = 100) -> Iterator[list[Any]]:
        since = ""
        while True:
            answer = self.send("GET", path, f"{query}&limit={limit}&since={since}")
            yield answer[items]
            if not (since := answer.get("next", "")):
                return

    def chats(self, state: str, query: str = "", limit: int = 100) -> list[Any]:
        found = self.pages("/user-chats", "userChats", f"state={state}{query}", limit)
        return [chat for page in found for chat in page]

    def messages(self, chat_id: str, query: str = "sortOrder=asc", limit: int = 100) -> list[Any]:
        found = self.pages(f"/user-chats/{chat_id}/messages", "messages", query, limit)
        return [message for page in found for message in page]

    def state(self, kind: str) -> list[Any]:
        control, found, start = ControlPlane(self.driver.emulator), [], 0
        while start is not None:
            query = {"kind": kind, "start": str(start)}
            answer = control.handle("GET", "/_emulator/open_api_state", query, b"")
            assert isinstance(answer, Answer)
            part = json.loads(answer.body)
            found += part["items"]
            start = part["next"]
        return found

    def change(self, count: int) -> None:
        control, body = ControlPlane(self.driver.emulator), json.dumps({"count": count}).encode()
        answer = control.handle("POST", "/_emulator/change_generated", {}, body)
        assert isinstance(answer, Answer)
        assert answer.status == 200


def test_every_chat_is_listed_once_and_has_its_messages() -> None:
    reader = Reader()
    chats = [chat for state in STATES for chat in reader.chats(state)]
    assert len(chats) == len({chat["id"] for chat in chats}) == CHATS + OTHERS
    generated = [chat for chat in chats if chat["id"].startswith("chat-g-")]
    counts = [len(reader.messages(chat["id"])) for chat in generated]
    assert sum(counts) == 10 * CHATS
    assert min(counts) == 1


def test_ten_million_chats_take_no_longer_to_make_than_ten() -> None:
    reader = Reader(generated_chats=10_000_000, generated_messages_per_chat=100)
    assert len(reader.send("GET", "/user-chats", "limit=500")["userChats"]) == 500


def test_the_same_seed_makes_the_same_chats_and_changes() -> None:
    def read(seed: int) -> list[Any]:
        reader = Reader(generated_seed=seed, generated_chats=100)
        reader.change(200)
        return [reader.state(kind) for kind in ("userChats", "messages", "users")]

    assert read(1) == read(1)
    assert read(1) != read(2)


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_chats_stand_in_the_order_of_their_last_change_and_some_share_a_time(order: str) -> None:
    reader = Reader()
    reader.change(300)
    places = [(chat["updatedAt"], chat["id"]) for chat in reader.chats("closed", f"&sortOrder={order}", 7)]
    assert places == sorted(places, reverse=order == "desc")
    assert len({at for at, _ in places}) < len(places)


def test_in_no_order_chats_follow_no_time_and_a_change_moves_none() -> None:
    reader = Reader(open_api_chat_order="none")
    before = [chat["id"] for chat in reader.chats("closed", limit=7)]
    times = [chat["updatedAt"] for chat in reader.chats("closed", limit=500)]
    assert times not in (sorted(times), sorted(times, reverse=True))
    reader.change(50)
    after = [chat["id"] for chat in reader.chats("closed", limit=7)]
    stayed = set(before) & set(after)
    assert [name for name in before if name in stayed] == [name for name in after if name in stayed]


def test_a_chat_that_changes_behind_the_reader_is_missed_as_in_any_list_by_change() -> None:
    reader = Reader(changes_per_request=5)
    seen = {chat["id"] for state in STATES for chat in reader.chats(state, limit=20)}
    reader.driver.emulator.configure({"changes_per_request": 0})
    there = {chat["id"] for chat in reader.state("userChats")}
    assert there - seen
    assert seen < there


@pytest.mark.parametrize("order", ["updatedAt", "none"])
def test_what_is_read_when_all_is_quiet_is_the_state_of_the_control_plane(order: str) -> None:
    reader = Reader(open_api_chat_order=order, generated_chats=200)
    reader.change(500)
    reader.send("PATCH", "/user-chats/chat-g-00000007/close", "botName=Bot")
    reader.send("POST", "/user-chats/chat-g-00000008/messages", body={"plainText": "written"})
    chats = [chat for state in STATES for chat in reader.chats(state, limit=13)]
    messages = [message for chat in chats for message in reader.messages(chat["id"], limit=3)]

    def by_id(things: list[Any]) -> dict[str, Any]:
        assert max(Counter(thing["id"] for thing in things).values()) == 1
        return {thing["id"]: thing for thing in things}

    assert by_id(chats) == by_id(reader.state("userChats"))
    assert by_id(messages) == by_id(reader.state("messages"))
    users = by_id(reader.state("users"))
    for chat in chats:
        assert reader.send("GET", f"/users/{chat['userId']}")["user"] == users[chat["userId"]]


def test_changes_are_of_every_kind() -> None:
    reader = Reader(generated_chats=200)
    before = [
        {thing["id"]: thing for thing in reader.state(kind)} for kind in ("userChats", "messages", "users")
    ]
    reader.driver.time += 60
    reader.change(300)
    chats, messages, users = (
        {thing["id"]: thing for thing in reader.state(kind)} for kind in ("userChats", "messages", "users")
    )
    assert len(chats) > len(before[0])
    assert len(messages) > len(before[1])
    assert any(chats[name]["state"] != chat["state"] for name, chat in before[0].items())
    assert any(message["editedAt"] for message in messages.values())
    assert any(users[name].get("version", 1) > user.get("version", 1) for name, user in before[2].items())
    for name, chat in chats.items():
        last = max(m["updatedAt"] for m in messages.values() if m["chatId"] == name) if "g-" in name else 0
        assert chat["updatedAt"] >= last


def test_people_come_beside_their_chats_in_their_newest_version() -> None:
    reader = Reader(generated_chats=60)
    reader.change(200)
    answer = reader.send("GET", "/user-chats", "state=closed&limit=500")
    users = {user["id"]: user for user in reader.state("users")}
    assert {user["id"] for user in answer["users"]} == {chat["userId"] for chat in answer["userChats"]}
    assert all(user == users[user["id"]] for user in answer["users"])


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.send("PATCH", "/user-chats/chat-g-00000001/close", "botName=Bot"),
        lambda r: r.driver.call(
            "updateUserChatState", userChatId="chat-g-00000001", botName="Bot", state="USER_CHAT_STATE_CLOSED"
        ),
    ],
    ids=["open_api", "native"],
)
def test_a_generated_chat_that_somebody_changes_is_kept_and_listed_in_its_new_place(
    change: Callable[[Reader], Any],
) -> None:
    reader = Reader(generated_chats=20)
    change(reader)
    assert reader.driver.status == 200
    closed = [chat["id"] for chat in reader.chats("closed")]
    assert closed[0] == "chat-g-00000001"
    reader.change(500)
    assert reader.send("GET", "/user-chats/chat-g-00000001")["userChat"]["state"] == "closed"


def test_a_chat_that_is_deleted_does_not_come_back() -> None:
    reader = Reader(generated_chats=20)
    reader.send("DELETE", "/user-chats/chat-g-00000003")
    reader.send("GET", "/user-chats/chat-g-00000003")
    assert reader.driver.status == 404
    assert "chat-g-00000003" not in {chat["id"] for chat in reader.state("userChats")}


def test_members_events_and_calls_are_found() -> None:
    reader = Reader()
    user = reader.send("GET", "/users/@member-g-00000002")["user"]
    assert user["id"] == "user-g-00000002"
    chats = reader.send("GET", f"/users/{user['id']}/user-chats", "sortOrder=asc")["userChats"]
    assert [chat["userId"] for chat in chats] == [user["id"]] * 3
    assert len(reader.send("GET", f"/users/{user['id']}/events", "sortOrder=asc")["events"]) == 2
    now = int(reader.driver.time * 1000)
    calls = reader.send("GET", "/meet/call/log", f"from={now - 40 * 86_400_000}&to={now}")
    assert len(calls) == CHATS // 50
    half = reader.send("GET", "/meet/call/log", f"from={now - 15 * 86_400_000}&to={now}")
    assert 0 < len(half) < len(calls)
    reader.send("GET", "/meet/call/log", f"from={now - 91 * 86_400_000}&to={now}")
    assert reader.driver.status == 422


def test_a_lost_cursor_begins_again() -> None:
    reader = Reader()
    first = reader.send("GET", "/user-chats", "limit=5")
    reader.driver.emulator.faults.inject("first_page")
    again = reader.send("GET", "/user-chats", f"limit=5&since={first['next']}")
    assert again["userChats"] == first["userChats"]
    assert reader.send("GET", "/user-chats", f"limit=5&since={first['next']}") != again


@pytest.mark.parametrize(
    ("fault", "options", "status", "headers"),
    [
        ("rate_limit", {"reset_after_seconds": 7}, 429, {"x-ratelimit-remaining": "0"}),
        ("rate_limit", {"shape": "retry_after", "reset_after_seconds": 7}, 429, {"Retry-After": "7"}),
        ("unauthorized", {}, 401, {}),
    ],
)
def test_a_fault_speaks_as_this_service_does(
    fault: str, options: dict[str, Any], status: int, headers: dict[str, str]
) -> None:
    reader = Reader()
    reader.driver.emulator.faults.inject(fault, options=options)
    answer = reader.send("GET", "/channel")
    assert (reader.driver.status, answer["status"], set(answer)) == (
        status,
        status,
        {"type", "status", "language", "errors"},
    )
    assert headers.items() <= reader.headers.items()


@pytest.mark.parametrize("since", ["nonsense", "bmFuAGE=", "aW5mAGE="])
def test_a_cursor_of_nobody_is_refused(since: str) -> None:
    reader = Reader()
    reader.send("GET", "/user-chats", f"since={since}")
    assert reader.driver.status == 422


def test_the_client_reads_the_state_part_by_part() -> None:
    with EmulatorThread({"generated_chats": 2_500, "generated_messages_per_chat": 1}) as emulator:
        emulator.change_generated(10)
        assert len({chat["id"] for chat in emulator.open_api_state("userChats")}) >= 2_500
        with pytest.raises(ValueError, match="kind must be one of"):
            list(emulator.open_api_state("nothing"))
        with pytest.raises(ValueError, match="has no generated chats"):
            emulator.change_generated(channel_id="ch-2")
        emulator.configure(generated_chats=3)
        assert len(list(emulator.open_api_state("userChats"))) == 3 + OTHERS


def test_a_message_changes_its_chat_and_moves_it_to_the_top() -> None:
    reader = Reader()
    last = reader.chats("opened", "&sortOrder=desc")[-1]
    reader.driver.emulator.clock.advance(60)
    reader.send("POST", f"/user-chats/{last['id']}/messages", body={"plainText": "Hello"})
    first = reader.chats("opened", "&sortOrder=desc")[0]
    assert first["id"] == last["id"]
    assert first["updatedAt"] > last["updatedAt"]
    assert first["version"] == last["version"] + 1
