"""What an answer says, and what is awaited of it."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_channel_provider import exceptions
from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelError,
    ChannelNotSentError,
    ChannelRateLimitError,
    ChannelRequestError,
    ChannelResponseError,
    ChannelTokenQuotaError,
)
from airflow_channel_provider.triggers import polling
from airflow_channel_provider.triggers.conditions import Condition, states_of_user_chats, user_chat_state
from airflow_channel_provider.triggers.polling import FailureTolerance, Poll

CHAT = {"id": "c", "state": "USER_CHAT_STATE_CLOSED", "assigneeId": "m-1", "tags": ["vip"], "open": True}
ANSWER = {"userChat": CHAT, "managers": [{"name": "Mina"}]}
HERE = __name__


def assignee(answer: Any, *, only: str = "") -> Any:
    found = answer["userChat"]["assigneeId"]
    return found if only in ("", found) else None


def unfit(answer: Any) -> Any:
    return {datetime.now(tz=timezone.utc)}


# Declared


@pytest.mark.parametrize(
    ("expect", "is_met"),
    [
        ({"userChat.id": "c"}, True),
        ({"userChat.id": "C"}, False),
        ({"userChat.id": "c", "userChat.assigneeId": "m-2"}, False),
        ({"userChat.id": ["a", "c"]}, True),
        ({"userChat.id": []}, False),
        ({"userChat.tags": ["vip"]}, True),
        ({"userChat.open": True}, True),
        ({"userChat.open": 1}, False),
        ({"userChat.closedAt": None}, True),
        ({"userChat.assigneeId": None}, False),
        ({"managers.0.name": "Mina"}, True),
        ({"managers.1.name": None}, True),
        ({"managers.0.name.first": None}, True),
        ({"userChat.state": "closed"}, True),
        ({"userChat.state": "Closed"}, True),
        ({"userChat.state": "USER_CHAT_STATE_CLOSED"}, True),
        ({"userChat.state": ["opened", "closed"]}, True),
        ({"userChat.state": "opened"}, False),
        ({"userChat.state": None}, False),
    ],
)
def test_declared_values_are_looked_for_in_the_answer(expect: Any, is_met: bool) -> None:
    condition = Condition(expect)
    condition.check()
    assert (condition.find(ANSWER) is not None) is is_met


@pytest.mark.parametrize(
    ("path", "found", "wanted", "is_met"),
    [
        ("user.type", "USER_TYPE_MEMBER", "member", True),
        ("user.type", "member", "USER_TYPE_MEMBER", True),
        ("user.type", "USER_TYPE_MEMBER", "lead", False),
        ("user.type", "member", "Member", False),
        ("message.state", "MESSAGE_STATE_SENT", ["failed", "sent"], True),
        ("userChat.missedReason", "MISSED_REASON_NOT_IN_OPERATION", "notInOperation", True),
        ("userChat.missedReason", "notInOperation", "MISSED_REASON_USER_LEFT", False),
        ("user.name", "USER_TYPE_MEMBER", "member", False),
        ("user.na(me", "x", "y", False),
        ("userChat.version", "12", 12, True),
        ("userChat.version", 12, "12", True),
        ("userChat.version", "12", 13, False),
        ("userChat.version", "True", True, False),
        ("userChat.version", "1.0", 1.0, False),
        ("user.blocked", None, False, True),
        ("user.blocked", None, True, False),
        ("user.blocked", False, None, False),
        ("user.blocked", "", False, False),
        ("user.tags", None, [], True),
        ("user.alert", None, 0, True),
        ("user.profile", None, {}, False),
    ],
)
def test_values_are_the_same_in_both_spellings_of_the_service(
    path: str, found: Any, wanted: Any, is_met: bool
) -> None:
    outer, inner = path.split(".")
    answer = {outer: {} if found is None else {inner: found}}
    assert (Condition({path: wanted}).find(answer) == {path: found}) is is_met


def test_what_was_found_is_returned_by_its_path() -> None:
    expect = {"userChat.state": "closed", "userChat.closedAt": None}
    assert Condition(expect).find(ANSWER) == {
        "userChat.state": "USER_CHAT_STATE_CLOSED",
        "userChat.closedAt": None,
    }


@given(
    answer=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab0"), inner),
    ),
    path=st.lists(st.sampled_from("ab01"), min_size=1, max_size=3).map(".".join),
)
def test_no_answer_breaks_a_declared_condition(answer: Any, path: str) -> None:
    found = Condition({path: "x"}).find(answer)
    assert found is None or found == {path: "x"}


# Functions


@pytest.mark.parametrize("predicate", [assignee, f"{HERE}.assignee"])
def test_what_a_predicate_returns_is_what_was_found(predicate: Any) -> None:
    assert Condition(predicate=predicate).find(ANSWER) == "m-1"
    assert Condition(predicate=predicate, predicate_kwargs={"only": "m-2"}).find(ANSWER) is None


@pytest.mark.parametrize("nothing", [False, None, 0, "", []])
def test_something_false_is_nothing_found(nothing: Any) -> None:
    assert Condition(predicate=lambda answer: nothing).find(ANSWER) is None


@pytest.mark.parametrize(
    "predicate", [lambda answer: answer["user"], unfit, lambda: True, lambda answer: float("inf")]
)
def test_a_predicate_that_fails_is_told_by_its_name(predicate: Any) -> None:
    with pytest.raises(
        ChannelConfigurationError, match=r"The predicate \S*conditions\.(<lambda>|unfit) failed"
    ):
        Condition(predicate=predicate).find(ANSWER)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition(), "either expect or predicate"),
        (Condition({"a": 1}, assignee), "either expect or predicate"),
        (Condition({}), "expect must be"),
        (Condition([("a", 1)]), "expect must be"),  # type: ignore[arg-type]
        (Condition({"a..b": 1}), "expect must be"),
        (Condition({1: 1}), "expect must be"),  # type: ignore[dict-item]
        (Condition(predicate=3), "predicate must be a function"),  # type: ignore[arg-type]
        (Condition(predicate="no_such.module"), "can't be imported"),
        (Condition(predicate="json"), "can't be imported"),
        (Condition(predicate="json.no_such"), "can't be imported"),
        (Condition(predicate="json.decoder"), "is not a function"),
    ],
)
def test_what_is_no_condition_is_refused(condition: Condition, words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        condition.check()


def test_a_function_travels_as_its_path() -> None:
    sent = Condition(predicate=assignee, predicate_kwargs={"only": "m-1"}).serialize()
    assert sent == {"predicate": f"{HERE}.assignee", "predicate_kwargs": {"only": "m-1"}}
    poll = Poll.deserialize(**json.loads(json.dumps({"method": "getUserChat", **sent})))
    assert poll.condition.find(ANSWER) == "m-1"


def test_a_declaration_travels_as_it_is() -> None:
    poll = Poll("getUserChat", Condition({"userChat.state": ["closed"]}), {"userChatId": "c"}, "ch-2", True)
    assert Poll.deserialize(**json.loads(json.dumps(poll.serialize()))).serialize() == poll.serialize()


@pytest.mark.parametrize("predicate", [lambda answer: True, functools.partial(assignee, only="m"), [].append])
def test_what_no_other_process_can_import_is_refused_with_the_remedy(predicate: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"can't be sent to the triggerer.*deferrable=False"):
        Condition(predicate=predicate).serialize()


def test_a_function_of_a_dag_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignee, "__module__", "unusual_prefix_0123_dag")
    with pytest.raises(ChannelConfigurationError, match="Move it to a module"):
        Condition(predicate=assignee).serialize()


# Functions that are watched


@pytest.mark.parametrize("method", ["writeUserChatMessage", "updateUserChatState", "issueToken", "getNews"])
def test_only_functions_that_read_are_watched(method: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"{method} is not known to change nothing"):
        Poll(method, Condition({"a": 1})).check()


def test_a_caller_who_knows_better_may_watch_others() -> None:
    Poll("getNews", Condition({"a": 1}), repeatable=True).check()
    Poll("getUserChat", Condition({"a": 1})).check()


# User chats


@pytest.mark.parametrize(
    "spelling", ["USER_CHAT_STATE_SNOOZED", "snoozed", "Snoozed", "user_chat_state_snoozed"]
)
def test_a_state_is_the_same_in_each_spelling(spelling: str) -> None:
    assert user_chat_state({"userChat": {"state": spelling}}, ["snoozed"]) == "snoozed"


@pytest.mark.parametrize(
    ("states", "found"),
    [
        (["closed"], "closed"),
        (["opened"], None),
        (["opened", "closed"], "closed"),
        (["assigned"], "assigned"),
        (["assigned", "closed"], "closed"),
        (["assigned", "opened"], "assigned"),
    ],
)
def test_the_state_that_was_reached_is_found(states: list[str], found: str | None) -> None:
    assert user_chat_state(ANSWER, states) == found


@pytest.mark.parametrize("nobody", [{}, {"assigneeId": None}, {"assigneeId": ""}])
def test_a_chat_that_nobody_has_is_not_assigned(nobody: Any) -> None:
    assert user_chat_state({"userChat": {"state": "opened", **nobody}}, ["assigned"]) is None


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"userChat": None}, {"userChat": {}}, {"userChat": {"state": 3}}]
)
def test_an_answer_without_a_state_is_an_error_and_no_wait(answer: Any) -> None:
    with pytest.raises(ChannelResponseError, match="no user chat with a state"):
        Condition(predicate=user_chat_state, predicate_kwargs={"states": states_of_user_chats()}).find(answer)


# Failures


def test_failures_in_a_row_are_borne_up_to_a_number() -> None:
    tolerance = FailureTolerance(2)
    for _ in range(2):
        assert tolerance.wait_seconds(ChannelResponseError("html"), now=0.0) == 0.0
    tolerance.reset()
    for _ in range(2):
        tolerance.wait_seconds(ChannelNotSentError("no route"), now=0.0)
    with pytest.raises(ChannelRequestError, match=r"broken. 3 polls in a row failed \(tolerated_failures\)"):
        tolerance.wait_seconds(ChannelRequestError("broken.", http_status=500), now=0.0)


@pytest.mark.parametrize(
    "error",
    [
        ChannelRateLimitError("x", retry_after_seconds=90.0),
        ChannelTokenQuotaError("x", retry_at=datetime.fromtimestamp(190, tz=timezone.utc)),
        ChannelNotSentError("x", retry_at=datetime.fromtimestamp(190, tz=timezone.utc)),
    ],
    ids=repr,
)
def test_what_tells_its_end_is_waited_out_and_does_not_count(error: ChannelError) -> None:
    tolerance = FailureTolerance(0)
    assert [tolerance.wait_seconds(error, now=100.0) for _ in range(5)] == [90.0] * 5


@pytest.mark.parametrize(
    "error",
    [
        ChannelAuthenticationError("wrong secret", http_status=401),
        ChannelConfigurationError("no secret"),
        ChannelRequestError("no such chat", http_status=404),
    ],
    ids=repr,
)
def test_what_waiting_can_not_help_is_not_waited_for(error: ChannelError) -> None:
    with pytest.raises(type(error), match=error.message):
        FailureTolerance(10).wait_seconds(error, now=0.0)


def test_what_airflow_itself_fails_with_counts_as_well() -> None:
    tolerance = FailureTolerance(1)
    assert tolerance.wait_seconds(OSError("the api-server is away"), now=0.0) == 0.0
    with pytest.raises(OSError, match=r"^away$"):
        tolerance.wait_seconds(OSError("away"), now=0.0)


# Events

MOMENT = datetime.now(tz=timezone.utc) + timedelta(minutes=5)
ERRORS = [
    ChannelConfigurationError("c", method="m"),
    ChannelNotSentError("n", retry_at=MOMENT),
    exceptions.ChannelAmbiguousResultError("a", safe_to_repeat=True),
    ChannelResponseError("r", http_status=200, too_large=True),
    ChannelRequestError("q", http_status=404, code=3, error_type="common", service_message="not found"),
    ChannelAuthenticationError("u", http_status=401),
    exceptions.ChannelPermissionError("p", http_status=403),
    ChannelRateLimitError("l", retry_at=MOMENT, retry_after_seconds=3.0),
    ChannelTokenQuotaError("t", retry_at=MOMENT),
    exceptions.ChannelTooManyFailuresError("f"),
    ChannelError("e"),
]


def test_each_class_of_error_is_tried() -> None:
    assert {type(error).__name__ for error in ERRORS} == set(exceptions.__all__)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_error_comes_back_as_what_it_was(error: ChannelError) -> None:
    event = json.loads(json.dumps(polling.failure_event(error)))
    with pytest.raises(ChannelError) as caught:
        polling.result_of(event)
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


def test_an_error_of_another_kind_comes_back_with_its_name() -> None:
    with pytest.raises(ChannelError, match="ended by ValueError: x"):
        polling.result_of(polling.failure_event(ValueError("x")))


def test_an_error_of_a_newer_version_is_an_error_all_the_same() -> None:
    with pytest.raises(ChannelError, match="too new"):
        polling.result_of(
            {"status": "failed", "error": "ChannelNewerError", "message": "too new", "extent": 3}
        )


@pytest.mark.parametrize("found", ["closed", {"a": None}, 1, True, [0]])
def test_what_was_found_comes_back(found: Any) -> None:
    assert polling.result_of(json.loads(json.dumps(polling.success_event(found)))) == found


@pytest.mark.parametrize("event", [None, {}, [], "met", {"status": "met"}, {"status": "success", "found": 1}])
def test_an_event_of_somebody_else_fails_the_task(event: Any) -> None:
    with pytest.raises(ChannelError, match=r"came back with .* instead of what was found"):
        polling.result_of(event)
