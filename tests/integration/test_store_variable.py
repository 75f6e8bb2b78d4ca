"""One keeper and many readers over Variables that know no lock; and both as tasks in Airflow's own task runner."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from airflow.providers.common.compat.sdk import DAG
from support.airflow_features import VARIABLE_NAMES, leave_out_unless
from support.fleet import SECRET, fork, manager, together
from support.variables import FolderVariables

from airflow_channel_provider.emulator import DEMO_SECRET, EmulatorProcess, EmulatorThread
from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelError, ChannelNotSentError
from airflow_channel_provider.hooks import _stores
from airflow_channel_provider.hooks._variables import AirflowVariables
from airflow_channel_provider.operators.channel_talk import WriteUserChatMessageOperator
from airflow_channel_provider.operators.keep_tokens import KeepTokensOperator
from airflow_channel_provider.tokens.keeping import Kept, keep_tokens
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.variable import PREFIX, Variables, VariableStore

leave_out_unless(*VARIABLE_NAMES)

from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time.comms import (
    DeferTask,
    ErrorResponse,
    GetVariable,
    GetVariableKeys,
    PutVariable,
    VariableKeysResult,
    VariableResult,
)
from support.task_run import Outcome, Run, Supervisor, task_runs

CHAT = "chat-ch-1-1"
LATENCY_SECONDS = 0.15
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SOME_ID = UUID("00000000-0000-4000-8000-000000000000")


@pytest.fixture
def service() -> Iterator[EmulatorProcess]:
    with EmulatorProcess({"token_latency_seconds": LATENCY_SECONDS}) as emulator:
        yield emulator


def task(url: str, folder: Path, *, secret: str = SECRET) -> TokenManager:
    """What a process has: Variables, and nothing else in common with the others."""
    return manager(url, VariableStore(FolderVariables(folder), settle_seconds=0.05), secret=secret)


def keep(url: str, folder: Path, *, secret: str = SECRET) -> list[Kept]:
    return keep_tokens(task(url, folder, secret=secret), [None, "ch-1"], wait_seconds=60)


def read_patiently(url: str, folder: Path, channel_id: str | None) -> str:
    """A task that is sent back by what it raises, as an operator is, only sooner."""
    give_up_at = time.monotonic() + 60
    while True:
        try:
            return task(url, folder).get(channel_id).fingerprint
        except ChannelNotSentError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)


def test_fifty_readers_and_a_keeper_make_the_requests_of_the_keeper(
    service: EmulatorProcess, tmp_path: Path
) -> None:
    def work(index: int) -> str:
        if index == 0:
            time.sleep(0.3)  # the readers find nothing at first
            return ",".join(one.action for one in keep(service.url, tmp_path))
        return read_patiently(service.url, tmp_path, "ch-1" if index % 2 else None)

    outcome = together(51, work)
    assert outcome.errors() == []
    assert outcome.results[0] == "issued,issued"
    assert len(set(outcome.results[1:])) == 2
    assert service.stats()["token_requests"] == 2
    assert task(service.url, tmp_path).status().charges_used == 2


def die(*args: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def die_claiming(variables: FolderVariables, keeper: TokenManager) -> None:
    variables.before_set = die


def die_claimed(variables: FolderVariables, keeper: TokenManager) -> None:
    variables.after_set = die


def die_charged(variables: FolderVariables, keeper: TokenManager) -> None:
    keeper.exchange.issue = die  # type: ignore[method-assign, assignment]


def die_answered(variables: FolderVariables, keeper: TokenManager) -> None:
    keeper.shared.write_token = die  # type: ignore[method-assign, assignment]


def die_stored(variables: FolderVariables, keeper: TokenManager) -> None:
    def after(name: str) -> None:
        if name.count("__") > 1:
            die()

    variables.after_set = after


@pytest.mark.parametrize(
    ("step", "charges", "counted", "recovers"),
    [
        (die_claiming, 1, 1, "issued"),
        (die_claimed, 2, 1, "issued"),
        (die_charged, 2, 1, "issued"),
        (die_answered, 2, 2, "issued"),
        (die_stored, 1, 1, "fresh"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_next_run_follows_a_killed_keeper_within_its_lease_and_no_charge_is_lost(
    step: Callable[[FolderVariables, TokenManager], None],
    charges: int,
    counted: int,
    recovers: str,
    service: EmulatorProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("airflow_channel_provider.tokens.policy.LEASE_SECONDS", 2.0)

    def lead() -> None:
        variables = FolderVariables(tmp_path)
        keeper = manager(service.url, VariableStore(variables, settle_seconds=0.05))
        step(variables, keeper)
        keep_tokens(keeper, [None])

    leader = fork(lead)
    leader.join()
    assert leader.status == signal.SIGKILL
    began = time.monotonic()
    (kept,) = keep_tokens(task(service.url, tmp_path), [None])
    assert kept.action == recovers
    assert time.monotonic() - began < 2 + 10
    assert task(service.url, tmp_path).get().life_seconds > 0
    assert service.stats()["token_requests"] == counted
    used = task(service.url, tmp_path).status().charges_used
    assert used == charges
    assert used >= counted


def test_when_every_keeper_dies_the_quota_still_holds(
    service: EmulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_channel_provider.tokens.policy.LEASE_SECONDS", 0.0)

    def lead() -> str:
        variables = FolderVariables(tmp_path)
        keeper = manager(service.url, VariableStore(variables, settle_seconds=0.0))
        die_answered(variables, keeper)
        return keep_tokens(keeper, [None], wait_seconds=0)[0].action

    results = [fork(lead).join() for _ in range(12)]
    assert results == [None] * 10 + ["missing"] * 2
    assert service.stats()["token_requests"] == 10
    assert service.stats()["quota_refusals"] == 0


def test_a_wrong_secret_costs_one_request_and_readers_are_told(
    service: EmulatorProcess, tmp_path: Path
) -> None:
    wrong = "bm90IHRoZSBzZWNyZXQ="
    kept = keep(service.url, tmp_path, secret=wrong)
    assert [type(one.problem) for one in kept] == [ChannelAuthenticationError] * 2

    def read(index: int) -> str:
        return task(service.url, tmp_path, secret=wrong).get("ch-1" if index % 2 else None).scope

    outcome = together(50, read)
    assert {type(error) for error in outcome.errors()} == {ChannelAuthenticationError}
    assert len(outcome.errors()) == 50
    assert service.stats()["token_requests"] == 1


# As tasks


class Airflow(Supervisor):
    """A supervisor with the Variables of one Airflow behind it."""

    def __init__(self, variables: dict[str, str]) -> None:
        super().__init__()
        self.variables = variables

    def answer(self, msg: Any) -> Any:
        if isinstance(msg, PutVariable):
            self.variables[msg.key] = str(msg.value)
        if isinstance(msg, GetVariableKeys):
            keys = [key for key in self.variables if key.startswith(msg.prefix or "")]
            return VariableKeysResult(keys=keys, total_entries=len(keys))
        if not isinstance(msg, GetVariable):
            return None
        if msg.key not in self.variables:
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
        return VariableResult(key=msg.key, value=self.variables[msg.key])


class QuickStore(VariableStore):
    """The store without its pauses."""

    def __init__(self, variables: Variables) -> None:
        super().__init__(variables, settle_seconds=0.0)


class Deployment:
    """One Airflow with the store ``variable://``; each run has a process's memory of its own."""

    def __init__(self, emulator: EmulatorThread, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
        self.emulator = emulator
        self.variables: dict[str, str] = {}
        self._monkeypatch = monkeypatch
        self._run = run

    def connect(self, secret: str) -> None:
        address = urlsplit(self.emulator.url)
        fields: dict[str, Any] = {
            "conn_type": "channel_talk",
            "host": address.hostname,
            "port": address.port,
            "schema": "http",
        }
        fields |= {"login": "demo-app", "password": secret, "extra": {"channel_id": "ch-1"}}
        self._monkeypatch.setenv("AIRFLOW_CONN_CHANNEL_TALK_DEFAULT", json.dumps(fields))

    def run(self, operator: Any, *, next_method: str | None = None) -> Outcome:
        _stores._opened.clear()
        return self._run(
            operator,
            supervisor=Airflow(self.variables),
            next_method=next_method,
            run_type=DagRunType.SCHEDULED,
        )


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "variable://")
    monkeypatch.setattr("airflow_channel_provider.tokens.stores.variable.VariableStore", QuickStore)
    with (
        EmulatorThread() as emulator,
        DAG("d", schedule=None, max_active_runs=1),
        task_runs(monkeypatch) as run,
    ):
        deployment = Deployment(emulator, monkeypatch, run)
        deployment.connect(DEMO_SECRET)
        yield deployment
    _stores._opened.clear()


def message(**kwargs: Any) -> WriteUserChatMessageOperator:
    return WriteUserChatMessageOperator(task_id="t", user_chat_id=CHAT, text="hi", **kwargs)


def keeper(**kwargs: Any) -> KeepTokensOperator:
    return KeepTokensOperator(**{"task_id": "keep", **kwargs})


def test_a_task_waits_deferred_for_the_keeper_and_then_sends_its_message(airflow: Deployment) -> None:
    operator = message(deferrable=True)
    waiting = airflow.run(operator)
    assert waiting.state == "deferred"
    (deferred,) = waiting.supervisor.of(DeferTask)
    until = deferred.trigger_kwargs["moment"]["__data__"]["timestamp"]
    assert 60 < until - time.time() < 180
    assert airflow.variables == {}
    assert airflow.emulator.token_requests() == []

    kept = airflow.run(keeper())
    assert kept.state == "success"
    assert [(one["scope"], one["action"]) for one in kept.xcom] == [
        ("app", "issued"),
        ("channel:ch-1", "issued"),
    ]
    sent = airflow.run(operator, next_method="execute_complete")
    assert sent.state == "success"
    assert len(airflow.emulator.messages(CHAT)) == 1
    assert len(airflow.emulator.token_requests()) == 2


def test_readers_write_no_variable(airflow: Deployment) -> None:
    airflow.run(keeper())
    before = dict(airflow.variables)
    sent = airflow.run(message())
    assert sent.state == "success"
    assert sent.supervisor.of(PutVariable) == []
    assert len(sent.supervisor.of(GetVariable)) == 2
    assert airflow.variables == before


def test_variables_and_xcom_hold_no_token(airflow: Deployment) -> None:
    kept = airflow.run(keeper())
    masked = kept.supervisor.masked()
    tokens = {value for value in masked if value not in airflow.variables.values()}
    assert len(tokens) >= 5  # the App Secret, and two of each scope
    for secret in tokens:
        assert secret not in kept.supervisor.visible()
    for name in airflow.variables:
        assert name.startswith(PREFIX)


def test_the_keeper_fails_with_a_wrong_secret_and_tasks_say_why(airflow: Deployment) -> None:
    airflow.connect("d3Jvbmctc2VjcmV0LQ==")
    kept = airflow.run(keeper())
    assert isinstance(kept.error, ChannelAuthenticationError)
    assert "2 of 2 scopes have no live token now (app, channel:ch-1)" in str(kept.error)
    assert len(airflow.emulator.token_requests()) == 1
    task = airflow.run(message(deferrable=True))
    assert isinstance(task.error, ChannelAuthenticationError)
    assert "Connection 'channel_talk_default'" in str(task.error)
    assert len(airflow.emulator.token_requests()) == 1


def test_an_airflow_that_stops_answering_costs_no_request(
    airflow: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.run(keeper())
    answer = Airflow.answer

    def unwell(self: Airflow, msg: Any) -> Any:
        if isinstance(msg, GetVariable):
            return ErrorResponse(error=ErrorType.API_SERVER_ERROR)
        return answer(self, msg)

    monkeypatch.setattr(Airflow, "answer", unwell)
    kept = airflow.run(keeper(task_id="again", wait_seconds=0))
    assert isinstance(kept.error, ChannelError)
    assert "exists and can't be read now" in str(kept.error)
    assert len(airflow.emulator.token_requests()) == 2


def test_outside_a_task_variables_are_read_but_not_written(
    airflow: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.run(keeper())
    variables = AirflowVariables()
    (name, *_) = airflow.variables
    assert variables.get(name) == airflow.variables[name]
    with pytest.raises(ChannelError, match="nowhere else"):
        variables.set(name, "lost", "")
