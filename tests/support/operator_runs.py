"""An operator behind whose hook a script answers; see the fixture ``doors``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import DAG

WRITTEN = {"message": {"id": "message-1"}}


def context(**changes: Any) -> Any:
    key = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 1, **changes}
    return {"ti": SimpleNamespace(**key)}


def fit(operator: Any, doors: Any, *answers: Any) -> Any:
    doors.client.script = list(answers) or [None]
    operator.__dict__["hook"] = doors.hook(max_wait_seconds=operator.max_wait_seconds)
    return operator


def sent(doors: Any) -> list[tuple[str, Any]]:
    return [(method, params) for method, params, _ in doors.client.calls]


def rendered(operator: Any, **values: Any) -> Any:
    with DAG("d", schedule=None) as dag:
        pass
    operator.dag = dag
    operator.render_template_fields({**context(), "params": {}, **values})
    return operator
