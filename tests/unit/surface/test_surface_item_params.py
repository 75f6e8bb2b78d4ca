from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment
from support.fuzzing import cases

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators._item_params import item_params, item_templates

CONTEXT = {"ds": "2026-01-31", "params": {"shop": "Seoul"}}


def written(params: Any) -> Any:
    """What the DAG file wrote, as it is once the task's fields are rendered."""
    return params if callable(params) else item_templates(params, lambda value: value)


def native(params: Any, item: Any, context: Any = CONTEXT) -> Any:
    """As in a DAG with ``render_template_as_native_obj=True``."""
    return item_params(written(params), NativeEnvironment(undefined=StrictUndefined), context)(item)


def made(params: Any, item: Any, context: Any = CONTEXT) -> Any:
    return item_params(written(params), SandboxedEnvironment(undefined=StrictUndefined), context)(item)


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

    params = written({"a": "{{ value }}", "b": "{{ item }}"})
    of = item_params(params, SandboxedEnvironment(), {"value": Counting()})
    assert [of(number) for number in range(3)] == [{"a": "x", "b": str(number)} for number in range(3)]
    assert Counting.calls == 1


@pytest.mark.promise(name="templates")
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
    with pytest.raises(
        ChannelConfigurationError, match=f"The params of the item could not be created: {match}"
    ):
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
        item_params(written({"a": template}), SandboxedEnvironment(undefined=StrictUndefined), CONTEXT)


@pytest.mark.promise(name="templates")
def test_only_what_the_dag_file_wrote_is_a_template() -> None:
    arrived = {"text": "{{ ds }}"}
    params = item_templates(
        {"written": "{{ ds }}", "arrived": arrived, "xcom": Arrives()},
        lambda value: "{{ ds }}" if isinstance(value, Arrives) else value,
        {id(arrived)},
    )
    of = item_params(params, SandboxedEnvironment(), CONTEXT)
    assert of(1) == {"written": "2026-01-31", "arrived": arrived, "xcom": "{{ ds }}"}


class Arrives:
    """Stands for a reference to an XCom."""


def test_params_that_arrive_as_a_whole_are_sent_as_they_are() -> None:
    params = {"text": "{{ ds }} {{ item }}", "list": ["{{ ds }}"]}
    arrived = item_templates(params, lambda value: value, {id(params)})
    assert item_params(arrived, SandboxedEnvironment(), CONTEXT)(1) == params


@pytest.mark.parametrize(
    "text",
    ["+821012345678", "1_000_000", "'quoted'", "null", "None", "True", "[1, 2]", "{'a': 1}", "1e5", " 7"],
)
def test_a_text_remains_a_text_where_templates_are_rendered_to_values(text: str) -> None:
    params = {
        "item": "{{ item.x }}",
        "dag": "{{ params.x }}",
        "both": "{{ item.x }}{{ params.x }}",
        "plain": "12",
    }
    assert native(params, {"x": text}, {"params": {"x": text}}) == {
        "item": text,
        "dag": text,
        "both": text + text,
        "plain": "12",
    }


@pytest.mark.parametrize("value", [3, 1.5, True, ["a"], {"b": None}])
def test_another_value_keeps_its_type_where_templates_are_rendered_to_values(value: Any) -> None:
    assert native({"alone": "{{ item }}", "within": "<{{ item }}>"}, value) == {
        "alone": value,
        "within": f"<{value}>",
    }


def test_what_is_missing_is_told_where_templates_are_rendered_to_values() -> None:
    with pytest.raises(ChannelConfigurationError, match="UndefinedError"):
        native({"a": "{{ item.x }}"}, {})
    assert native({"a": "{{ item.x }}"}, {"x": None}) == {"a": ""}


@pytest.mark.parametrize("render", [made, native])
@pytest.mark.parametrize("name", ["values", "items", "copy", "keys", "get", "item", "pop"])
def test_a_column_may_be_called_like_a_method_of_a_mapping(render: Any, name: str) -> None:
    assert render({"a": f"{{{{ item.{name} }}}}"}, {name: "data"}) == {"a": "data"}
    assert render({"a": f"{{{{ item.deep.{name} }}}}"}, {"deep": {name: "data"}}) == {"a": "data"}


def test_a_method_of_a_mapping_is_there_where_no_column_is_called_like_it() -> None:
    template = "{% for name, value in item.items() %}{{ name }}={{ value }};{% endfor %}"
    assert made({"a": template}, {"x": 1, "y": 2}) == {"a": "x=1;y=2;"}


@pytest.mark.parametrize("render", [made, native])
@pytest.mark.parametrize(
    "template",
    [
        "{{ item.values }}",
        "{{ item['values'] }}",
        "Dear {{ item.copy }}!",
        "{{ item.name.title }}",
        "{{ item.name.upper | upper }}",
        "{{ item.tags.count ~ '' }}",
        "{{ '%s' % item.total.hex }}",
        "{{ [item.name.title] | join }}",
        "{% for value in item.values %}{{ value }}{% endfor %}",
    ],
)
def test_a_method_is_nothing_to_tell_a_customer(render: Any, template: str) -> None:
    item = {"name": "mina", "tags": ["a"], "total": 1.5}
    with pytest.raises(ChannelConfigurationError, match="The params of the item could not be created"):
        render({"a": template}, item)


def test_a_method_that_a_sandbox_replaces_is_not_told_either() -> None:
    with pytest.raises(ChannelConfigurationError, match="The params of the item could not be created"):
        made({"a": "{{ item.name.format }}"}, {"name": "mina"})


@pytest.mark.parametrize("render", [made, native])
def test_a_method_may_be_called(render: Any) -> None:
    template = (
        "{{ item.name.upper() }} {{ item['name'].title() }} {{ item.get('x', 1) }} {{ item.tags.count('a') }}"
    )
    assert render({"a": template}, {"name": "mina", "tags": ["a"]}) == {"a": "MINA Mina 1 1"}


@pytest.mark.promise(name="templates")
@pytest.mark.fuzz
@cases(200)
@given(text=st.text() | st.sampled_from(["{{ ds }}", "{% raw %}", "{# #}", "1_0", "'"]))
def test_any_text_of_an_item_arrives_as_it_is(text: str) -> None:
    for render in (made, native):
        assert render({"a": "{{ item.x }}", "b": "<{{ item.x }}>"}, {"x": text}) == {
            "a": text,
            "b": f"<{text}>",
        }
