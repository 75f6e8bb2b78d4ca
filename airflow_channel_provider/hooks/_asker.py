"""Who asks for a token, in words: told to people beside each token request, and to nobody else."""

from __future__ import annotations

from airflow_channel_provider import request_ids

__all__ = ["CONNECTION_TEST", "name_of_this_process"]

CONNECTION_TEST = "a connection test"


def name_of_this_process() -> str:
    """Name the task that runs here: DAG, task, map index, try and run."""
    current = request_ids.current_task()
    if current is None:
        return "a process outside of any task"
    key, try_number = current
    mapped = f"[{key.map_index}]" if key.map_index >= 0 else ""
    return f"{key.dag_id}.{key.task_id}{mapped}, try {try_number}, run {key.run_id}"
