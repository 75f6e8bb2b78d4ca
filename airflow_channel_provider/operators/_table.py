"""Calls for a data table: create or change its schema, and upsert batches of rows.

A row that the table can't hold is not sent. A refused batch is split in halves until only the wrong rows are left.
After it was sent, that is done only if the table has a primary key, since a part of a refused batch may be in the
table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.bulk.column_names import ColumnNames, unique_names
from airflow_channel_provider.bulk.items import item_of
from airflow_channel_provider.bulk.outcomes import FailedItem, is_fatal, is_item_error
from airflow_channel_provider.bulk.sources import FileSource, FrameSource, ListSource
from airflow_channel_provider.bulk.tables import (
    Column,
    Row,
    check_names,
    columns_of_arrow,
    columns_of_rows,
    failures_of_rows,
    has_columns,
    merge_columns,
)
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
    ChannelRequestError,
    ChannelResponseError,
)
from airflow_channel_provider.rendered import names
from airflow_channel_provider.retry import is_outcome_unclear

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.items import Item
    from airflow_channel_provider.bulk.sources import Source
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

log = logging.getLogger(__name__)

JSON = Any
UPSERT = "upsertAppDataTableRows"


class TableSchema(NamedTuple):
    """The columns and the primary key of a table."""

    columns: Sequence[Mapping[str, JSON]]
    primary_key: Sequence[str]


class Table:
    """
    One table of an app, on one channel.

    :param hook: makes the calls.
    :param name: of the table.
    :param channel_id: None: the connection's.
    """

    def __init__(self, hook: ChannelTalkHook, name: str, channel_id: str | None) -> None:
        self._hook = hook
        self._name = name
        self._channel_id = channel_id

    def ensure_schema(
        self,
        found: Callable[[Sequence[str]], list[Column]],
        *,
        given: Sequence[Mapping[str, JSON]] | None,
        primary_key: JSON,
        has_rows: bool = True,
        check: Callable[[Sequence[Mapping[str, JSON]]], object] = lambda columns: None,
    ) -> TableSchema:
        """
        Create or change the table where necessary. No table is created for a source without rows.

        :param found: returns the columns of the source, for a primary key.
        :param given: the columns that the table must have; None: its own and those of the source.
        :param primary_key: as :func:`primary_key_of` takes it; empty: the table's own.
        :param has_rows: whether the source has rows.
        :param check: checks that the source has the required columns, before the table is changed.
        :raises ChannelConfigurationError: the columns are unknown, or do not include the primary key.
        """
        schema = self.schema() or {}
        existing = list(schema.get("columns") or [])
        old_key = primary_key_of(schema.get("primaryKeyColumns"))
        wanted_key = primary_key_of(primary_key) or old_key
        columns = list(given) if given else merge_columns(existing, found(wanted_key))
        if not columns:
            raise ChannelConfigurationError(
                f"The source has no rows, so the columns of table {self._name!r} are unknown; set columns."
            )
        key = ColumnNames(column["key"] for column in columns).all_of(wanted_key, "primary_key")
        check(columns if given else [column for column in columns if column["key"] in key])
        if not existing and not has_rows:
            log.info("Table %s: not created, since the source has no row", self._name)
        elif key != old_key or not has_columns(existing, columns):
            log.info(
                "Table %s: %d columns, primary key %s", self._name, len(columns), ", ".join(key) or "none"
            )
            self.create_or_change(columns, key)
        return TableSchema(columns, key)

    def schema(self) -> Mapping[str, JSON] | None:
        """
        Return the schema; None where the table does not exist.

        :raises ChannelError: it could not be read.
        """
        try:
            answer = self._call("getAppDataTableSchema", {})
        except ChannelRequestError as error:
            # The vendor does not document the answer for a table that does not exist.
            if is_outcome_unclear(error) or is_fatal(error, any_succeeded=False):
                raise
            return None
        found = answer.get("schema") if isinstance(answer, Mapping) else None
        return found if isinstance(found, Mapping) and found.get("columns") else None

    def create_or_change(self, columns: Sequence[Mapping[str, JSON]], primary_key: Sequence[str]) -> None:
        """Create the table, or change its schema: for a table of a channel one function does both."""
        params = {"columns": list(columns), "primaryKeyColumns": list(primary_key)}
        self._call("createAppDataTableSchema", params)

    def _call(self, method: str, params: Mapping[str, JSON]) -> JSON:
        return self._hook.call(method, {**params, "tableName": self._name}, channel_id=self._channel_id)


def columns_of(source: Source, head: Iterable[object], primary_key: Sequence[str]) -> list[Column]:
    """
    Return the columns of a source: of a Parquet file or a DataFrame by its schema, of others by their values.

    :param head: its first values.
    """
    schema = source.schema() if isinstance(source, (FileSource, FrameSource)) else None
    rows = map(item_of, head)
    return (
        columns_of_rows(rows, primary_key) if schema is None else columns_of_arrow(schema, rows, primary_key)
    )


def check_columns(source: Source, head: Iterable[object], columns: Sequence[Mapping[str, JSON]]) -> None:
    """
    Check that a source has the columns, and warn of optional ones that it does not have.

    :param head: its first values.
    :raises ChannelConfigurationError: a required column is missing.
    """
    free_form = isinstance(source, ListSource) or getattr(source, "file_format", None) == "jsonl"
    for name in check_names(columns, map(item_of, head), free_form=free_form):
        log.warning("The first rows of the source have no column %r; the table keeps its values", name)


class Upsert:
    """
    Upserts one batch; used by several threads.

    :param hook: makes the calls.
    :param table_name: of the table.
    :param channel_id: None: the connection's.
    :param repeatable: whether the table has a primary key.
    """

    def __init__(
        self, hook: ChannelTalkHook, table_name: str, channel_id: str | None, *, repeatable: bool
    ) -> None:
        self._hook = hook
        self._table_name = table_name
        self._channel_id = channel_id
        self._repeatable = repeatable

    def __call__(self, item: Item) -> Sequence[FailedItem]:
        if item.in_doubt and not self._repeatable:
            raise ChannelAmbiguousResultError(
                "A previous run has sent these rows, and it is unknown whether the table has them. It has no primary "
                "key, so they are not sent again: check in Channel Talk.",
                method=UPSERT,
            )
        unfit = [row for row in item.value if row.unfit]
        failures = [failure for row in unfit for failure in failures_of_rows(_unfit(row), [row])]
        fit = [row for row in item.value if not row.unfit] if unfit else item.value
        return [*failures, *self._upsert(fit)] if fit else failures

    def _upsert(self, rows: Sequence[Row]) -> Sequence[FailedItem]:
        try:
            self._send(rows)
        except ChannelError as error:
            if len(rows) == 1 or not self._may_be_split(error):
                if is_fatal(error, any_succeeded=False):
                    raise
                return failures_of_rows(error, rows)
            middle = len(rows) // 2
            return [*self._upsert(rows[:middle]), *self._upsert(rows[middle:])]
        return ()

    def _may_be_split(self, error: ChannelError) -> bool:
        """Return whether single rows caused the error, and none can get into the table twice."""
        if isinstance(error, ChannelConfigurationError):  # of the check before sending
            return True
        return self._repeatable and (isinstance(error, _NotAllAcceptedError) or is_item_error(error))

    def _send(self, rows: Sequence[Row]) -> None:
        params = {"tableName": self._table_name, "rows": [row.value for row in rows]}
        call = self._hook.prepare(UPSERT, params, channel_id=self._channel_id)
        # Rows that are found again by their primary key are written again, and stay one row each.
        answer = self._hook.send(
            call._replace(retry_class=RetryClass.IDEMPOTENT) if self._repeatable else call
        )
        accepted = answer.get("acceptedRowCount") if isinstance(answer, Mapping) else None
        if str(accepted) != str(len(rows)):  # an int64, which JSON made of protobuf writes as text
            raise _NotAllAcceptedError(
                f"{UPSERT}: the service accepted {'an unknown number' if accepted is None else accepted} of "
                f"{len(rows)} rows.",
                method=UPSERT,
            )


class _NotAllAcceptedError(ChannelResponseError):
    """The service accepted only a part of the batch."""


def _unfit(row: Row) -> ChannelConfigurationError:
    return ChannelConfigurationError(f"{row.unfit} The row was not sent.", method=UPSERT)


def primary_key_of(value: JSON) -> list[str]:
    """
    Return the columns of a primary key, given as a name, a list of names, or JSON text of one.

    :raises ChannelConfigurationError: it is something else.
    """
    found = names("primary_key", value)
    if not all(isinstance(name, str) and name for name in found):
        raise ChannelConfigurationError("primary_key must be the name of a column, or a list of names.")
    return unique_names(found, "primary_key")
