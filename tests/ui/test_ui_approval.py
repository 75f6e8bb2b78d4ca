"""The links in questions, below a path of Airflow's host: which form they open, and what an answer there does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from system.approving_run import DAG_ID, RUN_ID, Approving

from tools.demo.people import PARKED
from tools.demo.progress import Progress
from ui.chromium import Watch
from ui.deployment import ROOT
from ui.gallery import DESK, take_pictures
from ui.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

QUESTIONS = 7
"""So many does the DAG ask."""


@pytest.fixture(scope="module")
def below() -> Iterator[Approving]:
    """An Airflow below a path, in which everything has been asked and nothing answered."""
    with Approving(ROOT / ".ui" / "below", Progress()) as approving:
        approving.add_connections()
        approving.wait_for(DAG_ID)
        approving.rest.trigger(DAG_ID, RUN_ID)

        def are_asked() -> bool:
            approving.messages = approving.emulator.messages()
            titles = [one["buttons"][0]["title"] for one in approving.messages if "buttons" in one]
            return len([title for title in titles if title != "Open in Airflow"]) == QUESTIONS

        approving.wait_until("all questions are asked", are_asked)
        yield approving


@pytest.fixture
def somebody(below: Approving, browser: Browser) -> Iterator[Person]:
    with browser.new_context(viewport=DESK, color_scheme="light") as context:
        person = Person(context.new_page(), f"{below.home.api_url}/", Watch.over(context))
        person.log_in("admin", below.home.password)
        yield person
        assert person.watch.foreign() == []


def follow(person: Person, below: Approving, subject: str, title: str) -> None:
    person.page.goto(f"{below.home.api_url}{below.buttons(subject)[title]}")
    expect(person.page.get_by_text(subject).first).to_be_visible()


def option(person: Person, name: str) -> Locator:
    return person.page.get_by_test_id(f"hitl-option-{name}")


def color(button: Locator) -> str:
    expect(button).to_be_enabled()
    found: str = button.evaluate("node => getComputedStyle(node).backgroundColor")
    return found


@pytest.mark.parametrize("subject", ["Approve?", "Second?"])
def test_the_form_opens_with_the_option_of_the_button(
    below: Approving, somebody: Person, subject: str
) -> None:
    follow(somebody, below, subject, "Approve")
    approve, other = color(option(somebody, "Approve")), color(option(somebody, "Reject"))
    take_pictures(somebody.page, "approval form")
    follow(somebody, below, subject, "Reject")
    assert (color(option(somebody, "Reject")), color(option(somebody, "Approve"))) == (approve, other)
    assert approve != other


def test_one_of_many_options_is_filled_in(below: Approving, somebody: Person) -> None:
    follow(somebody, below, "Which way?", "right")
    expect(somebody.page.get_by_text("right", exact=True).first).to_be_visible()
    expect(somebody.page.get_by_role("button", name="Respond")).to_be_enabled()


def test_an_answer_in_the_form_closes_the_thread(below: Approving, somebody: Person) -> None:
    def is_parked() -> bool:
        open_ones = below.rest.open_questions(RUN_ID)
        return any(
            one.task_id == "approved" and one.state in PARKED and below.has_noticed(one) for one in open_ones
        )

    below.wait_until("the question waits", is_parked)
    follow(somebody, below, "Approve?", "Approve")
    option(somebody, "Approve").click()

    def is_told() -> bool:
        below.messages = below.emulator.messages()
        return bool(below.threads()["<b>Approve?</b>"])

    below.wait_until("the answer is told", is_told)
    ((headline, *_, person, _),) = below.threads()["<b>Approve?</b>"]
    assert (headline, person) == ("<b>Answered: Approve</b>", "By: <b>admin</b>")
    somebody.page.reload()
    expect(somebody.page.get_by_text("admin").first).to_be_visible()
