"""The base of the operators for many items: it reads the source, runs the engine and returns the summary.

A try continues where the previous one stopped, whether that failed, was killed, or gave up its worker slot for a long
wait. A task instance that has done all its items sends nothing more, even if it is cleared.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_channel_provider import configuration, request_ids
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError
from airflow_channel_provider.ids import is_nothing, optional_id
from airflow_channel_provider.operators._base import ChannelTalkBaseOperator
from airflow_channel_provider.operators._lineage import WithLineage
from airflow_channel_provider.rendered import json_value, storage_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, XComArg
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import CallArguments
    from airflow_channel_provider.bulk.checkpoint import CheckpointStore
    from airflow_channel_provider.bulk.dead_letters import DeadLetterFile
    from airflow_channel_provider.bulk.engine import Engine
    from airflow_channel_provider.bulk.plan import Plan
    from airflow_channel_provider.bulk.progress import FailureLimit
    from airflow_channel_provider.bulk.rate_limiter import RateLimiter
    from airflow_channel_provider.bulk.run_state import RunState
    from airflow_channel_provider.bulk.sources import Source
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
    from airflow_channel_provider.lineage import DatasetName, Way

MAX_CONCURRENCY = 32  # as many connections as the transport keeps


class BulkBaseOperator(WithLineage, ChannelTalkBaseOperator):
    """Makes calls for the items of a source."""

    template_fields: Sequence[str] = (
        "items",
        "sql",
        "sql_parameters",
        "sql_conn_id",
        "path",
        "dead_letter",
        "expected_items",
        *ChannelTalkBaseOperator.template_fields,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql", "items": "json"}

    def __init__(
        self,
        *,
        items: Collection[Any] | XComArg | str | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        sql_parameters: Mapping[str, Any] | Collection[Any] | str | None = None,
        path: str | None = None,
        file_format: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        concurrency: int,
        calls_per_second: float | None = None,
        max_failures: float | None = 0.5,
        dead_letter: str | None = None,
        resume: bool = True,
        expected_items: int | str | None = None,
        progress_seconds: float = 10.0,
        **kwargs: Unpack[CallArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.items = items
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.sql_parameters = sql_parameters
        self.path = path
        self.file_format = file_format
        self.encoding = encoding
        self.delimiter = delimiter
        self.concurrency = concurrency
        self.calls_per_second = calls_per_second
        self.max_failures = max_failures
        self.dead_letter = dead_letter
        self.resume = resume
        self.expected_items = expected_items
        self.progress_seconds = progress_seconds
        self._engine: Engine | None = None
        self._succeeded: int | None = None
        self._lineage_columns: Sequence[tuple[str, str | None]] = ()
        self._lineage_channel: str | None = None

    @cached_property
    def _rate_limiter(self) -> RateLimiter:
        """The rate limiter of this try; shared by its threads."""
        from airflow_channel_provider.bulk.rate_limiter import RateLimiter

        rate = self.calls_per_second
        if rate is not None and not (isinstance(rate, (int, float)) and rate > 0):
            raise ChannelConfigurationError("calls_per_second must be a number above 0; None: no limit.")
        return RateLimiter(rate, cooldown_max_seconds=configuration.call_wait_max_seconds())

    @cached_property
    def hook(self) -> ChannelTalkHook:
        """The hook of the task's connection, for all its threads."""
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

        return ChannelTalkHook(
            self.channel_talk_conn_id,
            call_attempts=self.call_attempts,
            max_wait_seconds=self.max_wait_seconds,
            rate_limiter=self._rate_limiter,
        )

    @abstractmethod
    def _function(self) -> str:
        """Name the function that is called, for the log, the metrics and the summary."""

    @abstractmethod
    def _plan(self, context: Context, source: Source) -> Plan:
        """Return what to send for the items of the source."""

    def _call_service(self, context: Context) -> dict[str, Any]:
        """Send all items that are not done yet, and return the summary of all tries."""
        from airflow_channel_provider.bulk.progress import FailureLimit
        from airflow_channel_provider.bulk.run_state import RunState

        # A rate limiter that a previous try in this process has stopped stays stopped.
        for name in ("_rate_limiter", "hook"):
            self.__dict__.pop(name, None)
        self._check()
        source = self._source()
        self._lineage_channel = optional_id("channel_id", self.channel_id) or self.hook.settings.channel_id
        dead_letters = self._dead_letters(context)
        run_state = RunState(self._checkpoints(context), dead_letters, resume=self.resume)
        limit = FailureLimit(self.max_failures, self.dead_letter)
        if run_state.finished:
            self.log.info("%s: a previous try has done all items; nothing is sent again", self._function())
        else:
            plan = self._plan(context, source)
            self._check_that_progress_lasts(context, plan)
            self._run(plan, run_state, source, limit)
        limit.check(run_state, at_end=True)
        summary = self._summary(run_state)
        self._succeeded = summary["succeeded"]
        return summary

    @abstractmethod
    def _destination(self) -> DatasetName:
        """Name where the items go, for OpenLineage."""

    def _way(self) -> Way:
        from airflow_channel_provider.lineage import Way, file_dataset, tables_of

        output = replace(self._destination(), columns=self._lineage_columns, rows=self._succeeded)
        if self.sql is not None:
            tables, origins = tables_of(self.sql, str(self.sql_conn_id))
            return Way(tables, [output], origins)
        if self.path is None:
            return Way((), [output])
        file = replace(file_dataset(self.path), columns=self._lineage_columns)
        return Way([file], [output], {name: (file, name) for name, _ in self._lineage_columns})

    def on_kill(self) -> None:
        """Stop: calls in flight are recorded, and the next try continues from there."""
        if self._engine is not None:
            self._engine.stop()

    # ---- the run

    def _run(self, plan: Plan, run_state: RunState, source: Source, limit: FailureLimit) -> None:
        from airflow_channel_provider.bulk.engine import Engine, Limits
        from airflow_channel_provider.bulk.outcomes import RunStoppedError
        from airflow_channel_provider.bulk.progress import ProgressReporter

        name, expected = self._function(), self._expected()
        reporter = ProgressReporter(
            name,
            run_state,
            lambda: source.expected if expected is None else expected,
            limit,
            self.log,
            every_seconds=self.progress_seconds,
        )
        self._engine = Engine(
            plan,
            run_state,
            self._rate_limiter,
            limits=Limits(
                concurrency=self.concurrency,
                max_wait_seconds=self.hook.max_wait_seconds,
                max_refusals=self.call_attempts or configuration.call_attempts(),
            ),
            on_progress=reporter.report,
        )
        if run_state.done:
            self.log.info("%s: continuing after %d items", name, run_state.done)
        try:
            self._engine.run()
        except RunStoppedError:
            raise ChannelError(
                f"{name} was stopped after {run_state.done} items; the next try continues from there."
            ) from None
        finally:
            self._engine = None

    def _checkpoints(self, context: Context) -> CheckpointStore:
        from airflow_channel_provider.bulk.checkpoint import (
            FileCheckpoints,
            MemoryCheckpoints,
            TaskStateCheckpoints,
        )

        state: Any = context.get("task_state_store")
        if state is not None:
            return TaskStateCheckpoints(state)
        if self.dead_letter is None:
            return MemoryCheckpoints()
        return FileCheckpoints(storage_path("dead_letter", self.dead_letter), owner_of(context))

    def _check_that_progress_lasts(self, context: Context, plan: Plan) -> None:
        """
        Warn where a retry may not know what was sent.

        :raises ChannelConfigurationError: it could do something twice, wherever it runs.
        """
        from airflow_channel_provider.bulk.files import is_local

        if context.get("task_state_store") is not None:
            return
        if self.dead_letter is not None:
            path = storage_path("dead_letter", self.dead_letter)
            if is_local(path) and not plan.repeatable:
                self.log.warning(
                    "This Airflow has no task state store, so what was sent is noted beside dead_letter, on a disk. A "
                    "worker that does not reach %s would send all items again: use an object store or a shared disk.",
                    path.parent,
                )
        elif plan.repeatable:
            self.log.warning(
                "This Airflow has no task state store: without dead_letter a retry starts again with all items."
            )
        else:
            raise ChannelConfigurationError(
                f"{self._describe()} is not safe to repeat, and this Airflow has no task state store: set dead_letter, "
                "so that the task can save beside it what was sent."
            )

    def _dead_letters(self, context: Context) -> DeadLetterFile | None:
        """Return the file for failed items, checked before anything is sent."""
        if self.dead_letter is None:
            return None
        from airflow_channel_provider.bulk.dead_letters import DeadLetterFile
        from airflow_channel_provider.bulk.files import is_same_file

        path = storage_path("dead_letter", self.dead_letter)
        if self.path is not None and is_same_file(path, storage_path("path", self.path)):
            raise ChannelConfigurationError(
                "dead_letter names the same file as path, which would be replaced; set dead_letter to another name."
            )
        dead_letters = DeadLetterFile(
            path, owner_of(context), getattr(context["ti"], "try_number", None) or 1
        )
        dead_letters.check()
        return dead_letters

    def _summary(self, run_state: RunState) -> dict[str, Any]:
        from airflow_channel_provider.bulk.progress import sentence, summary

        result = summary(
            self._function(),
            run_state,
            paused_seconds=self._rate_limiter.paused_seconds,
            dead_letter=self.dead_letter,
        )
        self.log.info("%s", sentence(result))
        return result

    # ---- arguments

    def _check(self) -> None:
        given = [name for name in ("items", "sql", "path") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ChannelConfigurationError(
                f"Set only one of items, sql and path, not {' and '.join(given)}."
            )
        if not given or is_nothing(getattr(self, given[0])):
            found = f"{given[0]} has no value" if given else "none of them has a value"
            raise ChannelConfigurationError(
                f"Set one of items, sql and path: {found}. If the value comes from another task, that task returned "
                "None or nothing, so its XCom is empty; let it return [] when there are no items."
            )
        if self.sql is not None and not self.sql_conn_id:
            raise ChannelConfigurationError("sql needs sql_conn_id, the connection of the database.")
        if type(self.concurrency) is not int or not 1 <= self.concurrency <= MAX_CONCURRENCY:
            raise ChannelConfigurationError(
                f"concurrency must be a whole number from 1 to {MAX_CONCURRENCY}."
            )

    def _expected(self) -> int | None:
        given = json_value("expected_items", self.expected_items)
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
            raise ChannelConfigurationError("expected_items must be a whole number of at least 0, or None.")
        return given

    def _source(self) -> Source:
        from airflow_channel_provider.bulk.sources import (
            FileSource,
            FrameSource,
            ListSource,
            SqlSource,
            is_frame,
        )

        if self.sql is not None:
            return SqlSource(self._connect, self.sql, json_value("sql_parameters", self.sql_parameters))
        if self.path is not None:
            path = storage_path("path", self.path)
            return FileSource(path, self.file_format, encoding=self.encoding, delimiter=self.delimiter)
        items = json_value("items", self.items, in_full=True)
        if is_frame(items):
            return FrameSource(items)
        if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Collection):
            raise ChannelConfigurationError(
                f"items must be a list or a DataFrame, not {type(items).__name__}."
            )
        return ListSource(items)

    def _connect(self) -> Any:
        from airflow_channel_provider.operators._database import open_database

        return open_database(str(self.sql_conn_id))


def owner_of(context: Context) -> str:
    """Return a short name of the task instance, for file names."""
    key = json.dumps(list(request_ids.task_key(context))).encode()
    return hashlib.blake2b(key, digest_size=5).hexdigest()
