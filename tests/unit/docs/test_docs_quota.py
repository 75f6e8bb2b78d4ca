"""What the page about the quota says of a day is what a simulated day costs."""

from __future__ import annotations

import logging

import pytest
from support import markdown
from support.token_service import busiest_window, parse_records_once
from unit.tokens.test_token_day import held_day

from airflow_channel_provider.tokens import stages

SECTION = markdown.section(markdown.page("quota.md"), "## How soon a token is renewed")


@pytest.mark.parametrize("row", markdown.tables(SECTION)[0][1:], ids=lambda row: f"{row[0]} scopes")
def test_a_simulated_day_costs_what_is_said(
    row: list[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lines of a day take longer than the day.
    caplog.set_level(logging.ERROR, logger="airflow_channel_provider")
    parse_records_once(monkeypatch)
    scopes, requests, most = int(row[0]), int(row[2]), int(row[3])
    assert row[1] == f"{stages.early_seconds(1800, scopes):.0f} s"
    day = held_day(scopes, "first")
    assert len(day.service.log) == pytest.approx(requests, rel=0.05)
    assert busiest_window(day.service.times()) <= most <= 10
