"""Rows, values and errors as the drivers make them that are not installed here."""

from __future__ import annotations

from typing import Any

import pyarrow
import pytest
from support.drivers import Connection, NamedRow, PlacedRow, connector

from airflow_channel_provider.bulk import sql_reader
from airflow_channel_provider.bulk.json_values import to_json_value
from airflow_channel_provider.bulk.sources import SqlSource
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError


def rows(*args: Any, **options: Any) -> list[Any]:
    return list(SqlSource(connector(*args, **options), "SELECT 1", None))


def test_a_row_that_has_places_only_is_read() -> None:
    assert rows(["id", "name"], [PlacedRow(7, "mina"), PlacedRow(8, None)]) == [
        {"id": 7, "name": "mina"},
        {"id": 8, "name": None},
    ]


@pytest.mark.parametrize("row", [PlacedRow(7), PlacedRow(7, 8, 9), 7, None, "78", b"78"])
def test_a_row_that_is_not_all_of_its_columns_is_refused(row: object) -> None:
    with pytest.raises(ChannelConfigurationError, match="which does not hold all columns"):
        rows(["id", "name"], [row])


def test_a_row_within_a_row_is_a_list() -> None:
    (row,) = rows(["inner"], [(NamedRow([1, NamedRow(["x"], ["b"])], ["a", "c"]),)])
    assert to_json_value(row) == {"inner": [1, ["x"]]}


def test_what_can_not_be_read_again_is_told() -> None:
    class Once:
        def __reduce__(self) -> Any:
            return int, ("no number", [])

    with pytest.raises(ChannelConfigurationError, match="cast its column to text") as caught:
        rows(["inner"], [(Once(),)])
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_interval_of_the_calendar_is_its_text() -> None:
    value = pyarrow.scalar((14, 3, 5_000_000_000), pyarrow.month_day_nano_interval()).as_py()
    assert rows(["every"], [(value,), (None,)]) == [{"every": "P1Y2M3DT5S"}, {"every": None}]


# ---- what went wrong is told, whatever closing says


def test_a_driver_that_can_not_be_closed_in_the_middle_hides_nothing() -> None:
    opened: list[Connection] = []

    def connect() -> Connection:
        opened.append(Connection(["id", "id"], [(n, n) for n in range(5_000)], reads_to_its_end=True))
        return opened[-1]

    with pytest.raises(ChannelConfigurationError, match="several columns named 'id'"):
        list(SqlSource(connect, "SELECT 1", None))
    assert opened[0].closed == ["connection"]


SECRET = "a value of a row"


def of_driver(name: str, *args: object, base: type[Exception] = Exception) -> Exception:
    error: Exception = type(name, (type("Error", (base,), {}),), {})(*args)
    return error


class Oracle:
    """What an error of Oracle holds."""

    def __init__(self, full_code: str) -> None:
        self.full_code = full_code

    def __str__(self) -> str:
        return f"{self.full_code}: {SECRET}"


STATES: list[tuple[Exception, bool, str]] = [
    (of_driver("DatabaseError", {"C": "42P01", "M": SECRET}), True, "DatabaseError 42P01"),
    (of_driver("DatabaseError", {"C": "57014", "M": SECRET}), False, "DatabaseError 57014"),
    (of_driver("DatabaseError", {"M": SECRET}), False, r"\(DatabaseError\)"),
    (of_driver("Error", "07002", SECRET), True, "Error 07002"),
    (of_driver("ProgrammingError", "42S02", SECRET), True, "ProgrammingError 42S02"),
    (of_driver("Error", "HY000", SECRET), False, "Error HY000"),
    (of_driver("OperationalError", "42000", SECRET), False, "OperationalError 42000"),  # a quota of MySQL's
    (of_driver("DatabaseError", Oracle("ORA-00942")), True, "DatabaseError ORA-00942"),
    (of_driver("DatabaseError", Oracle("ORA-01722")), True, "DatabaseError ORA-01722"),
    (of_driver("DatabaseError", Oracle("ORA-01555")), False, "DatabaseError ORA-01555"),
    (of_driver("DatabaseError", Oracle("DPY-4011")), False, "DatabaseError DPY-4011"),
    (of_driver("DatabaseError", {"C": "22021"}), True, "not in the encoding"),
    (UnicodeDecodeError("ascii", b"\xb1", 0, 1, SECRET), True, "not in the encoding"),
    (KeyError("NAMES"), True, r"sql_parameters|\(KeyError\)"),
]


@pytest.mark.parametrize(("error", "is_hopeless", "words"), STATES)
def test_a_database_names_what_is_wrong_where_its_driver_does_not(
    error: Exception, is_hopeless: bool, words: str
) -> None:
    with pytest.raises(ChannelError, match=words) as caught:
        rows(["id"], [], fails=error)
    assert isinstance(caught.value, ChannelConfigurationError) is is_hopeless
    assert SECRET not in str(caught.value)
    assert "NAMES" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("hour must be in 0..23"),
        OverflowError("date value out of range"),
        of_driver("DataError", "timestamp too large (after year 10K)"),
    ],
)
def test_a_value_that_python_has_not_is_told_as_one(error: Exception) -> None:
    with pytest.raises(ChannelConfigurationError, match=r"can't convert a row .* Cast it to text"):
        rows(["at"], [(1,), error])


@pytest.mark.parametrize(
    ("error", "is_hopeless"), [(ConnectionResetError(), False), (of_driver("DataError", "22012"), True)]
)
def test_what_fails_on_the_way_for_another_reason_is_told_as_before(
    error: Exception, is_hopeless: bool
) -> None:
    with pytest.raises(ChannelError) as caught:
        rows(["at"], [(1,), error])
    assert isinstance(caught.value, ChannelConfigurationError) is is_hopeless
    assert "cast it to text" not in str(caught.value)


# ---- drivers are known by what their connections derive from


def test_a_driver_is_known_whoever_derives_from_its_class() -> None:
    class Plain:
        pass

    class Derived(Plain):
        pass

    class Traced:
        """Takes the class of what it wraps for its own, as tracing libraries do."""

        __class__ = Derived  # type: ignore[assignment]

    class Pooled:
        driver_connection = Derived()

    Plain.__module__ = "pymysql.connections"
    description = [("on", 16), ("n", 3)]
    for connection in (Plain(), Derived(), Traced(), Pooled()):
        assert sql_reader.bit_columns(connection, description) == [0]
    assert sql_reader.bit_columns(object(), description) == []
