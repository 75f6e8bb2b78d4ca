"""The Channel Talk page in the Browse menu, while a quota is spent by real token requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from airflow_channel_provider.emulator import DEMO_APP_ID
from airflow_channel_provider.exceptions import ChannelAuthenticationError, ChannelTokenQuotaError
from tools.demo.__main__ import PAGE_PATH
from ui.deployment import CHANNELS, WRONG_APP_ID
from ui.gallery import take_pictures

if TYPE_CHECKING:
    from ui.deployment import UiAirflow
    from ui.person import Person
    from ui.typed import Typed

DAG, TASK = "example_channel_talk_message", "example_channel_talk_message.register_commands"
QUOTA = 10


@pytest.fixture
def three_spent(airflow: UiAirflow) -> UiAirflow:
    """The quota is at 3 of 10."""
    airflow.start_over()
    for channel_id in (None, *CHANNELS[:2]):
        assert airflow.ask_for_token(channel_id) is None
    assert len(airflow.emulator.token_requests()) == 3
    return airflow


def test_the_page_shows_three_of_ten_and_which_task_asked(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    airflow.start_over()
    airflow.run_dag(DAG)
    assert airflow.ask_for_token("ch-2") is None
    page = admin.open_quota_page()
    assert page.slots(DEMO_APP_ID) == ["App", "ch-1", "ch-2", *["free"] * 7]
    app = page.app(DEMO_APP_ID)
    expect(app.get_by_text("7 of 10 token requests left")).to_be_visible()
    for scope in ("App token", "Channel ch-1", "Channel ch-2"):
        expect(page.token(DEMO_APP_ID, scope)).to_contain_text(re.compile(r"Fresh.*\d+:\d\d left"))
    expect(app.get_by_role("option")).to_have_count(3)
    expect(app.get_by_role("option").first).to_have_accessible_name(re.compile(f"issue: granted.*by {TASK}"))
    take_pictures(admin.page, "page-3-of-10")


def test_a_page_that_is_left_open_shows_by_itself_that_the_quota_is_exhausted(
    three_spent: UiAirflow, admin: Person
) -> None:
    page = admin.open_quota_page()
    expect(page.app(DEMO_APP_ID).get_by_text("7 of 10 token requests left")).to_be_visible()
    with page.left_open():
        for channel_id in CHANNELS[2 : QUOTA - 1]:
            assert three_spent.ask_for_token(channel_id) is None
        assert isinstance(three_spent.ask_for_token(CHANNELS[QUOTA]), ChannelTokenQuotaError)
        expect(page.app(DEMO_APP_ID).get_by_text("0 of 10 token requests left")).to_be_visible()
    assert page.slots(DEMO_APP_ID) == ["App", *CHANNELS[: QUOTA - 1]]
    expect(page.inside.get_by_role("region", name="Needs attention")).to_contain_text(
        re.compile(r"All 10 token requests are spent; the next is free at \d\d:\d\d:\d\d UTC")
    )
    take_pictures(admin.page, "page-exhausted")


def test_the_page_tells_that_a_secret_is_refused(airflow: UiAirflow, admin: Person) -> None:
    airflow.start_over()
    assert airflow.ask_for_token("ch-1") is None
    refusal = airflow.ask_for_token("ch-1", app_id=WRONG_APP_ID, secret="NotTheSecretOfAnyApp")
    assert isinstance(refusal, ChannelAuthenticationError)
    page = admin.open_quota_page()
    expect(page.inside.get_by_role("region", name="Needs attention")).to_contain_text(
        re.compile(f"{WRONG_APP_ID}.*refused")
    )
    expect(page.token(WRONG_APP_ID, "Channel ch-1")).to_contain_text(re.compile("refused", re.IGNORECASE))
    take_pictures(admin.page, "page-refused-secret")


def test_a_viewer_is_told_why_there_is_nothing_to_see(three_spent: UiAirflow, viewer: Person) -> None:
    page = viewer.open_quota_page()
    expect(page.inside.get_by_role("heading", name="right to read connections")).to_be_visible()
    expect(page.inside.get_by_text(DEMO_APP_ID)).to_be_hidden()
    take_pictures(viewer.page, "page-viewer")
    assert [complaint.split()[-1] for complaint in viewer.watch.complaints] == ["(Forbidden)"]
    viewer.watch.forget()


def test_a_token_that_an_admin_drops_is_renewed_by_the_next_task(
    airflow: UiAirflow, admin: Person, typed: list[Typed]
) -> None:
    airflow.start_over()
    airflow.run_dag(DAG)
    page = admin.open_quota_page()
    token = page.token(DEMO_APP_ID, "App token")
    with page.left_open():
        token.get_by_role("button", name="Drop the token").click()
        page.inside.get_by_role("dialog").get_by_role("button", name="Drop token").click()
        expect(token).to_contain_text("Dropped")
        assert len(airflow.emulator.token_requests()) == 2
        airflow.run_dag(DAG)
        expect(token).to_contain_text("Fresh")
    last = page.app(DEMO_APP_ID).get_by_role("option", name=re.compile("App token")).last
    expect(last).to_have_accessible_name(re.compile(rf"granted; .*dropped.*by {TASK}"))
    assert len(airflow.emulator.token_requests()) == 3


def test_the_page_follows_the_theme_that_is_chosen_in_airflow(three_spent: UiAirflow, admin: Person) -> None:
    page = admin.open_quota_page()
    expect(page.inside.locator("body")).to_have_css("color-scheme", "light")
    with page.left_open():
        admin.choose("User", "Appearance", "Dark Mode")
        expect(page.inside.locator("body")).to_have_css("color-scheme", "dark")


def test_the_page_has_an_address_of_its_own(three_spent: UiAirflow, admin: Person) -> None:
    page = admin.open_quota_page()
    expect(page.app(DEMO_APP_ID)).to_be_visible()
    admin.page.reload()
    expect(page.app(DEMO_APP_ID)).to_be_visible()
    admin.page.goto(f"{admin.url}{PAGE_PATH}")
    expect(page.app(DEMO_APP_ID)).to_be_visible()


def test_the_page_can_be_used_with_the_keyboard_alone(three_spent: UiAirflow, admin: Person) -> None:
    page = admin.open_quota_page()
    app = page.app(DEMO_APP_ID)
    expect(app.get_by_text("7 of 10 token requests left")).to_be_visible()
    drop = page.token(DEMO_APP_ID, "App token").get_by_role("button", name="Drop the token")
    keys = admin.page.keyboard

    admin.tab_to(app.locator("summary").first)
    keys.press("Enter")
    expect(drop).to_be_hidden()
    keys.press("Enter")
    expect(drop).to_be_visible()

    admin.tab_to(drop)
    keys.press("Enter")
    dialog = page.inside.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    keys.press("Escape")
    expect(dialog).to_be_hidden()
    expect(drop).to_be_focused()

    timeline = app.get_by_role("listbox")
    admin.tab_to(timeline)
    expect(app.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("Channel ch-2"))
    keys.press("Home")
    expect(app.get_by_role("option", selected=True)).to_have_accessible_name(re.compile("App token"))

    admin.tab_to(app.get_by_text("As a table"))
    keys.press("Enter")
    expect(app.get_by_role("row")).to_have_count(1 + 3)
