"""One try of an extraction."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def run(arguments: dict[str, Any]) -> dict[str, Any]:
    """
    Run the operator as a task would, without Airflow's machinery.

    :param arguments: of the operator; ``window`` in epoch milliseconds.
    """
    from airflow_channel_provider.operators.extract import ExtractOperator

    window = [EPOCH + timedelta(milliseconds=ms) for ms in arguments["window"]]
    operator = ExtractOperator(**{**arguments, "task_id": "extract", "window": window})
    ti = SimpleNamespace(dag_id="d", task_id="extract", run_id="r", map_index=-1, try_number=1)
    summary: dict[str, Any] = operator.execute({"ti": ti})  # type: ignore[typeddict-item]
    return summary
