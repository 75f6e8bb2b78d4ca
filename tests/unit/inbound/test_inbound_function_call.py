"""What a body of the function endpoint becomes: as much as it says, and nothing that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.function_calls import body_of, command
from support.fuzzing import cases

from airflow_channel_provider.inbound.function_call import Chat, read_call


def read(**body: Any) -> Any:
    return read_call(json.dumps({"method": "airflow.run.x", **body}).encode())


def test_a_command_is_read() -> None:
    call = read_call(command("airflow.run.x", "g-1", manager="m-1", channel="ch-1", kind="groupChat", day=3))
    assert (call.method, call.caller_type, call.caller_id) == ("airflow.run.x", "manager", "m-1")
    assert (call.channel_id, call.language, call.input) == ("ch-1", "ko", {"day": 3})
    assert call.chat == Chat("group", "g-1")


def test_a_thread_is_read() -> None:
    trigger = {"type": "command", "attributes": {"rootMessageId": "m-7", "broadcast": "false"}}
    call = read(params={"chat": {"type": "group", "id": "g-1"}, "trigger": trigger})
    assert call.chat == Chat("group", "g-1", "m-7")


def test_input_may_be_a_list() -> None:
    given = [{"name": "city", "value": "Se", "focused": True}, {"name": "day", "value": 3, "focused": False}]
    call = read(params={"input": given})
    assert (call.input, call.focused) == ({"city": "Se", "day": 3}, "city")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"params": None, "context": None},
        {"params": [], "context": []},
        {
            "params": {"chat": None, "input": None, "trigger": None},
            "context": {"caller": None, "channel": {}},
        },
        {
            "params": {"chat": {"id": 5.5}, "input": "x"},
            "context": {"caller": {"id": True}, "channel": {"id": ""}},
        },
        {"params": {"chat": {"id": "a\nb"}}, "context": {"caller": {"id": "x" * 201}}},
    ],
)
def test_what_is_not_there_is_absent(body: dict[str, Any]) -> None:
    call = read(**body)
    assert (call.caller_id, call.channel_id, call.chat, call.focused) == (None, None, None, None)
    assert call.input == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"{}", b'{"method": null}', b"[" * 100_000])
def test_a_body_without_a_method_is_no_call(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the body (is not JSON|names no method)$"):
        read_call(body)


def test_a_call_that_is_sent_again_has_the_same_digest_and_another_has_not() -> None:
    body = body_of("airflow.run.x")
    assert read_call(body).digest == read_call(body).digest
    assert read_call(body).digest != read_call(body + b" ").digest


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.fuzz
@given(
    params=VALUES
    | st.fixed_dictionaries({"chat": VALUES, "input": VALUES, "trigger": VALUES, "language": VALUES}),
    context=VALUES | st.fixed_dictionaries({"caller": VALUES, "channel": VALUES}),
)
@cases(100)
def test_any_body_with_a_method_is_a_call(params: Any, context: Any) -> None:
    call = read(params=params, context=context)
    assert call.chat is None or call.chat.id
    assert isinstance(call.input, dict) or call.input == {}
    assert call.focused is None or isinstance(call.focused, str)
    assert isinstance(call.caller_type, str)
