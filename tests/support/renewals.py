"""Requests to renew a token, and what becomes of them, for tests of the decisions about them."""

from __future__ import annotations

from typing import Any

from airflow_channel_provider.tokens import transitions
from airflow_channel_provider.tokens.budget import Charge, Quota
from airflow_channel_provider.tokens.policy import RenewalRequest
from airflow_channel_provider.tokens.record import AppRecord
from airflow_channel_provider.tokens.stages import Stage

QUOTA = Quota()
NOW = 10_000.0
COLD = RenewalRequest(scope="app", owner="me", host="here", stage=Stage.EXPIRED, secret_mark="mark")
EARLY = COLD._replace(stage=Stage.EARLY, held="old")
ME = (Charge("me", 0.0, "app", "issue"),)
LATE = COLD._replace(stage=Stage.LATE, held="old")
REFUSAL = {"class": "ChannelAuthenticationError", "message": "wrong secret"}


def fail(request: RenewalRequest, record: AppRecord, now: float = NOW + 1, **options: Any) -> AppRecord:
    defaults: dict[str, Any] = {
        "sent": True,
        "answered": True,
        "refresh": False,
        "life_seconds": 1800.0,
        "error": None,
    }
    return transitions.failed(record, now, request, ME, **{**defaults, **options})
