"""Operators for Benlly: what they return, and that no token of a device is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.airflow_features import hide_by_name, rendered_fields
from support.operator_runs import context, rendered

from airflow_channel_provider.operators.benlly import ChannelAuthorizeOperator, ChannelDeauthorizeOperator

pytestmark = pytest.mark.usefixtures("errors_as_they_are")


class FakeBenllyHook:
    calls: list[Any] = []

    def __init__(self, benlly_conn_id: str) -> None:
        self.conn_id = benlly_conn_id

    def __enter__(self) -> FakeBenllyHook:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def authorize_channel(self, channel_id: Any, *, token: str | None = None) -> dict[str, Any]:
        self.calls.append((self.conn_id, channel_id, token))
        return {"udid": "u", "device_token": "device-token-1", "expired": False}

    def deauthorize_channel(self, channel_id: Any) -> dict[str, Any]:
        self.calls.append((self.conn_id, channel_id))
        return {"device_token": "device-token-1", "channel_id": 1} if channel_id == "1" else {}


def test_authorization_returns_the_answer_without_the_device_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_channel_provider.hooks.benlly.BenllyHook", FakeBenllyHook)
    operator = ChannelAuthorizeOperator(task_id="t", channel_id=1, token="push-1", benlly_conn_id="b")
    assert operator.execute(context()) == {"udid": "u", "expired": False}
    assert FakeBenllyHook.calls[-1] == ("b", 1, "push-1")


@pytest.mark.parametrize(("channel_id", "answer"), [("1", {"channel_id": 1}), ("2", {})])
def test_deauthorization_returns_what_it_was_answered(
    monkeypatch: pytest.MonkeyPatch, channel_id: str, answer: dict[str, Any]
) -> None:
    monkeypatch.setattr("airflow_channel_provider.hooks.benlly.BenllyHook", FakeBenllyHook)
    operator = rendered(
        ChannelDeauthorizeOperator(task_id="t", channel_id="{{ n }}", benlly_conn_id="{{ b }}"),
        n=channel_id,
        b="b",
    )
    assert operator.execute(context()) == answer
    assert FakeBenllyHook.calls[-1] == ("b", channel_id)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("push_token", ["push-service-token-xyz", "push-service-token-xyz" * 500])
def test_rendered_token_never_reaches_the_rendered_fields(
    monkeypatch: pytest.MonkeyPatch, by_name: bool, push_token: str
) -> None:
    hide_by_name(monkeypatch, by_name)
    operator = rendered(
        ChannelAuthorizeOperator(task_id="t", channel_id="{{ n }}", token="{{ secret_of_push }}"),
        n=4,
        secret_of_push=push_token,
    )
    assert operator.token == push_token
    stored = rendered_fields(operator)
    assert push_token[:10] not in json.dumps(stored)
    assert stored["channel_id"] == "4"
