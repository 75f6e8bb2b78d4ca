from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.token_service import TokenService
from support.variables import FakeVariables

from airflow_channel_provider.exceptions import (
    ChannelAuthenticationError,
    ChannelConfigurationError,
    ChannelNotSentError,
    ChannelPermissionError,
)
from airflow_channel_provider.hooks import _stores, _variables
from airflow_channel_provider.hooks._variables import AirflowVariables
from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
from airflow_channel_provider.operators.keep_tokens import KeepTokensOperator
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.stores.base import TokenStore
from airflow_channel_provider.tokens.stores.file import FileStore
from airflow_channel_provider.tokens.stores.memory import MemoryStore
from airflow_channel_provider.tokens.stores.variable import VariableStore

pytestmark = pytest.mark.usefixtures("errors_as_they_are")


class Keeping:
    """What stands behind the hook of a keeper."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.service = TokenService(lambda: self.now)
        self.variables = FakeVariables()
        self.store: TokenStore = VariableStore(
            self.variables,
            settle_seconds=0.0,
            sleep=self.sleep,
            clock=lambda: self.now,
            steady=lambda: self.now,
        )
        self.manager = TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret="a secret",
            store=self.store,
            exchange=self.service,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def refuse(self, error: Exception | None, kind: str | None = None) -> None:
        def trouble(asked: str) -> None:
            if error is not None and kind in (None, asked):
                raise error

        self.service.trouble = trouble


@pytest.fixture
def keeping(channel_talk: None, monkeypatch: pytest.MonkeyPatch) -> Keeping:
    keeping = Keeping()
    monkeypatch.setattr(ChannelTalkHook, "manager", keeping.manager)
    return keeping


def context(*, run_type: str = "scheduled", runs: int = 1, map_index: int = -1, try_number: int = 1) -> Any:
    return {
        "dag": SimpleNamespace(max_active_runs=runs),
        "dag_run": SimpleNamespace(run_type=run_type),
        "ti": SimpleNamespace(dag_id="d", map_index=map_index, try_number=try_number),
    }


def keep(**kwargs: Any) -> KeepTokensOperator:
    return KeepTokensOperator(task_id="keep", **kwargs)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the operator warned of, but for Airflow's own remark that no task is running."""

    def warnings() -> list[str]:
        printed = [line for line in capsys.readouterr().out.splitlines() if "[warning" in line]
        # Airflow < 3.2 logs as Python does.
        logged = [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and "operator" in r.name]
        not_ours = ("Task Runner", "TaskInstance", "Connection schemes")
        return [line for line in printed or logged if not any(text in line for text in not_ours)]

    return warnings


def test_all_listed_scopes_are_kept_and_told_without_a_token(keeping: Keeping) -> None:
    result = keep(channel_ids=["1", "2"]).execute(context())
    assert result == [
        {"scope": scope, "action": "issued", "remaining_seconds": 1800, "problem": None}
        for scope in ("app", "channel:1", "channel:2")
    ]
    assert {one["action"] for one in keep(channel_ids=["1", "2"]).execute(context())} == {"fresh"}
    assert len(keeping.service.log) == 3


def test_the_log_shows_what_became_of_each(keeping: Keeping, capsys: pytest.CaptureFixture[str]) -> None:
    keep(channel_ids=["1"]).execute(context())
    table = capsys.readouterr().out.partition("Tokens:\n")[2].splitlines()
    assert [line.split()[:5] for line in table] == [
        ["app", "issued", "1800", "s", "left"],
        ["channel:1", "issued", "1800", "s", "left"],
    ]


def test_without_a_list_the_channel_of_the_connection_is_kept(keeping: Keeping) -> None:
    assert [one["scope"] for one in keep().execute(context())] == ["app", "channel:ch-1"]


def test_the_list_may_be_rendered_text_and_the_app_left_out(keeping: Keeping) -> None:
    operator = keep(channel_ids=json.dumps(["1"]), include_app=False, ahead_seconds="1800")
    assert [one["scope"] for one in operator.execute(context())] == ["channel:1"]
    keeping.now += 1
    assert operator.execute(context())[0]["action"] == "refreshed"


@pytest.mark.parametrize(
    "arguments",
    [
        {"channel_ids": [True]},
        {"channel_ids": [""]},
        {"channel_ids": 1.5},
        {"channel_ids": {"a": 1}},
        {"channel_ids": [], "include_app": False},
        {"ahead_seconds": "soon"},
        {"ahead_seconds": "nan"},
        {"ahead_seconds": -1},
    ],
)
def test_arguments_that_make_no_sense_are_told_before_anything_is_sent(
    keeping: Keeping, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ChannelConfigurationError):
        keep(**arguments).execute(context())
    assert keeping.service.log == []


@pytest.mark.parametrize("given", [[1, "2"], "[1, 2]", '["1", "2"]', ("1", 2)])
def test_channels_are_listed_in_each_form_that_an_xcom_has(keeping: Keeping, given: Any) -> None:
    found = keep(channel_ids=given).execute(context())
    assert [one["scope"] for one in found] == ["app", "channel:1", "channel:2"]


@pytest.mark.parametrize("given", ["1", 1])
def test_one_channel_is_a_list_of_one(keeping: Keeping, given: Any) -> None:
    assert [one["scope"] for one in keep(channel_ids=given).execute(context())] == ["app", "channel:1"]


def test_a_scope_without_a_token_fails_the_task_and_the_others_are_kept(keeping: Keeping) -> None:
    issue = keeping.service.issue

    def of_one_channel(channel_id: str | None) -> Any:
        if channel_id == "2":
            raise ChannelPermissionError("not installed", http_status=200)
        return issue(channel_id)

    keeping.service.issue = of_one_channel  # type: ignore[method-assign]
    with pytest.raises(
        ChannelPermissionError, match=r"1 of 4 scopes have no live token now \(channel:2\): not inst"
    ):
        keep(channel_ids=["1", "2", "3"]).execute(context())
    assert [scope.scope for scope in keeping.manager.status().scopes] == ["app", "channel:1", "channel:3"]


def test_a_failed_renewal_warns_while_the_old_token_lives(
    keeping: Keeping, told: Callable[[], list[str]]
) -> None:
    keep(include_app=False).execute(context())
    keeping.now += 1500
    keeping.refuse(ChannelNotSentError("unreachable"))
    (one,) = keep(include_app=False, wait_seconds=0).execute(context())
    assert one["action"] == "old"
    assert "unreachable" in one["problem"]
    assert any("channel:ch-1 was not renewed" in line for line in told())


def test_only_the_first_try_of_a_run_by_hand_asks_in_spite_of_a_refusal(keeping: Keeping) -> None:
    keeping.refuse(ChannelAuthenticationError("refused", http_status=200))
    operator = keep(channel_ids=[])
    asked = []
    for run in (context(), context(), context(run_type="manual"), context(run_type="manual", try_number=2)):
        with pytest.raises(ChannelAuthenticationError):
            operator.execute(run)
        asked.append(len(keeping.service.log))
    assert asked == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("run", "warning"), [(context(runs=16), "max_active_runs=1"), (context(map_index=0), "Give one task all")]
)
def test_a_keeper_that_may_have_company_says_so(
    keeping: Keeping, told: Callable[[], list[str]], run: Any, warning: str
) -> None:
    keep().execute(run)
    (line,) = told()
    assert warning in line


def test_company_is_no_matter_where_the_store_decides(
    keeping: Keeping, told: Callable[[], list[str]]
) -> None:
    keeping.manager.shared.store = MemoryStore(lambda: keeping.now)
    keep().execute(context(runs=16, map_index=0))
    assert told() == []


# What it takes of Airflow


@pytest.fixture
def unopened() -> Iterator[None]:
    _stores._opened.clear()
    yield
    _stores._opened.clear()


def test_the_option_opens_airflows_variables_once(unopened: None) -> None:
    store = _stores.open_store("variable://")
    assert isinstance(store, VariableStore)
    assert _stores.open_store("variable://") is store
    with pytest.raises(ChannelConfigurationError, match=r"store.*takes nothing"):
        _stores.open_store("variable://name")


def test_other_options_are_left_to_the_stores_that_need_no_airflow() -> None:
    assert isinstance(_stores.open_store("file:///tmp/never-written-to"), FileStore)
    with pytest.raises(ChannelConfigurationError):
        _stores.open_store("carrier-pigeon://")


def test_variables_are_read_wherever_airflow_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_CHANNEL_TALK_TOKEN__A", "written")
    # The database is where Airflow 3.0 looks while no task is running.
    monkeypatch.setattr(_variables, "_read_from_the_database", lambda name: None)
    assert AirflowVariables().get("channel_talk_token__a") == "written"
    assert AirflowVariables().get("channel_talk_token__b") is None


def test_variables_are_not_written_where_airflow_would_hang() -> None:
    for write in (lambda: AirflowVariables().set("name", "value", ""), lambda: AirflowVariables().writer()):
        with pytest.raises(ChannelConfigurationError, match="KeepTokensOperator"):
            write()
