"""A driver of the Python DB API as small as one can be, and as odd as those are that are not installed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = ["Connection", "NamedRow", "PlacedRow", "connector"]


class PlacedRow:
    """A row as ODBC and BigQuery make one: it has places, and its class says nothing of iteration."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __getitem__(self, place: int) -> object:
        return self._values[place]

    def __len__(self) -> int:
        return len(self._values)


class NamedRow(tuple[Any, ...]):
    """A row within a row as Trino makes one: a tuple that can't be made again of its values alone."""

    def __new__(cls, values: Iterable[object], names: Sequence[str]) -> NamedRow:
        made = super().__new__(cls, values)
        made.names = names  # type: ignore[attr-defined]
        return made


class Connection:
    """
    Gives the same rows for every query.

    :param names: of the columns.
    :param rows: what is fetched; an exception among them is raised.
    :param reads_to_its_end: whether it refuses to close what was not, as MySQL's own connector does.
    :param fails: what the query raises.
    """

    def __init__(
        self,
        names: Sequence[str],
        rows: Sequence[object],
        *,
        reads_to_its_end: bool = False,
        fails: Exception | None = None,
    ) -> None:
        self.description: list[tuple[object, ...]] | None = [(name, None) for name in names]
        self._rows = list(rows)
        self._reads_to_its_end = reads_to_its_end
        self._fails = fails
        self.closed: list[str] = []

    def cursor(self) -> Any:
        return Cursor(self)

    def close(self) -> None:
        self.closed.append("connection")

    def _execute(self) -> None:
        if self._fails is not None:
            raise self._fails

    def _fetch(self, count: int) -> list[object]:
        found, self._rows = self._rows[:count], self._rows[count:]
        for row in found:
            if isinstance(row, Exception):
                raise row
        return found

    def _close(self) -> None:
        if self._reads_to_its_end and self._rows:
            raise type("InternalError", (Exception,), {})("Unread result found")
        self.closed.append("cursor")


class Cursor:
    """The cursor of a connection; it knows of one answer only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.description = connection.description

    def execute(self, *ignored: object) -> None:
        self._connection._execute()

    def fetchmany(self, count: int) -> list[object]:
        return self._connection._fetch(count)

    def close(self) -> None:
        self._connection._close()


def connector(*args: Any, **options: Any) -> Callable[[], Connection]:
    """Return what opens such a connection."""
    return lambda: Connection(*args, **options)
