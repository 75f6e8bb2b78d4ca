from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import cases
from support.token_service import TokenService

from airflow_channel_provider.exceptions import (
    ChannelAmbiguousResultError,
    ChannelAuthenticationError,
    ChannelNotSentError,
    ChannelRateLimitError,
)
from airflow_channel_provider.tokens import history
from airflow_channel_provider.tokens.history import KEPT_SECONDS, Outcome, TokenRequest
from airflow_channel_provider.tokens.manager import TokenManager
from airflow_channel_provider.tokens.record import MAX_CONNECTIONS, AppName, AppRecord, History
from airflow_channel_provider.tokens.stores.memory import MemoryStore

NOW = 100_000.0
SENT = TokenRequest("id-1", NOW, "app", "issue", "no token is stored", "dag.task, try 1, run r")


def rows(*requests: TokenRequest) -> History:
    found: History = ()
    for request in requests:
        found = history.add_request(found, request)
    return found


def test_a_request_is_pending_until_its_end_is_written_down() -> None:
    began = rows(SENT)
    assert history.parse_requests(began) == [SENT]
    ended = history.set_outcome(began, "id-1", NOW + 0.25, Outcome.GRANTED)
    assert history.parse_requests(ended) == [SENT._replace(outcome="granted", seconds=0.25)]


def test_the_end_of_an_unknown_request_changes_nothing() -> None:
    assert history.set_outcome(rows(SENT), "another", NOW, Outcome.REFUSED) == rows(SENT)


def test_requests_of_another_day_are_forgotten() -> None:
    later = SENT._replace(id="id-2", at=NOW + KEPT_SECONDS)
    assert history.parse_requests(rows(SENT, later)) == [later]
    assert len(rows(SENT, later._replace(at=NOW + KEPT_SECONDS - 1))) == 2


def test_no_more_rows_are_kept_than_the_store_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT_ROWS", 3)
    many = [SENT._replace(id=f"id-{number}", at=NOW + number) for number in range(10)]
    kept = history.parse_requests(rows(*many))
    assert [request.id for request in kept] == ["id-7", "id-8", "id-9"]


def test_long_names_are_cut() -> None:
    (request,) = history.parse_requests(rows(SENT._replace(asked_by="t" * 10_000)))
    assert request.asked_by == "t" * history.TEXT_LENGTH


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=20)


@pytest.mark.fuzz
@cases(100)
@given(st.lists(JSON | st.lists(JSON, max_size=10)))
def test_rows_of_somebody_else_are_left_out_and_break_nothing(found: list[Any]) -> None:
    record = AppRecord.from_json({**AppRecord().to_json(), "history": found})
    assert record is not None
    kept = history.add_request(record.history, SENT)
    assert history.parse_requests(history.set_outcome(kept, "id-1", NOW, Outcome.GRANTED))[-1].id == "id-1"


def test_a_record_without_a_history_is_an_older_one() -> None:
    document = AppRecord().to_json()
    del document["history"], document["name"]
    assert AppRecord.from_json(document) == AppRecord()


def test_history_and_name_survive_the_store() -> None:
    record = AppRecord(name=AppName("https://x", "app", ("a", "b")), history=rows(SENT))
    assert AppRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_connections_that_were_used_last_are_remembered() -> None:
    name = AppName()
    for number in (*range(MAX_CONNECTIONS + 5), 7):
        name = name.used_by(AppName("https://x", "app", (f"c{number}",)))
    assert name.connections[-2:] == (f"c{MAX_CONNECTIONS + 4}", "c7")
    assert len(name.connections) == MAX_CONNECTIONS


# -------------------------------------------------------------------------------------------- through the manager


class World:
    def __init__(self) -> None:
        self.now = NOW
        self.store = MemoryStore(lambda: self.now)
        self.service = TokenService(lambda: self.now)

    def task(self, name: str = "dag.task") -> TokenManager:
        self.store.local_cache.clear()
        return TokenManager(
            base_url="https://service.test",
            app_id="app",
            secret="c2VjcmV0",
            store=self.store,
            exchange=self.service,
            clock=lambda: self.now,
            sleep=lambda seconds: None,
            connection="my_conn",
            asked_by=lambda: name,
        )

    def told(self) -> list[tuple[str, str, str, str, str]]:
        record = self.task().repository.snapshot().record
        found = history.parse_requests(record.history)
        return [(r.kind, r.why, r.asked_by, r.outcome, r.detail) for r in found]


@pytest.fixture
def world() -> World:
    return World()


def test_each_request_tells_why_and_for_whom(world: World) -> None:
    world.task("first").get()
    world.now += 1500
    world.task("second").get()
    world.now += 5000
    world.task("third").get()
    assert world.told() == [
        ("issue", "no token is stored", "first", "granted", ""),
        ("refresh", "the last token ends in 300 s", "second", "granted", ""),
        ("issue", "the last token expired 3200 s ago", "third", "granted", ""),
    ]
    record = world.task().repository.snapshot().record
    assert record.name == AppName("https://service.test", "app", ("my_conn",))


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (
            ChannelAuthenticationError("no", http_status=200),
            "refused",
            "ChannelAuthenticationError, HTTP 200",
        ),
        (ChannelRateLimitError("slow", http_status=429), "quota", "ChannelRateLimitError, HTTP 429"),
        (ChannelNotSentError("no way"), "not_sent", "ChannelNotSentError"),
        (ChannelAmbiguousResultError("lost"), "unclear", "ChannelAmbiguousResultError"),
        (KeyboardInterrupt(), "interrupted", ""),
        (ZeroDivisionError(), "interrupted", ""),
    ],
)
def test_what_became_of_it(world: World, error: BaseException, outcome: str, detail: str) -> None:
    def fail(kind: str) -> None:
        raise error

    world.service.trouble = fail
    with pytest.raises(BaseException):  # noqa: B017, PT011
        world.task("somebody").get()
    assert world.told() == [("issue", "no token is stored", "somebody", outcome, detail)]


def test_a_process_that_died_leaves_its_request_pending(world: World) -> None:
    task = world.task("dead")
    task.repository.update = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        task.get()
    assert world.told() == [("issue", "no token is stored", "dead", "pending", "")]


@pytest.mark.promise(name="dropped")
def test_a_dropped_token_is_used_by_nobody_and_renewed_by_the_next(world: World) -> None:
    first = world.task().get()
    world.task().repository.update(lambda record, now: record.with_dropped_token("app"))
    assert world.task().peek() is None
    second = world.task("next").get()
    assert second.fingerprint != first.fingerprint
    assert world.task().get() == second
    assert world.told()[1:] == [("issue", "somebody dropped the last token", "next", "granted", "")]


def test_dropping_a_token_that_is_not_there_does_nothing() -> None:
    assert AppRecord().with_dropped_token("app") == AppRecord()
