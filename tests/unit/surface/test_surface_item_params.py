from __future__ import annotations

from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._item_params import item_params

CONTEXT = {"ds": "2026-01-31", "params": {"shop": "Seoul"}}


def made(params: Any, item: Any, context: Any = CONTEXT) -> Any:
    return item_params(params, SandboxedEnvironment(undefined=StrictUndefined), context)(item)


def test_templates_are_rendered_for_each_item_at_any_depth() -> None:
    params = {
        "userChatId": "{{ item.chat }}",
        "dto": {
            "blocks": [{"value": "{{ item['name'] | upper }} of {{ params.shop }}"}, {"value": "{{ ds }}"}]
        },
        "count": 3,
    }
    assert made(params, {"chat": "c-1", "name": "mina"}) == {
        "userChatId": "c-1",
        "dto": {"blocks": [{"value": "MINA of Seoul"}, {"value": "2026-01-31"}]},
        "count": 3,
    }


def test_what_does_not_mention_the_item_is_rendered_once() -> None:
    class Counting:
        calls = 0

        def __str__(self) -> str:
            Counting.calls += 1
            return "x"

    of = item_params({"a": "{{ value }}", "b": "{{ item }}"}, SandboxedEnvironment(), {"value": Counting()})
    assert [of(number) for number in range(3)] == [{"a": "x", "b": str(number)} for number in range(3)]
    assert Counting.calls == 1


def test_an_item_is_no_template_and_null_is_an_empty_text() -> None:
    assert made({"a": "{{ item.x }}", "b": "{{ item.y }}!"}, {"x": "{{ ds }}", "y": None}) == {
        "a": "{{ ds }}",
        "b": "!",
    }


@pytest.mark.parametrize(
    ("params", "item", "match"),
    [
        ({"a": "{{ item.x }}"}, {}, "UndefinedError"),
        ({"a": "{{ item.x }}"}, "text", "UndefinedError"),
        (lambda item: item["x"], {}, "KeyError"),
    ],
)
def test_an_item_that_lacks_something_is_told(params: Any, item: Any, match: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=f"No params could be made of the item: {match}"):
        made(params, item)


def test_a_callable_may_leave_an_item_out() -> None:
    assert made(lambda item: None if item > 1 else {"n": item}, 1) == {"n": 1}
    assert made(lambda item: None, 2) is None


@pytest.mark.parametrize("params", [None, "{{ item }}", ["a"], 3])
def test_params_are_a_mapping_or_a_callable(params: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="params must be a mapping"):
        made(params, 1)


@pytest.mark.parametrize("template", ["{{ item", "{{ nothing_of_the_kind }}"])
def test_a_template_that_can_not_be_rendered_is_refused_at_once(template: str) -> None:
    with pytest.raises(ChannelConfigurationError, match="params: "):
        item_params({"a": template}, SandboxedEnvironment(undefined=StrictUndefined), CONTEXT)
