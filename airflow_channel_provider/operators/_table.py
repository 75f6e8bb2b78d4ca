"""What is done to a data table: its schema is created or revised, and batches of rows are upserted.

A row that the table can't hold is not sent. A batch that is refused is halved until the rows at fault are alone - once
it was sent, only where the table has a primary key, since nobody knows whether a refusal is of all of a batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_channel_provider.arguments import names
from airflow_channel_provider.bulk.column_names import Names, distinct
from airflow_channel_provider.bulk.items import unwrapped
from airflow_channel_provider.bulk.outcomes import FailedItem, is_fatal, is_item_error
from airflow_channel_provider.bulk.sources import FileSource, FrameSource, ListSource
from airflow_channel_provider.bulk.tables import (
    Column,
    Row,
    check_names,
    columns_of_arrow,
    columns_of_rows,
    failures_of_rows,
    is_as_wanted,
    merged_columns,
)
from airflow_channel_provider.contract.model import RetryClass
from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelConfigurationError,
    ChannelError,
    ChannelRequestError,
    ChannelResponseError,
)
from airflow_channel_provider.retry import is_outcome_unclear

if TYPE_CHECKING:
    from airflow_channel_provider.bulk.items import Item
    from airflow_channel_provider.bulk.sources import Source
    from airflow_channel_provider.hooks.channel_talk import ChannelTalkHook

__all__ = ["UPSERT", "Table", "Upsert", "columns_of", "look_for_columns", "primary_key_of"]

log = logging.getLogger(__name__)

JSON = Any
UPSERT = "upsertAppDataTableRows"


class Shape(NamedTuple):
    """What a table looks like."""

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

    def shaped(
        self,
        found: Callable[[Sequence[str]], list[Column]],
        *,
        given: Sequence[Mapping[str, JSON]] | None,
        primary_key: JSON,
        has_rows: bool = True,
        check: Callable[[Sequence[Mapping[str, JSON]]], object] = lambda columns: None,
    ) -> Shape:
        """
        Create the table, or revise it, where that is due. For a source without rows none is created.

        :param found: returns the columns of the source, for a primary key.
        :param given: the columns that the table is to have; None: those that it has and those of the source.
        :param primary_key: see :func:`primary_key_of`; none: the one that it has.
        :param has_rows: whether the source has any.
        :param check: looks for columns in the source that it has to have, before the table is touched.
        :return: its columns and its primary key.
        :raises ChannelConfigurationError: nothing tells the columns, or a column of the primary key is none of them.
        """
        schema = self.schema() or {}
        existing = list(schema.get("columns") or [])
        old_key = primary_key_of(schema.get("primaryKeyColumns"))
        wanted_key = primary_key_of(primary_key) or old_key
        columns = list(given) if given else merged_columns(existing, found(wanted_key))
        if not columns:
            raise ChannelConfigurationError(
                f"The source has no row to tell the columns of table {self._name!r} by; give columns."
            )
        key = Names(column["key"] for column in columns).all_of(wanted_key, "primary_key")
        check(columns if given else [column for column in columns if column["key"] in key])
        if not existing and not has_rows:
            log.info("Table %s: not created, since the source has no row", self._name)
        elif key != old_key or not is_as_wanted(existing, columns):
            log.info(
                "Table %s: %d columns, primary key %s", self._name, len(columns), ", ".join(key) or "none"
            )
            self.revise(columns, key)
        return Shape(columns, key)

    def schema(self) -> Mapping[str, JSON] | None:
        """
        Return the schema, None where there is no such table.

        :raises ChannelError: why it could not be read.
        """
        try:
            answer = self._call("getAppDataTableSchema", {})
        except ChannelRequestError as error:
            # What the service says of a table that is not there is published nowhere.
            if is_outcome_unclear(error) or is_fatal(error, any_succeeded=False):
                raise
            return None
        found = answer.get("schema") if isinstance(answer, Mapping) else None
        return found if isinstance(found, Mapping) and found.get("columns") else None

    def revise(self, columns: Sequence[Mapping[str, JSON]], primary_key: Sequence[str]) -> None:
        """Create the table, or revise its schema: for a table of a channel one function does both."""
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
    rows = map(unwrapped, head)
    return (
        columns_of_rows(rows, primary_key) if schema is None else columns_of_arrow(schema, rows, primary_key)
    )


def look_for_columns(source: Source, head: Iterable[object], columns: Sequence[Mapping[str, JSON]]) -> None:
    """
    Look for columns in a source, and say which a row may lack and none has.

    :param head: its first values.
    :raises ChannelConfigurationError: see :func:`.tables.check_names`.
    """
    free_form = isinstance(source, ListSource) or getattr(source, "file_format", None) == "jsonl"
    for name in check_names(columns, map(unwrapped, head), free_form=free_form):
        log.warning("The first rows of the source have no column %r; it is left as it is", name)


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
                "An earlier run has sent these rows, whether the table has them is unknown, and it has no primary key: "
                "check at the service.",
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
            if len(rows) == 1 or not self._may_be_halved(error):
                if is_fatal(error, any_succeeded=False):
                    raise
                return failures_of_rows(error, rows)
            middle = len(rows) // 2
            return [*self._upsert(rows[:middle]), *self._upsert(rows[middle:])]
        return ()

    def _may_be_halved(self, error: ChannelError) -> bool:
        """Tell whether some of the rows are at fault, and none of them can get into the table twice."""
        if isinstance(error, ChannelConfigurationError):  # of the check before sending
            return True
        return self._repeatable and (isinstance(error, _NotAllAcceptedError) or is_item_error(error))

    def _send(self, rows: Sequence[Row]) -> None:
        params = {"tableName": self._table_name, "rows": [row.value for row in rows]}
        call = self._hook.prepare(UPSERT, params, channel_id=self._channel_id)
        # Rows that are found again by their primary key are written again, and stay one row each.
        answer = self._hook.send(
            replace(call, retry_class=RetryClass.IDEMPOTENT) if self._repeatable else call
        )
        accepted = answer.get("acceptedRowCount") if isinstance(answer, Mapping) else None
        if str(accepted) != str(len(rows)):  # an int64, which JSON made of protobuf writes as text
            raise _NotAllAcceptedError(
                f"{UPSERT}: the service accepted {'an unknown number' if accepted is None else accepted} of "
                f"{len(rows)} rows.",
                method=UPSERT,
            )


class _NotAllAcceptedError(ChannelResponseError):
    """Some rows of the batch are in the table, and some are not."""


def _unfit(row: Row) -> ChannelConfigurationError:
    return ChannelConfigurationError(f"{row.unfit} Nothing was sent of this row.", method=UPSERT)


def primary_key_of(value: JSON) -> list[str]:
    """
    Return the columns of a primary key: a name, a list of names, or JSON text of one.

    :raises ChannelConfigurationError: they are no names.
    """
    found = names("primary_key", value)
    if not all(isinstance(name, str) and name for name in found):
        raise ChannelConfigurationError("primary_key must be the name of a column, or a list of names.")
    return distinct(found, "primary_key")
