"""The table of operations of Open API v5."""

from __future__ import annotations

import pytest

from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.contract.open_api import (
    CHAT_STATES,
    OPERATIONS,
    fill_path,
    find_operation,
    operation_of,
    variables_of,
)
from airflow_channel_provider.contract.parts import USER_CHAT_STATE


def test_the_states_of_its_list_of_chats_are_those_of_the_functions() -> None:
    assert set(CHAT_STATES) == set(USER_CHAT_STATE.plain_names)
    for state in CHAT_STATES:
        spellings = (
            state,
            f" {state.upper()} ",
            f"USER_CHAT_STATE_{state.upper()}",
            f"user_chat_state_{state}",
        )
        assert {USER_CHAT_STATE.plain(text) for text in spellings} == {state}


@pytest.mark.parametrize(
    ("path", "template", "variables"),
    [
        ("/users/64f1", "/users/{userId}", {"userId": "64f1"}),
        ("/users/@m-1", "/users/@{memberId}", {"memberId": "m-1"}),
        ("/users/@m-1/events", None, None),
        ("/user-chats/1/messages", "/user-chats/{userChatId}/messages", {"userChatId": "1"}),
        ("/groups/@고객 지원/messages", "/groups/@{groupName}/messages", {"groupName": "고객 지원"}),
        ("/user-chats/1/messages/extra", None, None),
    ],
)
def test_a_path_finds_its_row(path: str, template: str | None, variables: dict[str, str] | None) -> None:
    found = find_operation("GET", path)
    assert (found and (found[0].path, found[1])) == (template and (template, variables))


def test_each_row_finds_itself_and_no_other() -> None:
    assert len(OPERATIONS) >= 60
    for operation in OPERATIONS:
        path = operation.path.replace("{", "").replace("}", "")
        found = find_operation(operation.verb, path)
        assert found is not None
        assert found[0] is operation


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("GET", "/new/thing", RetryClass.READ),
        ("POST", "/new/thing", RetryClass.UNSAFE),
        ("POST", "/user-chats/1/messages", RetryClass.REQUEST_ID),
        ("PUT", "/users/@m-1", RetryClass.IDEMPOTENT),
        ("POST", "/users", RetryClass.UNSAFE),
        ("PUT", "/user-chats/1/snooze", RetryClass.UNSAFE),
    ],
)
def test_what_may_be_sent_twice(verb: str, path: str, expected: RetryClass) -> None:
    assert operation_of(verb, path).retry is expected


def test_what_is_filled_in_stays_one_part_of_the_path() -> None:
    path = "/users/@{memberId}/x/{id}"
    assert variables_of(path) == ("memberId", "id")
    assert (
        fill_path(path, {"memberId": "a/b?c#d", "id": "김 100%"})
        == "/users/@a%2Fb%3Fc%23d/x/%EA%B9%80%20100%25"
    )
