from __future__ import annotations

import json
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, task
from support.airflow_features import dag_serialization

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators.channel_talk import AppFunctionOperator, NativeFunctionOperator
from airflow_channel_provider.operators.paged_read import PagedReadOperator
from airflow_channel_provider.sensors.channel_talk import NativeFunctionSensor

OURS = {"userId": "u-1", "nested": {"x": "{{ params.x }}"}}


@pytest.fixture
def dag() -> Any:
    with DAG("d", schedule=None, params={"x": 3, "channelId": "of the dag"}) as dag:
        yield dag


@task
def rows() -> list[dict[str, Any]]:
    return []


def dump(operator: Any) -> Any:
    return operator.params.dump()


def unmapped(mapped: Any, map_index: int) -> Any:
    """Expand as the worker does: resolve what is mapped, then build the operator."""
    ti = SimpleNamespace(map_index=map_index, task=mapped, xcom_pull=lambda **_: None)
    context = {"ti": ti, "map_index": map_index, "run_id": "r"}
    in_airflow_2 = "session" in signature(mapped._expand_mapped_kwargs).parameters
    kwargs, _ = mapped._expand_mapped_kwargs(
        context, **({"session": None, "include_xcom": True} if in_airflow_2 else {})
    )
    return mapped.unmap(kwargs)


def test_the_params_of_the_dag_stay_apart(dag: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="m", function_params={**OURS, "channelId": "mine"})
    assert operator.function_params == {**OURS, "channelId": "mine"}
    assert dump(operator) == {"x": 3, "channelId": "of the dag"}


def test_a_mapping_as_params_is_the_functions_too(dag: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="m", params={**OURS, "channelId": "mine"})
    assert operator.function_params == {**OURS, "channelId": "mine"}
    assert dump(operator) == {"x": 3, "channelId": "of the dag"}
    context: Any = {"params": operator.params}
    operator.render_template_fields(context)
    assert operator.function_params["nested"] == {"x": "3"}


@pytest.mark.parametrize("build", [NativeFunctionOperator, PagedReadOperator, NativeFunctionSensor])
def test_every_operator_of_a_function_takes_them_without_a_dag(build: Any) -> None:
    operator = build(task_id="t", method="m", params={"userId": "u-1"})
    assert operator.function_params == {"userId": "u-1"}
    assert dump(operator) == {}


def test_with_function_params_the_others_are_airflows(dag: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="m", function_params={}, params={"x": 5, "y": 6})
    assert operator.function_params == {}
    assert dump(operator) == {"x": 5, "channelId": "of the dag", "y": 6}


@pytest.mark.parametrize(
    "expand",
    [
        lambda: NativeFunctionOperator.partial(task_id="t", params=OURS).expand(method=["a"]),
        lambda: NativeFunctionOperator.partial(task_id="t", method="m").expand(params=[{"channelId": "a"}]),
    ],
)
def test_params_of_a_mapped_task_are_refused_by_name(dag: Any, expand: Any) -> None:
    with pytest.raises(ChannelConfigurationError, match="as function_params"):
        unmapped(expand(), 0)


def test_without_a_dag_there_are_only_the_functions() -> None:
    operator = AppFunctionOperator(task_id="t", app_id="a", method="m", function_params=OURS)
    assert operator.function_params == OURS
    assert dump(operator) == {}


def test_dag_params_are_what_templates_read(dag: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="m", function_params=OURS)
    context: Any = {"params": operator.params}
    operator.render_template_fields(context)
    assert operator.function_params == {"userId": "u-1", "nested": {"x": "3"}}


def test_json_text_is_taken(dag: Any) -> None:
    assert (
        NativeFunctionOperator(task_id="t", method="m", function_params='{"a": 1}').function_params
        == '{"a": 1}'
    )


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"deep": [x]}])
def test_xcom_as_params_makes_its_task_an_upstream(dag: Any, wrap: Any) -> None:
    operator = NativeFunctionOperator(task_id="t", method="m", function_params=wrap(rows()))
    assert operator.upstream_task_ids == {"rows"}


def test_a_subclass_sets_them(dag: Any) -> None:
    class GetUser(NativeFunctionOperator):
        def __init__(self, *, user: Any, **kwargs: Any) -> None:
            super().__init__(method="getUser", function_params={"userId": user}, **kwargs)

    operator = GetUser(task_id="t", user=rows())
    assert operator.method == "getUser"
    assert operator.upstream_task_ids == {"rows"}
    assert dump(operator) == {"x": 3, "channelId": "of the dag"}


EXPANSIONS = {
    "expand(list)": lambda: NativeFunctionOperator.partial(task_id="t", method="m").expand(
        function_params=[{"channelId": "a"}, {"channelId": "b", "x": 4}]
    ),
    "expand_kwargs(list)": lambda: NativeFunctionOperator.partial(task_id="t", method="m").expand_kwargs(
        [{"function_params": {"channelId": "a"}}, {"function_params": {"channelId": "b", "x": 4}}]
    ),
}


@pytest.mark.parametrize("expand", EXPANSIONS.values(), ids=EXPANSIONS.keys())
def test_mapped_params_are_the_functions(dag: Any, expand: Any) -> None:
    mapped = expand()
    assert [unmapped(mapped, index).function_params for index in (0, 1)] == [
        {"channelId": "a"},
        {"channelId": "b", "x": 4},
    ]
    assert dump(unmapped(mapped, 1)) == {"x": 3, "channelId": "of the dag"}


def test_fixed_params_with_mapped_methods(dag: Any) -> None:
    mapped = NativeFunctionOperator.partial(task_id="t", function_params=OURS).expand(method=["a", "b"])
    assert [(unmapped(mapped, i).method, unmapped(mapped, i).function_params) for i in (0, 1)] == [
        ("a", OURS),
        ("b", OURS),
    ]


@pytest.mark.parametrize(
    "expand",
    [
        lambda xcom: NativeFunctionOperator.partial(task_id="t", method="m").expand(function_params=xcom),
        lambda xcom: NativeFunctionOperator.partial(task_id="t", method="m").expand_kwargs(xcom),
    ],
)
def test_mapping_over_an_xcom_survives_serialization(expand: Any) -> None:
    with DAG("d", schedule=None) as dag:
        mapped = expand(rows())
    assert mapped.upstream_task_ids == {"rows"}
    serialized = json.loads(json.dumps(dag_serialization().to_dict(dag)))
    again = dag_serialization().from_dict(serialized)
    assert again.task_dict["t"].upstream_task_ids == {"rows"}


@pytest.mark.filterwarnings("ignore:Task 't' was never mapped")
def test_fixed_and_mapped_params_at_once_are_refused(dag: Any) -> None:
    partial = NativeFunctionOperator.partial(task_id="t", method="m", function_params=OURS)
    with pytest.raises(TypeError, match="function_params"):
        partial.expand(function_params=[{}])


def test_partial_with_an_unknown_argument_is_refused(dag: Any) -> None:
    with pytest.raises(TypeError, match="wrong"):
        NativeFunctionOperator.partial(task_id="t", method="m", wrong=1)
