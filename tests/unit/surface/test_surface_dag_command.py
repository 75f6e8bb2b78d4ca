"""A DAG that is a command: what its file may say, what is serialized of it, and what its tasks know."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, Param
from support.airflow_features import leave_out_unless

leave_out_unless("airflow.sdk:DAG", "before Airflow 3 no command reaches Airflow")

from support.function_calls import command

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.inbound.command_run import conf_of
from airflow_channel_provider.inbound.commands import Declaration
from airflow_channel_provider.inbound.function_call import read_call
from airflow_channel_provider.notifications.command_reply import CommandReplyNotifier
from airflow_channel_provider.operators.commands import CommandRun, command_of
from airflow_channel_provider.operators.dag_command import DagCommandOperator

CONF = conf_of(
    Declaration("report", "app", managers=("m-1",)),
    call := read_call(command("airflow.run.daily", days=3)),
    call.chat,
    {"days": 3},
)
RUN = CommandRun("report", "app", "ch-1", "m-1", "group", "group-1", None, {"days": 3}, "ko")


def made(*, params: dict[str, Any] | None = None, **arguments: Any) -> Any:
    on_success = arguments.pop("on_success_callback", None)
    with DAG("daily", schedule=None, params=params, on_success_callback=on_success) as dag:
        DagCommandOperator(**{"task_id": "command", "name": "report", **arguments})
    return dag


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "x" * 31}, "name must have 1 to 30 characters"),
        ({"description": "x" * 101}, "description must have at most 100 characters"),
        ({"params": {"table": Param(type="object")}}, "'table' can't be given in a chat"),
        ({"parameters": ["town"]}, "no param 'town'"),
        ({"managers": "m-1"}, "lists of ids, not one text"),
        ({"groups": "g-1"}, "lists of ids, not one text"),
    ],
)
def test_what_can_t_be_a_command_is_an_error_of_the_file(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ChannelConfigurationError, match=words):
        made(**arguments)


@pytest.mark.promise(name="commands")
def test_nobody_may_run_it_by_default() -> None:
    declared = Declaration.of(made().get_task("command").command)
    assert (declared.managers, declared.groups) == ((), ())


def test_the_end_of_the_run_is_replied_to_beside_what_the_dag_does_then() -> None:
    def own(context: Any) -> None:
        """Callback of the author."""

    dag = made(on_success_callback=own)
    assert dag.on_success_callback[0] is own
    assert [type(callback) for callback in dag.on_success_callback[1:]] == [CommandReplyNotifier]
    assert [type(callback) for callback in dag.on_failure_callback] == [CommandReplyNotifier]
    assert dag.has_on_success_callback
    assert dag.has_on_failure_callback


def test_a_reply_of_the_author_s_own_is_the_only_one() -> None:
    own = CommandReplyNotifier(text="done")
    assert made(on_success_callback=own).on_success_callback == [own] or (
        made(on_success_callback=own).on_success_callback is own
    )
    assert made(reply=False).on_failure_callback is None


def test_a_task_knows_the_command() -> None:
    context = {"dag_run": SimpleNamespace(conf=CONF)}
    assert command_of(context) == RUN
    assert made().get_task("command").execute(context)["manager_id"] == "m-1"


@pytest.mark.parametrize("conf", [None, {}, {"channel_talk": None}, {"channel_talk": "x"}, "text"])
def test_a_run_that_was_started_otherwise_has_none(conf: Any) -> None:
    assert command_of({"dag_run": SimpleNamespace(conf=conf)}) is None
    assert command_of({}) is None
    assert made().get_task("command").execute({"dag_run": SimpleNamespace(conf=conf)}) is None


@pytest.mark.parametrize("spoiled", [{}, {"chat": 1, "input": 2}, {"chat": {"id": 5}, "input": []}])
def test_a_conf_that_somebody_has_written_is_read_as_far_as_it_goes(spoiled: dict[str, Any]) -> None:
    run = command_of({"dag_run": SimpleNamespace(conf={"channel_talk": spoiled})})
    assert isinstance(run, CommandRun)
    assert run.input == {}


def test_the_api_server_reads_the_declaration_from_the_serialized_dag() -> None:
    from support.airflow_features import find

    serialization = find(
        "airflow.serialization.serialized_objects:DagSerialization",
        "airflow.serialization.serialized_objects:SerializedDAG",
    )
    dag = made(
        params={"city": Param("Seoul", enum=["Seoul", "Busan"])}, managers=["m-2", "m-1"], groups=["g-1"]
    )
    read = serialization.from_dict(serialization.to_dict(dag))
    declared = Declaration.of(read.get_task("command").command)
    assert declared == Declaration("report", "channel_talk_default", None, ("m-1", "m-2"), ("g-1",))
    assert read.params.get_param("city").schema["enum"] == ["Seoul", "Busan"]
