"""The connection that sql_conn_id names: of another type, without its provider, without its driver, or not there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from support.bulk_runs import campaign, execute
from support.databases import DatabaseHook

from airflow_channel_provider.emulator import EmulatorProcess
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")


def message(conn_id: str = "other", kind: type[ChannelError] = ChannelConfigurationError) -> str:
    with pytest.raises(ChannelError) as caught:
        execute(campaign(sql="SELECT 1 AS n", sql_conn_id=conn_id))
    assert type(caught.value) is kind
    assert str(caught.value.message).count(repr(conn_id)) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("conn_type", "package"),
    [
        ("postgres", "apache-airflow-providers-postgres,"),
        ("mssql", "apache-airflow-providers-microsoft-mssql,"),
        ("gcpbigquery", "apache-airflow-providers-google,"),
        ("no_such", "apache-airflow-providers-no-such,"),
    ],
)
def test_a_provider_that_is_not_installed_is_named(
    conn_type: str, package: str, emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": conn_type}))
    assert package in message()
    assert emulator.stats()["calls"] == 0


@pytest.mark.parametrize("conn_type", ["channel_talk", "redis"])
def test_a_connection_of_another_type_is_refused(
    conn_type: str, emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": conn_type, "host": "127.0.0.1"}))
    said = message()
    assert f"the type {conn_type!r}, which is not a database" in said
    assert emulator.stats()["calls"] == 0


def test_a_connection_that_is_not_there_is_named(emulator: EmulatorProcess) -> None:
    assert "There is no connection 'nowhere'" in message("nowhere")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ImportError("no driver"), ChannelConfigurationError, "the database driver that it needs"),
        (OSError("down"), ChannelError, "can't be reached (OSError)"),
        (ValueError("port"), ChannelError, "can't be reached (ValueError)"),
    ],
)
def test_a_database_that_can_not_be_opened_is_named(
    error: Exception,
    kind: type[ChannelError],
    words: str,
    emulator: EmulatorProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails() -> Any:
        raise error

    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "generic"}))
    monkeypatch.setattr(BaseHook, "get_hook", lambda *ignored, **kwargs: DatabaseHook(fails))
    assert words in message(kind=kind)
