"""An executor that starts a new Python for each task, with the command that runs a task in a pod of Kubernetes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

COMMAND = (sys.executable, "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")


class PodExecutor(BaseExecutor):
    """Runs tasks in processes of this host that share nothing with it."""

    is_local = True
    running_processes: dict[TaskInstanceKey, subprocess.Popen[bytes]]

    def start(self) -> None:
        """Begin with no task."""
        self.running_processes = {}

    def _process_workloads(self, workload_list: Iterable[Any]) -> None:
        for workload in workload_list:
            key = workload.ti.key
            del self.queued_tasks[key]
            self.running.add(key)
            command = [*COMMAND, workload.model_dump_json()]
            self.running_processes[key] = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def sync(self) -> None:
        """Report the tasks that have ended."""
        for key, process in list(self.running_processes.items()):
            if (code := process.poll()) is not None:
                del self.running_processes[key]
                (self.fail if code else self.success)(key)

    def end(self) -> None:
        """Wait for the running tasks."""
        for process in self.running_processes.values():
            process.wait()
        self.sync()

    def terminate(self) -> None:
        """Stop the running tasks."""
        for process in self.running_processes.values():
            process.terminate()
