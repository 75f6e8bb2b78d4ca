"""
The arguments that operators, sensors and notifiers share, as types for editors and type checkers.

Each argument is typed and documented here once. An operator's own arguments stand in its signature; the others follow
as ``**kwargs: Unpack[...]`` of one of these. At run time Airflow reads the names and defaults from the signatures of
the base classes, so no task imports this module. How rendered text is read stands in :mod:`.rendered`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG, BaseNotifier, Context, TaskGroup, XComArg
    from airflow.sdk import RetryPolicy
    from airflow.sdk.execution_time.hitl import HITLUser

    Callback = Callable[[Context], None]
    Callbacks = Callback | list[Callback] | None


class _TaskId(TypedDict):
    task_id: str


class _OfOneTask(_TaskId, total=False):
    dag: DAG | None
    task_group: TaskGroup | None
    map_index_template: str | None
    outlets: Any


class _OfAnyTask(TypedDict, total=False):
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: Callbacks
    on_failure_callback: Callbacks
    on_success_callback: Callbacks
    on_retry_callback: Callbacks
    on_skipped_callback: Callbacks
    pre_execute: Callable[[Context], None] | None
    post_execute: Callable[[Context, Any], None] | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class AirflowArguments(_OfAnyTask, _OfOneTask, total=False):
    """The arguments of every operator of Airflow; its own documentation describes them."""


class _OfAQuestion(TypedDict, total=False):
    body: str | None
    """What is needed to decide, in Markdown. (templated)"""
    defaults: str | list[str] | None
    """The option that is taken when ``response_timeout`` is over. Default: the task fails then."""
    notifiers: Sequence[BaseNotifier] | BaseNotifier | None
    """Further notifiers that are called when the question is asked."""
    assigned_users: HITLUser | list[HITLUser] | None
    """Who may answer: users of Airflow, each with ``id`` and ``name``. Default: whoever may in Airflow."""
    response_timeout: timedelta | None
    """How long the task waits for an answer. Default: for ever. Before Airflow's standard provider 1.13 give
    ``execution_timeout``."""
    fail_on_reject: bool
    """Whether a rejection fails the task. Default: False, what follows is skipped."""
    ignore_downstream_trigger_rules: bool
    """Whether a rejection skips all that follows, whatever its trigger rules. Default: False."""


class QuestionArguments(_OfAQuestion, AirflowArguments, total=False):
    """What a task that asks people takes of Airflow."""


class PokeArguments(AirflowArguments, total=False):
    """The arguments of every sensor of Airflow; its own documentation describes them."""

    poke_interval: timedelta | float
    timeout: timedelta | float
    soft_fail: bool
    mode: str
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool


# Ours. They are the first base of each class below, since editors list the arguments in the order of the bases.


class _OfAnyHook(TypedDict, total=False):
    call_attempts: int | None
    """Maximum number of attempts of one call, including the first. Default: the option ``[channel_talk]
    call_attempts``."""
    max_wait_seconds: float | None
    """Longest single wait that holds the worker slot, in seconds. Default: the option ``[channel_talk]
    max_wait_seconds``."""
    retry_policy: RetryPolicy | None
    """Decides after an error whether the task is tried again; Airflow 3.3 or newer. Default:
    :class:`.ChannelRetryPolicy`. None: only ``retries`` and ``retry_delay`` decide."""


class _OfTheHook(_OfAnyHook, total=False):
    channel_id: str | None
    """The channel to act in. Default: the connection's. (templated)"""
    channel_talk_conn_id: str
    """Connection of the type ``channel_talk``. Default: ``channel_talk_default``. (templated)"""


class _OfAWait(TypedDict, total=False):
    deferrable: bool | None
    """Whether the task waits in the triggerer when a rate limit, the token quota or a missing token takes longer than
    ``max_wait_seconds``; otherwise it is rescheduled. Default: the option ``[operators] default_deferrable``."""
    max_total_wait_seconds: float | None
    """Longest time that one try waits without a worker slot, in seconds; then it fails with the error that it waited
    for. Default: the option ``[channel_talk] max_total_wait_seconds``."""


class WaitingArguments(_OfAnyHook, _OfAWait, AirflowArguments, total=False):
    """What every operator takes that waits without a worker slot."""


class CallArguments(_OfTheHook, WaitingArguments, total=False):
    """What every operator of the App Store API takes."""


class _OfOpenApi(TypedDict, total=False):
    channel_talk_open_api_conn_id: str
    """Connection of the type ``channel_talk_open_api``. Default: ``channel_talk_open_api_default``. (templated)"""


class OpenApiArguments(_OfOpenApi, WaitingArguments, total=False):
    """What every operator of Open API takes."""


class _OfAnExtraction(TypedDict, total=False):
    file_format: str
    """``jsonl`` or ``parquet``. Default: ``jsonl``."""
    window: Sequence[datetime | str] | timedelta | None
    """Two moments, or a length. Default: the partition of the run, else its data interval. (templated)"""
    lookback: timedelta | float
    """How much before the window reading begins; a number: seconds. Default: 10 minutes."""
    mask: Sequence[str] | str | None
    """Fields of which only a keyed hash leaves the task, by name or dotted path. (templated)"""
    mask_conn_id: str | None
    """Connection whose password is the key of the hashes. Default: the channel's access secret. (templated)"""
    custom_fields: Sequence[str] | str | None
    """Names in ``profile`` that get a column of their own, ``profile_NAME``. (templated)"""
    channel_id: str | None
    """The channel, if Airflow is to know the assets of the files before the first run."""
    part_rows: int
    """So many rows end a part, at the next border between two chats. Default: 50,000."""
    max_failures: float | None
    """How many chats, users or groups may be unreadable with ``dead_letter``: a count (int), or a share (float). None:
    any number. Default: 0.5."""
    dead_letter: str | None
    """File for the chats, users or groups that can't be read, as JSONL. (templated)"""
    resume: bool
    """Whether to go on after the parts of an earlier try. Default: True."""
    progress_seconds: float
    """Seconds between two lines of progress in the log. Default: 10."""


class ExtractArguments(_OfAnExtraction, _OfOpenApi, _OfAnyHook, _OfAWait, _OfAnyTask, total=False):
    """What :func:`.extract_all` takes for its mapped task; :class:`.ExtractOperator` describes what is its own."""


class _OfAMessage(TypedDict, total=False):
    text: str | None
    """The message as plain text. (templated)"""
    markdown: str | None
    """The message as Markdown, which becomes blocks, link buttons and files. (templated)"""
    blocks: Sequence[Mapping[str, Any]] | str | None
    """The message as blocks, instead of text or with it; their text is markup. (templated)"""
    bot_name: str | None
    """Name of the sender. Default: ``Airflow``. (templated)"""
    buttons: Sequence[Mapping[str, Any]] | str | None
    """At most 2 buttons, each with ``title`` and ``url``, or with an ``action`` of its own. (templated)"""
    files: Sequence[Mapping[str, Any] | str] | str | None
    """At most 30 files: URLs, or mappings with ``url``, ``fileName`` and ``mime``. (templated)"""
    options: Sequence[str] | str | None
    """Message options, such as ``MESSAGE_OPTION_IMMUTABLE``. (templated)"""
    private: bool
    """Whether only managers see the message. Default: False."""
    silent: bool | str
    """Whether the message notifies nobody; ``manager`` or ``user``: not that side. Default: False."""
    web_page: Mapping[str, Any] | str | None
    """A link preview. (templated)"""
    form: Mapping[str, Any] | str | None
    """A form. (templated)"""
    deduplicate: bool
    """Whether the message carries a request id that is the same in each retry of this task instance, so that the
    service writes it once. A run that is cleared keeps the id as well. Default: True."""


class MessageArguments(_OfAMessage, CallArguments, total=False):
    """What the operators that write a message take."""


class _OfManyItems(TypedDict, total=False):
    items: Collection[Any] | XComArg | str | None
    """The items: a list, such as the XCom of another task, or a DataFrame, whose rows are the items. Give one of
    ``items``, ``sql`` and ``path``. (templated)"""
    sql: str | None
    """A query, or the name of a ``.sql`` file; each row is a mapping of column names to values. Use ORDER BY, so that
    a retry finds the same rows. (templated)"""
    sql_conn_id: str | None
    """Connection of the database. (templated)"""
    sql_parameters: Mapping[str, Any] | Collection[Any] | str | None
    """Parameters of the query, or JSON text of them. (templated)"""
    path: str | None
    """A JSONL, CSV or Parquet file anywhere that ``ObjectStoragePath`` reaches; the dead-letter file of another run
    works as well. (templated)"""
    file_format: str | None
    """``jsonl``, ``csv`` or ``parquet``. Default: by the file's name."""
    encoding: str | None
    """Encoding of a JSONL or CSV file, such as ``cp949``. Default: by its byte order mark, otherwise UTF-8."""
    delimiter: str | None
    """Delimiter of a CSV file. Default: the comma, or the semicolon, tab or bar that its header uses instead."""
    calls_per_second: float | None
    """Maximum number of calls per second. Default: no limit but the service's."""
    max_failures: float | None
    """How many items may fail, in all tries, before the task fails and sends no more: a count (int), or a share
    (float) of the finished items, checked from the 100th on and at the end. None: any number. Default: 0.5."""
    dead_letter: str | None
    """File for the items that failed, written as JSONL, anywhere that ``ObjectStoragePath`` reaches. It belongs to one
    task instance: use ``{{ run_id }}`` in its name. (templated)"""
    resume: bool
    """Whether a try continues where the one before stopped; False: it sends all items anew. Default: True."""
    expected_items: int | str | None
    """About how many items there are, to estimate the time left where the source does not know it. (templated)"""
    progress_seconds: float
    """Seconds between two lines of progress in the log. Default: 10."""


class BulkArguments(_OfManyItems, CallArguments, total=False):
    """What the operators for many items take."""


class _OfASensor(_OfTheHook, total=False):
    deferrable: bool | None
    """Whether the sensor waits in the triggerer, without a worker slot, whatever ``mode`` is. Default: the option
    ``[operators] default_deferrable``."""
    tolerated_failures: int
    """How many polls in a row may fail before the task does, in the triggerer and in the mode ``poke``. A failure that
    says when to try again, such as a rate limit, does not count: the sensor waits for it. Default: 10."""


class SensorArguments(_OfASensor, PokeArguments, total=False):
    """What every sensor of Channel Talk takes."""
