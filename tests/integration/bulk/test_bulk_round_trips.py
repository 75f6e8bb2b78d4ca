"""
Whatever a table holds, and whatever it comes from, is the same when it is read back from the service.

The rule: a cell, read as its kind says below, is the value that was written; a number has every digit, a time its
offset or instant, and null is null. CSV knows no null: an empty field is null, but in a column of texts an empty one.
"""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from support.bulk_runs import counts, execute
from support.fuzzing import cases

from airflow_channel_provider.bulk.json_values import iso_duration
from airflow_channel_provider.emulator import DEMO_APP_ID, EmulatorProcess
from airflow_channel_provider.operators.bulk import DataTableLoadOperator

if TYPE_CHECKING:
    from support.servers import Servers

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be called outside")

SOURCES = ("list", "sql", "csv", "jsonl", "parquet")
NUMBERS = count()


# ---- kinds of values


class Kind(NamedTuple):
    """
    A kind of value.

    :param values: of it.
    :param sql: its type in PostgreSQL.
    :param arrow: its type in Parquet.
    :param read: makes the value of a cell.
    :param write: makes the text of it that people write into JSON and CSV; None: JSON has it.
    :param of: makes of it what PostgreSQL is given, and what Arrow is.
    """

    values: st.SearchStrategy[Any]
    sql: str
    arrow: Any
    read: Callable[[Any], Any]
    write: Callable[[Any], str] | None = None
    of: tuple[Callable[[Any], Any], Callable[[Any], Any]] = (lambda value: value, lambda value: value)


class Told(str):
    """
    The text of a time that counts nanoseconds, for which Python has no value of its own.

    :param nanoseconds: what Arrow counts.
    """

    nanoseconds: int

    @classmethod
    def by(cls, tell: Callable[[int], str]) -> Callable[[int], Told]:
        """Return what makes one of a number of nanoseconds."""

        def made(nanoseconds: int) -> Told:
            text = cls(tell(nanoseconds))
            text.nanoseconds = nanoseconds
            return text

        return made


def clock_ns(nanoseconds: int) -> str:
    return moment_ns(nanoseconds)[11:29]


def moment_ns(nanoseconds: int) -> str:
    whole = datetime.fromtimestamp(0, timezone.utc) + timedelta(seconds=nanoseconds // 10**9)
    return whole.strftime(f"%Y-%m-%dT%H:%M:%S.{nanoseconds % 10**9:09d}+00:00")


def with_nine_digits(cell: Any) -> str:
    """Return a time with all of its digits, of which some or all were left out."""
    found = re.fullmatch(r"(.*\d\d:\d\d:\d\d)(?:\.(\d+))?(\+00:00)?", cell)
    assert found is not None, cell
    return f"{found[1]}.{(found[2] or '').ljust(9, '0')}{found[3] or ''}"


def number(cell: Any) -> Decimal:
    return Decimal(str(cell))


def truth(cell: Any) -> bool:
    assert cell in (True, False, "true", "false")
    return cell in (True, "true")


_LENGTH = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")


def length(cell: Any) -> timedelta:
    found = _LENGTH.fullmatch(cell)
    assert found is not None, cell
    days, hours, minutes, seconds = (int(found[place] or 0) for place in range(2, 6))
    micros = int((found[6] or "").ljust(6, "0")[:6])
    made = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    return -made if found[1] else made


def texts(cell: Any) -> Any:
    return json.loads(cell) if isinstance(cell, str) else cell


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
DECIMALS = {"allow_nan": False, "allow_infinity": False}
MOMENTS = st.datetimes(datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2999-12-30"))
COUNTED = (str, lambda told: told.nanoseconds)
KINDS = {
    "text": Kind(TEXT, "text", pyarrow.string(), lambda cell: cell, str),
    "truth": Kind(st.booleans(), "boolean", pyarrow.bool_(), truth),
    "whole": Kind(st.integers(-(2**53), 2**53), "bigint", pyarrow.int64(), number),
    "large": Kind(st.integers(2**53, 2**63 - 1), "bigint", pyarrow.int64(), number),
    "share": Kind(st.floats(allow_nan=False, allow_infinity=False), "float8", pyarrow.float64(), float),
    "price": Kind(
        st.decimals(-(10**12), 10**12, places=2, **DECIMALS),
        "numeric(18, 2)",
        pyarrow.decimal128(18, 2),
        number,
        str,
    ),
    "precise": Kind(
        st.decimals(-(10**9), 10**9, places=20, **DECIMALS),
        "numeric(38, 20)",
        pyarrow.decimal128(38, 20),
        number,
        str,
    ),
    "day": Kind(st.dates(), "date", pyarrow.date32(), date.fromisoformat, str),
    "moment": Kind(
        MOMENTS.map(lambda at: at.replace(tzinfo=timezone.utc)),
        "timestamptz",
        pyarrow.timestamp("us", tz="UTC"),
        datetime.fromisoformat,
        datetime.isoformat,
    ),
    "clock": Kind(st.times(), "time", pyarrow.time64("us"), time.fromisoformat, time.isoformat),
    "length": Kind(
        st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
        "interval",
        pyarrow.duration("us"),
        length,
        lambda value: iso_duration(value // timedelta(microseconds=1) * 1_000),
    ),
    "bytes": Kind(
        st.binary(max_size=8),
        "bytea",
        pyarrow.binary(),
        base64.b64decode,
        lambda value: base64.b64encode(value).decode(),
    ),
    "texts": Kind(st.lists(TEXT, max_size=3), "text[]", pyarrow.list_(pyarrow.string()), texts),
    "naive": Kind(
        MOMENTS,
        "timestamp",
        pyarrow.timestamp("us"),
        lambda cell: datetime.fromisoformat(cell).replace(tzinfo=None),
        datetime.isoformat,
    ),
    "clock_ns": Kind(
        st.integers(0, 86_400 * 10**9 - 1).map(Told.by(clock_ns)),
        "text",
        pyarrow.time64("ns"),
        with_nine_digits,
        str,
        COUNTED,
    ),
    "moment_ns": Kind(
        st.integers(-(2**63) + 2, 2**63 - 2).map(Told.by(moment_ns)),
        "text",
        pyarrow.timestamp("ns", tz="UTC"),
        with_nine_digits,
        str,
        COUNTED,
    ),
    "length_ns": Kind(
        st.integers(-(2**63) + 1, 2**63 - 1).map(Told.by(iso_duration)),
        "text",
        pyarrow.duration("ns"),
        lambda cell: cell,
        str,
        COUNTED,
    ),
    "unsigned": Kind(st.integers(2**63, 2**64 - 1), "numeric(20)", pyarrow.uint64(), number),
    "category": Kind(
        TEXT, "text", pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), lambda cell: cell, str
    ),
    "map": Kind(
        st.dictionaries(TEXT, st.none() | st.integers(-(2**53), 2**53), max_size=3),
        "jsonb",
        pyarrow.map_(pyarrow.string(), pyarrow.int64()),
        json.loads,
        json.dumps,
        (json.dumps, lambda value: list(value.items())),
    ),
    "struct": Kind(
        st.fixed_dictionaries(
            {"id": st.none() | st.integers(-(2**53), 2**53), "tags": st.lists(TEXT, max_size=2)}
        ),
        "jsonb",
        pyarrow.struct([("id", pyarrow.int64()), ("tags", pyarrow.list_(pyarrow.string()))]),
        json.loads,
        json.dumps,
        (json.dumps, lambda value: value),
    ),
}

Table = dict[str, tuple[str, list[Any]]]
"""Columns by name: the kind, and the values."""


@st.composite
def tables(draw: Any) -> Table:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    size = draw(st.integers(1, 5))
    return {
        f"c{position}": (
            kind,
            draw(st.lists(st.none() | KINDS[kind].values, min_size=size, max_size=size)),
        )
        for position, kind in enumerate(kinds)
    }


EACH: Table = {
    "c0": ("text", ["", "\r\n", "=1+1", 'a,"b";\t']),
    "c1": ("large", [2**53, 2**53 + 1, 2**63 - 1, None]),
    "c2": ("share", [1e300, 5e-324, -0.0, 0.1]),
    "c3": ("length", [timedelta(0), timedelta(microseconds=-1), timedelta(days=400), None]),
    "c4": ("texts", [[], ["a", '"'], ["1"], None]),
    "c5": ("precise", [Decimal("0.33333333333333333333"), Decimal("0.5"), Decimal("1E+8"), None]),
}


EACH_OF_ARROW: Table = {
    "c0": ("clock_ns", [*map(Told.by(clock_ns), (30_600_000_000_001, 1_000, 0)), None]),
    "c1": ("moment_ns", [*map(Told.by(moment_ns), (1_769_860_800_123_456_789, -1, 2**63 - 2)), None]),
    "c2": ("length_ns", [*map(Told.by(iso_duration), (1, -(10**9), 0)), None]),
    "c3": ("map", [{"a": 1, "": None}, {}, {"n": 0}, None]),
    "c4": ("struct", [{"id": 2**53, "tags": ["a", ""]}, {"id": None, "tags": []}, None, None]),
    "c5": ("unsigned", [2**63, 2**64 - 1, None, None]),
    "c6": ("category", ["a", "", "a", None]),
    "c7": ("naive", [datetime.fromisoformat("2026-01-31T08:30:00.000001"), None, None, None]),
}


def rows_of(table: Table) -> list[dict[str, Any]]:
    columns = [values for _, values in table.values()]
    return [
        {"n": n, **dict(zip(table, values, strict=True))}
        for n, values in enumerate(zip(*columns, strict=True))
    ]


# ---- sources


def written(table: Table, name: str, value: Any) -> Any:
    """Return a value as JSON has it."""
    write = KINDS[table[name][0]].write if name in table else None
    return value if value is None or write is None else write(value)


def handed(table: Table, name: str, value: Any, place: int) -> Any:
    """Return a value as PostgreSQL (0) or Arrow (1) is given it."""
    return None if value is None else KINDS[table[name][0]].of[place](value)


def in_json(table: Table, row: dict[str, Any]) -> str:
    fields = []
    for name, value in row.items():
        is_digits = isinstance(value, Decimal)
        text = str(value) if is_digits else json.dumps(written(table, name, value))
        fields.append(f"{json.dumps(name)}: {text}")
    return f"{{{', '.join(fields)}}}\n"


def in_csv(table: Table, name: str, value: Any) -> str:
    plain = written(table, name, value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain)


class FromPostgres(DataTableLoadOperator):
    """Reads from the server of the tests, for which no provider is installed."""

    connect: Callable[[], Any]

    def _connect(self) -> Any:
        return type(self).connect()


def stored(source: str, table: Table, folder: Path, connect: Callable[[], Any]) -> dict[str, Any]:
    """Put a table where it is to come from, and return the arguments that say where."""
    rows, path = rows_of(table), folder / f"rows.{source}"
    if source == "list":
        return {"items": rows}
    if source == "sql":
        columns = ", ".join(f"{name} {KINDS[kind].sql}" for name, (kind, _) in table.items())
        with connect() as connection:
            connection.execute("DROP TABLE IF EXISTS round_trips")
            connection.execute(f"CREATE TABLE round_trips (n integer, {columns})")
            marks = ", ".join(["%s"] * (len(table) + 1))
            connection.cursor().executemany(
                f"INSERT INTO round_trips VALUES ({marks})",
                [[row["n"], *(handed(table, name, row[name], 0) for name in table)] for row in rows],
            )
        return {"sql": "SELECT * FROM round_trips ORDER BY n", "sql_conn_id": "postgres"}
    if source == "parquet":
        arrays = [
            pyarrow.array([handed(table, name, value, 1) for value in values], KINDS[kind].arrow)
            for name, (kind, values) in table.items()
        ]
        numbers = pyarrow.array(range(len(rows)))
        made = pyarrow.Table.from_arrays([numbers, *arrays], names=["n", *table])
        pyarrow.parquet.write_table(made, path)
    elif source == "jsonl":
        path.write_text("".join(in_json(table, row) for row in rows), encoding="utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["n", *table])
            writer.writerows([in_csv(table, name, row[name]) for name in row] for row in rows)
    return {"path": path.as_uri()}


def read_back(source: str, kind: str, cell: Any, value: Any) -> Any:
    if source == "csv" and value is None and cell == "":
        return None
    return None if cell is None else KINDS[kind].read(cell)


@pytest.fixture
def connect(servers: Servers) -> Callable[[], Any]:
    url = make_url(servers.sql("postgres").url)
    names: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    return lambda: psycopg.connect(password=url.password or "", **names)


@pytest.mark.fuzz
@cases(15)
@given(table=tables())
@example(table=EACH)
@example(table=EACH_OF_ARROW)
def test_any_table_from_any_source_is_the_same_when_it_is_read_back(
    emulator: EmulatorProcess, tmp_path: Path, connect: Callable[[], Any], table: Table
) -> None:
    FromPostgres.connect = staticmethod(connect)
    columns = None
    for source in SOURCES:
        name = f"t{next(NUMBERS)}"
        load = FromPostgres(
            task_id="bulk",
            table_name=name,
            primary_key="n",
            columns=columns if source == "csv" else None,
            **stored(source, table, tmp_path, connect),
        )
        assert counts(execute(load, run_id=name)) == {"succeeded": len(rows_of(table))}
        found = emulator.table(DEMO_APP_ID, "ch-1", name)
        columns = columns or found["schema"]["columns"]
        cells = {row["n"]: row for row in found["rows"]}
        for row in rows_of(table):
            for column, (kind, _) in table.items():
                value = row[column]
                assert read_back(source, kind, cells[row["n"]][column], value) == value, (source, kind)
