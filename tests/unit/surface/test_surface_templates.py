"""What of an argument is a template, as far as a DAG file and a first rendering see it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task

from airflow_channel_provider.operators.benlly import ChannelDeauthorizeOperator
from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator
from airflow_channel_provider.operators.channel_talk import (
    NativeFunctionOperator,
    WriteUserChatMessageOperator,
)
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor, UserChatStateSensor

BRACES = "{{ secret }}"
VALUES = {"arrived": BRACES, "secret": "canary"}
PATHS = ["file:///a.jsonl", "file:///b.jsonl"]


@pytest.fixture(autouse=True)
def dag() -> Iterator[DAG]:
    with DAG("d", schedule=None) as dag:
        yield dag


@task
def rows() -> list[dict[str, Any]]:
    return []


@pytest.mark.promise(name="templates")
@pytest.mark.parametrize(
    ("cls", "field"),
    [
        (WriteUserChatMessageOperator, "text"),
        (NativeFunctionOperator, "function_params"),
        (DataTableLoadOperator, "columns"),
        (ChannelDeauthorizeOperator, "channel_id"),
        (UserChatStateSensor, "state"),
        (NativeFunctionSensor, "expect"),
    ],
)
def test_what_has_been_rendered_is_not_rendered_again(cls: Any, field: str) -> None:
    others = {"user_chat_id": "c", "method": "m", "table_name": "t", "channel_id": 1, "state": "closed"}
    needed = {name: others[name] for name in cls.template_fields if name in others}
    operator = cls(task_id="t", **{**needed, field: ["{{ arrived }}"]})
    for _ in range(2):
        operator.render_template_fields(dict(VALUES))
        assert getattr(operator, field) == [BRACES]


def test_params_of_an_item_are_templates_where_the_dag_file_wrote_them_however_often_they_are_rendered() -> (
    None
):
    operator = BulkNativeFunctionOperator(
        task_id="t",
        method="m",
        items=[1],
        function_params={"a": "{{ item }} {{ arrived }}", "b": "as it is", "c": 3},
    )
    for _ in range(2):
        operator.render_template_fields(dict(VALUES))  # type: ignore[arg-type]
        of = operator.params_of_items(VALUES)  # type: ignore[arg-type]
        assert of("{{ arrived }}") == {"a": "{{ arrived }} {{ secret }}", "b": "as it is", "c": 3}


@pytest.mark.parametrize("params", [lambda given: given, lambda given: {"deep": [{"x": given}]}])
def test_an_xcom_anywhere_in_params_of_an_item_makes_its_task_an_upstream(params: Any) -> None:
    given = rows()
    bulk = BulkNativeFunctionOperator
    plain = bulk(task_id="plain", method="m", items=[1], function_params=params(given))
    partial = bulk.partial(task_id="partial", method="m", function_params=params(given)).expand(path=PATHS)
    expanded = bulk.partial(task_id="expanded", method="m", items=[1]).expand(function_params=[params(given)])
    by_kwargs = bulk.partial(task_id="by_kwargs", method="m").expand_kwargs(
        [{"items": [1], "function_params": params(given)}]
    )
    for operator in (plain, partial, expanded, by_kwargs):
        assert operator.upstream_task_ids == {"rows"}, operator.task_id


def test_an_xcom_within_the_columns_of_a_table_makes_its_task_an_upstream() -> None:
    columns: Any = [{"key": rows(), "name": "x", "type": "string"}]
    assert DataTableLoadOperator(task_id="t", table_name="o", columns=columns).upstream_task_ids == {"rows"}


@pytest.mark.parametrize(
    "cls",
    [NativeFunctionOperator, BulkNativeFunctionOperator, WriteUserChatMessageOperator, UserChatStateSensor],
)
def test_a_task_that_is_never_mapped_is_warned_of(cls: Any) -> None:
    with pytest.warns(UserWarning, match="'t' was never mapped"):
        cls.partial(task_id="t")


class Kind(str, Enum):
    ORDER = "order {{ arrived }}"


def test_a_member_of_an_enumeration_of_texts_is_its_text() -> None:
    message = WriteUserChatMessageOperator(
        task_id="m", user_chat_id="c", text=Kind.ORDER, options=[Kind.ORDER]
    )
    message.render_template_fields(dict(VALUES))  # type: ignore[arg-type]
    assert (message.text, message.options) == ("order {{ secret }}", ["order {{ secret }}"])
    bulk = BulkNativeFunctionOperator(task_id="b", method="m", items=[1], function_params={"a": Kind.ORDER})
    bulk.render_template_fields(dict(VALUES))  # type: ignore[arg-type]
    assert bulk.params_of_items(VALUES)(1) == {"a": "order {{ secret }}"}  # type: ignore[arg-type]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "{% include 'about.txt' %}",
        "{% include name %}",
        "{% from 'macros.txt' import about with context %}{{ about() }}",
        "{% extends 'base.txt' %}{% block body %}{{ item.n }}{% endblock %}",
    ],
)
def test_a_file_that_a_template_takes_in_may_be_about_the_item(
    native: bool, text: str, tmp_path: Path
) -> None:
    tmp_path.joinpath("about.txt").write_text("<{{ item.n }}>")
    tmp_path.joinpath("macros.txt").write_text("{% macro about() %}<{{ item.n }}>{% endmacro %}")
    tmp_path.joinpath("base.txt").write_text("<{% block body %}{% endblock %}>")
    with DAG("f", schedule=None, template_searchpath=[str(tmp_path)], render_template_as_native_obj=native):
        operator = BulkNativeFunctionOperator(task_id="t", method="m", items=[1], function_params={"a": text})
    context: Any = {**VALUES, "name": "about.txt"}
    operator.render_template_fields(context)
    of = operator.params_of_items(context)
    assert [of({"n": n}) for n in (1, 2)] == [{"a": "<1>"}, {"a": "<2>"}]


def test_a_callable_for_params_is_called_for_items_and_not_by_airflow() -> None:
    operator = BulkNativeFunctionOperator(
        task_id="t", method="m", items=[1], function_params=lambda item: {"n": item}
    )
    operator.render_template_fields(dict(VALUES))  # type: ignore[arg-type]
    assert operator.params_of_items(VALUES)(3) == {"n": 3}  # type: ignore[arg-type]
