"""The page's documentation says what the page's data says."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import markdown
from support.records import Anybody

from airflow_channel_provider.plugins import _page, _report, channel_talk
from airflow_channel_provider.tokens import history, record
from airflow_channel_provider.tokens.budget import Charge, Ledger, Quota
from airflow_channel_provider.tokens.history import Outcome, TokenRequest
from airflow_channel_provider.tokens.overview import (
    AppOverview,
    ScopeOverview,
    SlotOverview,
    TimelineEntry,
    overview_of,
)
from airflow_channel_provider.tokens.record import AppName, AppRecord, TokenFacts
from airflow_channel_provider.tokens.stages import Stage

if TYPE_CHECKING:
    import pytest

DOCS = Path(__file__).parents[3].joinpath("docs", "page.md").read_text(encoding="utf-8")
(EXAMPLE,) = [json.loads(block.text) for block in markdown.blocks(DOCS) if block.language == "json"]
NOW = 100_000.0
QUOTA = Quota(limit=3)


def example_record() -> AppRecord:
    sent = TokenRequest(
        "1", NOW - 600, "channel:12345", "issue", "no token is stored", "orders.notify, try 1, run manual__1"
    )
    rows = history.set_outcome(history.add_request((), sent), "1", NOW - 599.58, Outcome.GRANTED)
    return AppRecord(
        name=AppName("https://app-store-api.channel.io", "my-app-id", ("channel_talk_default",)),
        ledger=Ledger((Charge("1", NOW - 599.58, "channel:12345", "issue"),)),
        tokens={"channel:12345": TokenFacts("fp", NOW - 600, NOW + 1200)},
        history=rows,
    )


def test_example_is_what_such_a_record_gives() -> None:
    wall = datetime.fromisoformat(EXAMPLE["apps"][0]["now"])
    app = overview_of(EXAMPLE["apps"][0]["key"], example_record(), NOW, QUOTA, wall).as_json()
    assert EXAMPLE["apps"] == [app]


def test_example_has_the_keys_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CHANNEL_TALK__STORE", "memory://")
    report = _report.report(Anybody())
    assert {name: type(value) for name, value in EXAMPLE.items()} == {
        name: type(value) for name, value in report.items()
    }
    for part in ("store", "drop"):
        assert EXAMPLE[part].keys() == report[part].keys()
    assert EXAMPLE["version"] == _report.VERSION
    assert datetime.fromisoformat(EXAMPLE["at"]).tzinfo == timezone.utc


def words(heading: str) -> set[str]:
    (table,) = markdown.tables(markdown.section(DOCS, heading))
    return {markdown.code(row[0]) for row in table[1:]}


def names(kind: type[Any], under: str) -> set[str]:
    return {f"{under}{field.name}" for field in fields(kind)}


def test_every_key_is_explained() -> None:
    assert words("### Keys") == {
        *("version", "at", "store.address", "store.reachable", "store.error", "store.note"),
        *("drop.allowed", "drop.why_not"),
        *names(AppOverview, "apps[].") - {f"apps[].{part}" for part in ("scopes", "slots", "timeline")},
        *names(ScopeOverview, "apps[].scopes[]."),
        *names(SlotOverview, "apps[].slots[]."),
        *names(TimelineEntry, "apps[].timeline[]."),
    }


def test_states_and_outcomes_are_all_of_them() -> None:
    said = set(re.findall(r"`(\w+)`", markdown.section(DOCS, "### Keys")))
    assert {outcome.value for outcome in Outcome} <= said
    assert {stage.value for stage in Stage} <= said


def test_so_many_requests_are_kept() -> None:
    text = " ".join(DOCS.split())
    assert f"keeps {record.KEPT_ROWS} of them for each app." in text


def test_addresses_and_the_header_are_those_of_the_routes() -> None:
    assert f"`GET {channel_talk.URL_PREFIX}/api/quota`" in DOCS
    assert f"`POST {channel_talk.URL_PREFIX}/api/drop-token`" in DOCS
    assert f"`X-Requested-With: {_page.REQUESTED_WITH}`" in DOCS
