"""What a DAG file sees of the operators for many items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import through_storage

from airflow_channel_provider.operators.bulk import BulkNativeFunctionOperator, DataTableLoadOperator

PARAMS = {"userChatId": "{{ item.chat }}"}
PATHS = ["file:///a.jsonl", "file:///b.jsonl"]


@pytest.fixture
def dag() -> Iterator[DAG]:
    with DAG("d", schedule=None, params={"shop": "Seoul"}) as dag:
        yield dag


@pytest.mark.promise(name="templates")
def test_params_of_an_item_are_no_templates_of_the_task(dag: DAG) -> None:
    operator = BulkNativeFunctionOperator(
        task_id="t",
        method="getUserChat",
        function_params=PARAMS,
        dead_letter="file:///{{ ds }}.jsonl",
        items="{{ x }}",
    )
    operator.render_template_fields({"ds": "2026-01-31", "x": [1]})  # type: ignore[typeddict-unknown-key]
    assert operator.function_params == PARAMS
    assert operator.dead_letter == "file:///2026-01-31.jsonl"
    assert operator.params["shop"] == "Seoul"


@pytest.mark.parametrize("params", [PARAMS, lambda item: {"userChatId": item}], ids=["mapping", "callable"])
def test_dag_with_bulk_tasks_is_stored_mapped_or_not(params: Any) -> None:
    with DAG("stored", schedule=None) as stored:
        BulkNativeFunctionOperator(
            task_id="plain", method="getUserChat", function_params=params, items=[1], order_by=str
        )
        BulkNativeFunctionOperator.partial(
            task_id="mapped", method="getUserChat", function_params=params
        ).expand(path=PATHS)
        DataTableLoadOperator.partial(task_id="tables", table_name="orders").expand(path=PATHS)
    assert set(through_storage(stored).task_ids) == {"plain", "mapped", "tables"}


def test_a_mapped_task_has_the_params_that_were_fixed_for_all(dag: DAG) -> None:
    mapped = BulkNativeFunctionOperator.partial(
        task_id="t", method="getUserChat", function_params=PARAMS
    ).expand(path=PATHS)
    operator: Any = mapped.unmap({"path": PATHS[0]})
    assert (operator.function_params, operator.path) == (PARAMS, PATHS[0])


def test_a_table_is_described_by_its_name(dag: DAG) -> None:
    assert DataTableLoadOperator(task_id="t", table_name="orders")._describe() == "table orders"
