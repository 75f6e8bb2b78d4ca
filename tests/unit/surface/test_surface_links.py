from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from airflow_channel_provider.connections import ChannelTalkSettings
from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.get_provider_info import get_provider_info
from airflow_channel_provider.links import OpenChatLink, answer_url, group_url, user_chat_url
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.request_ids import TaskKey

WRITTEN = {"message": {"id": "message-1"}}
CONTEXT: Any = {
    "ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1),
}

pytestmark = pytest.mark.usefixtures("errors_as_they_are")


def settings(extra: dict[str, Any]) -> ChannelTalkSettings:
    conn: Any = SimpleNamespace(
        conn_id="c",
        conn_type="channel_talk",
        host=None,
        schema=None,
        port=None,
        login="app-1",
        password="secret",
        extra=json.dumps(extra),
    )
    conn.extra_dejson = extra
    return ChannelTalkSettings.from_connection(conn)


def link_after(operator: Any, doors: Any, desk_url: str | None, *answers: Any) -> str:
    hook = doors.hook(max_wait_seconds=0)
    hook.__dict__["settings"] = settings({"channel_id": "ch-1", "desk_url": desk_url})
    operator.__dict__["hook"] = hook
    doors.client.script = list(answers)
    with contextlib.suppress(ChannelConfigurationError):
        operator.execute(CONTEXT)
    (link,) = operator.operator_extra_links
    return str(link.get_link(operator, ti_key=CONTEXT["ti"]))


@pytest.mark.parametrize(
    ("desk_url", "user_chat", "group"),
    [
        (
            "https://desk.channel.io/acme/",
            "https://desk.channel.io/acme/user-chats/chat%2F1",
            "https://desk.channel.io/acme/groups/g-1",
        ),
        (
            "https://desk.channel.io/#/channels/1",
            "https://desk.channel.io/#/channels/1/user_chats/chat%2F1",
            "https://desk.channel.io/#/channels/1/groups/g-1",
        ),
        (
            "https://desk.channel.io/#/channels/@acme",
            "https://desk.channel.io/#/channels/@acme/user_chats/chat%2F1",
            "https://desk.channel.io/#/channels/@acme/groups/g-1",
        ),
        (None, "", ""),
        ("***", "", ""),
    ],
)
def test_task_that_writes_links_to_the_chat(doors: Any, desk_url: str, user_chat: str, group: str) -> None:
    operator: Any = WriteUserChatMessageOperator(task_id="t", user_chat_id="chat/1", text="hello")
    assert link_after(operator, doors, desk_url, WRITTEN) == user_chat
    operator = WriteGroupMessageOperator(task_id="t", group_name="Support", text="hello")
    assert (
        link_after(operator, doors, desk_url, {"groups": [{"id": "g-1", "title": "Support"}]}, WRITTEN)
        == group
    )


def test_there_is_no_link_before_the_task_has_run_and_none_of_others() -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="chat-1", text="hello")
    ti: Any = CONTEXT["ti"]
    assert OpenChatLink().get_link(operator, ti_key=ti) == ""
    other = NativeFunctionOperator(task_id="t", method="getChannel")
    assert list(other.operator_extra_links) == []


def test_a_message_that_is_refused_before_it_is_sent_links_to_the_chat_all_the_same(doors: Any) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="chat-1", text="")
    assert link_after(operator, doors, "https://desk.channel.io/acme").endswith("/user-chats/chat-1")


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "desk.channel.io/acme",
        "//desk.channel.io",
        "https://me:pw@desk.example/a",
        "https:///me:pw@desk.example/a",
        "https://desk.example\\@other.example/a",
        "https://me:pw@desk.example?a",
        "https://",
        "https://desk.example/a b",
        "https://desk.example/\x01",
        "java\nscript://desk.example/a",
        "https://desk.example/\ud800",
    ],
)
def test_an_address_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"extra desk_url (is not a web address|holds half)"):
        settings({"desk_url": value})


def test_an_id_that_no_address_can_hold_breaks_no_link() -> None:
    assert user_chat_url("https://desk.example", "a \ud800/") == "https://desk.example/user-chats/a%20%3F%2F"
    assert group_url("https://desk.example", "\udc00") == "https://desk.example/groups/%3F"


def test_link_is_declared() -> None:
    assert get_provider_info()["extra-links"] == [f"{OpenChatLink.__module__}.{OpenChatLink.__qualname__}"]


# The form of a task that waits for an answer

KEY = TaskKey("d", "t", "r", -1)
BASE = "https://airflow.example.com"


@pytest.mark.parametrize(
    ("base_url", "key", "expected"),
    [
        (BASE, KEY, f"{BASE}/dags/d/runs/r/tasks/t/required_actions"),
        (f"{BASE}/", KEY, f"{BASE}/dags/d/runs/r/tasks/t/required_actions"),
        (f"{BASE}/airflow", KEY, f"{BASE}/airflow/dags/d/runs/r/tasks/t/required_actions"),
        (f"{BASE}/a/b/", KEY, f"{BASE}/a/b/dags/d/runs/r/tasks/t/required_actions"),
        (BASE, KEY._replace(map_index=0), f"{BASE}/dags/d/runs/r/tasks/t/mapped/0/required_actions"),
        (BASE, KEY._replace(task_id="group.t"), f"{BASE}/dags/d/runs/r/tasks/group.t/required_actions"),
        (
            BASE,
            KEY._replace(run_id="manual__2026-01-01T00:00:00+00:00"),
            f"{BASE}/dags/d/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00/tasks/t/required_actions",
        ),
        (BASE, KEY._replace(run_id="a/b?c#d"), f"{BASE}/dags/d/runs/a%2Fb%3Fc%23d/tasks/t/required_actions"),
    ],
)
def test_the_form_of_a_task_is_below_the_path_of_airflow(base_url: str, key: TaskKey, expected: str) -> None:
    assert answer_url(base_url, key) == expected


def test_the_address_of_a_form_names_the_option_in_json() -> None:
    form = f"{BASE}/dags/d/runs/r/tasks/t/required_actions"
    assert answer_url(BASE, KEY, option="Approve") == f"{form}?_options=%5B%22Approve%22%5D"


@pytest.mark.parametrize(
    "option",
    [
        "Approve",
        "",
        " ",
        "50 %",
        "%41",
        "%5B%22",
        "a+b & c=d?#",
        "'\"\\",
        "승인",
        "👍",
        "line\nbreak",
        "</script>",
    ],
)
def test_an_option_is_read_as_it_is_whether_the_form_decodes_it_once_or_twice(option: str) -> None:
    query = urlsplit(answer_url(BASE, KEY, option=option)).query
    assert query.isascii()
    ((name, once),) = parse_qsl(query, strict_parsing=True)
    assert name == "_options"
    assert json.loads(once) == json.loads(unquote(once)) == [option]
