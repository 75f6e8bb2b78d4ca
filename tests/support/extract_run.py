"""
One try of an extraction, in a process that can be killed: ``python extract_run.py ARGUMENTS``.

The arguments are JSON of what the operator takes; the summary is the last line. It exits with 1 where the try failed.
"""

from __future__ import annotations

import json
import sys
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


if __name__ == "__main__":
    try:
        print(json.dumps(run(json.loads(sys.argv[1]))))
    except Exception as error:  # whatever it is, the next try goes on
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
