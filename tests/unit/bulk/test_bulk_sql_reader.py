"""Rows on their way from a database to a task: on disk, in their order, and a few of them in memory."""

from __future__ import annotations

import tempfile
import tracemalloc
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases

from airflow_channel_provider.bulk import sql_reader
from airflow_channel_provider.exceptions import ChannelConfigurationError, ChannelError

MOMENT = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=9)))
VALUES: list[Any] = [
    None,
    True,
    2**80,
    1.5,
    "\ud83d",
    b"\0",
    Decimal("1.50"),
    uuid.UUID(int=1),
    MOMENT,
    [1, {"a": [2]}],
]


def through(rows: list[Any]) -> list[Any]:
    with sql_reader.buffered(rows) as (count, kept):
        assert count == len(rows)
        return list(kept)


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 2_500])
def test_rows_are_all_there_in_their_order(count: int) -> None:
    rows = [{"n": n, "value": VALUES[n % len(VALUES)]} for n in range(count)]
    assert through(rows) == rows


@pytest.mark.fuzz
@cases(50)
@given(
    st.lists(
        st.dictionaries(
            st.text(), st.none() | st.integers() | st.floats(allow_nan=False) | st.binary() | st.text()
        )
    )
)
def test_whatever_rows_hold_they_hold_afterwards(rows: list[dict[str, Any]]) -> None:
    assert through(rows) == rows


def test_memory_does_not_grow_with_the_rows() -> None:
    def peak_bytes(count: int) -> int:
        tracemalloc.start()
        try:
            with sql_reader.buffered({"n": n, "text": f"{n:0500}"} for n in range(count)) as (_, rows):
                assert sum(1 for _ in rows) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(20_000) < 1.2 * peak_bytes(5_000)


class Large:
    """A large object, as some drivers give one: it can be read while its connection is open."""

    def __init__(self, content: str) -> None:
        self.content = content

    def read(self) -> str:
        return self.content


def test_what_a_driver_holds_a_value_in_is_opened() -> None:
    assert through([{"a": memoryview(b"abc"), "b": Large("text"), "c": Large}]) == [
        {"a": b"abc", "b": "text", "c": Large}
    ]


def test_a_value_that_can_not_be_kept_is_told() -> None:
    with pytest.raises(ChannelConfigurationError, match="cast its column to text"):
        through([{"a": lambda: None}])


def test_a_folder_without_room_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(ChannelError, match="TMPDIR"):
        through([{"text": sign * 1_000_000} for sign in "abc"])


def test_what_reads_the_rows_may_fail_as_it_is() -> None:
    def rows() -> Any:
        yield {"n": 1}
        raise ChannelConfigurationError("no")

    with pytest.raises(ChannelConfigurationError, match=r"^no$"), sql_reader.buffered(rows()):
        raise AssertionError("nothing is given before all is read")


# ---- errors of drivers, whatever their classes are called beside the names of PEP 249


def raised(name: str, *args: object, base: type[Exception] = Exception, **fields: object) -> Exception:
    kind = type(name, (base,), {})
    error: Exception = kind(*args)
    for field, value in fields.items():
        setattr(error, field, value)
    return error


SECRET = "the text of a row"
ERRORS: list[tuple[Exception, bool, str]] = [
    (raised("ProgrammingError", 1146, SECRET), True, r"\(ProgrammingError 1146\)"),
    (
        raised("UndefinedTable", SECRET, base=type(raised("ProgrammingError")), sqlstate="42P01"),
        True,
        "42P01",
    ),
    (raised("DataError", SECRET, pgcode="22012"), True, "22012"),
    (raised("NotSupportedError", SECRET), True, r"\(NotSupportedError\)"),
    (raised("FeatureNotSupported", SECRET, sqlstate="0A000"), True, "sql changes data"),
    (raised("OperationalError", 2013, SECRET), False, r"\(OperationalError 2013\)"),
    (raised("InterfaceError", SECRET), False, "stopped answering"),
    (raised("InternalError", 1317, SECRET), False, "1317"),
    (ConnectionResetError(SECRET), False, "ConnectionResetError"),
    (AttributeError(SECRET), False, "AttributeError"),
    (TypeError(SECRET), True, "sql_parameters"),
    (KeyError(SECRET), True, "sql_parameters"),
    (raised("InterfaceError", SECRET, base=ValueError, pgcode=None), True, "sql_parameters"),
]


@pytest.mark.parametrize(("error", "is_hopeless", "words"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_of_a_driver_is_told_without_its_words(
    error: Exception, is_hopeless: bool, words: str
) -> None:
    def fails() -> None:
        with sql_reader.sql_errors():
            raise error

    with pytest.raises(ChannelError, match=words) as caught:
        fails()
    assert isinstance(caught.value, ChannelConfigurationError) is is_hopeless
    assert caught.value.__cause__ is error
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "fails", [lambda: through([{"a": Large}] * 2), lambda: through([])], ids=["classes", "nothing"]
)
def test_rows_need_no_values(fails: Callable[[], Any]) -> None:
    assert isinstance(fails(), list)
