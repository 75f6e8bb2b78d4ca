"""Records of apps as a day of tasks leaves them, made by the record's own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_channel_provider.tokens import history
from airflow_channel_provider.tokens.budget import Charge, Ledger
from airflow_channel_provider.tokens.history import Outcome, TokenRequest
from airflow_channel_provider.tokens.record import AppName, AppRecord, History, TokenFacts
from airflow_channel_provider.tokens.stores.base import Snapshot, TokenStore

LIFE_SECONDS = 1800.0


class Anybody:
    """Somebody who may look at every app."""

    def __init__(self, *, edits: bool = True) -> None:
        self._edits = edits

    def reads(self, connections: Sequence[str]) -> bool:
        return True

    def edits(self, connections: Sequence[str]) -> bool:
        return self._edits


def app_record(
    now: float,
    app_id: str,
    *,
    ages: Iterable[float],
    spent: int = 0,
    requests: int = 0,
    connections: tuple[str, ...] = ("channel_talk_default",),
) -> AppRecord:
    """
    Make a record.

    :param now: of the store's clock.
    :param ages: seconds of the tokens of its scopes; the first one is the app's.
    :param spent: charges in the present window.
    :param requests: token requests of the last day.
    """
    name = AppName("https://app-store-api.channel.io", app_id, connections)
    record = AppRecord(name=name)
    scopes = []
    for number, age in enumerate(ages):
        scope = f"channel:{20480 + number}" if number else "app"
        scopes.append(scope)
        facts = TokenFacts(f"fp-{number}", now - age, now - age + LIFE_SECONDS)
        record = record.with_token(scope, facts)
    charges = tuple(
        Charge(f"charge-{i}", now - 1700 + 160 * i, scopes[i % len(scopes)], "issue" if i < 2 else "refresh")
        for i in range(spent)
    )
    return record._replace(ledger=Ledger(charges), history=a_day(now, scopes, requests))


def a_day(now: float, scopes: list[str], requests: int) -> History:
    """Record a number of token requests, spread over the last day; every 40th is refused."""
    rows: History = ()
    for i in range(requests):
        at, scope = now - 86_000 * (1 - (i + 1) / (requests + 1)), scopes[i % len(scopes)]
        kind, why = (
            ("issue", "no token is stored") if i < len(scopes) else ("refresh", "360 s before its end")
        )
        asked_by = f"orders.notify[{i % 7}], try 1, run scheduled__2026-11-24T{i % 24:02}:00:00+00:00"
        rows = history.add_request(rows, TokenRequest(f"request-{i}", at, scope, kind, why, asked_by))
        refused = i % 40 == 39
        outcome, detail = (
            (Outcome.REFUSED, "ChannelAuthenticationError") if refused else (Outcome.GRANTED, "")
        )
        rows = history.set_outcome(rows, f"request-{i}", at + 0.2 + i % 5 / 10, outcome, detail)
    return rows


def write(store: TokenStore, key: str, record: AppRecord) -> None:
    """Put a record into a store."""

    def change(snapshot: Snapshot) -> tuple[dict[str, object], None]:
        return record.to_json(), None

    store.update(key, change)


def now_of(store: TokenStore) -> float:
    """Return the time by the store's clock."""
    return store.load("clock").now
