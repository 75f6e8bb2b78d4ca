"""Airflow's own StatsD client, told by this provider; StatsD is a socket of the test."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from support.airflow_features import OBSERVABILITY, needs

if TYPE_CHECKING:
    import pytest

REAL_BACKEND = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from airflow_channel_provider import metrics
from airflow_channel_provider.tokens.exchange import TokenEvent, TokenEventKind

stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
with metrics.timed_call("getChannel"):
    metrics.token_event(TokenEvent(TokenEventKind.ISSUED, "channel:ch-1"))
    metrics.token_event(TokenEvent(TokenEventKind.WAITED, "app", seconds=2.5))
"""


@needs(*OBSERVABILITY)
def test_statsd_receives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        settings = {"STATSD_ON": "True", "STATSD_HOST": "127.0.0.1", "STATSD_INFLUXDB_ENABLED": "True"}
        settings["METRICS_ALLOW_LIST"] = "channel_talk"
        for name, value in {**settings, "STATSD_PORT": str(listener.getsockname()[1])}.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
        done = subprocess.run(
            [sys.executable, "-c", REAL_BACKEND], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        issued, waited, call, duration = (listener.recv(1000).decode() for _ in range(4))
    assert issued == "airflow.channel_talk.token.issued,scope=channel_ch-1:1|c"
    assert waited == "airflow.channel_talk.token.waited_seconds,scope=app:2.500000|ms"
    assert call == "airflow.channel_talk.call,method=getChannel,outcome=success:1|c"
    assert re.fullmatch(
        r"airflow\.channel_talk\.call\.duration,method=getChannel,outcome=success:\d+\.\d+\|ms", duration
    )
