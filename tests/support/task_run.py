"""A task instance run by Airflow's own task runner in this process; what goes to the supervisor is recorded."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk.api.datamodels._generated import DagRun, DagRunState, DagRunType, TIRunContext
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse, MaskSecret, SetRenderedFields, SetXCom
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_channel_provider.links import OpenChatLink
from support.airflow_features import fitting, resumption

if TYPE_CHECKING:
    import pytest

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SOME_ID = UUID("00000000-0000-4000-8000-000000000000")


class Supervisor:
    """The other end of the task runner: records its messages, and has no answers unless a subclass has."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def send(self, msg: Any) -> Any:
        self.told.append(msg)
        answer = self.answer(msg)
        if answer is None and type(msg).__name__.startswith("Get"):
            return ErrorResponse()
        return answer

    def answer(self, msg: Any) -> Any:
        """Return what is known; None for nothing."""

    def of(self, kind: type[Any]) -> list[Any]:
        return [msg for msg in self.told if isinstance(msg, kind)]

    def masked(self) -> set[str]:
        """Each text that was sent to be masked."""
        values = [msg.value for msg in self.of(MaskSecret)]
        texts = [one for value in values for one in (value if isinstance(value, list) else [value])]
        return {text for text in texts if isinstance(text, str)}

    def visible(self) -> str:
        """Everything but the texts that were sent to be masked."""
        return "\n".join(msg.model_dump_json() for msg in self.told if not isinstance(msg, MaskSecret))


class Outcome:
    def __init__(
        self, state: Any, error: BaseException | None, supervisor: Supervisor, ti: RuntimeTaskInstance
    ) -> None:
        self.state = str(getattr(state, "value", state))
        # Before Airflow 3.3 what no retry can help is wrapped, so that the task fails at once.
        self.error = error.__cause__ if isinstance(error, AirflowFailException) and error.__cause__ else error
        self.supervisor = supervisor
        self.ti = ti

    @property
    def xcom(self) -> Any:
        return next((msg.value for msg in self.supervisor.of(SetXCom) if msg.key == "return_value"), None)

    @property
    def link(self) -> Any:
        """The operator's link as Airflow stores it when the task has ended."""
        return next(msg.value for msg in self.supervisor.of(SetXCom) if msg.key == OpenChatLink().xcom_key)

    @property
    def rendered(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.supervisor.of(SetRenderedFields)[0].rendered_fields
        return fields


Run = Callable[..., Outcome]


@contextmanager
def task_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Yield what runs one task instance as a worker would, its callbacks included."""
    handler = signal.getsignal(signal.SIGTERM)

    def run_it(operator: Any, *, supervisor: Supervisor | None = None, **how: Any) -> Outcome:
        supervisor = supervisor or Supervisor()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
        ti = task_instance(operator, **how)
        context, log = ti.get_template_context(), structlog.get_logger("task")
        state, _, error = task_runner.run(ti, context, log)
        context["exception"] = error
        task_runner.finalize(ti, state, context, log, error)
        return Outcome(state, error, supervisor, ti)

    yield run_it
    signal.signal(signal.SIGTERM, handler)


def without_pauses(init: Callable[..., None]) -> Callable[..., None]:
    """Return the ``__init__`` of a hook that does not sleep."""

    def quick(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self._sleep = lambda seconds: None

    return quick


def task_instance(
    operator: Any,
    *,
    map_index: int = -1,
    try_number: int = 1,
    max_tries: int = 0,
    next_method: str | None = None,
    next_kwargs: dict[str, Any] | None = None,
    rescheduled: bool = False,
    run_type: DagRunType = DagRunType.MANUAL,
) -> Any:
    """
    Return a task instance as a worker is given it.

    :param next_method: what a task that was deferred goes on with, with ``next_kwargs``.
    :param rescheduled: whether it has left its slot before.
    """
    dag_run = fitting(
        DagRun,
        dag_id="d",
        run_id="r",
        logical_date=NOW,
        data_interval_start=NOW,
        data_interval_end=NOW,
        run_after=NOW,
        start_date=NOW,
        end_date=None,
        run_type=run_type,
        state=DagRunState.RUNNING,
        consumed_asset_events=[],
        partition_key=None,
    )
    from_server = fitting(
        TIRunContext,
        dag_run=dag_run,
        max_tries=max_tries,
        task_reschedule_count=int(rescheduled),
        next_method=next_method,
        next_kwargs=resumption(next_kwargs or {}) if next_method else None,
        should_retry=try_number <= max_tries,
    )
    return RuntimeTaskInstance.model_construct(
        id=SOME_ID,
        task_id=operator.task_id,
        dag_id="d",
        run_id="r",
        try_number=try_number,
        dag_version_id=SOME_ID,
        map_index=map_index,
        hostname=None,
        task=operator,
        bundle_instance=None,
        max_tries=max_tries,
        start_date=NOW,
        state="running",
        _ti_context_from_server=from_server,
    )
