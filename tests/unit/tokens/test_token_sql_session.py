"""How long a connection to a database is patient with each kind of trouble."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from airflow_channel_provider.exceptions import ChannelNotSentError
from airflow_channel_provider.tokens.stores import sql_session
from airflow_channel_provider.tokens.stores.sql_session import SqlSession, SqlTarget

CROWDED, NO_TABLES = "too many clients already", "no such table: t"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(sql_session, "steady", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return now


def session_that_meets(clock: list[float], troubles: Iterator[tuple[float, str]]) -> str:
    session = SqlSession(SqlTarget("sqlite://"), "sql://test")

    def work() -> str:
        seconds, words = next(troubles, (0.0, ""))
        clock[0] += seconds
        if words:
            raise OperationalError("statement", {}, Exception(words))
        return "done"

    return session.run(work)


def test_a_wait_for_a_connection_takes_nothing_from_the_time_to_make_the_tables(clock: list[float]) -> None:
    waited = [(0.0, CROWDED), (29.0, CROWDED), (30.0, NO_TABLES), (29.0, NO_TABLES), (0.0, "")]
    assert session_that_meets(clock, iter(waited)) == "done"


@pytest.mark.parametrize("words", [CROWDED, NO_TABLES])
def test_the_same_trouble_is_borne_for_so_long(clock: list[float], words: str) -> None:
    with pytest.raises(ChannelNotSentError, match=words):
        session_that_meets(clock, iter([(0.0, words), (30.0, words), (0.0, "")]))


def test_what_is_no_passing_trouble_is_told_at_once(clock: list[float]) -> None:
    with pytest.raises(ChannelNotSentError, match="something else"):
        session_that_meets(clock, iter([(0.0, "something else"), (0.0, "")]))
