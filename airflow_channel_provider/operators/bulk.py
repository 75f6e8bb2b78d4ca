"""Operators for many items in one task: one call per item, or rows in batches.

Nothing is checked or looked up when a DAG is parsed. Items are streamed, and progress survives a retry and a kill: an
item whose outcome is unknown is sent again only where that does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_channel_provider import request_ids
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
)
from airflow_channel_provider.ids import required_id
from airflow_channel_provider.operators._bulk import BulkBaseOperator
from airflow_channel_provider.rendered import json_value
from airflow_channel_provider.tasks import function_params_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from jinja2 import Environment
    from typing_extensions import Unpack

    from airflow_channel_provider.arguments import BulkArguments
    from airflow_channel_provider.bulk.items import Item
    from airflow_channel_provider.bulk.outcomes import FailedItem
    from airflow_channel_provider.bulk.plan import Plan
    from airflow_channel_provider.bulk.sources import Source
    from airflow_channel_provider.lineage import DatasetName

ROWS_TO_LOOK_AT = 1_000

__all__ = ["BulkNativeFunctionOperator", "DataTableLoadOperator"]


class BulkNativeFunctionOperator(BulkBaseOperator):
    """
    Calls a native function for each item of a list, a query or a file, and returns a summary.

    The calls run in parallel, over open connections and with one token. A message gets a request id made of the task
    instance and the item's key, so it is written once, however often the task is retried or killed.

    :param method: name of the native function, such as ``writeUserChatMessage``. (templated)
    :param function_params: parameters of the function: a mapping whose texts are templates, rendered for each item,
        with the variable ``item`` beside the usual ones, such as ``"{{ item.chat_id }}"``; or a callable that returns
        them for an item, called from several threads. If it returns None, nothing is sent for this item.
    :param item_key: a field, or a callable, that identifies an item; two items with the same key are one message.
        Default: the item's position and content.
    :param order_by: a field, or a callable, that names a queue: the items of one queue are sent one after the other, in
        their order. Default: no order.
    :param concurrency: maximum number of calls at the same time, from 1 to 32.
    :param deduplicate: whether a message gets a request id. False: after a kill it is unknown whether the messages in
        flight were written.
    :param kwargs: the source (``items``, ``sql`` or ``path``), ``max_failures``, ``dead_letter`` and others, the
        connection and channel, waits and attempts: the fields of ``BulkArguments``. Also what every operator of Airflow
        takes.
    """

    template_fields: Sequence[str] = ("method", "function_params", *BulkBaseOperator.template_fields)
    template_fields_renderers = {"function_params": "json", **BulkBaseOperator.template_fields_renderers}

    def __init__(
        self,
        *,
        method: str,
        function_params: Mapping[str, Any] | Callable[[Any], Mapping[str, Any] | None] | None = None,
        item_key: str | Callable[[Any], object] | None = None,
        order_by: str | Callable[[Any], object] | None = None,
        concurrency: int = 8,
        deduplicate: bool = True,
        **kwargs: Unpack[BulkArguments],
    ) -> None:
        super().__init__(concurrency=concurrency, **kwargs)
        # Airflow would call a callable that it finds in a field.
        self._params_of = function_params if callable(function_params) else None
        self.function_params = (
            None if callable(function_params) else function_params_of(self, function_params)
        )
        self.method = method
        self.item_key = item_key
        self.order_by = order_by
        self.deduplicate = deduplicate

    def _describe(self) -> str:
        """Name the call for the log."""
        return self.method

    def _function(self) -> str:
        return self.method

    def params_of_items(self, context: Context) -> Callable[[Any], Mapping[str, Any] | None]:
        """Return a function from an item's value to the parameters of its call."""
        from airflow_channel_provider.operators._item_params import item_params

        env = self.get_template_env()
        params: Any = self._params_of or self.function_params
        if not callable(params) and not self._is_rendered:
            params = self._item_templates(context, env)
        return item_params({} if params is None else params, env, context)

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
        **kwargs: Any,
    ) -> None:
        is_due = parent is self and not self._is_rendered
        others = [name for name in template_fields if name != "function_params"]
        super()._do_render_template_fields(parent, others, context, jinja_env, seen_oids, **kwargs)
        if is_due:
            self.function_params = self._item_templates(context, jinja_env, seen_oids)

    def _item_templates(self, context: Context, env: Environment, arrived: Collection[int] = ()) -> Any:
        from airflow_channel_provider.operators._item_params import item_templates

        return item_templates(
            self.function_params, lambda value: self.render_template(value, context, env), arrived
        )

    def _destination(self) -> DatasetName:
        from airflow_channel_provider.lineage import channel_dataset

        return channel_dataset("function", self.method, self._lineage_channel)

    def _plan(self, context: Context, source: Source) -> Plan:
        """Return the plan for the calls."""
        from airflow_channel_provider.bulk.items import Items
        from airflow_channel_provider.bulk.plan import Plan
        from airflow_channel_provider.contract import functions

        if functions.is_token_request(self.method):
            raise ChannelConfigurationError(
                f"{self.method} can't be used in a bulk task.", method=self.method
            )
        function = functions.lookup(self.method)
        is_message = function.is_message and self.deduplicate
        repeatable = is_message or function.retry.is_harmless
        call = _Call(self, context, is_message=is_message, repeatable=repeatable)
        return Plan(
            items=Items(source, self.item_key, self.order_by),
            send=call,
            failures_of=call.failures_of,
            repeatable=repeatable,
            has_own_keys=self.item_key is not None,
            queue_of=None if self.order_by is None else lambda item: item.queue,
        )


class DataTableLoadOperator(BulkBaseOperator):
    """
    Loads rows of a list, a query or a file into a data table of the app, and returns a summary.

    Creates the table if it does not exist, and adds missing columns. With a primary key, a row that is loaded twice
    exists once, so a retry, even after a kill, leaves no row twice and none missing. Without one, rows in flight at a
    kill are reported as uncertain.

    :param table_name: name of the table. (templated)
    :param primary_key: the column or columns that identify a row. Each key should occur once in the source: batches
        are sent in parallel, and either of two rows may win. Default: the primary key of the table. (templated)
    :param columns: the columns of the table, each with ``key``, ``name``, ``type`` and other fields that the service
        accepts. The table is changed to have exactly these columns, and only these are sent; the source must have each
        of them. Names are matched apart from case. Default: from the schema of a Parquet file or DataFrame, otherwise
        from the values of the first 1,000 rows. A row with a value that its column can't hold is not sent. (templated)
    :param batch_rows: maximum number of rows per call, from 1 to 100; more with ``[channel_talk] contract = off``.
    :param batch_bytes: maximum size of the rows of one call, in bytes of JSON.
    :param concurrency: maximum number of calls at the same time, from 1 to 32.
    :param kwargs: the source (``items``, ``sql`` or ``path``), ``max_failures``, ``dead_letter`` and others, the
        connection and channel, waits and attempts: the fields of ``BulkArguments``, of which ``items``,
        ``expected_items`` and ``max_failures`` count rows. Also what every operator of Airflow takes.
    """

    template_fields: Sequence[str] = (
        "table_name",
        "primary_key",
        "columns",
        *BulkBaseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        table_name: str,
        primary_key: Sequence[str] | str | None = None,
        columns: Sequence[Mapping[str, Any]] | str | None = None,
        batch_rows: int = 100,
        batch_bytes: int = 1_000_000,
        concurrency: int = 4,
        **kwargs: Unpack[BulkArguments],
    ) -> None:
        super().__init__(concurrency=concurrency, **kwargs)
        self.table_name = table_name
        self.primary_key = primary_key
        self.columns = columns
        self.batch_rows = batch_rows
        self.batch_bytes = batch_bytes

    def _describe(self) -> str:
        """Name the work for the log."""
        return f"table {self.table_name}"

    def _function(self) -> str:
        from airflow_channel_provider.operators._table import UPSERT

        return UPSERT

    def _destination(self) -> DatasetName:
        from airflow_channel_provider.lineage import channel_dataset

        return channel_dataset("data_table", self.table_name, self._lineage_channel)

    def _plan(self, context: Context, source: Source) -> Plan:
        """Create or change the table, and return the plan for its batches."""
        from airflow_channel_provider.bulk.plan import Plan
        from airflow_channel_provider.bulk.sources import Peeked
        from airflow_channel_provider.bulk.tables import Batches, checked_columns, failures_of_rows
        from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook
        from airflow_channel_provider.operators._table import (
            Table,
            Upsert,
            check_columns,
            columns_of,
        )

        self._check_batch_rows()
        table_name = required_id("table_name", self.table_name, "the name of the table")
        peeked = Peeked(source, ROWS_TO_LOOK_AT)
        given = json_value("columns", self.columns)
        given = checked_columns(given) if given else None
        with ChannelTalkHook(
            self.channel_talk_conn_id,
            call_attempts=self.call_attempts,
            max_wait_seconds=self.max_wait_seconds,
        ) as hook:
            table = Table(hook, table_name, self.channel_id)
            schema = table.ensure_schema(
                lambda key: columns_of(source, peeked.head, key),
                given=given,
                primary_key=self.primary_key,
                has_rows=bool(peeked.head),
                check=lambda columns: check_columns(source, peeked.head, columns),
            )
        repeatable = bool(schema.primary_key)
        self._lineage_columns = [(str(c["key"]), c.get("type") and str(c["type"])) for c in schema.columns]
        return Plan(
            items=Batches(
                peeked,
                schema.primary_key,
                columns=schema.columns,
                leave_out=bool(given),
                most_rows=self.batch_rows,
                most_bytes=self.batch_bytes,
            ),
            send=Upsert(self.hook, table_name, self.channel_id, repeatable=repeatable),
            failures_of=lambda error, item: failures_of_rows(error, item.value),
            repeatable=repeatable,
            has_own_keys=repeatable,
            read_ahead=2 * self.concurrency,
            span=8 * self.concurrency,
        )

    def _check_batch_rows(self) -> None:
        from airflow_channel_provider import configuration
        from airflow_channel_provider.contract.parts import ROWS

        is_whole = isinstance(self.batch_rows, int) and not isinstance(self.batch_rows, bool)
        if not is_whole or self.batch_rows < 1:
            raise ChannelConfigurationError("batch_rows must be a whole number of at least 1.")
        if self.batch_rows > (ROWS.most or 0) and configuration.contract() == "strict":
            raise ChannelConfigurationError(
                f"batch_rows must be from 1 to {ROWS.most}: the service takes no more rows in one call. If it does by "
                "now, let them through with contract = off in the section [channel_talk]."
            )


class _Call:
    """Sends one item; used by several threads."""

    def __init__(
        self, operator: BulkNativeFunctionOperator, context: Context, *, is_message: bool, repeatable: bool
    ) -> None:
        self._method = operator.method
        self._hook = operator.hook
        self._channel_id = operator.channel_id
        self._is_message = is_message
        self._repeatable = repeatable
        self._task_key = request_ids.task_key(context)
        self._params_of = operator.params_of_items(context)

    def __call__(self, item: Item) -> Sequence[FailedItem]:
        from airflow_channel_provider.bulk.outcomes import SkipItem

        if item.in_doubt and not self._repeatable:
            raise ChannelAmbiguousResultError(
                "A previous run has sent this item, and it is unknown whether it took effect. It is not sent again, "
                "since that could do it twice: check in Channel Talk.",
                method=self._method,
            )
        if item.unfit:
            raise ChannelConfigurationError(f"{item.unfit} It was not sent.", method=self._method)
        params = self._params_of(item.value)
        if params is None:
            raise SkipItem
        request_id = self._request_id_of(item) if self._is_message else None
        call = self._hook.prepare(self._method, params, channel_id=self._channel_id, request_id=request_id)
        self._hook.send(call)
        return ()

    def failures_of(self, error: ChannelError, item: Item) -> Sequence[FailedItem]:
        """Return what failed of an item, with the request id that another run needs to repeat it."""
        from airflow_channel_provider.bulk.outcomes import failed_item

        if item.unfit:
            # Unless an earlier run has sent it, its key is only its position.
            was_sent = item.request_id is not None or item.in_doubt
            key = item.key if was_sent else ""
            return [failed_item(error, item.value, key, request_id=item.request_id)]
        request_id = self._request_id_of(item) if self._is_message else None
        return [failed_item(error, item.value, item.key, request_id=request_id)]

    def _request_id_of(self, item: Item) -> str:
        return item.request_id or request_ids.for_task(self._task_key, self._method, item.key)
