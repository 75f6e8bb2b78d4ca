"""The operator for approvals in a DAG file: what it takes, mapped or not, and where it can't be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import QUESTIONS, needs, through_storage

from airflow_channel_provider.exceptions import ChannelConfigurationError
from airflow_channel_provider.operators import approval
from airflow_channel_provider.operators.approval import AskApprovalOperator

asking = needs(*QUESTIONS)


def test_before_airflow_3_1_a_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "ApprovalOperator", None)
    with pytest.raises(ChannelConfigurationError, match=r"needs Airflow 3\.1 or newer"):
        AskApprovalOperator(task_id="t", subject="Go?")


@asking
def test_it_takes_what_airflows_operator_takes() -> None:
    user: Any = {"id": "7", "name": "kim"}
    task: Any = AskApprovalOperator(
        task_id="t",
        subject="Go?",
        group_name="Support",
        body="Now",
        defaults="Reject",
        assigned_users=user,
        fail_on_reject=True,
        ignore_downstream_trigger_rules=True,
        params={"amount": 1},
        execution_timeout=None,
        retries=2,
    )
    assert (task.subject, task.body, task.defaults, task.assigned_users) == ("Go?", "Now", ["Reject"], [user])
    assert (task.fail_on_reject, task.ignore_downstream_trigger_rules, task.retries) == (True, True, 2)
    assert list(task.params) == ["amount"]
    assert task.options == ["Approve", "Reject"]


@asking
@pytest.mark.parametrize("argument", [{"options": ["a"]}, {"multiple": True}, {"defaults": "Maybe"}])
def test_it_refuses_what_airflows_operator_refuses(argument: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(argument))):
        AskApprovalOperator(task_id="t", subject="Go?", **argument)


@asking
def test_it_takes_defaults_of_the_dag() -> None:
    with DAG("d", schedule=None, default_args={"group_name": "Support", "retries": 3}):
        task = AskApprovalOperator(task_id="t", subject="Go?")
    assert (task.group_name, task.retries) == ("Support", 3)


@asking
def test_it_is_mapped_and_stored() -> None:
    with DAG("d", schedule=None) as dag:
        AskApprovalOperator.partial(task_id="t", group_name="Support", retries=1).expand(subject=["a", "b"])
        AskApprovalOperator(task_id="u", subject="Go?", group_name="Support", retry_delay=timedelta(1))
    stored = through_storage(dag)
    assert stored.get_task("t").is_mapped
    assert set(stored.get_task("u").template_fields) >= {"subject", "body", "group_name"}
