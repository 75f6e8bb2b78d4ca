from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.operator_runs import fit

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators.users import UpdateUserChatStateOperator, UpsertMemberOperator

pytestmark = pytest.mark.usefixtures("errors_as_they_are")


def params(doors: Any) -> Any:
    ((_, sent, _),) = doors.client.calls
    return sent


def state(**kwargs: Any) -> UpdateUserChatStateOperator:
    return UpdateUserChatStateOperator(**{"task_id": "t", "user_chat_id": "c", "state": "closed", **kwargs})


@pytest.mark.parametrize("spelling", ["closed", " CLOSED ", "USER_CHAT_STATE_CLOSED"])
def test_chat_is_closed_and_returned(doors: Any, spelling: str) -> None:
    chat = {"id": "c", "state": "USER_CHAT_STATE_CLOSED"}
    assert fit(state(state=spelling), doors, {"userChat": chat}).execute({}) == chat
    assert params(doors) == {
        "userChatId": "c",
        "state": "USER_CHAT_STATE_CLOSED",
        "botName": "Airflow",
        "channelId": "ch-1",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("", None),
        (90, {"seconds": 90, "nanos": 0}),
        ("61.5", {"seconds": 61, "nanos": 500_000_000}),
        (59.9999999999, {"seconds": 60, "nanos": 0}),
        (timedelta(hours=2), {"seconds": 7200, "nanos": 0}),
    ],
)
def test_chat_is_snoozed_for_as_long_as_said(doors: Any, given: Any, expected: Any) -> None:
    fit(state(state="snoozed", snooze_seconds=given), doors).execute({})
    assert params(doors).get("duration") == expected


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"state": "open"}, "one of opened, closed, snoozed"),
        ({"user_chat_id": " "}, "user_chat_id is empty"),
        ({"snooze_seconds": 60}, "applies only to state"),
        *(
            ({"state": "snoozed", "snooze_seconds": given}, "must be a number of seconds")
            for given in (0, -60, "soon", "inf", "nan", [60])
        ),
        ({"bot_name": ""}, "no writer"),
        ({"bot_name": " "}, "no writer"),
        ({"bot_name": ["Shop"]}, "bot_name must be a text, not list"),
    ],
)
def test_a_state_that_is_none_is_refused_before_anything_is_sent(doors: Any, kwargs: Any, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        fit(state(**kwargs), doors).execute({})
    assert doors.client.calls == []


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        *(
            (lambda given=given: state(state="snoozed", snooze_seconds=given), "must be at least 60 seconds")
            for given in (59.9, "59", timedelta(seconds=59))
        ),
        (lambda: state(bot_name="x" * 31), "must have 1 to 30 characters"),
        (lambda: state(bot_name="a@b"), "must have none of @ # "),
        (
            lambda: UpsertMemberOperator(task_id="t", member_id="m", tags=["a"] * 21),
            "at most 20 items, it has 21",
        ),
    ],
)
def test_limits_are_the_contracts_and_go_with_it(
    doors: Any, monkeypatch: pytest.MonkeyPatch, operator: Any, words: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"{words}.* contract = off "):
        fit(operator(), doors).execute({})
    assert doors.client.calls == []
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__CONTRACT", "off")
    fit(operator(), doors).execute({})
    assert len(doors.client.calls) == 1


@pytest.mark.parametrize(("given", "sent"), [(2026, "2026"), ("x" * 30, "x" * 30), ("배송 봇", "배송 봇")])
def test_the_name_of_a_bot_is_a_text_or_the_text_of_a_number(doors: Any, given: Any, sent: str) -> None:
    fit(state(bot_name=given), doors).execute({})
    assert params(doors)["botName"] == sent


def member(**kwargs: Any) -> UpsertMemberOperator:
    return UpsertMemberOperator(**{"task_id": "t", "member_id": "m-1", **kwargs})


def test_what_a_template_made_a_number_of_is_sent_as_text(doors: Any) -> None:
    fit(member(member_id=12, tags='[2026, "vip"]', language=7), doors).execute({})
    assert params(doors)["memberId"] == "12"
    assert params(doors)["body"] == {"tags": ["2026", "vip"], "language": "7"}


def test_member_is_written_with_a_mask_of_what_is_given(doors: Any) -> None:
    operator = member(
        profile='{"name": "Ada", "email": null}',
        profile_once={"source": "shop"},
        tags=[],
        language="ko",
        blocked=False,
    )
    assert fit(operator, doors, {"user": {"id": "user-1", "profile": {}}}).execute({}) == "user-1"
    assert params(doors) == {
        "memberId": "m-1",
        "body": {
            "profile": {"name": "Ada", "email": None},
            "profileOnce": {"source": "shop"},
            "tags": [],
            "language": "ko",
            "blocked": False,
        },
        "updateMask": ["profile.name", "profile.email", "profileOnce.source", "tags", "language", "blocked"],
        "channelId": "ch-1",
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('["profile"]', ["profile"]),
        (["profile"], ["profile"]),
        ({"paths": ["profile"]}, {"paths": ["profile"]}),
        (' {"paths": ["profile"]}', {"paths": ["profile"]}),
        ("profile.name,tags\n", "profile.name,tags"),
        ("null", ["profile.name"]),
    ],
)
def test_mask_can_be_given_in_each_form_that_the_service_takes(doors: Any, given: Any, sent: Any) -> None:
    fit(member(profile={"name": "Ada"}, update_mask=given), doors, {"user": {}}).execute({})
    assert params(doors)["updateMask"] == sent


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "No field of the member is given"),
        ({"profile": {}, "language": ""}, "No field of the member is given"),
        ({"member_id": "", "tags": ["a"]}, "member_id is empty"),
        ({"profile": ["a"]}, "profile must be a mapping, not list"),
        ({"profile": {"a.b": 1}}, "without dots and commas"),
        ({"tags": {"a": 1}}, "tags must be a list, not dict"),
    ],
)
def test_a_member_that_is_none_is_refused_before_anything_is_sent(
    doors: Any, kwargs: Any, words: str
) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        fit(member(**kwargs), doors).execute({})
    assert doors.client.calls == []


@pytest.mark.parametrize("operator_class", [UpdateUserChatStateOperator, UpsertMemberOperator])
def test_each_template_field_is_an_attribute_of_the_operator(operator_class: Any) -> None:
    operator = state() if operator_class is UpdateUserChatStateOperator else member()
    assert [name for name in operator_class.template_fields if not hasattr(operator, name)] == []
