"""What the page makes of its data, in a browser: numbers, names and times as people read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest
from support.records import app_record

from airflow_channel_provider.plugins import _page
from airflow_channel_provider.tokens.budget import Quota
from airflow_channel_provider.tokens.overview import AppOverview, overview_of
from airflow_channel_provider.tokens.record import AppName, AppRecord, TokenFacts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ADDRESS = "http://127.0.0.1:9/channel-talk/"
DAY_SECONDS = 86_400.0
Show = Callable[..., "Page"]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    context = browser.new_context()

    def show(*apps: AppOverview) -> Page:
        data = {
            "version": 1,
            "at": datetime.now(timezone.utc).isoformat(),
            "store": {"address": "file:///store", "reachable": True, "error": "", "note": ""},
            "drop": {"allowed": True, "why_not": ""},
            "apps": [app.as_json() for app in apps],
        }
        page = context.new_page()
        page.route("**/api/quota", lambda route: route.fulfill(json=data))
        page.route(
            ADDRESS, lambda route: route.fulfill(body=_page.page(), headers={"Content-Type": "text/html"})
        )
        page.goto(ADDRESS)
        page.wait_for_selector("details.app")
        return page

    yield show
    context.close()


def described(record: AppRecord, *, now: float = 1_000_000.0) -> AppOverview:
    return overview_of("0123456789abcdef", record, now, Quota(), datetime.now(timezone.utc))


def shop(now: float = 1_000_000.0) -> AppOverview:
    return described(app_record(now, "shop", ages=[300], spent=3), now=now)


def login(
    *connections: str, now: float = 1_000_000.0, life_seconds: float = 365 * DAY_SECONDS
) -> AppOverview:
    """A user of Benlly, whose token lives for a year."""
    name = AppName("https://benlly.example", "7/50eaa0c349f71c04", connections, "Benlly", unlimited=True)
    facts = TokenFacts("fp", now - 60, now - 60 + life_seconds)
    overview = described(AppRecord(name=name).with_token("user", facts), now=now)
    return replace(overview, key="fedcba9876543210")


def tiles(page: Page) -> dict[str, tuple[str, str]]:
    found = page.locator("#tiles > div")
    return {
        tile.locator("dt").inner_text(): (
            tile.locator("dd").first.inner_text(),
            tile.locator("dd.note").inner_text(),
        )
        for tile in found.all()
    }


def test_a_service_that_counts_nothing_is_not_counted_among_the_fewest(show: Show) -> None:
    page = show(login("benlly_tablet"), shop())
    assert tiles(page)["Requests left"] == ("7 of 10", "shop")
    assert page.locator("details.app h2").all_inner_texts() == ["benlly_tablet", "shop"]
    assert "50eaa0c349f71c04" not in page.locator("#apps").inner_text()


def test_a_service_that_counts_nothing_shows_no_quota_and_is_calm_in_green(show: Show) -> None:
    page = show(login("benlly_tablet", "benlly_phone"))
    card = page.locator("details.app")
    assert tiles(page)["Requests left"] == ("no quota", "nothing is counted here")
    assert card.locator("h2").inner_text() == "benlly_tablet, benlly_phone"
    assert card.locator(".mini").inner_text() == "no quota"
    assert card.locator("summary .state").inner_text() == "Calm"
    assert "good" in (card.locator("summary .state").get_attribute("class") or "")
    assert not card.get_by_role("heading", name="Quota").is_visible()
    assert "of 0" not in page.locator("body").inner_text()
    card.get_by_role("button", name="Drop the token").click()
    assert page.locator("#sure-text").inner_text().endswith("The next one that needs it renews it.")


def test_a_user_whom_no_connection_is_known_of_is_named_by_the_client(show: Show) -> None:
    assert show(login()).locator("details.app h2").inner_text() == "A user of client 7"


@pytest.mark.parametrize(
    ("life_seconds", "told"),
    [(365 * DAY_SECONDS, "364 d 23 h"), (30 * DAY_SECONDS, "29 d 23 h"), (2 * DAY_SECONDS + 7200, "2 d 1 h")],
)
def test_long_times_are_told_in_days(show: Show, life_seconds: float, told: str) -> None:
    text = show(login("benlly_tablet", life_seconds=life_seconds)).locator("ul.scopes").inner_text()
    assert f"{told} left" in text


def test_a_renewal_of_next_year_is_told_in_days(show: Show) -> None:
    value, note = tiles(show(login("benlly_tablet")))["Next renewal"]
    assert value.startswith("in ")
    assert " d " in value
    assert ":" not in value
    assert note == "User token of benlly_tablet"


def test_a_quota_that_is_spent_is_no_calm(show: Show) -> None:
    record = app_record(1_000_000.0, "shop", ages=[300], spent=10)
    page = show(described(record))
    assert tiles(page)["Requests left"] == ("0 of 10", "shop")
    assert "bad" in (page.locator("summary .state").get_attribute("class") or "")
