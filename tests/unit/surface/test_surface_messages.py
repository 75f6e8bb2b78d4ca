"""Operators that write a message: what is sent, to whom, under which request id, and what is refused before."""

from __future__ import annotations

from typing import Any

import pytest
from support.operator_runs import WRITTEN, context, fit, rendered, sent

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelResponseError,
)
from airflow_channel_provider.hooks import channel_talk
from airflow_channel_provider.operators.channel_talk import (
    WriteGroupMessageOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.request_ids import TaskKey, for_task

pytestmark = pytest.mark.usefixtures("errors_as_they_are")


# Messages


def test_user_chat_message_is_sent_and_its_id_returned(doors: Any) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="chat-1", text="hi", bot_name="bot")
    assert fit(operator, doors, WRITTEN).execute_complete(context()) == "message-1"
    dto = {"plainText": "hi", "botName": "bot", "requestId": for_task(TaskKey("d", "t", "r", -1))}
    assert sent(doors) == [
        ("writeUserChatMessage", {"userChatId": "chat-1", "dto": dto, "channelId": "ch-1"})
    ]


def test_group_message_in_a_thread(doors: Any) -> None:
    operator = WriteGroupMessageOperator(
        task_id="t",
        group_id="g-1",
        root_message_id="root",
        broadcast=False,
        channel_id="ch-2",
        blocks='[{"type": "text", "value": "hi"}]',
        buttons=[{"title": "a", "action": {"x": 1}}, {"title": "b", "url": "https://example.io"}],
        options=["MESSAGE_OPTION_PRIVATE"],
        web_page={"url": "https://example.io"},
        deduplicate=False,
    )
    assert fit(operator, doors, WRITTEN).execute_complete(context()) == "message-1"
    assert sent(doors) == [
        (
            "writeGroupMessage",
            {
                "groupId": "g-1",
                "rootMessageId": "root",
                "broadcast": False,
                "channelId": "ch-2",
                "dto": {
                    "botName": "Airflow",
                    "blocks": [{"type": "text", "value": "hi"}],
                    "buttons": [
                        {"title": "a", "action": {"x": 1}},
                        {
                            "title": "b",
                            "action": {"type": "web", "attributes": {"url": "https://example.io"}},
                        },
                    ],
                    "options": ["MESSAGE_OPTION_PRIVATE"],
                    "webPage": {"url": "https://example.io"},
                },
            },
        )
    ]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "message is empty"),
        ({"text": "   "}, "message is empty"),
        ({"text": "", "blocks": []}, "message is empty"),
        ({"buttons": [{"title": "a", "url": "https://example.io"}]}, "message is empty"),
        ({"text": "x", "bot_name": None}, "bot_name"),
        ({"text": "x", "user_chat_id": ""}, "user_chat_id"),
        ({"text": "x", "options": [3]}, "A message option must be a name, not int"),
        ({"blocks": {"type": "text"}}, "blocks must be a list, not dict"),
        ({"blocks": "a text"}, "blocks is text that is not valid JSON"),
        ({"text": "x", "web_page": ["u"]}, "web_page must be a mapping, not list"),
    ],
)
def test_invalid_message_is_refused_before_anything_is_sent(doors: Any, kwargs: Any, words: str) -> None:
    operator = WriteUserChatMessageOperator(**{"task_id": "t", "user_chat_id": "c", **kwargs})
    with pytest.raises(ChannelConfigurationError, match=words):
        fit(operator, doors, WRITTEN).execute_complete(context())
    assert sent(doors) == []


HOST = "https://example.io"


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"bot_name": "x" * 31}, "botName must have 1 to 30 characters, it has 31"),
        *(({"bot_name": f"a{character}b"}, "botName must have none of @ # ") for character in "@#$%:/"),
        (
            {"buttons": [{"title": "a", "action": {"x": 1}}] * 3},
            "buttons must have at most 2 items, it has 3",
        ),
        (
            {"markdown": f'x [A]({HOST} "button")', "buttons": [{"title": "B", "url": HOST}] * 2},
            "buttons must have at most 2 items, it has 3",
        ),
        ({"files": [HOST] * 31}, "files must have at most 30 items, it has 31"),
        (
            {"markdown": f"x ![]({HOST}/a)", "files": [HOST] * 30},
            "files must have at most 30 items, it has 31",
        ),
        ({"buttons": [{"title": "A" * 31, "url": HOST}]}, "title must have 1 to 30 characters, it has 31"),
        (
            {"buttons": [{"title": f" {'A' * 30}", "action": {"type": "web"}}]},
            "title must have 1 to 30 characters, it has 31",
        ),
    ],
)
def test_limits_of_a_message_are_the_contracts_and_go_with_it(
    doors: Any, monkeypatch: pytest.MonkeyPatch, kwargs: Any, words: str
) -> None:
    operator = WriteUserChatMessageOperator(**{"task_id": "t", "user_chat_id": "c", "text": "x", **kwargs})
    with pytest.raises(ChannelConfigurationError, match=f"{words}.* contract = off "):
        fit(operator, doors, WRITTEN).execute_complete(context())
    assert sent(doors) == []
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", "off")
    assert fit(operator, doors, WRITTEN).execute_complete(context()) == "message-1"


@pytest.mark.parametrize(
    ("kwargs", "sent_as", "words"),
    [
        (
            {"options": ["MESSAGE_OPTION_NEW"]},
            {"options": ["MESSAGE_OPTION_NEW"]},
            "params.dto.options[0] must be one of",
        ),
        (
            {"buttons": [{"title": "A", "url": HOST, "color": "teal"}]},
            {
                "buttons": [
                    {
                        "title": "A",
                        "action": {"type": "web", "attributes": {"url": HOST}},
                        "colorVariant": "MESSAGE_COLOR_VARIANT_TEAL",
                    }
                ]
            },
            "params.dto.buttons[0].colorVariant must be one of",
        ),
    ],
)
def test_a_name_that_only_a_type_knows_is_one_warning(
    doors: Any, caplog: pytest.LogCaptureFixture, kwargs: Any, sent_as: Any, words: str
) -> None:
    channel_talk._warned = channel_talk._Warned()
    for _ in range(2):
        operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="x", **kwargs)
        assert fit(operator, doors, WRITTEN).execute_complete(context()) == "message-1"
    told = [r for r in caplog.records if r.levelname == "WARNING" and words in r.getMessage()]
    assert len(told) == 1
    dto = sent(doors)[0][1]["dto"]
    assert {name: dto[name] for name in sent_as} == sent_as


@pytest.mark.parametrize(
    "content", [{"files": '["https://example.io/a"]'}, {"form": {"a": 1}}, {"web_page": {"url": "u"}}]
)
def test_files_form_or_web_page_are_content_enough(doors: Any, content: Any) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", **content)
    assert fit(operator, doors, WRITTEN).execute_complete(context()) == "message-1"


def test_markdown_is_rendered_and_becomes_blocks(doors: Any) -> None:
    operator = WriteGroupMessageOperator(
        task_id="t", group_id="g", markdown="*{{ who }}*", private=True, silent="user"
    )
    fit(rendered(operator, who="a < b"), doors, WRITTEN).execute_complete(context())
    dto = sent(doors)[0][1]["dto"]
    assert dto["blocks"] == [{"type": "text", "value": "<i>a &lt; b</i>"}]
    assert dto["options"] == ["MESSAGE_OPTION_PRIVATE", "MESSAGE_OPTION_SILENT_TO_USER"]


def test_answer_without_a_message_id_returns_none(doors: Any) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="hi")
    assert fit(operator, doors, None).execute_complete(context()) is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"try_number": 3}, True),
        ({"map_index": 0}, False),
        ({"run_id": "r2"}, False),
        ({"task_id": "u"}, False),
    ],
)
def test_request_id_belongs_to_the_task_instance_over_all_tries(doors: Any, change: Any, same: bool) -> None:
    ids = []
    for which in (dict[str, Any](), change):
        operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="hi")
        fit(operator, doors, WRITTEN).execute_complete(context(**which))
        ids.append(sent(doors)[-1][1]["dto"]["requestId"])
    assert (ids[0] == ids[1]) is same


@pytest.mark.parametrize(("deduplicate", "calls"), [(True, 5), (False, 1)])
def test_message_is_repeated_only_with_a_request_id(doors: Any, deduplicate: bool, calls: int) -> None:
    operator = WriteUserChatMessageOperator(task_id="t", user_chat_id="c", text="hi", deduplicate=deduplicate)
    with pytest.raises(ChannelAmbiguousResultError):
        fit(operator, doors, ChannelAmbiguousResultError("timeout")).execute_complete(context())
    assert len(sent(doors)) == calls


# Groups by name


PAGES = [
    {
        "groups": [{"id": "g-1", "title": "Support"}, {"id": "g-2", "title": "Sales", "name": "sales-team"}],
        "next": "n",
    },
    {"groups": [{"id": "g-3", "title": "Twins"}, {"id": "g-4", "name": "Twins"}, {"title": "no id"}]},
]


@pytest.mark.parametrize(("name", "expected"), [("Support", "g-1"), ("Sales", "g-2"), ("sales-team", "g-2")])
def test_group_is_found_by_title_or_name(doors: Any, name: str, expected: str) -> None:
    operator = WriteGroupMessageOperator(task_id="t", group_name=name, text="hi")
    fit(operator, doors, *PAGES, WRITTEN).execute_complete(context())
    calls = sent(doors)
    assert [params.get("pagination") for _, params in calls[:2]] == [
        {"sortOrder": "SORT_ORDER_ASC", "limit": 500},
        {"sortOrder": "SORT_ORDER_ASC", "limit": 500, "since": "n"},
    ]
    assert calls[2][1]["groupId"] == expected


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"group_name": "Suport"}, ["'Suport'", "near it: 'Support'"]),
        ({"group_name": "zzzz"}, ["4 other public groups"]),
        ({"group_name": "Twins"}, ["2 groups are called 'Twins'", "g-3, g-4", "give group_id"]),
        ({}, ["either group_id or group_name"]),
        ({"group_id": "g", "group_name": "n"}, ["either group_id or group_name"]),
    ],
)
def test_group_that_is_not_one_is_refused(doors: Any, kwargs: Any, words: list[str]) -> None:
    operator = WriteGroupMessageOperator(task_id="t", text="hi", **kwargs)
    with pytest.raises(ChannelConfigurationError) as caught:
        fit(operator, doors, *PAGES).execute_complete(context())
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("answer", [[{"id": "g-1", "title": "Support"}], {"groups": {"id": "g-1"}}, "groups"])
def test_an_answer_without_a_list_of_groups_is_an_error(doors: Any, answer: Any) -> None:
    operator = WriteGroupMessageOperator(task_id="t", text="hi", group_name="Support")
    with pytest.raises(ChannelResponseError, match="holds no list of groups"):
        fit(operator, doors, answer).execute_complete(context())


def test_a_list_of_groups_whose_pages_repeat_is_an_error(doors: Any) -> None:
    operator = WriteGroupMessageOperator(task_id="t", text="hi", group_name="x")
    with pytest.raises(ChannelResponseError, match="the pages repeat"):
        fit(operator, doors, {"groups": [], "next": "n"}).execute_complete(context())
    assert len(sent(doors)) == 2
